/* Channels and contents, as channel.h says. The connection hands every frame of a channel in
 * here; a channel is known to its connection from channel_open until it is closed. */
#include "plugins/amqp/channel.h"

#include <assert.h>

/* What the properties of one message may take beside its body: the frame they came in, and their
 * texts and places. */
#define CONTENT_SLACK ((size_t)FRAME_MAX * 32)

/* --- opening and closing ---------------------------------------------------------------------- */

int channel_open(struct channel *channel, struct connection *connection,
                 const struct channel_events *events)
{
    assert(channel->state == CHANNEL_CLOSED && channel->number == 0);
    if (!connection_up(connection))
        return -1;
    uint16_t number = 1;
    while (number <= connection->channel_max && connection->channels[number] != NULL)
        number++;
    if (number > connection->channel_max)
        return -1;

    channel->connection = connection;
    channel->events = events;
    channel->number = number;
    channel->state = CHANNEL_OPENING;
    channel->generation++;
    channel->blamed = 0;
    connection->channels[number] = channel;
    amqp_channel_open_t open = { .out_of_band = amqp_empty_bytes };
    channel_send(channel, AMQP_CHANNEL_OPEN_METHOD, &open);
    return 0;
}

void channel_close(struct channel *channel)
{
    if (channel->state != CHANNEL_OPEN && channel->state != CHANNEL_OPENING)
        return;
    assert(channel->number > 0);
    channel->state = CHANNEL_CLOSING;
    amqp_channel_close_t close = { .reply_code = AMQP_REPLY_SUCCESS,
                                   .reply_text = amqp_cstring_bytes("done") };
    channel_send(channel, AMQP_CHANNEL_CLOSE_METHOD, &close);
}

static void drop_content(struct channel *channel)
{
    arena_clear(&channel->content.arena);
    channel->content = (struct content){ 0 };
}

static void closed(struct channel *channel, unsigned code, const char *why)
{
    assert(channel->state != CHANNEL_CLOSED &&
           channel->connection->channels[channel->number] == channel);
    channel->connection->channels[channel->number] = NULL;
    channel->number = 0;
    channel->state = CHANNEL_CLOSED;
    drop_content(channel);
    channel->events->on_closed(channel, code, why);
}

void channel_lost(struct channel *channel, const char *why)
{
    closed(channel, 0, why);
}

static void on_close(struct channel *channel, const amqp_channel_close_t *close)
{
    char why[SHORT_MAX + 1];
    size_t len = close->reply_text.len < SHORT_MAX ? close->reply_text.len : SHORT_MAX;
    memcpy(why, close->reply_text.bytes, len);
    why[len] = '\0';
    amqp_channel_close_ok_t answer = { 0 };
    channel_send(channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &answer);
    channel->blamed = (amqp_method_number_t)close->class_id << 16 | close->method_id;
    closed(channel, close->reply_code != 0 ? close->reply_code : AMQP_INTERNAL_ERROR, why);
}

/* --- contents --------------------------------------------------------------------------------- */

static void protocol_broken(struct channel *channel, const char *what)
{
    connection_cut(channel->connection, "the broker broke the protocol: %s", what);
}

static struct slice keep(struct content *content, amqp_bytes_t text)
{
    struct slice copy = arena_copy(&content->arena, amqp_slice(text));
    if (copy.at == NULL)
        content->malformed = "no memory for the message";
    return copy;
}

static void begin_content(struct channel *channel, const amqp_method_t *method)
{
    struct content *content = &channel->content;
    assert(content->method == 0 && content->arena.blocks == NULL);
    content->method = method->id;
    arena_init(&content->arena, CONTENT_SLACK);
    if (method->id == AMQP_BASIC_DELIVER_METHOD) {
        const amqp_basic_deliver_t *deliver = method->decoded;
        content->tag = deliver->delivery_tag;
        content->redelivered = deliver->redelivered;
        content->exchange = keep(content, deliver->exchange);
        content->routing_key = keep(content, deliver->routing_key);
    } else {
        const amqp_basic_return_t *returned = method->decoded;
        content->code = returned->reply_code;
        content->exchange = keep(content, returned->exchange);
        content->routing_key = keep(content, returned->routing_key);
    }
}

/* What was put together is handed over and forgotten. */
static void hand_over(struct channel *channel)
{
    struct content content = channel->content;
    assert(content.got == content.size);
    channel->content = (struct content){ 0 };
    channel->events->on_content(channel, &content);
    arena_clear(&content.arena);
}

static void read_properties(struct channel *channel, struct slice raw)
{
    struct content *content = &channel->content;
    struct slice copy = arena_copy(&content->arena, raw);
    const char *why = NULL;
    if (copy.at == NULL)
        why = "no memory for the message";
    else if (properties_read(copy, &channel->connection->pool, &content->arena, &content->message,
                             &why) == 0)
        return;
    if (content->malformed == NULL)
        content->malformed = why;
}

static void on_head(struct channel *channel, struct slice payload)
{
    struct content *content = &channel->content;
    if (content->method == 0 || content->head) {
        protocol_broken(channel, "properties without a message");
        return;
    }
    assert(payload.len >= CONTENT_HEAD);
    content->head = true;
    content->size = number_64(payload.at + 4);
    read_properties(channel, slice_from(payload, CONTENT_HEAD));
    content->keeps = channel->events->wants != NULL && channel->events->wants(channel, content);
    if (content->keeps)
        content->arena.cap += content->size;
    if (content->size == 0)
        hand_over(channel);
}

/* A body that comes in one frame is used where it lies; another is gathered. */
static void keep_body(struct content *content, struct slice part)
{
    assert(content->head && part.len <= content->size - content->got);
    if (part.len == content->size) {
        content->message.body = part;
        return;
    }
    if (content->got == 0) {
        content->body = arena_try(&content->arena, content->size);
        content->message.body = slice_of(content->body, content->body == NULL ? 0 : content->size);
    }
    if (content->body == NULL) {
        content->malformed = "no memory for the body";
        content->keeps = false;
        return;
    }
    memcpy(content->body + content->got, part.at, part.len);
}

static void on_body(struct channel *channel, struct slice part)
{
    struct content *content = &channel->content;
    if (!content->head || part.len == 0 || part.len > content->size - content->got) {
        protocol_broken(channel, "a body that was not announced");
        return;
    }
    if (content->keeps)
        keep_body(content, part);
    content->got += part.len;
    if (content->got == content->size)
        hand_over(channel);
}

/* --- frames ----------------------------------------------------------------------------------- */

static void on_method(struct channel *channel, const amqp_method_t *method)
{
    if (method->id == AMQP_CHANNEL_CLOSE_METHOD) {
        on_close(channel, method->decoded);
    } else if (method->id == AMQP_CHANNEL_CLOSE_OK_METHOD) {
        /* One that answers nothing: both sides had closed at once, and the number is in use
         * again. */
        if (channel->state == CHANNEL_CLOSING)
            closed(channel, 0, "closed");
    } else if (channel->state == CHANNEL_CLOSING) {
        return;
    } else if (channel->content.method != 0) {
        protocol_broken(channel, "a method in the middle of a message");
    } else if (channel->state == CHANNEL_OPENING) {
        if (method->id != AMQP_CHANNEL_OPEN_OK_METHOD) {
            protocol_broken(channel, "a channel that does not open");
            return;
        }
        channel->state = CHANNEL_OPEN;
        channel->events->on_open(channel);
    } else if (method->id == channel->events->content) {
        begin_content(channel, method);
    } else if (method->id == AMQP_BASIC_DELIVER_METHOD || method->id == AMQP_BASIC_RETURN_METHOD) {
        protocol_broken(channel, "a message of a kind that nobody waits for");
    } else if (method->id == AMQP_CHANNEL_FLOW_METHOD) {
        protocol_broken(channel, "channel.flow, which RabbitMQ does not use");
    } else {
        channel->events->on_method(channel, method);
    }
}

void channel_frame(struct channel *channel, const struct frame *frame)
{
    assert(channel->state != CHANNEL_CLOSED);
    amqp_method_t method;
    switch (frame->type) {
    case AMQP_FRAME_METHOD:
        if (connection_decode(channel->connection, frame, &method) == 0)
            on_method(channel, &method);
        break;
    case AMQP_FRAME_HEADER:
        if (channel->state != CHANNEL_CLOSING)
            on_head(channel, frame->payload);
        break;
    case AMQP_FRAME_BODY:
        if (channel->state != CHANNEL_CLOSING)
            on_body(channel, frame->payload);
        break;
    default:
        protocol_broken(channel, "a heartbeat on a channel");
    }
}

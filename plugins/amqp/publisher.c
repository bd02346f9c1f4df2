/* A publisher, as publisher.h says. What it learns comes as methods on its channel: confirms and
 * nacks by number, returned messages by content, a close by the broker, after which the channel
 * is opened again: a moment later, or at once where it was closed for an exchange that is not
 * there, which is then not asked for again for a moment. */
#include "plugins/amqp/publisher.h"

#include <assert.h>

#include "plugins/amqp/lane.h"
#include "plugins/amqp/token.h"

static const struct channel_events channel_events;

static void set_ready(struct publisher *publisher, bool ready)
{
    assert(!ready || channel_is_open(&publisher->channel));
    if (publisher->ready == ready)
        return;
    publisher->ready = ready;
    publisher->on_change(publisher);
}

/* --- what comes ------------------------------------------------------------------------------- */

static void on_open(struct channel *channel)
{
    amqp_confirm_select_t select = { 0 };
    channel_send(channel, AMQP_CONFIRM_SELECT_METHOD, &select);
}

static void settle(struct publisher *publisher, uint64_t tag, bool multiple, enum verdict verdict)
{
    int settled = confirms_settle(&publisher->confirms, tag, multiple, verdict);
    if (settled < 0)
        connection_cut(publisher->connection,
                       "the broker broke the protocol: a confirm for what was never sent");
    else
        lane_count(publisher->lane, verdict == VERDICT_CONFIRMED ? "confirmed" : "nacked",
                   (uint64_t)settled);
}

static void on_method(struct channel *channel, const amqp_method_t *method)
{
    struct publisher *publisher = thing_of(channel, struct publisher, channel);
    if (method->id == AMQP_CONFIRM_SELECT_OK_METHOD) {
        set_ready(publisher, true);
    } else if (method->id == AMQP_BASIC_ACK_METHOD) {
        const amqp_basic_ack_t *ack = method->decoded;
        settle(publisher, ack->delivery_tag, ack->multiple, VERDICT_CONFIRMED);
    } else if (method->id == AMQP_BASIC_NACK_METHOD) {
        const amqp_basic_nack_t *nack = method->decoded;
        settle(publisher, nack->delivery_tag, nack->multiple, VERDICT_REFUSED);
    }
}

static void on_content(struct channel *channel, struct content *content)
{
    struct publisher *publisher = thing_of(channel, struct publisher, channel);
    uint8_t token[TOKEN_BYTES];
    lane_count(publisher->lane, "returned", 1);
    token_of_returned(&content->message, content->routing_key, token);
    if (confirms_return(&publisher->confirms, token))
        return;
    if (token_read(content->message.correlation_id, token) == 0)
        confirms_return(&publisher->confirms, token);
}

/* Whether it was closed for a message that the broker looked at and did not take: no such
 * exchange, no right to publish there, properties or a size that it refuses. All that is checked
 * before anything is stored. */
static bool refused_message(const struct channel *channel, unsigned code)
{
    return channel->blamed == AMQP_BASIC_PUBLISH_METHOD &&
           (code == AMQP_NOT_FOUND || code == AMQP_ACCESS_REFUSED ||
            code == AMQP_PRECONDITION_FAILED);
}

/* Notes which exchange RabbitMQ says is missing; false where it does not say so in these words. */
static bool note_missing(struct publisher *publisher, const char *why)
{
    static const char before[] = "no exchange '", behind[] = "' in vhost";
    const char *name = strstr(why, before);
    const char *end = name != NULL ? strstr(name, behind) : NULL;
    if (end == NULL)
        return false;
    name += sizeof before - 1;
    struct missing *oldest = publisher->missing;
    for (size_t i = 1; i < MISSING_KNOWN; i++)
        if (publisher->missing[i].until_ms < oldest->until_ms)
            oldest = &publisher->missing[i];
    uint64_t now_ms = worker_now_ms(publisher->connection->worker);
    *oldest = (struct missing){ .exchange = slice_hash(slice_of(name, (size_t)(end - name))),
                                .until_ms = now_ms + MISSING_MS };
    return true;
}

static bool is_missing(const struct publisher *publisher, struct slice exchange, uint64_t now_ms)
{
    for (size_t i = 0; i < MISSING_KNOWN; i++)
        if (publisher->missing[i].until_ms > now_ms &&
            publisher->missing[i].exchange == slice_hash(exchange))
            return true;
    return false;
}

static void on_closed(struct channel *channel, unsigned code, const char *why)
{
    struct publisher *publisher = thing_of(channel, struct publisher, channel);
    bool refused = refused_message(channel, code),
         known = refused && code == AMQP_NOT_FOUND && note_missing(publisher, why);
    set_ready(publisher, false);
    if (refused)
        confirms_refuse_newest(&publisher->confirms, why);
    confirms_lose(&publisher->confirms, why);
    if (code == 0)
        return;
    lane_count(publisher->lane, "channels_closed", 1);
    lane_log(publisher->lane, LEVEL_WARNING, "the broker closed the channel for %s: %u %s",
             publisher->what, code, why);
    if (known) {
        publisher_start(publisher); /* it will not be closed for the same again at once */
        return;
    }
    worker_timer(publisher->connection->worker, &publisher->reopen,
                 publisher->connection->settings->backoff_ms);
}

static const struct channel_events channel_events = {
    .content = AMQP_BASIC_RETURN_METHOD,
    .on_open = on_open,
    .on_method = on_method,
    .on_content = on_content,
    .on_closed = on_closed,
};

static void on_reopen(struct timer *timer)
{
    publisher_start(thing_of(timer, struct publisher, reopen));
}

/* --- for owners ------------------------------------------------------------------------------- */

void publisher_init(struct publisher *publisher, struct lane *lane, struct connection *connection,
                    const char *what, size_t window, size_t window_bytes)
{
    assert(publisher->channel.state == CHANNEL_CLOSED);
    publisher->lane = lane;
    publisher->connection = connection;
    publisher->what = what;
    publisher->reopen.on_timer = on_reopen;
    confirms_init(&publisher->confirms, window, window_bytes);
}

void publisher_free(struct publisher *publisher)
{
    assert(publisher->channel.state == CHANNEL_CLOSED);
    worker_timer_stop(publisher->connection->worker, &publisher->reopen);
    confirms_free(&publisher->confirms);
}

void publisher_start(struct publisher *publisher)
{
    if (publisher->channel.state != CHANNEL_CLOSED)
        return;
    if (channel_open(&publisher->channel, publisher->connection, &channel_events) < 0 &&
        connection_up(publisher->connection))
        lane_log(publisher->lane, LEVEL_ERROR, "no channel is left for %s", publisher->what);
}

void publisher_stop(struct publisher *publisher)
{
    worker_timer_stop(publisher->connection->worker, &publisher->reopen);
}

uint32_t destination_hash(struct slice exchange, struct slice routing_key)
{
    uint64_t hash = slice_hash(exchange) * 31 + slice_hash(routing_key);
    return (uint32_t)(hash ^ hash >> 32);
}

size_t publisher_bytes(const struct message *message)
{
    return message->body.len + properties_size(message, 0);
}

int publisher_refusal(const struct publisher *publisher, const struct outgoing *outgoing,
                      const struct ticket *ticket)
{
    uint64_t now_ms = worker_now_ms(publisher->connection->worker);
    if (outgoing->exchange.len > 0 && is_missing(publisher, outgoing->exchange, now_ms))
        return -REASON_unroutable;
    if (!publisher->ready)
        return -REASON_broker_down;
    if (publisher->connection->blocked)
        return -REASON_broker_blocked;
    if (now_ms >= STUCK_MS && !pulse_excuses(&publisher->lane->pulse) &&
        confirms_stuck(&publisher->confirms, ticket->destination, now_ms - STUCK_MS))
        return -REASON_broker_blocked;
    return confirms_fits(&publisher->confirms, ticket->bytes) ? 0 : -REASON_broker_full;
}

int publisher_publish(struct publisher *publisher, const struct outgoing *outgoing,
                      struct ticket *ticket)
{
    assert(outgoing->exchange.len <= SHORT_MAX && outgoing->routing_key.len <= SHORT_MAX);
    ticket->bytes = publisher_bytes(outgoing->message);
    int refused = publisher_refusal(publisher, outgoing, ticket);
    if (refused < 0)
        return refused;
    amqp_basic_publish_t publish = {
        .exchange = amqp_from(outgoing->exchange),
        .routing_key = amqp_from(outgoing->routing_key),
        .mandatory = 1,
    };
    if (connection_publish(publisher->connection, publisher->channel.number, &publish,
                           outgoing->message, outgoing->extra) < 0)
        return -REASON_fields_too_large;
    assert(channel_is_open(&publisher->channel));
    confirms_add(&publisher->confirms, ticket, worker_now_ms(publisher->connection->worker));
    lane_count(publisher->lane, "published", 1);
    return 0;
}

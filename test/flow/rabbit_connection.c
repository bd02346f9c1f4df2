/* Connections to the simulated RabbitMQ: frames, login, heartbeats, blocking (AMQP 0-9-1 §2.2,
 * §4.2).
 *
 * Happy path: protocol header → start, start-ok → tune, tune-ok → open, open-ok → methods and
 * contents of channels. Failures: a client that breaks the protocol gets connection.close with
 * RabbitMQ's code; one that is silent for two heartbeats is dropped; a killed process answers
 * nothing.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "rabbit_state.h"
#include "seeds.h"

enum { HEARTBEAT_S = 60, HEAD = 7, OVERHEAD = 8 };
enum { LOGIN_HEADER, LOGIN_START, LOGIN_TUNE, LOGIN_OPEN, LOGIN_DONE };

/* --- sending ---------------------------------------------------------------------------------- */

static void put_number(struct bytes *out, uint64_t number, unsigned bytes)
{
    for (unsigned i = bytes; i-- > 0;)
        bytes_byte(out, (uint8_t)(number >> 8 * i));
}

static void put_frame(struct bytes *out, uint8_t type, uint16_t channel, struct slice head,
                      struct slice rest)
{
    bytes_byte(out, type);
    put_number(out, channel, 2);
    put_number(out, head.len + rest.len, 4);
    bytes_add(out, head);
    bytes_add(out, rest);
    bytes_byte(out, AMQP_FRAME_END);
}

static void put_method(struct bytes *out, uint16_t channel, amqp_method_number_t id, void *method)
{
    struct bytes number = { 0 }, payload = { 0 };
    put_number(&number, id, 4);
    uint8_t *to = bytes_reserve(&payload, 16 * 1024);
    int len = amqp_encode_method(id, method, (amqp_bytes_t){ .len = 16 * 1024, .bytes = to });
    assert(len >= 0);
    payload.len = (size_t)len;
    put_frame(out, AMQP_FRAME_METHOD, channel, bytes_slice(&number), bytes_slice(&payload));
    bytes_free(&number);
    bytes_free(&payload);
}

static void send_bytes(struct rabbit_connection *connection, struct bytes *out)
{
    if (!connection->dead) {
        stream_write_slice(connection->stream, bytes_slice(out));
        connection->sent_us = sim_now_us(connection->rabbit->sim);
    }
    bytes_free(out);
}

void rabbit_send(struct rabbit_connection *connection, uint16_t channel, amqp_method_number_t id,
                 void *method)
{
    struct bytes out = { 0 };
    put_method(&out, channel, id, method);
    send_bytes(connection, &out);
}

void rabbit_send_content(struct rabbit_connection *connection, uint16_t channel,
                         const struct rabbit_message *message)
{
    struct bytes out = { 0 }, head = { 0 };
    put_number(&head, AMQP_BASIC_CLASS, 2);
    put_number(&head, 0, 2);
    put_number(&head, message->body.len, 8);
    put_frame(&out, AMQP_FRAME_HEADER, channel, bytes_slice(&head),
              bytes_slice(&message->properties));
    bytes_free(&head);

    struct slice body = bytes_slice(&message->body);
    while (body.len > 0) {
        struct slice part = slice_first(body, RABBIT_FRAME_MAX - OVERHEAD);
        put_frame(&out, AMQP_FRAME_BODY, channel, SLICE(""), part);
        body = slice_from(body, part.len);
    }
    send_bytes(connection, &out);
}

/* --- ending ----------------------------------------------------------------------------------- */

static void free_channels(struct rabbit_connection *connection)
{
    for (unsigned i = 0; i < RABBIT_CHANNELS; i++) {
        struct rabbit_channel *channel = connection->channels[i];
        connection->channels[i] = NULL;
        if (channel != NULL)
            rabbit_channel_free(channel);
    }
}

static void drop_exclusive(struct rabbit_connection *connection)
{
    list_each_leaving (&connection->rabbit->queues, link) {
        struct rabbit_queue *queue = thing_of(link, struct rabbit_queue, link);
        if (queue->owner == connection)
            rabbit_queue_drop(queue);
    }
}

/* Everything but the stream, whose on_close frees the rest. */
static void let_go(struct rabbit_connection *connection)
{
    if (connection->dead)
        return;
    connection->dead = true;
    sim_unschedule(connection->rabbit->sim, &connection->beat);
    free_channels(connection);
    drop_exclusive(connection);
}

void rabbit_connection_die(struct rabbit_connection *connection)
{
    let_go(connection);
    stream_reset(connection->stream);
}

void rabbit_refuse_connection(struct rabbit_connection *connection, unsigned code, const char *why)
{
    trace(connection->rabbit->sim, "rabbit: closes a connection: %u %s", code, why);
    amqp_connection_close_t close = { .reply_code = (uint16_t)code,
                                      .reply_text = amqp_cstring_bytes(why) };
    rabbit_send(connection, 0, AMQP_CONNECTION_CLOSE_METHOD, &close);
    connection->closing = true;
    free_channels(connection);
}

static void on_close(struct stream *stream, int error)
{
    (void)error;
    struct rabbit_connection *connection = stream->owner;
    let_go(connection);
    list_leave(&connection->link);
    bytes_free(&connection->in);
    empty_amqp_pool(&connection->pool);
    free(connection);
}

/* --- login ------------------------------------------------------------------------------------ */

static void send_start(struct rabbit_connection *connection)
{
    amqp_connection_start_t start = {
        .version_major = 0,
        .version_minor = 9,
        .mechanisms = amqp_cstring_bytes("PLAIN AMQPLAIN"),
        .locales = amqp_cstring_bytes("en_US"),
    };
    connection->logged_in = LOGIN_START;
    rabbit_send(connection, 0, AMQP_CONNECTION_START_METHOD, &start);
}

static void send_tune(struct rabbit_connection *connection)
{
    amqp_connection_tune_t tune = {
        .channel_max = RABBIT_CHANNELS - 1,
        .frame_max = RABBIT_FRAME_MAX,
        .heartbeat = HEARTBEAT_S,
    };
    connection->logged_in = LOGIN_TUNE;
    rabbit_send(connection, 0, AMQP_CONNECTION_TUNE_METHOD, &tune);
}

static void schedule_beat(struct rabbit_connection *connection)
{
    if (connection->beat_us > 0)
        sim_schedule(connection->rabbit->sim, &connection->beat, connection->beat_us / 2);
}

static void on_beat(struct sim_event *event)
{
    struct rabbit_connection *connection = thing_of(event, struct rabbit_connection, beat);
    uint64_t now_us = sim_now_us(connection->rabbit->sim);
    if (connection->heard_us + 2 * connection->beat_us < now_us && !connection->blocked) {
        trace(connection->rabbit->sim, "rabbit: missed heartbeats from a client");
        let_go(connection);
        stream_close(connection->stream);
        return;
    }
    struct bytes out = { 0 };
    put_frame(&out, AMQP_FRAME_HEARTBEAT, 0, SLICE(""), SLICE(""));
    send_bytes(connection, &out);
    schedule_beat(connection);
}

static void take_tune_ok(struct rabbit_connection *connection,
                         const amqp_connection_tune_ok_t *tune)
{
    assert(tune->frame_max <= RABBIT_FRAME_MAX && tune->channel_max < RABBIT_CHANNELS);
    connection->beat_us = (uint64_t)tune->heartbeat * 1000 * 1000;
    connection->logged_in = LOGIN_OPEN;
    schedule_beat(connection);
}

static void send_open_ok(struct rabbit_connection *connection)
{
    amqp_connection_open_ok_t ok = { .known_hosts = amqp_empty_bytes };
    connection->logged_in = LOGIN_DONE;
    rabbit_send(connection, 0, AMQP_CONNECTION_OPEN_OK_METHOD, &ok);
}

static void connection_method(struct rabbit_connection *connection, amqp_method_number_t id,
                              void *decoded)
{
    unsigned step = connection->logged_in;
    if (id == AMQP_CONNECTION_START_OK_METHOD && step == LOGIN_START) {
        send_tune(connection);
    } else if (id == AMQP_CONNECTION_TUNE_OK_METHOD && step == LOGIN_TUNE) {
        take_tune_ok(connection, decoded);
    } else if (id == AMQP_CONNECTION_OPEN_METHOD && step == LOGIN_OPEN) {
        send_open_ok(connection);
    } else if (id == AMQP_CONNECTION_CLOSE_METHOD) {
        amqp_connection_close_ok_t ok = { .dummy = 0 };
        rabbit_send(connection, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &ok);
        let_go(connection);
        stream_end(connection->stream);
    } else if (id == AMQP_CONNECTION_CLOSE_OK_METHOD && connection->closing) {
        let_go(connection);
        stream_close(connection->stream);
    } else {
        rabbit_refuse_connection(connection, AMQP_COMMAND_INVALID,
                                 "COMMAND_INVALID - unexpected method");
    }
}

/* --- frames ----------------------------------------------------------------------------------- */

static uint64_t get_number(const uint8_t *at, unsigned bytes)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < bytes; i++)
        number = number << 8 | at[i];
    return number;
}

static struct rabbit_channel *channel_for(struct rabbit_connection *connection, uint16_t number,
                                          amqp_method_number_t id)
{
    if (number >= RABBIT_CHANNELS || connection->logged_in != LOGIN_DONE) {
        rabbit_refuse_connection(connection, AMQP_CHANNEL_ERROR, "CHANNEL_ERROR - no such channel");
        return NULL;
    }
    struct rabbit_channel *channel = connection->channels[number];
    if (channel == NULL && id == AMQP_CHANNEL_OPEN_METHOD)
        channel = connection->channels[number] = rabbit_channel_open(connection, number);
    else if (channel == NULL)
        rabbit_refuse_connection(connection, AMQP_CHANNEL_ERROR,
                                 "CHANNEL_ERROR - expected 'channel.open'");
    return channel;
}

static void take_method(struct rabbit_connection *connection, uint16_t number, struct slice payload)
{
    amqp_method_number_t id = (amqp_method_number_t)get_number(payload.at, 4);
    void *decoded;
    recycle_amqp_pool(&connection->pool);
    if (amqp_decode_method(id, &connection->pool, amqp_from(slice_from(payload, 4)), &decoded) <
        0) {
        rabbit_refuse_connection(connection, AMQP_SYNTAX_ERROR,
                                 "SYNTAX_ERROR - cannot decode a method");
        return;
    }
    if (number == 0) {
        connection_method(connection, id, decoded);
        return;
    }
    struct rabbit_channel *channel = channel_for(connection, number, id);
    if (channel != NULL)
        rabbit_channel_method(channel, id, decoded);
}

static void take_frame(struct rabbit_connection *connection, uint8_t type, uint16_t number,
                       struct slice payload)
{
    struct rabbit_channel *channel = number < RABBIT_CHANNELS ? connection->channels[number] : NULL;
    bool closing = connection->closing && type != AMQP_FRAME_METHOD;
    if (type == AMQP_FRAME_HEARTBEAT || closing)
        return;
    if (type == AMQP_FRAME_METHOD && (!connection->closing || number == 0))
        take_method(connection, number, payload);
    else if (type == AMQP_FRAME_HEADER && channel != NULL)
        rabbit_channel_header(channel, payload);
    else if (type == AMQP_FRAME_BODY && channel != NULL)
        rabbit_channel_body(channel, payload);
    else if (!connection->closing)
        rabbit_refuse_connection(connection, AMQP_FRAME_ERROR, "FRAME_ERROR - unexpected frame");
}

/* One frame off `in`; false when there is none. */
static bool next_frame(struct rabbit_connection *connection)
{
    struct slice left = slice_from(bytes_slice(&connection->in), connection->used);
    if (connection->logged_in == LOGIN_HEADER) {
        static const uint8_t header[8] = { 'A', 'M', 'Q', 'P', 0, 0, 9, 1 };
        if (left.len < sizeof(header))
            return false;
        assert(memcmp(left.at, header, sizeof(header)) == 0);
        connection->used += sizeof(header);
        send_start(connection);
        return true;
    }
    if (left.len < OVERHEAD)
        return false;
    size_t size = (size_t)get_number(left.at + 3, 4);
    assert(size + OVERHEAD <= RABBIT_FRAME_MAX);
    if (left.len < size + OVERHEAD)
        return false;
    assert(left.at[HEAD + size] == AMQP_FRAME_END);
    connection->used += size + OVERHEAD;
    take_frame(connection, left.at[0], (uint16_t)get_number(left.at + 1, 2),
               slice_of(left.at + HEAD, size));
    return true;
}

static void take_frames(struct rabbit_connection *connection)
{
    while (!connection->dead && !connection->blocked && next_frame(connection))
        continue;
    struct bytes rest = { 0 };
    bytes_add(&rest, slice_from(bytes_slice(&connection->in), connection->used));
    bytes_free(&connection->in);
    connection->in = rest;
    connection->used = 0;
}

static void on_read(struct stream *stream, struct slice bytes)
{
    struct rabbit_connection *connection = stream->owner;
    if (connection->dead)
        return;
    connection->heard_us = sim_now_us(connection->rabbit->sim);
    bytes_add(&connection->in, bytes);
    take_frames(connection);
}

static void on_eof(struct stream *stream)
{
    struct rabbit_connection *connection = stream->owner;
    let_go(connection);
    stream_close(stream);
}

/* --- blocking --------------------------------------------------------------------------------- */

void rabbit_block(struct rabbit_connection *connection)
{
    connection->blocked = true;
    stream_read(connection->stream, false);
    amqp_connection_blocked_t blocked = { .reason = amqp_cstring_bytes("low on memory") };
    rabbit_send(connection, 0, AMQP_CONNECTION_BLOCKED_METHOD, &blocked);
}

void rabbit_unblock(struct rabbit_connection *connection)
{
    if (!connection->blocked || connection->dead)
        return;
    connection->blocked = false;
    connection->heard_us = sim_now_us(connection->rabbit->sim);
    amqp_connection_unblocked_t unblocked = { .dummy = 0 };
    rabbit_send(connection, 0, AMQP_CONNECTION_UNBLOCKED_METHOD, &unblocked);
    for (unsigned i = 0; i < RABBIT_CHANNELS; i++) {
        if (connection->channels[i] != NULL)
            rabbit_channel_resume(connection->channels[i]);
    }
    take_frames(connection);
    if (!connection->dead && !connection->blocked)
        stream_read(connection->stream, true);
}

/* --- life ------------------------------------------------------------------------------------- */

static const struct stream_events events = {
    .on_read = on_read,
    .on_eof = on_eof,
    .on_close = on_close,
};

void rabbit_on_accept(struct listening *listening, struct stream *stream)
{
    struct rabbit *rabbit = thing_of(listening, struct rabbit, listening);
    struct rabbit_connection *connection = calloc(1, sizeof(*connection));
    assert(connection != NULL);
    connection->rabbit = rabbit;
    connection->stream = stream;
    connection->heard_us = sim_now_us(rabbit->sim);
    connection->beat = (struct sim_event){ .run = on_beat, .node = rabbit->node };
    init_amqp_pool(&connection->pool, 4096);
    stream->events = &events;
    stream->owner = connection;
    list_append(&rabbit->connections, &connection->link);
    if (rabbit->running && !rabbit->leaving)
        stream_read(stream, true);
    else
        rabbit_connection_die(connection);
}

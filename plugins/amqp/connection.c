/* One connection, as connection.h says: what happens goes through the table of life.c, and this
 * file does what it says. A stream that was asked to close still belongs to us until it says
 * that it is closed; no event but that one comes from it. Memory: one read buffer's worth of
 * frames at most, one pool for what a frame is decoded into. */
#include "plugins/amqp/connection.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "plugins/amqp/channel.h"
#include "plugins/amqp/handshake.h"

enum { GOODBYE_MS = 1000, POOL_PAGE = 4096 };

static void step(struct connection *connection, enum life_event event);

/* --- what the owner is told ------------------------------------------------------------------- */

__attribute__((format(printf, 2, 0))) static void set_why(struct connection *connection,
                                                          const char *format, va_list args)
{
    if (connection->why[0] == '\0')
        vsnprintf(connection->why, sizeof connection->why, format, args);
}

__attribute__((format(printf, 2, 3))) static void because(struct connection *connection,
                                                          const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_why(connection, format, args);
    va_end(args);
}

/* What a stream's error means to a person. */
static void because_of(struct connection *connection, int error)
{
    if (error == 0)
        because(connection, "the broker closed the connection");
    else
        because(connection, "%s", strerror(-error));
}

/* Every channel first, so that what they carried is settled before anybody hears that the
 * connection is gone. */
static void tell_down(struct connection *connection)
{
    for (unsigned number = 1; number < CHANNELS; number++)
        if (connection->channels[number] != NULL)
            channel_lost(connection->channels[number], connection->why);
    if (connection->told)
        return;
    connection->told = true;
    connection->events->on_down(connection, connection->why);
}

/* --- what life.c says is to be done ----------------------------------------------------------- */

static const struct stream_events stream_events;

static void resolve(struct connection *connection)
{
    assert(connection->stream == NULL);
    connection->told = connection->polite = false;
    connection->why[0] = '\0';
    worker_timer(connection->worker, &connection->timer, connection->settings->connect_timeout_ms);
    struct net *net = connection->worker->net;
    net->resolve(net, connection->worker, slice_text(connection->settings->host),
                 connection->settings->port, &connection->lookup);
}

/* The address was chosen by on_resolved; the timer of connecting runs. */
static void dial(struct connection *connection, const struct address *address)
{
    int error = 0;
    connection->stream = stream_dial(connection->worker, address, 0, &stream_events, connection,
                                     &error);
    if (connection->stream != NULL)
        return;
    because_of(connection, error);
    step(connection, LIFE_CLOSED);
}

static void open_session(struct connection *connection)
{
    assert(connection->stream != NULL && connection->out.len == 0);
    frames_clear(&connection->frames);
    stream_read(connection->stream, true);
    handshake_begin(connection);
}

static void serve(struct connection *connection)
{
    assert(connection->handshake == HANDSHAKE_DONE && connection->heartbeat_ms >= 1000);
    assert(connection->frame_max >= AMQP_FRAME_MIN_SIZE && connection->frame_max <= FRAME_MAX);
    worker_timer_stop(connection->worker, &connection->timer);
    connection->blocked = false;
    connection->read_ms = connection->beaten_ms = worker_now_ms(connection->worker);
    worker_timer(connection->worker, &connection->beat, connection->heartbeat_ms / 2);
    connection->events->on_up(connection);
}

/* A peer that went silent, or broke the protocol, gets a reset: what lies in buffers on the way
 * is of no use. */
static void close_stream(struct connection *connection)
{
    assert(connection->stream != NULL && !timer_running(&connection->beat));
    worker_timer_stop(connection->worker, &connection->timer);
    if (connection->polite)
        stream_close(connection->stream);
    else
        stream_reset(connection->stream);
}

static void say_goodbye(struct connection *connection)
{
    amqp_connection_close_t close = { .reply_code = AMQP_REPLY_SUCCESS,
                                      .reply_text = amqp_cstring_bytes("done") };
    connection_send(connection, 0, AMQP_CONNECTION_CLOSE_METHOD, &close);
    connection->polite = true;
    worker_timer(connection->worker, &connection->timer, GOODBYE_MS);
}

static void finish(struct connection *connection)
{
    assert(connection->stream == NULL && connection->life.state == LIFE_STOPPED);
    struct net *net = connection->worker->net;
    net->forget(net, &connection->lookup);
    worker_timer_stop(connection->worker, &connection->timer);
    connection->events->on_stopped(connection);
}

static void wait_for_next(struct connection *connection)
{
    assert(connection->stream == NULL && connection->delay_ms > 0);
    worker_timer(connection->worker, &connection->timer, connection->delay_ms);
    tell_down(connection);
}

static void do_nothing(struct connection *connection)
{
    (void)connection;
}

static void step(struct connection *connection, enum life_event event)
{
    static void (*const actions[LIFE_ACTIONS])(struct connection *) = {
        [LIFE_NOTHING] = do_nothing, [LIFE_RESOLVE] = resolve,
        [LIFE_DIAL] = do_nothing, /* by whoever has the address */
        [LIFE_OPEN] = open_session,  [LIFE_SERVE] = serve,
        [LIFE_CLOSE] = close_stream, [LIFE_WAIT] = wait_for_next,
        [LIFE_BYE] = say_goodbye,    [LIFE_END] = finish,
    };
    uint32_t chance;
    worker_random(connection->worker, &chance, sizeof chance);
    bool was_up = connection_up(connection);
    enum life_action action = life_step(&connection->life, event, chance, &connection->delay_ms);
    if (was_up && !connection_up(connection)) {
        worker_timer_stop(connection->worker, &connection->beat);
        tell_down(connection);
    }
    actions[action](connection);
}

/* --- what happens ----------------------------------------------------------------------------- */

static void on_resolved(struct lookup *lookup, const struct address *addresses, unsigned count,
                        const char *error)
{
    struct connection *connection = thing_of(lookup, struct connection, lookup);
    if (count == 0) {
        because(connection, "%s: %s", connection->settings->host,
                error != NULL ? error : "no address");
        step(connection, LIFE_CLOSED);
        return;
    }
    assert(connection->life.state == LIFE_RESOLVING);
    struct address address = addresses[connection->dialled++ % count];
    step(connection, LIFE_RESOLVED);
    dial(connection, &address);
}

static void on_open(struct stream *stream)
{
    step(stream->owner, LIFE_CONNECTED);
}

static void on_timer(struct timer *timer)
{
    struct connection *connection = thing_of(timer, struct connection, timer);
    struct net *net = connection->worker->net;
    switch (connection->life.state) {
    case LIFE_WAITING:
        step(connection, LIFE_TIMER);
        break;
    case LIFE_RESOLVING:
        net->forget(net, &connection->lookup);
        because(connection, "%s does not resolve in time", connection->settings->host);
        step(connection, LIFE_CLOSED);
        break;
    default:
        connection_cut(connection, "the broker does not answer");
    }
}

/* Twice per heartbeat: shows that we live, and sees whether the broker does. A beat that comes
 * late because this process itself stood still says nothing about the broker. */
static void on_beat(struct timer *timer)
{
    struct connection *connection = thing_of(timer, struct connection, beat);
    assert(connection_up(connection) && connection->out.len == 0);
    uint64_t now_ms = worker_now_ms(connection->worker), half_ms = connection->heartbeat_ms / 2;
    bool late = now_ms - connection->beaten_ms > 2 * connection->heartbeat_ms;
    connection->beaten_ms = now_ms;
    worker_timer(connection->worker, &connection->beat, half_ms);
    if (late)
        connection->read_ms = now_ms;
    if (now_ms - connection->read_ms >= 2 * connection->heartbeat_ms) {
        connection_cut(connection, "no sign of life from the broker for %u s",
                       (unsigned)((now_ms - connection->read_ms) / 1000));
        return;
    }
    if (now_ms - connection->written_ms < half_ms)
        return;
    frame_put_heartbeat(&connection->out);
    stream_write_slice(connection->stream, bytes_slice(&connection->out));
    connection->out.len = 0;
    connection->written_ms = now_ms;
}

static void on_closed_by_broker(struct connection *connection, const amqp_connection_close_t *close)
{
    because(connection, "closed by the broker: %u %.*s", close->reply_code,
            (int)close->reply_text.len, (const char *)close->reply_text.bytes);
    amqp_connection_close_ok_t answer = { 0 };
    connection_send(connection, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &answer);
    connection->polite = true;
    connection_cut(connection, "closed by the broker");
}

static void on_blocked(struct connection *connection, const amqp_connection_blocked_t *blocked)
{
    char why[SHORT_MAX + 1];
    size_t len = blocked->reason.len < SHORT_MAX ? blocked->reason.len : SHORT_MAX;
    memcpy(why, blocked->reason.bytes, len);
    why[len] = '\0';
    connection->blocked = true;
    connection->events->on_blocked(connection, why);
}

static void on_method(struct connection *connection, const amqp_method_t *method)
{
    if (method->id == AMQP_CONNECTION_CLOSE_METHOD) {
        on_closed_by_broker(connection, method->decoded);
    } else if (connection->life.state == LIFE_LEAVING) {
        if (method->id == AMQP_CONNECTION_CLOSE_OK_METHOD)
            connection_cut(connection, "closed");
    } else if (connection->life.state == LIFE_OPENING) {
        handshake_method(connection, method);
    } else if (method->id == AMQP_CONNECTION_BLOCKED_METHOD) {
        on_blocked(connection, method->decoded);
    } else if (method->id == AMQP_CONNECTION_UNBLOCKED_METHOD) {
        connection->blocked = false;
        connection->events->on_blocked(connection, NULL);
    } else {
        connection_cut(connection,
                       "the broker broke the protocol: an unknown method of the connection");
    }
}

static void on_frame(struct connection *connection, const struct frame *frame)
{
    amqp_method_t method;
    if (frame->channel != 0) {
        struct channel *channel = connection->channels[frame->channel];
        if (channel != NULL)
            channel_frame(channel, frame);
        return; /* or a channel that was closed meanwhile: what was on its way is dropped */
    }
    if (frame->type == AMQP_FRAME_HEARTBEAT)
        return;
    if (frame->type != AMQP_FRAME_METHOD)
        connection_cut(connection, "the broker broke the protocol: a message outside of channels");
    else if (connection_decode(connection, frame, &method) == 0)
        on_method(connection, &method);
}

static bool listening(const struct connection *connection)
{
    enum life_state state = connection->life.state;
    return state == LIFE_OPENING || state == LIFE_UP || state == LIFE_LEAVING;
}

static void on_read(struct stream *stream, struct slice bytes)
{
    struct connection *connection = stream->owner;
    connection->read_ms = worker_now_ms(connection->worker);
    while (listening(connection)) {
        struct frame frame;
        int got = frames_next(&connection->frames, &bytes, &frame);
        if (got < 0)
            connection_cut(connection, "the broker broke the protocol: %s", connection->frames.why);
        if (got <= 0)
            return;
        on_frame(connection, &frame);
        recycle_amqp_pool(&connection->pool);
    }
}

static void on_eof(struct stream *stream)
{
    struct connection *connection = stream->owner;
    connection_cut(
        connection,
        connection->handshake == HANDSHAKE_DONE
            ? "the broker closed the connection"
            : "the broker closed the connection during login; wrong password or virtual host?");
}

static void on_close(struct stream *stream, int error)
{
    struct connection *connection = stream->owner;
    assert(connection->stream == stream);
    because_of(connection, error);
    connection->stream = NULL;
    frames_clear(&connection->frames);
    step(connection, LIFE_CLOSED);
}

static const struct stream_events stream_events = {
    .on_open = on_open,
    .on_read = on_read,
    .on_eof = on_eof,
    .on_close = on_close,
};

/* --- for owners ------------------------------------------------------------------------------- */

void connection_init(struct connection *connection, const struct connection_events *events,
                     struct worker *worker, const struct broker_settings *settings,
                     const char *name)
{
    connection->events = events;
    connection->worker = worker;
    connection->settings = settings;
    snprintf(connection->name, sizeof connection->name, "%s", name);
    connection->life = (struct life){ .first_ms = (uint32_t)settings->backoff_ms,
                                      .max_ms = (uint32_t)settings->max_backoff_ms };
    connection->lookup.on_resolved = on_resolved;
    connection->timer.on_timer = on_timer;
    connection->beat.on_timer = on_beat;
    init_amqp_pool(&connection->pool, POOL_PAGE);
}

void connection_start(struct connection *connection)
{
    step(connection, LIFE_START);
}

void connection_stop(struct connection *connection)
{
    because(connection, "stopped");
    step(connection, LIFE_STOP);
}

void connection_free(struct connection *connection)
{
    assert(connection->stream == NULL);
    assert(connection->life.state == LIFE_IDLE || connection->life.state == LIFE_STOPPED);
    bytes_free(&connection->frames.gathered);
    bytes_free(&connection->out);
    empty_amqp_pool(&connection->pool);
}

void connection_cut(struct connection *connection, const char *format, ...)
{
    if (connection->stream == NULL)
        return;
    va_list args;
    va_start(args, format);
    set_why(connection, format, args);
    va_end(args);
    step(connection, LIFE_CUT);
}

void connection_ready(struct connection *connection)
{
    assert(connection->life.state == LIFE_OPENING);
    connection->handshake = HANDSHAKE_DONE;
    step(connection, LIFE_READY);
}

int connection_decode(struct connection *connection, const struct frame *frame,
                      amqp_method_t *method)
{
    assert(frame->type == AMQP_FRAME_METHOD && frame->payload.len >= 4);
    method->id = number_32(frame->payload.at);
    if (amqp_decode_method(method->id, &connection->pool, amqp_from(slice_from(frame->payload, 4)),
                           &method->decoded) >= 0)
        return 0;
    connection_cut(connection, "the broker broke the protocol: a method that cannot be decoded");
    return -1;
}

static void written(struct connection *connection)
{
    connection->out.len = 0;
    connection->written_ms = worker_now_ms(connection->worker);
}

void connection_send(struct connection *connection, uint16_t channel, amqp_method_number_t id,
                     const void *method)
{
    if (!listening(connection) || (channel != 0 && !connection_up(connection)))
        return;
    assert(connection->out.len == 0);
    frame_put_method(&connection->out, channel, id, method);
    stream_write_slice(connection->stream, bytes_slice(&connection->out));
    written(connection);
}

/* The body in as many frames as it takes; the head of the first goes with what `out` has
 * already. */
static void send_body(struct connection *connection, uint16_t channel, struct slice body)
{
    size_t most = connection->frame_max - FRAME_OVERHEAD;
    while (body.len > 0) {
        struct slice part = slice_first(body, most);
        frame_put_body_head(&connection->out, channel, (uint32_t)part.len);
        const struct iovec parts[] = {
            { .iov_base = connection->out.at, .iov_len = connection->out.len },
            { .iov_base = (void *)(uintptr_t)part.at, .iov_len = part.len },
            { .iov_base = (void *)(uintptr_t)frame_end_mark, .iov_len = sizeof frame_end_mark },
        };
        stream_write(connection->stream, parts, sizeof parts / sizeof *parts);
        connection->out.len = 0;
        body = slice_from(body, part.len);
    }
}

int connection_publish(struct connection *connection, uint16_t channel,
                       const amqp_basic_publish_t *publish, const struct message *message,
                       const struct field *extra)
{
    assert(connection_up(connection) && connection->out.len == 0);
    frame_put_method(&connection->out, channel, AMQP_BASIC_PUBLISH_METHOD, publish);
    if (properties_put(&connection->out, channel, message, extra, connection->frame_max) < 0) {
        connection->out.len = 0;
        connection->out.full = false;
        return -1;
    }
    if (message->body.len > 0)
        send_body(connection, channel, message->body);
    else
        stream_write_slice(connection->stream, bytes_slice(&connection->out));
    written(connection);
    return 0;
}

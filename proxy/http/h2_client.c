/* See h2_client.h.
 *
 * Happy path: a trip's head becomes a block, its body waits for the stream's window, the answer's
 * blocks and DATA are told as they come; a WebSocket that the upstream accepts is a tunnel from
 * then on. Failures: what is malformed resets the stream; a stream or a connection that ends too
 * early fails its trips by how far their answers had come.
 */
#include "http/h2_client.h"

#include <errno.h>
#include <stdlib.h>

#include "core/snapshot.h"
#include "http/websocket.h"
#include "observe/observe.h"

enum {
    TRIPS_MAX = 1000, /* on one channel, whatever the upstream allows */
    ANSWER_MS = 2000, /* to a PING */
    DOUBT_MS = 100,   /* one that stays longer without makes other connections the better choice */
};

struct h2_client {
    struct link link; /* in channel->waiting, or ->refused */
    struct client client;
    struct h2_channel *channel;
    struct h2_stream stream;
    bool unable; /* refused for what the upstream's SETTINGS say */
    uint64_t since_ms;
    size_t held; /* counted in the trip's budget: what the upstream may send ahead */
};

static const struct client_driver driver;

static struct h2_client *of_client(const struct client *client)
{
    return thing_of(client, struct h2_client, client);
}

static struct h2_client *of_stream(struct h2_stream *stream)
{
    return thing_of(stream, struct h2_client, stream);
}

/* --- the end of a trip ------------------------------------------------------------------------ */

static void destroy(struct h2_client *h2_client)
{
    struct h2_channel *channel = h2_client->channel;
    assert(h2_client->client.trip == NULL && channel->trips > 0);
    h2_stream_free(&h2_client->stream);
    spare_give(&channel->worker->small, h2_client);
    channel->trips--;
    channel->owner->room(channel);
}

static struct trip *part(struct h2_client *h2_client)
{
    budget_count(h2_client->client.trip->budget, &h2_client->held, 0);
    return client_part(&h2_client->client);
}

static void fail(struct h2_client *h2_client, enum trip_failure failure, const char *detail)
{
    struct trip *trip = part(h2_client);
    h2_ignore(&h2_client->stream);
    h2_reset(&h2_client->stream, failure == TRIP_BAD ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_CANCEL);
    trip->events->fail(trip, failure, h2_client->client.reused, detail);
}

static void finish(struct h2_client *h2_client, const struct fields *trailers)
{
    struct trip *trip = part(h2_client);
    h2_ignore(&h2_client->stream);
    if (!h2_client->stream.ended)
        h2_reset(&h2_client->stream, NGHTTP2_CANCEL);
    trip->events->end(trip, trailers->count > 0 ? trailers : NULL);
}

/* A trip that nothing was heard of: perhaps nobody is there. */
static void look_for_life(struct h2_channel *channel, uint64_t since_ms)
{
    if (channel->heard_ms > since_ms || timer_running(&channel->answer))
        return;
    h2_ping(&channel->h2);
    worker_timer(channel->worker, &channel->answer, ANSWER_MS);
}

static void on_no_answer(struct timer *timer)
{
    struct h2_channel *channel = thing_of(timer, struct h2_channel, answer);
    observe_event(channel->worker, "h2_upstream_silent");
    stream_fail(channel->stream, -ETIMEDOUT);
}

static void refuse(struct h2_client *h2_client)
{
    struct h2_channel *channel = h2_client->channel;
    list_leave(&h2_client->link);
    list_append(&channel->refused, &h2_client->link);
    worker_defer(channel->worker, &channel->refusing);
}

/* What has not even begun waits for SETTINGS, or to be refused. */
static bool drop(struct client *client)
{
    struct h2_client *h2_client = of_client(client);
    bool unsent = link_joined(&h2_client->link);
    part(h2_client);
    if (unsent)
        refuse(h2_client);
    h2_ignore(&h2_client->stream);
    h2_reset(&h2_client->stream, NGHTTP2_CANCEL);
    look_for_life(h2_client->channel, h2_client->since_ms);
    return unsent;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void on_interim(struct h2_client *h2_client, struct trip *trip)
{
    trip->begun = true;
    if (++trip->interims > INTERIMS_MAX)
        fail(h2_client, TRIP_BAD, "there are too many interim answers");
    else
        trip->events->interim(trip, &trip->response);
}

/* 2xx to an extended CONNECT: RFC 8441 §5. */
static bool switch_protocols(struct h2_client *h2_client, struct trip *trip)
{
    if (websocket_accept(trip->request, &trip->response, trip->arena) != 0) {
        fail(h2_client, TRIP_BAD, "the answer's head is too large");
        return false;
    }
    h2_client->stream.both_ways = trip->tunnel = true;
    return true;
}

static void on_head(struct h2_stream *stream, bool ends)
{
    struct h2_client *h2_client = of_stream(stream);
    struct trip *trip = h2_client->client.trip;
    assert(trip != NULL && !trip->answering);
    if (h2_block_response(&stream->block, ends, trip->request->method, &trip->response) !=
        HEAD_OK) {
        fail(h2_client, TRIP_BAD, stream->block.why);
        return;
    }
    if (trip->response.status < 200) {
        on_interim(h2_client, trip);
        return;
    }
    if (trip->request->upgrade.len > 0 && trip->response.status / 100 == 2 &&
        !switch_protocols(h2_client, trip))
        return;
    trip->begun = trip->answering = true;
    trip->events->head(trip, &trip->response);
}

/* Whether the body keeps to the length that its head gave. nghttp2 sees to that too, but not where
 * it has sent a CONNECT, though what is no tunnel is an answer like any other. */
static bool has_length(const struct h2_stream *stream, const struct trip *trip, bool whole)
{
    const struct head *response = &trip->response;
    if (response->framing != FRAMING_LENGTH ||
        !response_has_body(trip->request->method, response->status))
        return true;
    return whole ? stream->content == response->length : stream->content <= response->length;
}

static void on_data(struct h2_stream *stream, struct slice bytes)
{
    struct h2_client *h2_client = of_stream(stream);
    struct trip *trip = h2_client->client.trip;
    assert(trip != NULL && trip->answering);
    if (!has_length(stream, trip, false)) {
        fail(h2_client, TRIP_BROKEN, "the body is longer than its length");
        return;
    }
    trip->window += bytes.len;
    trip->events->body(trip, bytes);
}

/* The upstream's half of a tunnel has ended; ours may go on, and what waits of it goes out in any
 * case. */
static void end_half(struct h2_client *h2_client, struct trip *trip)
{
    trip->half = true;
    if (h2_client->stream.ended)
        finish(h2_client, &(struct fields){ 0 });
    else
        trip->events->half_end(trip);
}

static void on_end(struct h2_stream *stream, bool trailing)
{
    struct h2_client *h2_client = of_stream(stream);
    struct trip *trip = h2_client->client.trip;
    struct fields trailers = { 0 };
    if (trailing && trip->tunnel)
        fail(h2_client, TRIP_BROKEN, "a tunnel has no trailers");
    else if (trailing && h2_block_trailers(&stream->block, &trailers) != HEAD_OK)
        fail(h2_client, TRIP_BROKEN, stream->block.why);
    else if (!has_length(stream, trip, true))
        fail(h2_client, TRIP_BROKEN, "the body is shorter than its length");
    else if (trip->tunnel)
        end_half(h2_client, trip);
    else
        finish(h2_client, &trailers);
}

static void on_sent(struct h2_stream *stream, size_t bytes)
{
    (void)bytes;
    struct trip *trip = of_stream(stream)->client.trip;
    if (trip != NULL)
        trip->events->room(trip);
}

static enum trip_failure failure_of(const struct trip *trip, bool malformed, uint32_t error)
{
    if (malformed && !trip->answering)
        return TRIP_BAD;
    if (error == NGHTTP2_REFUSED_STREAM && !trip->begun)
        return TRIP_REFUSED;
    if (trip->answering)
        return TRIP_BROKEN;
    return trip->begun ? TRIP_CUT : TRIP_LOST;
}

/* An upstream that has ended its half of a tunnel may close the other one as well, as servers do
 * whose handler returns: NO_ERROR says that nothing is missing (RFC 9113 §8.1). */
static void on_closed(struct h2_stream *stream, uint32_t error)
{
    struct h2_client *h2_client = of_stream(stream);
    struct trip *trip = h2_client->client.trip;
    bool malformed = stream->forced || h2_client->channel->malformed;
    if (trip != NULL && trip->half && error == NGHTTP2_NO_ERROR)
        finish(h2_client, &(struct fields){ 0 });
    else if (trip != NULL)
        fail(h2_client, failure_of(trip, malformed, error),
             malformed                        ? "the answer is malformed"
             : error == NGHTTP2_CONNECT_ERROR ? "the upstream closed the connection"
                                              : nghttp2_http2_strerror(error));
    destroy(h2_client);
}

/* When nobody wanted to leave, what the upstream says is no HTTP/2. */
static void on_finished(struct h2 *h2)
{
    struct h2_channel *channel = thing_of(h2, struct h2_channel, h2);
    channel->malformed = !channel->leaving;
    stream_close(channel->stream);
}

static void on_goaway(struct h2 *h2, int32_t last)
{
    (void)last;
    thing_of(h2, struct h2_channel, h2)->leaving = true;
}

static const struct h2_side client_side = {
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .sent = on_sent,
    .closed = on_closed,
    .finished = on_finished,
    .goaway = on_goaway,
};

/* --- requests --------------------------------------------------------------------------------- */

static void on_refusing(struct task *task)
{
    struct h2_channel *channel = thing_of(task, struct h2_channel, refusing);
    list_each_leaving (&channel->refused, link) {
        struct h2_client *h2_client = thing_of(link, struct h2_client, link);
        list_leave(&h2_client->link);
        if (h2_client->client.trip != NULL && h2_client->unable)
            fail(h2_client, TRIP_UNABLE, "it does not enable the extended CONNECT");
        else if (h2_client->client.trip != NULL)
            fail(h2_client, TRIP_REFUSED,
                 channel->malformed ? "what the upstream says is no HTTP/2"
                                    : "the connection takes no more");
        destroy(h2_client);
    }
}

static void begin(struct h2_client *h2_client)
{
    struct h2_channel *channel = h2_client->channel;
    const struct trip *trip = h2_client->client.trip;
    bool upgrade = trip->request->upgrade.len > 0, there = channel->stream != NULL;
    h2_client->unable = there && upgrade && !h2_peer_connects(&channel->h2);
    if (!there || h2_client->unable) {
        refuse(h2_client);
        return;
    }
    h2_lines_request(&channel->h2.lines, trip->request, trip->authority);
    bool ends = trip->request->framing == FRAMING_NONE && !upgrade;
    if (h2_ask(&channel->h2, &h2_client->stream, ends) != 0) {
        channel->leaving = true;
        refuse(h2_client);
    }
}

static void begin_waiting(struct h2_channel *channel)
{
    list_each_leaving (&channel->waiting, link) {
        list_leave(link);
        begin(thing_of(link, struct h2_client, link));
    }
}

static void start(struct client *client)
{
    struct h2_client *h2_client = of_client(client);
    struct h2_channel *channel = h2_client->channel;
    struct trip *trip = client->trip;
    client->reused = channel->reused;
    channel->reused = true;
    h2_client->since_ms = worker_now_ms(channel->worker);
    h2_block_start(&h2_client->stream.block, trip->arena, trip->fields_max, trip->head_max);
    if (trip->request->upgrade.len > 0 && channel->stream != NULL && !channel->h2.settled)
        list_append(&channel->waiting, &h2_client->link);
    else
        begin(h2_client);
}

static void body(struct client *client, struct slice bytes)
{
    client->trip->body_sent += bytes.len;
    h2_write(&of_client(client)->stream, bytes);
}

static void end(struct client *client, const struct fields *trailers)
{
    struct h2_client *h2_client = of_client(client);
    client->trip->sent = true;
    if (!h2_client->stream.ended)
        h2_end(&h2_client->stream, trailers);
}

static size_t queued(const struct client *client)
{
    return h2_queued(&of_client(client)->stream);
}

static void room(struct client *client, size_t bytes)
{
    struct h2_client *h2_client = of_client(client);
    h2_client->stream.most = budget_share(client->trip->budget);
    h2_grant(&h2_client->stream, bytes);
    if (h2_client->held != h2_client->stream.window)
        budget_count(client->trip->budget, &h2_client->held, h2_client->stream.window);
}

static const struct client_driver driver = {
    .start = start,
    .body = body,
    .end = end,
    .queued = queued,
    .room = room,
    .drop = drop,
};

struct client *h2_channel_client(struct h2_channel *channel)
{
    assert(h2_channel_has_room(channel));
    struct h2_client *h2_client = spare_take_zeroed(&channel->worker->small, sizeof *h2_client);
    if (h2_client == NULL)
        abort();
    h2_client->client.driver = &driver;
    h2_client->channel = channel;
    channel->trips++;
    return &h2_client->client;
}

/* --- the connection --------------------------------------------------------------------------- */

static bool is_doubtful(const struct h2_channel *channel)
{
    uint64_t now = worker_now_ms(channel->worker);
    return timer_running(&channel->answer) && now + ANSWER_MS - DOUBT_MS >= channel->answer.due_ms;
}

bool h2_channel_has_room(const struct h2_channel *channel)
{
    if (!channel->opened || channel->leaving || channel->stream == NULL ||
        channel->stream->closing || is_doubtful(channel))
        return false;
    uint32_t allowed = h2_peer_streams(&channel->h2);
    return channel->trips < (allowed < TRIPS_MAX ? allowed : TRIPS_MAX);
}

static void on_open(struct stream *stream)
{
    struct h2_channel *channel = stream->owner;
    const struct h2_terms terms = { .block_bytes = channel->block_bytes };
    h2_open(&channel->h2, channel->worker, stream, &client_side, &terms);
    channel->opened = true;
    stream_read(stream, true);
    channel->owner->opened(channel);
}

static void on_read(struct stream *stream, struct slice bytes)
{
    struct h2_channel *channel = stream->owner;
    channel->heard_ms = worker_now_ms(channel->worker);
    worker_timer_stop(channel->worker, &channel->answer);
    h2_receive(&channel->h2, bytes);
    if (channel->h2.settled)
        begin_waiting(channel);
}

static void on_eof(struct stream *stream)
{
    stream_close(stream);
}

static void on_room(struct stream *stream)
{
    struct h2_channel *channel = stream->owner;
    h2_room(&channel->h2);
}

static void on_close(struct stream *stream, int error)
{
    struct h2_channel *channel = stream->owner;
    channel->stream = NULL;
    worker_timer_stop(channel->worker, &channel->answer);
    if (channel->opened)
        h2_close(&channel->h2);
    begin_waiting(channel); /* and is refused */
    list_leave(&channel->refusing.link);
    on_refusing(&channel->refusing);
    assert(channel->trips == 0);
    channel->owner->closed(channel, error);
}

static const struct stream_events stream_events = {
    .on_open = on_open,
    .on_read = on_read,
    .on_eof = on_eof,
    .on_room = on_room,
    .on_close = on_close,
};

int h2_channel_dial(struct h2_channel *channel, struct worker *worker,
                    const struct address *address, uint64_t timeout_ms,
                    const struct h2_channel_owner *owner, size_t block_bytes)
{
    int error = 0;
    channel->owner = owner;
    channel->worker = worker;
    channel->block_bytes = block_bytes;
    channel->answer.on_timer = on_no_answer;
    channel->refusing.run = on_refusing;
    list_init(&channel->waiting);
    list_init(&channel->refused);
    channel->stream = stream_dial(worker, address, timeout_ms, &stream_events, channel, &error);
    return channel->stream != NULL ? 0 : error;
}

void h2_channel_close(struct h2_channel *channel)
{
    channel->leaving = true;
    if (channel->opened)
        h2_break(&channel->h2, NGHTTP2_NO_ERROR);
    else if (channel->stream != NULL)
        stream_close(channel->stream);
}

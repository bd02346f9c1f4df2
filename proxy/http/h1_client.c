/* See h1_client.h. The answer's head is gathered until it is whole, copied once into the call's
 * arena and read there; its body is passed on as it comes. A connection is used again only if
 * both sides are through with the exchange and not a byte is left over.
 */
#include "http/h1_client.h"

#include <assert.h>

#include "http/framing.h"
#include "http/websocket.h"
#include "http/writing.h"

static const struct stream_events stream_events;
static const struct client_driver driver;

static struct h1_client *h1_of(const struct client *client)
{
    return thing_of(client, struct h1_client, client);
}

int h1_client_dial(struct h1_client *h1, struct worker *worker, const struct address *address,
                   uint64_t timeout_ms, const struct h1_client_owner *owner, struct bytes *scratch)
{
    int error = 0;
    *h1 = (struct h1_client){ .client.driver = &driver, .owner = owner, .scratch = scratch };
    h1->stream = stream_dial(worker, address, timeout_ms, &stream_events, h1, &error);
    return h1->stream != NULL ? 0 : error;
}

static void set_reading(struct h1_client *h1, bool on)
{
    if (h1->reading == on)
        return;
    h1->reading = on;
    stream_read(h1->stream, on);
}

/* --- the end of a trip ------------------------------------------------------------------------ */

static struct trip *part(struct h1_client *h1)
{
    struct trip *trip = client_part(&h1->client);
    h1->searched = 0;
    bytes_free(&h1->input);
    return trip;
}

static void fail(struct h1_client *h1, enum trip_failure failure, const char *detail)
{
    struct trip *trip = part(h1);
    stream_close(h1->stream);
    trip->events->fail(trip, failure, h1->client.reused, detail);
}

/* Nothing of the request under way has left us: what comes now cannot be its answer. */
static bool is_unsent(const struct h1_client *h1)
{
    const struct trip *trip = h1->client.trip;
    return trip != NULL && !trip->answering && h1->takings == h1->stream->takings;
}

/* A connection that rested was taken for a trip in the same turn as its end, or bytes that nobody
 * asked for, came. What waits of the request is not let out any more. */
static void refuse(struct h1_client *h1, const char *detail)
{
    stream_reset(h1->stream);
    struct trip *trip = part(h1);
    trip->events->fail(trip, TRIP_REFUSED, h1->client.reused, detail);
}

static void finish(struct h1_client *h1, bool clean)
{
    struct trip *trip = part(h1);
    if (clean && trip->sent && !trip->last) {
        set_reading(h1, true);
        h1->owner->idle(h1);
    } else {
        stream_close(h1->stream);
    }
    trip->events->end(trip, trip->reader.trailers.count > 0 ? &trip->reader.trailers : NULL);
}

static bool drop(struct client *client)
{
    struct h1_client *h1 = h1_of(client);
    bool unsent = is_unsent(h1), hard = unsent || client->trip->tunnel;
    part(h1);
    if (hard) /* the request stays here; the end of a tunnel would be taken for a good one */
        stream_reset(h1->stream);
    else
        stream_close(h1->stream);
    return unsent;
}

void h1_client_close(struct h1_client *h1)
{
    assert(h1->client.trip == NULL);
    stream_close(h1->stream);
}

/* --- answers ---------------------------------------------------------------------------------- */

static bool on_content(struct body_sink *sink, struct slice bytes)
{
    struct trip *trip = thing_of(sink, struct trip, sink);
    assert(trip->client != NULL && trip->answering);
    struct h1_client *h1 = h1_of(trip->client);
    trip->window += bytes.len;
    trip->events->body(trip, bytes);
    if (trip->client == NULL)
        return false;
    if (trip->window >= budget_share(trip->budget))
        set_reading(h1, false);
    return true;
}

static void interim(struct h1_client *h1, struct trip *trip)
{
    if (++trip->interims > INTERIMS_MAX)
        fail(h1, TRIP_BAD, "there are too many interim answers");
    else
        trip->events->interim(trip, &trip->response);
}

/* The protocol changes, if that was asked for: to no other (RFC 9110 §7.8). */
static void switch_protocols(struct h1_client *h1, struct trip *trip)
{
    if (trip->request->upgrade.len == 0 ||
        !slice_equal_nocase(trip->request->upgrade, trip->response.upgrade)) {
        fail(h1, TRIP_BAD, "101 answers a request that asked for no such upgrade");
        return;
    }
    if (!websocket_accepted(trip->request, &trip->response)) {
        fail(h1, TRIP_BAD, "101 does not accept the WebSocket that was asked for");
        return;
    }
    trip->tunnel = trip->answering = trip->last = true;
    trip->response.framing = FRAMING_TUNNEL;
    body_start(&trip->reader, FRAMING_TUNNEL, 0, true, trip->arena);
    trip->events->head(trip, &trip->response);
}

/* The head of the final answer. Without a body it is also the end. */
static void answer(struct h1_client *h1, struct trip *trip, const struct head_notes *notes,
                   size_t left)
{
    const struct head *response = &trip->response;
    assert(!trip->answering && response->status >= 200);
    bool has_body = response_has_body(trip->request->method, response->status);
    trip->answering = true;
    trip->last = notes->close;
    trip->stopped = !trip->sent && response->status >= 300 && head_has_body(trip->request);
    body_start(&trip->reader, has_body ? response->framing : FRAMING_NONE, response->length,
               notes->until_close, trip->arena);
    trip->events->head(trip, response);
    if (h1->client.trip == trip && trip->reader.state == BODY_DONE)
        finish(h1, left == 0);
}

/* A whole head; `left` bytes are behind it. */
static void read_head(struct h1_client *h1, struct slice head, size_t left)
{
    struct trip *trip = h1->client.trip;
    struct slice copy = arena_copy(trip->arena, head);
    struct head_notes notes;
    if (copy.at == NULL || head.len > trip->head_max) {
        fail(h1, TRIP_BAD, "the answer's head is too large");
        return;
    }
    enum head_verdict verdict = response_parse(copy, trip->fields_max, trip->request->method,
                                               trip->arena, &trip->response, &notes);
    if (verdict != HEAD_OK)
        fail(h1, TRIP_BAD, notes.why);
    else if (trip->response.status == 101)
        switch_protocols(h1, trip);
    else if (trip->response.status < 200)
        interim(h1, trip);
    else
        answer(h1, trip, &notes, left);
}

/* How much of `bytes` was a head; 0: more is needed. */
static size_t take_head(struct h1_client *h1, struct slice bytes)
{
    struct trip *trip = h1->client.trip;
    trip->begun = true;
    size_t length = head_length(bytes, h1->searched);
    h1->searched = 0;
    if (length > 0) {
        read_head(h1, slice_first(bytes, length), bytes.len - length);
        return length;
    }
    const char *wrong = head_scan(bytes);
    if (bytes.len >= trip->head_max)
        wrong = "the answer's head is too large";
    if (wrong != NULL) {
        fail(h1, TRIP_BAD, wrong);
        return bytes.len;
    }
    h1->searched = bytes.len;
    return 0;
}

static size_t take_body(struct h1_client *h1, struct slice bytes)
{
    struct trip *trip = h1->client.trip;
    size_t taken = body_read(&trip->reader, bytes, &trip->sink);
    if (h1->client.trip != trip)
        return bytes.len;
    if (trip->reader.state == BODY_BAD)
        fail(h1, TRIP_BROKEN, trip->reader.why);
    else if (trip->reader.state == BODY_DONE)
        finish(h1, taken == bytes.len);
    return taken;
}

/* Takes what can be taken; bytes that belong to no trip end the connection. */
static size_t take(struct h1_client *h1, struct slice bytes)
{
    size_t taken = 0;
    struct trip *trip = h1->client.trip;
    while (taken < bytes.len && h1->client.trip == trip && trip != NULL) {
        struct slice rest = slice_from(bytes, taken);
        size_t now = trip->answering ? take_body(h1, rest) : take_head(h1, rest);
        if (now == 0)
            return taken;
        taken += now;
    }
    if (taken < bytes.len)
        stream_close(h1->stream);
    return bytes.len;
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_open(struct stream *stream)
{
    struct h1_client *h1 = stream->owner;
    set_reading(h1, true);
    h1->owner->opened(h1);
}

/* Keeps the beginning of a head. If some of it does not fit, the rest would be read as something
 * else. */
static bool keep(struct h1_client *h1, struct slice bytes)
{
    assert(h1->client.trip != NULL && !h1->client.trip->answering);
    bytes_add(&h1->input, bytes);
    if (!h1->input.full)
        return true;
    fail(h1, TRIP_BAD, "there is no memory for the answer's head");
    return false;
}

static void on_read(struct stream *stream, struct slice bytes)
{
    struct h1_client *h1 = stream->owner;
    if (is_unsent(h1)) {
        refuse(h1, "the upstream said more than its answer");
        return;
    }
    if (h1->input.len == 0) {
        bytes = slice_from(bytes, take(h1, bytes));
        if (bytes.len > 0)
            (void)keep(h1, bytes);
        return;
    }
    if (!keep(h1, bytes))
        return;
    /* The gathered bytes stay ours while they are read, whatever becomes of the trip. */
    struct bytes gathered = h1->input;
    h1->input = (struct bytes){ 0 };
    size_t taken = take(h1, bytes_slice(&gathered));
    if (taken == 0) {
        h1->input = gathered;
        return;
    }
    if (taken < gathered.len)
        (void)keep(h1, slice_from(bytes_slice(&gathered), taken));
    bytes_free(&gathered);
}

/* The upstream's half of a tunnel has ended. It may still read: when ours has ended too, what waits
 * of that goes out first, and on_close is the end. */
static void end_half(struct h1_client *h1, struct trip *trip)
{
    trip->half = true;
    if (trip->sent)
        stream_finish(h1->stream);
    else
        trip->events->half_end(trip);
}

static void on_eof(struct stream *stream)
{
    struct h1_client *h1 = stream->owner;
    struct trip *trip = h1->client.trip;
    if (trip == NULL) {
        stream_close(stream);
    } else if (is_unsent(h1)) {
        refuse(h1, "the upstream closed the connection");
    } else if (!trip->answering) {
        fail(h1, trip->begun ? TRIP_CUT : TRIP_LOST, "the upstream closed the connection");
    } else if (trip->tunnel) {
        end_half(h1, trip);
    } else if (body_eof(&trip->reader)) {
        trip->last = true;
        finish(h1, false);
    } else {
        fail(h1, TRIP_BROKEN, "the upstream closed the connection");
    }
}

static void on_room(struct stream *stream)
{
    struct h1_client *h1 = stream->owner;
    if (h1->client.trip != NULL)
        h1->client.trip->events->room(h1->client.trip);
}

static size_t most(const struct stream *stream)
{
    const struct trip *trip = ((const struct h1_client *)stream->owner)->client.trip;
    if (trip == NULL)
        return SIZE_MAX;
    size_t share = budget_share(trip->budget);
    return share > trip->window ? share - trip->window : BUDGET_LEAST;
}

static void on_close(struct stream *stream, int error)
{
    struct h1_client *h1 = stream->owner;
    if (h1->client.trip != NULL) {
        bool unsent = is_unsent(h1);
        struct trip *trip = part(h1);
        enum trip_failure failure = unsent            ? TRIP_REFUSED
                                    : trip->answering ? TRIP_BROKEN
                                    : trip->begun     ? TRIP_CUT
                                                      : TRIP_LOST;
        if (trip->half && trip->sent && error == 0)
            trip->events->end(trip, NULL);
        else
            trip->events->fail(trip, failure, h1->client.reused, strerror(-error));
    }
    bytes_free(&h1->input);
    h1->stream = NULL;
    h1->owner->closed(h1, error);
}

static const struct stream_events stream_events = {
    .on_open = on_open,
    .on_read = on_read,
    .on_eof = on_eof,
    .on_room = on_room,
    .most = most,
    .on_close = on_close,
};

/* --- requests --------------------------------------------------------------------------------- */

static void start(struct client *client)
{
    struct h1_client *h1 = h1_of(client);
    struct trip *trip = client->trip;
    assert(h1->stream != NULL && h1->scratch->len == 0 && h1->input.len == 0);
    h1->takings = h1->stream->takings;
    trip->sink.content = on_content;
    trip->chunks = trip->request->framing == FRAMING_CHUNKED || trailers_need_chunks(trip->request);
    request_write(trip->request, trip->authority, h1->scratch);
    built_write(h1->stream, h1->scratch);
}

static void tunnel(struct client *client)
{
    struct trip *trip = client->trip;
    assert(h1_of(client)->stream != NULL);
    trip->sink.content = on_content;
    trip->tunnel = trip->answering = trip->begun = trip->last = true;
    body_start(&trip->reader, FRAMING_TUNNEL, 0, true, trip->arena);
}

/* What goes through a tunnel is no body: an upgrade may have said that its own has no byte. */
static bool has_length(const struct trip *trip)
{
    return trip->request->framing == FRAMING_LENGTH && !trip->tunnel;
}

/* More may follow than HTTP/2 said, and then the request is malformed (RFC 9113 §8.1.1). Until it
 * has ended, the upstream shall not take it for whole. */
static void withhold_last(struct trip *trip, struct slice *bytes)
{
    const struct head *request = trip->request;
    if (!request->h2 || !has_length(trip) || trip->body_sent < request->length)
        return;
    assert(trip->body_sent == request->length && bytes->len > 0 && !trip->withholds);
    trip->withholds = true;
    trip->withheld = bytes->at[--bytes->len];
}

static void body(struct client *client, struct slice bytes)
{
    struct stream *stream = h1_of(client)->stream;
    struct trip *trip = client->trip;
    if (trip->stopped)
        return;
    trip->body_sent += bytes.len;
    assert(!has_length(trip) || trip->body_sent <= trip->request->length);
    if (trip->chunks) {
        chunk_write(stream, bytes);
    } else {
        withhold_last(trip, &bytes);
        stream_write_slice(stream, bytes);
    }
}

static void end(struct client *client, const struct fields *trailers)
{
    struct h1_client *h1 = h1_of(client);
    struct trip *trip = client->trip;
    if (trip->stopped)
        return; /* the request stays incomplete, and the connection ends with the answer */
    trip->sent = true;
    assert(!has_length(trip) || trip->body_sent == trip->request->length);
    if (trip->half) {
        stream_finish(h1->stream);
    } else if (trip->tunnel) {
        stream_end(h1->stream);
    } else if (trip->chunks) {
        last_chunk_write(trailers, h1->scratch);
        built_write(h1->stream, h1->scratch);
    } else if (trip->withholds) {
        stream_write_slice(h1->stream, slice_of(&trip->withheld, 1));
    }
}

static size_t queued(const struct client *client)
{
    return stream_queued(h1_of(client)->stream);
}

static void room(struct client *client, size_t bytes)
{
    (void)bytes;
    const struct trip *trip = client->trip;
    if (trip->window <= budget_share(trip->budget) / 2)
        set_reading(h1_of(client), true);
}

bool h1_client_usable(const struct h1_client *h1)
{
    return h1->stream != NULL && !h1->stream->closing;
}

static const struct client_driver driver = {
    .start = start,
    .tunnel = tunnel,
    .body = body,
    .end = end,
    .queued = queued,
    .room = room,
    .drop = drop,
};

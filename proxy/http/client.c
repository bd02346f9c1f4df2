/* See client.h. The answer's head is gathered until it is whole, copied once into the call's
 * arena and read there; its body is passed on as it comes. A connection is used again only if
 * both sides are through with the exchange and not a byte is left over.
 */
#include "http/client.h"

#include <assert.h>

#include "http/framing.h"
#include "http/writing.h"

enum { INTERIMS_MAX = 32 };

static const struct stream_events stream_events;

int client_dial(struct client *client, struct worker *worker, const struct address *address,
                uint64_t timeout_ms, const struct client_owner *owner, struct bytes *scratch)
{
    int error = 0;
    *client = (struct client){ .own = client->own, .owner = owner, .scratch = scratch };
    client->stream = stream_dial(worker, address, timeout_ms, &stream_events, client, &error);
    return client->stream != NULL ? 0 : error;
}

static void set_reading(struct client *client, bool on)
{
    if (client->reading == on)
        return;
    client->reading = on;
    stream_read(client->stream, on);
}

/* --- the end of a trip ------------------------------------------------------------------------ */

static struct trip *part(struct client *client)
{
    struct trip *trip = client->trip;
    assert(trip != NULL && trip->client == client);
    trip->client = NULL;
    client->trip = NULL;
    client->searched = 0;
    bytes_free(&client->input);
    return trip;
}

static void fail(struct client *client, enum trip_failure failure, const char *detail)
{
    struct trip *trip = part(client);
    stream_close(client->stream);
    trip->events->fail(trip, failure, client->reused, detail);
}

static void finish(struct client *client, bool clean)
{
    struct trip *trip = part(client);
    if (clean && trip->sent && !trip->last) {
        set_reading(client, true);
        client->owner->idle(client);
    } else {
        stream_close(client->stream);
    }
    trip->events->end(trip, trip->reader.trailers.count > 0 ? &trip->reader.trailers : NULL);
}

void client_drop(struct client *client)
{
    part(client);
    stream_close(client->stream);
}

void client_close(struct client *client)
{
    assert(client->trip == NULL);
    stream_close(client->stream);
}

/* --- answers ---------------------------------------------------------------------------------- */

static bool on_content(struct body_sink *sink, struct slice bytes)
{
    struct trip *trip = thing_of(sink, struct trip, sink);
    struct client *client = trip->client;
    assert(client != NULL && client->trip == trip && trip->answering);
    trip->window += bytes.len;
    trip->events->body(trip, bytes);
    if (trip->client == NULL)
        return false;
    if (trip->window >= CLIENT_WINDOW)
        set_reading(client, false);
    return true;
}

static void interim(struct client *client, struct trip *trip)
{
    if (++trip->interims > INTERIMS_MAX)
        fail(client, TRIP_BAD, "there are too many interim answers");
    else
        trip->events->interim(trip, &trip->response);
}

/* The protocol changes, if that was asked for. */
static void switch_protocols(struct client *client, struct trip *trip)
{
    if (trip->request->upgrade.len == 0 || trip->response.upgrade.len == 0) {
        fail(client, TRIP_BAD, "101 answers a request that asked for no such upgrade");
        return;
    }
    trip->tunnel = trip->answering = trip->last = true;
    trip->response.framing = FRAMING_TUNNEL;
    body_start(&trip->reader, FRAMING_TUNNEL, 0, true, trip->arena);
    trip->events->head(trip, &trip->response);
}

/* The head of the final answer. Without a body it is also the end. */
static void answer(struct client *client, struct trip *trip, const struct head_notes *notes,
                   size_t left)
{
    const struct head *response = &trip->response;
    assert(!trip->answering && response->status >= 200);
    bool has_body = response_has_body(trip->request->method, response->status);
    trip->answering = true;
    trip->last = notes->close;
    trip->stopped = !trip->sent && response->status >= 300 &&
                    trip->request->framing != FRAMING_NONE;
    body_start(&trip->reader, has_body ? response->framing : FRAMING_NONE, response->length,
               notes->until_close, trip->arena);
    trip->events->head(trip, response);
    if (client->trip == trip && trip->reader.state == BODY_DONE)
        finish(client, left == 0);
}

/* A whole head; `left` bytes are behind it. */
static void read_head(struct client *client, struct slice head, size_t left)
{
    struct trip *trip = client->trip;
    struct slice copy = arena_copy(trip->arena, head);
    struct head_notes notes;
    if (copy.at == NULL || head.len > trip->head_max) {
        fail(client, TRIP_BAD, "the answer's head is too large");
        return;
    }
    enum head_verdict verdict = response_parse(copy, trip->fields_max, trip->request->method,
                                               trip->arena, &trip->response, &notes);
    if (verdict != HEAD_OK)
        fail(client, TRIP_BAD, notes.why);
    else if (trip->response.status == 101)
        switch_protocols(client, trip);
    else if (trip->response.status < 200)
        interim(client, trip);
    else
        answer(client, trip, &notes, left);
}

/* How much of `bytes` was a head; 0: more is needed. */
static size_t take_head(struct client *client, struct slice bytes)
{
    struct trip *trip = client->trip;
    trip->begun = true;
    size_t length = head_length(bytes, client->searched);
    client->searched = 0;
    if (length > 0) {
        read_head(client, slice_first(bytes, length), bytes.len - length);
        return length;
    }
    const char *wrong = head_scan(bytes);
    if (bytes.len >= trip->head_max)
        wrong = "the answer's head is too large";
    if (wrong != NULL) {
        fail(client, TRIP_BAD, wrong);
        return bytes.len;
    }
    client->searched = bytes.len;
    return 0;
}

static size_t take_body(struct client *client, struct slice bytes)
{
    struct trip *trip = client->trip;
    size_t taken = body_read(&trip->reader, bytes, &trip->sink);
    if (client->trip != trip)
        return bytes.len;
    if (trip->reader.state == BODY_BAD)
        fail(client, TRIP_BROKEN, trip->reader.why);
    else if (trip->reader.state == BODY_DONE)
        finish(client, taken == bytes.len);
    return taken;
}

/* Takes what can be taken; bytes that belong to no trip end the connection. */
static size_t take(struct client *client, struct slice bytes)
{
    size_t taken = 0;
    struct trip *trip = client->trip;
    while (taken < bytes.len && client->trip == trip && trip != NULL) {
        struct slice rest = slice_from(bytes, taken);
        size_t now = trip->answering ? take_body(client, rest) : take_head(client, rest);
        if (now == 0)
            return taken;
        taken += now;
    }
    if (taken < bytes.len)
        stream_close(client->stream);
    return bytes.len;
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_open(struct stream *stream)
{
    struct client *client = stream->owner;
    set_reading(client, true);
    client->owner->opened(client);
}

static void on_read(struct stream *stream, struct slice bytes)
{
    struct client *client = stream->owner;
    if (client->input.len == 0) {
        bytes = slice_from(bytes, take(client, bytes));
        if (bytes.len > 0)
            bytes_add(&client->input, bytes);
        return;
    }
    /* The gathered bytes stay ours while they are read, whatever becomes of the trip. */
    struct bytes gathered = client->input;
    client->input = (struct bytes){ 0 };
    bytes_add(&gathered, bytes);
    size_t taken = take(client, bytes_slice(&gathered));
    if (taken == 0) {
        client->input = gathered;
        return;
    }
    if (taken < gathered.len)
        bytes_add(&client->input, slice_from(bytes_slice(&gathered), taken));
    bytes_free(&gathered);
}

static void on_eof(struct stream *stream)
{
    struct client *client = stream->owner;
    struct trip *trip = client->trip;
    if (trip == NULL) {
        stream_close(stream);
    } else if (!trip->answering) {
        fail(client, trip->begun ? TRIP_CUT : TRIP_LOST, "the upstream closed the connection");
    } else if (body_eof(&trip->reader)) {
        trip->last = true;
        finish(client, false);
    } else {
        fail(client, TRIP_BROKEN, "the upstream closed the connection");
    }
}

static void on_room(struct stream *stream)
{
    struct client *client = stream->owner;
    if (client->trip != NULL)
        client->trip->events->room(client->trip);
}

static void on_close(struct stream *stream, int error)
{
    struct client *client = stream->owner;
    if (client->trip != NULL) {
        struct trip *trip = part(client);
        enum trip_failure failure = trip->answering ? TRIP_BROKEN
                                    : trip->begun   ? TRIP_CUT
                                                    : TRIP_LOST;
        trip->events->fail(trip, failure, client->reused, strerror(-error));
    }
    bytes_free(&client->input);
    client->stream = NULL;
    client->owner->closed(client, error);
}

static const struct stream_events stream_events = {
    .on_open = on_open,
    .on_read = on_read,
    .on_eof = on_eof,
    .on_room = on_room,
    .on_close = on_close,
};

/* --- requests --------------------------------------------------------------------------------- */

static void join(struct client *client, struct trip *trip)
{
    assert(client->trip == NULL && trip->client == NULL && client->stream != NULL);
    client->trip = trip;
    trip->client = client;
    trip->sink.content = on_content;
}

void client_start(struct client *client, struct trip *trip)
{
    join(client, trip);
    assert(client->scratch->len == 0 && client->input.len == 0);
    request_write(trip->request, trip->authority, client->scratch);
    built_write(client->stream, client->scratch);
}

void client_tunnel(struct client *client, struct trip *trip)
{
    join(client, trip);
    trip->tunnel = trip->answering = trip->begun = trip->last = true;
    body_start(&trip->reader, FRAMING_TUNNEL, 0, true, trip->arena);
}

void client_body(struct client *client, struct slice bytes)
{
    struct trip *trip = client->trip;
    assert(!trip->sent);
    if (trip->stopped)
        return;
    trip->body_sent += bytes.len;
    if (trip->tunnel) {
        stream_write_slice(client->stream, bytes);
    } else if (trip->request->framing == FRAMING_CHUNKED) {
        chunk_write(client->stream, bytes);
    } else {
        assert(trip->body_sent <= trip->request->length);
        stream_write_slice(client->stream, bytes);
    }
}

void client_end(struct client *client, const struct fields *trailers)
{
    struct trip *trip = client->trip;
    assert(!trip->sent);
    if (trip->stopped)
        return; /* the request stays incomplete, and the connection ends with the answer */
    trip->sent = true;
    if (trip->tunnel) {
        stream_end(client->stream);
    } else if (trip->request->framing == FRAMING_CHUNKED) {
        last_chunk_write(trailers, client->scratch);
        built_write(client->stream, client->scratch);
    } else {
        assert(trip->request->framing != FRAMING_LENGTH ||
               trip->body_sent == trip->request->length);
    }
}

size_t client_queued(const struct client *client)
{
    return stream_queued(client->stream);
}

bool client_usable(const struct client *client)
{
    return client->stream != NULL && !client->stream->closing;
}

void client_room(struct client *client, size_t bytes)
{
    struct trip *trip = client->trip;
    assert(trip != NULL && bytes <= trip->window);
    trip->window -= bytes;
    if (trip->window <= CLIENT_WINDOW / 2)
        set_reading(client, true);
}

/* The reading half of a client's HTTP/2 connection; see h2_server.h.
 *
 * Happy path: a block that is whole begins a call, DATA is its body, the end of the stream ends
 * its request; the stream closes when both have been said. Failures: what is wrong with a request
 * refuses its call, and the answer says why; what breaks the protocol resets the stream or, by
 * nghttp2's or our own judgement, ends the connection. A stream that the client resets cancels
 * its call at once. Time is looked at by one timer for each connection.
 */
#include "http/h2_server.h"

#include <assert.h>
#include <stdlib.h>

#include "core/snapshot.h"
#include "http/websocket.h"
#include "observe/observe.h"

enum {
    WARNING_MS = 100,       /* between the first and the second GOAWAY */
    HELD_MAX = 4096 * 1024, /* by all streams of a connection, beyond what each may hold at least */
    HELD_SHIFT = 4,
};

struct h2_connection *h2_connection_of(struct link *link)
{
    return thing_of(link, struct h2_connection, link);
}

static struct h2_service *service_of(struct h2_stream *stream)
{
    return thing_of(stream, struct h2_service, stream);
}

static struct worker *worker_of(const struct h2_connection *connection)
{
    return connection->server->worker;
}

static const struct limits *limits_of(const struct h2_connection *connection)
{
    return &worker_of(connection)->snapshot->limits;
}

static uint64_t now_ms(const struct h2_connection *connection)
{
    return worker_now_ms(worker_of(connection));
}

static void arm(struct h2_connection *connection, uint64_t after_ms)
{
    uint64_t due = now_ms(connection) + after_ms;
    if (!timer_running(&connection->timer) || connection->timer.due_ms > due)
        worker_timer(worker_of(connection), &connection->timer, after_ms);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void destroy_if_done(struct h2_connection *connection)
{
    if (connection->stream != NULL || connection->services > 0)
        return;
    struct server *server = connection->server;
    assert(connection->budget.used == 0);
    worker_timer_stop(server->worker, &connection->timer);
    list_leave(&connection->link);
    free(connection->peer);
    free(connection);
    assert(server->open > 0);
    server->open--;
    observe_connections(server->worker, -1);
    server_connection_gone(server);
}

/* A service is there as long as its stream or its call. */
static void release(struct h2_service *service)
{
    struct h2_connection *connection = service->owner;
    if (service->stream.h2 != NULL || service->calls > 0)
        return;
    assert(service->call == NULL && connection->services > 0);
    h2_stream_free(&service->stream);
    h2_service_count(service);
    spare_give(&worker_of(connection)->small, service);
    connection->services--;
    connection->since_ms = now_ms(connection);
    if (connection->services == 0 && connection->stream != NULL)
        arm(connection, connection->farewell ? LINGER_MS : limits_of(connection)->idle_ms);
    destroy_if_done(connection);
}

void h2_service_answered(struct h2_service *service)
{
    assert(service->call != NULL);
    service->call = NULL;
    h2_ignore(&service->stream);
}

void h2_service_gone(struct call *call)
{
    struct h2_service *service = call->asker;
    assert(service->call != call && service->calls == 1);
    service->calls = 0;
    release(service);
}

static void begin_closing(struct h2_connection *connection)
{
    if (connection->closing)
        return;
    connection->closing = true;
    connection->since_ms = now_ms(connection);
    stream_end(connection->stream);
    arm(connection, LINGER_MS);
}

void h2_connection_abort(struct h2_connection *connection)
{
    if (connection->stream != NULL)
        stream_reset(connection->stream);
}

void h2_connection_drain(struct h2_connection *connection)
{
    if (connection->warned || connection->stream == NULL)
        return;
    connection->warned = true;
    h2_leave(&connection->h2, false);
    arm(connection, WARNING_MS);
}

/* --- requests --------------------------------------------------------------------------------- */

static struct h2_stream *on_begin(struct h2 *h2, int32_t id)
{
    (void)id;
    struct h2_connection *connection = thing_of(h2, struct h2_connection, h2);
    const struct limits *limits = limits_of(connection);
    struct worker *worker = worker_of(connection);
    struct h2_service *service = spare_take_zeroed(&worker->small, sizeof *service);
    struct call *call = service == NULL ? NULL : call_new(worker, &h2_caller, service);
    if (call == NULL) {
        spare_give(&worker->small, service);
        return NULL;
    }
    service->owner = connection;
    service->call = call;
    service->calls = 1;
    service->continued = true;
    service->since_ms = service->seen_ms = now_ms(connection);
    call->peer = slice_text(connection->peer);
    call->listener = &connection->server->settings;
    call->budget = &connection->budget;
    h2_block_start(&service->stream.block, &call->arena, limits->head_fields, limits->head);
    connection->services++;
    arm(connection,
        limits->head_ms < limits->body_ms ? limits->head_ms / 4 + 1 : limits->body_ms / 4 + 1);
    return &service->stream;
}

/* What is wrong behind an answer's head can be told by a reset only. */
static void break_request(struct h2_service *service, enum reason reason, const char *detail)
{
    assert(!service->broken && service->call != NULL);
    service->broken = true;
    if (service->stream.opened)
        h2_blame(&service->stream, NGHTTP2_PROTOCOL_ERROR);
    call_refuse(service->call, reason, detail);
}

static bool ask_for_websocket(struct h2_service *service)
{
    struct call *call = service->call;
    uint8_t random[16];
    worker_random(call->worker, random, sizeof random);
    service->deciding = call->upgrade = true;
    if (websocket_key(&call->request, random, &call->arena) == 0)
        return true;
    break_request(service, REASON_head_too_large, NULL);
    return false;
}

static void on_head(struct h2_stream *stream, bool ends)
{
    struct h2_service *service = service_of(stream);
    struct call *call = service->call;
    struct server *server = service->owner->server;
    assert(call != NULL && !service->begun);
    service->begun = true;
    enum head_verdict verdict = h2_block_request(&stream->block, ends, &call->request);
    if (verdict != HEAD_OK) {
        break_request(service, head_reason(verdict), stream->block.why);
        return;
    }
    service->continued = !call->request.expects;
    call->hops = head_hops(&call->request.fields);
    if (call->request.framing != FRAMING_TUNNEL)
        call->request.authority = server_authority(server, call->request.authority, &call->arena);
    service->unproven = !ends && call->request.framing == FRAMING_LENGTH &&
                        call->request.length == 0;
    if (call->request.upgrade.len > 0 && !ask_for_websocket(service))
        return;
    if (!service->unproven) /* else an upstream could answer before the lie shows */
        call_begin(call);
}

static void on_data(struct h2_stream *stream, struct slice bytes)
{
    struct h2_service *service = service_of(stream);
    if (service->broken)
        return;
    assert(service->call != NULL && service->begun && !service->unproven);
    service->credit -= bytes.len < service->credit ? bytes.len : service->credit;
    service->since_ms = now_ms(service->owner);
    call_body(service->call, bytes);
}

/* CONNECT, of both kinds: behind its head there is nothing but DATA (RFC 9113 §8.5). */
static bool is_tunnel(const struct h2_service *service)
{
    return service->deciding || service->stream.both_ways ||
           service->call->request.framing == FRAMING_TUNNEL;
}

static void on_end(struct h2_stream *stream, bool trailing)
{
    struct h2_service *service = service_of(stream);
    struct fields trailers = { 0 };
    if (service->broken)
        return;
    if (trailing && is_tunnel(service))
        break_request(service, REASON_bad_request, "a tunnel has no trailers");
    else if (trailing && h2_block_trailers(&stream->block, &trailers) != HEAD_OK)
        break_request(service, REASON_bad_request, stream->block.why);
    if (service->broken)
        return;
    if (service->deciding) {
        service->end_waits = true;
        return;
    }
    if (service->unproven)
        call_begin(service->call);
    service->unproven = false;
    call_end(service->call, &trailers);
}

/* Both halves of a tunnel have ended; what the client said last may still wait for the upstream. */
static bool ends_well(const struct h2_stream *stream)
{
    return stream->both_ways && stream->complete && stream->ended && !stream->given_up;
}

/* The client gave the stream up, or with its connection is gone, or nghttp2 found the request
 * malformed. */
static void on_closed(struct h2_stream *stream, uint32_t error)
{
    struct h2_service *service = service_of(stream);
    struct call *call = service->call;
    if (call != NULL && error == NGHTTP2_NO_ERROR && ends_well(stream))
        return; /* the call's own end follows */
    service->call = NULL;
    h2_ignore(stream);
    if (call != NULL)
        call_cancel(call, stream->forced ? REASON_bad_request : REASON_client_gone);
    release(service);
}

/* No answer can reach the client any more. */
static void on_finished(struct h2 *h2)
{
    begin_closing(thing_of(h2, struct h2_connection, h2));
    h2_close(h2);
}

static const struct h2_side server_side = {
    .begin = on_begin,
    .head = on_head,
    .data = on_data,
    .end = on_end,
    .sent = h2_service_sent,
    .closed = on_closed,
    .finished = on_finished,
};

/* --- time ------------------------------------------------------------------------------------- */

/* The client does not take its answer, of which perhaps all is there already. */
static void cut(struct h2_service *service)
{
    struct call *call = service->call;
    service->call = NULL;
    h2_ignore(&service->stream);
    if (call != NULL)
        call_cancel(call, REASON_answer_not_read);
    observe_event(worker_of(service->owner), "answer_not_read");
    h2_reset(&service->stream, NGHTTP2_CANCEL);
}

/* False: the connection is to end, since its peer stops in the middle of a block. */
static bool look_at_service(struct h2_service *service, uint64_t now)
{
    const struct limits *limits = limits_of(service->owner);
    struct h2_stream *stream = &service->stream;
    if (!service->begun || service->unproven)
        return now - service->since_ms < limits->head_ms;
    if (h2_queued(stream) == 0 || service->sent != service->seen) {
        service->seen = service->sent;
        service->seen_ms = now;
    } else if (now - service->seen_ms >= limits->body_ms) {
        cut(service);
        return true;
    }
    bool waits = service->call != NULL && !service->broken && service->credit > 0 &&
                 !stream->complete && !stream->both_ways && !stream->opened &&
                 !service->call->grpc && service->call->request.framing != FRAMING_TUNNEL;
    if (waits && now - service->since_ms >= limits->body_ms)
        break_request(service, REASON_body_timeout, NULL);
    return true;
}

static void look_at_services(struct h2_connection *connection, uint64_t now)
{
    const struct limits *limits = limits_of(connection);
    bool late = false;
    list_each (&connection->h2.streams, link) {
        struct h2_stream *stream = thing_of(link, struct h2_stream, link);
        late |= !look_at_service(service_of(stream), now);
    }
    if (late) {
        observe_event(worker_of(connection), "head_timeout");
        h2_break(&connection->h2, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    arm(connection,
        (limits->head_ms < limits->body_ms ? limits->head_ms : limits->body_ms) / 4 + 1);
}

static void look_at_closing(struct h2_connection *connection, uint64_t now)
{
    bool late = now - connection->since_ms >= LINGER_MS;
    if (late && (stream_queued(connection->stream) == 0 ||
                 stream_is_stuck(connection->stream, limits_of(connection)->body_ms)))
        stream_close(connection->stream);
    else
        arm(connection, LINGER_MS);
}

static void on_timer(struct timer *timer)
{
    struct h2_connection *connection = thing_of(timer, struct h2_connection, timer);
    uint64_t now = now_ms(connection);
    if (connection->stream == NULL)
        return;
    if (connection->closing) {
        look_at_closing(connection, now);
        return;
    }
    if (connection->warned && !connection->farewell) {
        connection->farewell = true;
        h2_leave(&connection->h2, true);
    }
    if (stream_is_stuck(connection->stream, limits_of(connection)->body_ms)) {
        list_each (&connection->h2.streams, link)
            cut(service_of(thing_of(link, struct h2_stream, link)));
        h2_connection_abort(connection);
    } else if (connection->services > 0) {
        look_at_services(connection, now);
    } else if (now - connection->since_ms >= limits_of(connection)->idle_ms) {
        h2_break(&connection->h2, NGHTTP2_NO_ERROR);
    } else {
        arm(connection, connection->since_ms + limits_of(connection)->idle_ms - now);
    }
}

/* --- the stream ------------------------------------------------------------------------------- */

/* A head of which a part is there. At the cap its sender cannot be told otherwise: an answer would
 * have to wait for the rest. */
static void count_heading(struct h2_connection *connection)
{
    struct worker *worker = worker_of(connection);
    struct h2_stream *heading = connection->h2.heading;
    struct h2_service *service = heading != NULL ? service_of(heading) : NULL;
    if (service == NULL || service->begun || service->call == NULL)
        return;
    call_count(service->call);
    if (!budget_full(&worker->budget))
        return;
    observe_event(worker, "memory_full");
    h2_break(&connection->h2, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void take(struct h2_connection *connection, struct slice bytes)
{
    h2_receive(&connection->h2, bytes);
    count_heading(connection);
}

static void on_read(struct stream *stream, struct slice bytes)
{
    struct h2_connection *connection = stream->owner;
    if (!connection->closing)
        take(connection, bytes);
}

static void on_eof(struct stream *stream)
{
    stream_close(stream);
}

static void on_room(struct stream *stream)
{
    struct h2_connection *connection = stream->owner;
    h2_connection_count(connection);
    h2_room(&connection->h2);
}

static void on_close(struct stream *stream, int error)
{
    (void)error;
    struct h2_connection *connection = stream->owner;
    connection->services++; /* nobody frees it meanwhile */
    connection->stream = NULL;
    h2_connection_count(connection);
    h2_close(&connection->h2);
    connection->services--;
    destroy_if_done(connection);
}

static const struct stream_events stream_events = {
    .on_read = on_read,
    .on_eof = on_eof,
    .on_room = on_room,
    .on_close = on_close,
};

void h2_connection_open(struct server *server, struct stream *stream, struct slice bytes)
{
    assert(slice_starts(bytes, H2_PREFACE));
    struct h2_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        abort();
    connection->server = server;
    connection->stream = stream;
    connection->timer.on_timer = on_timer;
    connection->peer = peer_text(stream);
    connection->budget = (struct budget){
        .above = &server->worker->budget,
        .cap = HELD_MAX,
        .shift = HELD_SHIFT,
    };
    connection->since_ms = now_ms(connection);
    stream->events = &stream_events;
    stream->owner = connection;
    list_append(&server->h2, &connection->link);
    server->open++;
    observe_connections(server->worker, 1);
    const struct h2_terms terms = {
        .server = true,
        .streams = limits_of(connection)->streams,
        .block_bytes = limits_of(connection)->head,
    };
    h2_open(&connection->h2, server->worker, stream, &server_side, &terms);
    arm(connection, limits_of(connection)->idle_ms);
    if (server->draining)
        h2_connection_drain(connection);
    stream_read(stream, true);
    take(connection, bytes);
}

/* The writing half of a client's connection: what a call tells the HTTP client that made it.
 *
 * Happy path: interim answers as they come; the head, then the body as it comes, as a length or
 * in chunks; the end, and the connection goes on. Flow: when the client's connection takes
 * no more, the other side is not told of room until all is out. Failures: before the head an
 * answer made from the reason; after it the connection ends in a way that nobody takes for the
 * whole. An HTTP/1.0 client gets what it understands: no 1xx, no chunks.
 */
#include <assert.h>

#include "core/grpc.h"
#include "core/problem.h"
#include "core/snapshot.h"
#include "http/connection.h"
#include "http/framing.h"
#include "http/writing.h"

static const struct slice continue_line = { .at = (const uint8_t *)"HTTP/1.1 100 Continue\r\n\r\n",
                                            .len = 25 };

static struct connection *connection_of(struct call *call)
{
    struct connection *connection = call->asker;
    assert(connection->call == call && connection->serving != NULL);
    return connection;
}

/* What waits for the end of the turn is not worth counting. */
void connection_count(struct connection *connection)
{
    size_t queued = connection->stream != NULL ? stream_queued(connection->stream) : 0;
    size_t now = connection->input.room + (queued >= STREAM_GATHER ? queued : 0);
    if (now != connection->held)
        budget_count(&connection->server->worker->budget, &connection->held, now);
}

static struct slice date_now(struct server *server)
{
    return date_text(&server->date, worker_wall_ms(server->worker));
}

/* Nothing can follow this answer. */
static bool is_last(const struct connection *connection)
{
    const struct server *server = connection->server;
    return server->draining || server->worker->draining ||
           (connection->at_end && connection->input.len == 0);
}

/* --- before the answer ------------------------------------------------------------------------ */

static void on_interim(struct call *call, const struct head *head)
{
    struct connection *connection = connection_of(call);
    struct serving *serving = connection->serving;
    if (serving->minor == 0 || (head->status == 100 && serving->reader.content > 0))
        return;
    assert(!serving->answering);
    serving->continued |= head->status == 100;
    interim_write(head, &connection->server->scratch);
    built_write(connection->stream, &connection->server->scratch);
}

static void on_want(struct call *call, size_t bytes)
{
    struct connection *connection = connection_of(call);
    struct serving *serving = connection->serving;
    if (serving->credit == 0)
        connection->since_ms = worker_now_ms(call->worker);
    serving->credit = bytes > SIZE_MAX - serving->credit ? SIZE_MAX : serving->credit + bytes;
    if (!serving->continued && serving->reader.content == 0)
        stream_write_slice(connection->stream, continue_line);
    serving->continued = true;
    connection_read(connection);
}

/* --- the answer ------------------------------------------------------------------------------- */

/* An upgrade was asked for: either it happens, and what comes is the other protocol's, or this
 * was the request. */
static void decide_upgrade(struct connection *connection, const struct head *response)
{
    struct serving *serving = connection->serving;
    struct call *call = connection->call;
    serving->deciding = false;
    if (response->status != 101) {
        call_end(call, NULL);
        return;
    }
    assert(response->framing == FRAMING_TUNNEL);
    body_start(&serving->reader, FRAMING_TUNNEL, 0, false, &call->arena);
    if (connection->input.len > 0 || connection->at_end)
        worker_defer(call->worker, &connection->task);
}

/* A client that is refused may stop sending its body half-way: there is no telling where the
 * next request begins. */
static bool may_stay(const struct serving *serving, const struct head *response)
{
    bool complete = serving->reader.state == BODY_DONE && !serving->broken;
    if (response->framing == FRAMING_TUNNEL)
        return false;
    if (!complete && (response->status >= 300 || !serving->continued))
        return false;
    return response->framing != FRAMING_CHUNKED || serving->chunks || !serving->has_body;
}

static void write_head(struct connection *connection, const struct head *response, bool forwarded,
                       struct slice message_id)
{
    struct serving *serving = connection->serving;
    bool tunnel = response->framing == FRAMING_TUNNEL;
    serving->keep = serving->keep && !is_last(connection) && may_stay(serving, response);
    const struct answer_terms terms = {
        .close = !serving->keep && !tunnel,
        .keep_alive = serving->keep && serving->asked_to_stay,
        .has_body = serving->has_body,
        .chunks = serving->chunks,
        .forwarded = forwarded,
        .date = date_now(connection->server),
        .message_id = message_id,
    };
    serving->answering = true;
    response_write(response, &terms, &connection->server->scratch);
    built_write(connection->stream, &connection->server->scratch);
}

static void on_head(struct call *call)
{
    struct connection *connection = connection_of(call);
    struct serving *serving = connection->serving;
    const struct head *response = &call->response;
    assert(!serving->answering && response->status >= 101 && !serving->broken);
    serving->tunnel = response->framing == FRAMING_TUNNEL;
    if (serving->deciding)
        decide_upgrade(connection, response);
    serving->chunks = serving->minor > 0;
    serving->has_body = response->framing != FRAMING_TUNNEL &&
                        response_has_body(call->request.method, response->status);
    serving->left = response->length;
    if (serving->has_body && serving->chunks && trailers_need_chunks(response))
        call->response.framing = FRAMING_CHUNKED;
    write_head(connection, response, call_signs_answer(call), call->message_id);
    connection_read(connection);
}

static void on_body(struct call *call, struct slice bytes)
{
    struct connection *connection = connection_of(call);
    struct serving *serving = connection->serving;
    enum framing framing = call->response.framing;
    assert(serving->answering);
    if (framing == FRAMING_LENGTH && serving->has_body) {
        assert(bytes.len <= serving->left);
        serving->left -= bytes.len;
    }
    if (framing == FRAMING_CHUNKED && serving->has_body && serving->chunks)
        chunk_write(connection->stream, bytes);
    else if (serving->has_body || framing == FRAMING_TUNNEL)
        stream_write_slice(connection->stream, bytes);

    serving->room += bytes.len;
    connection_count(connection);
    if (stream_queued(connection->stream) < STREAM_GATHER) {
        size_t room = serving->room;
        serving->room = 0;
        call_room(call, room);
    }
}

static void on_end(struct call *call, const struct fields *trailers)
{
    struct connection *connection = connection_of(call);
    struct serving *serving = connection->serving;
    enum framing framing = call->response.framing;
    assert(serving->answering);
    assert(framing != FRAMING_LENGTH || !serving->has_body || serving->left == 0);
    if (framing == FRAMING_CHUNKED && serving->has_body && serving->chunks) {
        last_chunk_write(trailers, &connection->server->scratch);
        built_write(connection->stream, &connection->server->scratch);
    }
    connection_answered(connection);
}

/* The other side of a tunnel has said all; the client may go on. */
static void on_half_end(struct call *call)
{
    struct connection *connection = connection_of(call);
    assert(connection->serving->tunnel);
    stream_end(connection->stream);
}

/* --- failures --------------------------------------------------------------------------------- */

void answer_problem(struct connection *connection, struct arena *arena, enum reason reason,
                    enum outcome outcome, struct slice message_id, const char *detail,
                    const struct fields *targets)
{
    struct server *server = connection->server;
    const char *service = server->worker->snapshot->service;
    struct serving *serving = connection->serving;
    struct head head;
    struct slice body = problem_render_partial(arena, service, reason, outcome, message_id, detail,
                                               targets, &head);
    if (connection->call != NULL && connection->call->grpc) {
        grpc_problem(arena, reason, outcome, detail, &head);
        body.len = 0;
    }
    const struct answer_terms terms = {
        .close = serving == NULL || !serving->keep,
        .keep_alive = serving != NULL && serving->asked_to_stay,
        .has_body = true,
        .date = date_now(server),
        .message_id = message_id,
    };
    response_write(&head, &terms, &server->scratch);
    if (serving == NULL || serving->has_body)
        bytes_add(&server->scratch, body);
    built_write(connection->stream, &connection->server->scratch);
}

/* The client can tell a body that is too short by its length or its chunks; one that lasts until
 * the end, only by a reset. */
static void break_off(struct connection *connection)
{
    struct serving *serving = connection->serving;
    enum framing framing = connection->call->response.framing;
    bool shows = framing == FRAMING_LENGTH || (framing == FRAMING_CHUNKED && serving->chunks);
    serving->keep = false;
    if (shows && serving->has_body) {
        connection_answered(connection);
        return;
    }
    connection->call = NULL;
    connection->serving = NULL;
    connection_abort(connection);
}

/* Who asks what can be read in two ways is not listened to any longer, whoever found that out. */
static void on_fail(struct call *call, enum reason reason, const char *detail)
{
    struct connection *connection = connection_of(call);
    struct serving *serving = connection->serving;
    if (serving->answering) {
        break_off(connection);
        return;
    }
    serving->deciding = false;
    serving->has_body = !slice_is(call->request.method, "HEAD");
    serving->keep = serving->keep && !serving->broken && !is_last(connection) &&
                    serving->reader.state == BODY_DONE && reason != REASON_bad_request;
    answer_problem(connection, &call->arena, reason, call->outcome, call->message_id, detail,
                   &call->targets);
    connection_answered(connection);
}

const struct caller http_caller = {
    .kind = "http",
    .interim = on_interim,
    .head = on_head,
    .body = on_body,
    .end = on_end,
    .half_end = on_half_end,
    .fail = on_fail,
    .want = on_want,
    .gone = connection_gone,
};

/* The writing half of a client's HTTP/2 connection: what a call tells the client that made it.
 *
 * Happy path: interim answers as they come; the head, then the body as it comes, at the pace that
 * the stream's window allows; the end. Flow: the other side is told of room only as bytes leave.
 * Failures: before the head an answer made from the reason; after it the stream is reset, which
 * nobody takes for the whole.
 */
#include <assert.h>

#include "core/grpc.h"
#include "core/problem.h"
#include "core/snapshot.h"
#include "http/h2_server.h"
#include "http/websocket.h"

static struct h2_service *service_of(struct call *call)
{
    struct h2_service *service = call->asker;
    assert(service->call == call);
    return service;
}

static void on_interim(struct call *call, const struct head *head)
{
    struct h2_service *service = service_of(call);
    struct h2_stream *stream = &service->stream;
    if (stream->h2 == NULL || (head->status == 100 && stream->content > 0))
        return;
    service->continued |= head->status == 100;
    h2_lines_interim(&stream->h2->lines, head);
    h2_interim(stream);
}

/* Whoever wants so many bytes has counted those that came beyond what it wanted before. */
static void on_want(struct call *call, size_t bytes)
{
    static const struct head go_on = { .status = 100, .minor = 1 };
    struct h2_service *service = service_of(call);
    if (service->credit == 0)
        service->since_ms = worker_now_ms(call->worker);
    service->credit = bytes > SIZE_MAX - service->credit ? SIZE_MAX : service->credit + bytes;
    if (!service->continued && service->stream.content == 0)
        on_interim(call, &go_on);
    service->continued = true;
    if (service->end_waits && service->stream.both_ways) { /* what came before it has been sent */
        service->end_waits = false;
        call_end(call, NULL);
        return;
    }
    service->stream.most = service->credit < BUDGET_MOST ? service->credit : BUDGET_MOST;
    size_t held = service->stream.held;
    h2_grant(&service->stream, bytes > SIZE_MAX - held ? SIZE_MAX : bytes + held);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void write_head(struct h2_service *service, const struct head *response, bool forwarded,
                       struct slice message_id, bool ends)
{
    struct server *server = service->owner->server;
    struct h2_stream *stream = &service->stream;
    const struct answer_terms terms = {
        .forwarded = forwarded,
        .date = date_text(&server->date, worker_wall_ms(server->worker)),
        .message_id = message_id,
    };
    if (stream->h2 != NULL)
        h2_lines_response(&stream->h2->lines, response, &terms);
    h2_answer(stream, ends);
}

/* Trailers can follow an empty body only where it came by HTTP/2. The end is said with the head
 * then, as clients of gRPC want it when the head has the status. */
static bool has_body(const struct call *call)
{
    const struct head *response = &call->response;
    if (response->framing == FRAMING_LENGTH && response->length == 0 && !response->h2)
        return false;
    return response->framing == FRAMING_TUNNEL ||
           (response->framing != FRAMING_NONE &&
            response_has_body(call->request.method, response->status));
}

/* A WebSocket that was asked for is there; or this was the request, and what still comes is
 * nobody's. */
static void decide(struct h2_service *service)
{
    struct call *call = service->call;
    service->deciding = false;
    if (call->response.status == 101) {
        websocket_answer(&call->response);
        return;
    }
    service->broken = true;
    call_end(call, NULL);
}

static void on_head(struct call *call)
{
    struct h2_service *service = service_of(call);
    assert(!service->stream.opened && !service->broken);
    service->stream.both_ways = call->response.framing == FRAMING_TUNNEL;
    if (service->deciding)
        decide(service);
    assert(call->response.status >= 200);
    write_head(service, &call->response, call_signs_answer(call), call->message_id,
               !has_body(call));
}

/* What a client is not sent counts as read. */
static void on_body(struct call *call, struct slice bytes)
{
    struct h2_service *service = service_of(call);
    assert(service->stream.opened);
    if (service->stream.ended || service->stream.h2 == NULL)
        call_room(call, bytes.len);
    else
        h2_write(&service->stream, bytes);
    h2_service_count(service);
}

void h2_service_count(struct h2_service *service)
{
    if (service->held != service->stream.queue.room)
        budget_count(&service->owner->budget, &service->held, service->stream.queue.room);
    h2_connection_count(service->owner);
}

void h2_connection_count(struct h2_connection *connection)
{
    size_t queued = connection->stream != NULL ? stream_queued(connection->stream) : 0;
    queued = queued >= STREAM_GATHER ? queued : 0;
    if (connection->held != queued)
        budget_count(&connection->budget, &connection->held, queued);
}

void h2_service_sent(struct h2_stream *stream, size_t bytes)
{
    struct h2_service *service = thing_of(stream, struct h2_service, stream);
    service->sent += bytes;
    h2_service_count(service);
    if (service->call != NULL)
        call_room(service->call, bytes);
}

static void on_end(struct call *call, const struct fields *trailers)
{
    struct h2_service *service = service_of(call);
    assert(service->stream.opened);
    if (!service->stream.ended)
        h2_end(&service->stream, trailers);
    if (service->stream.both_ways)
        h2_stop(&service->stream);
    h2_service_answered(service);
}

static void on_half_end(struct call *call)
{
    h2_end(&service_of(call)->stream, NULL);
}

static void on_fail(struct call *call, enum reason reason, const char *detail)
{
    struct h2_service *service = service_of(call);
    struct h2_stream *stream = &service->stream;
    if (stream->opened) {
        h2_reset(stream, NGHTTP2_INTERNAL_ERROR);
        h2_service_answered(service);
        return;
    }
    struct head head;
    struct slice body = problem_render_partial(&call->arena, call->snapshot->service, reason,
                                               call->outcome, call->message_id, detail,
                                               &call->targets, &head);
    if (call->grpc)
        grpc_problem(&call->arena, reason, call->outcome, detail, &head);
    bool ends = call->grpc || body.len == 0 || slice_is(call->request.method, "HEAD");
    write_head(service, &head, false, call->message_id, ends);
    if (!ends) {
        h2_write(stream, body);
        h2_end(stream, NULL);
    }
    h2_service_answered(service);
}

const struct caller h2_caller = {
    .kind = "http",
    .interim = on_interim,
    .head = on_head,
    .body = on_body,
    .end = on_end,
    .half_end = on_half_end,
    .fail = on_fail,
    .want = on_want,
    .gone = h2_service_gone,
};

/* Attempts: the transports' side of a call. Each one ends exactly once, with an outcome.
 *
 * Happy path: attempt_begin → want, head, body …, end. A broker's answer comes in one piece:
 * attempt_stored or attempt_reply. Failure: attempt_fail, before the head (the caller makes an
 * answer of the reason) or after it (the caller breaks off). A stale up-call cannot happen: the
 * attempt is gone with its end, and transports know that.
 */
#include "core/attempt.h"

#include <assert.h>

#include "core/fan.h"
#include "core/grpc.h"
#include "core/rewrite.h"
#include "core/snapshot.h"
#include "core/wire.h"
#include "core/worker.h"
#include "observe/observe.h"

enum reason attempt_begin(struct call *call)
{
    assert(call->attempt == NULL && !call->over);
    struct attempt *attempt = arena_try(&call->arena, sizeof *attempt);
    if (attempt == NULL)
        return REASON_overloaded;
    attempt->call = call;
    attempt->plan = &call->plan;
    attempt->lane = worker_lane(call->worker, call->plan.broker->slot);
    attempt->outcome = OUTCOME_NOT_SENT;
    attempt->number = ++call->attempts;
    if (attempt->lane == NULL)
        return REASON_broker_down;

    call->attempt = attempt;
    int refused = call->plan.transport->begin(attempt);
    if (refused == 0)
        return REASON_none;
    assert(refused < 0 && -refused < REASONS);
    call->attempt = NULL;
    call->outcome = OUTCOME_NOT_SENT;
    return (enum reason) - refused;
}

enum outcome attempt_cancel(struct call *call)
{
    struct attempt *attempt = call->attempt;
    assert(attempt != NULL && !attempt->ended);
    attempt->ended = true;
    call->attempt = NULL;
    return call->plan.transport->cancel(attempt);
}

/* The attempt is over; what remains is to tell the caller. */
static struct call *conclude(struct attempt *attempt, enum outcome outcome)
{
    struct call *call = attempt->call;
    assert(call->attempt == attempt && !attempt->ended && !call->over);
    attempt->ended = true;
    attempt->outcome = call->outcome = outcome;
    call->attempt = NULL;
    return call;
}

void attempt_interim(struct attempt *attempt, const struct head *head)
{
    assert(!attempt->head_sent && head->status >= 100 && head->status < 200);
    attempt->call->caller->interim(attempt->call, head);
}

static void tell_head(struct call *call, const struct head *head)
{
    call->response = *head;
    rewrite_answer(call, &call->response);
    call_count(call);
    call->status = head->status;
    if (call->grpc)
        call->grpc_status = grpc_status(&head->fields);
    phase_move(&call->response_phase, PHASE_BODY);
    if (head->framing == FRAMING_TUNNEL)
        tunnel_begin(call);
    call->caller->head(call);
}

static void tell_body(struct call *call, struct slice bytes)
{
    assert(call->response_phase == PHASE_BODY);
    if (call->response.framing == FRAMING_TUNNEL)
        call->moved_ms = worker_now_ms(call->worker);
    call->bytes_out += bytes.len;
    call->caller->body(call, bytes);
}

static void tell_end(struct call *call, const struct fields *trailers)
{
    phase_move(&call->response_phase, PHASE_DONE);
    if (call->grpc && trailers != NULL)
        call->grpc_status = grpc_status(trailers);
    call->caller->end(call, trailers);
    call_finish(call);
}

void attempt_head(struct attempt *attempt, const struct head *head)
{
    struct call *call = attempt->call;
    assert(call->attempt == attempt && !attempt->head_sent);
    attempt->head_sent = true;
    call->from_upstream = true;
    tell_head(call, head);
}

void attempt_body(struct attempt *attempt, struct slice bytes)
{
    assert(attempt->head_sent && !attempt->ended);
    if (bytes.len != 0)
        tell_body(attempt->call, bytes);
}

void attempt_half_end(struct attempt *attempt)
{
    struct call *call = attempt->call;
    assert(call->attempt == attempt && call->response.framing == FRAMING_TUNNEL);
    assert(call->response_phase == PHASE_BODY && call->request_phase == PHASE_BODY);
    tunnel_half(call);
    call->caller->half_end(call);
}

void attempt_end(struct attempt *attempt, const struct fields *trailers)
{
    assert(attempt->head_sent);
    tell_end(conclude(attempt, OUTCOME_ANSWERED), trailers);
}

/* The route's own answer to an event: 202, or what `respond` says. */
static void render_stored(struct call *call, struct head *head, struct slice *body)
{
    const struct values *respond = call->route != NULL ? call->route->respond : NULL;
    *head = (struct head){ .status = 202, .minor = 1, .framing = FRAMING_LENGTH };
    if (respond == NULL)
        return;
    head->status = (int)values_number(respond, "status");
    if (values_has(respond, "body"))
        *body = slice_text(values_text(respond, "body"));
    const struct value *headers = values_get(respond, "headers");
    for (size_t i = 0; i < headers->count; i++) {
        struct slice line = slice_text(headers->texts[i]);
        size_t colon = slice_find(line, ':');
        assert(colon < line.len);
        int full = fields_add(&head->fields, &call->arena, slice_trim(slice_first(line, colon)),
                              slice_trim(slice_from(line, colon + 1)));
        assert(full == 0);
    }
    head->length = body->len;
    if (head->status == 204)
        head->framing = FRAMING_NONE;
}

void attempt_stored(struct attempt *attempt)
{
    if (attempt->part != NULL) {
        fan_part_ended(attempt, OUTCOME_STORED, REASON_none, NULL);
        return;
    }
    struct call *call = conclude(attempt, OUTCOME_STORED);
    struct head head;
    struct slice body = { 0 };
    struct fields trailers = { 0 };
    if (call->grpc && (call->route == NULL || call->route->respond == NULL))
        body = grpc_stored(&call->arena, &head, &trailers);
    else
        render_stored(call, &head, &body);
    tell_head(call, &head);
    if (body.len != 0 && head.framing != FRAMING_NONE)
        tell_body(call, body);
    tell_end(call, trailers.count > 0 ? &trailers : NULL);
}

void attempt_reply(struct attempt *attempt, const struct message *message)
{
    struct call *call = conclude(attempt, OUTCOME_ANSWERED);
    if (message->body.len > call->plan.max_reply) {
        call_tell_failure(call, REASON_reply_too_large);
        return;
    }
    struct head head = { 0 };
    struct fields trailers = { 0 };
    const char *why = NULL;
    if (wire_to_response(message, &call->arena, &head, &trailers, &why) < 0) {
        call->detail = why != NULL ? slice_text(why) : (struct slice){ 0 };
        call_tell_failure(call, REASON_bad_reply);
        return;
    }
    call->from_upstream = true;
    bool bodiless = slice_is(call->request.method, "HEAD");
    if (bodiless)
        head.framing = FRAMING_NONE;
    tell_head(call, &head);
    if (message->body.len != 0 && head.framing != FRAMING_NONE)
        tell_body(call, message->body);
    tell_end(call, trailers.count != 0 ? &trailers : NULL);
}

void attempt_fail(struct attempt *attempt, enum outcome outcome, enum reason reason,
                  const char *detail)
{
    if (attempt->part != NULL) {
        fan_part_ended(attempt, outcome, reason, detail);
        return;
    }
    struct call *call = conclude(attempt, outcome);
    if (detail != NULL)
        call->detail = arena_copy(&call->arena, slice_text(detail));
    call_tell_failure(call, reason);
}

void attempt_tell_target(struct call *call, struct slice name, enum outcome outcome)
{
    assert(!call->over);
    bool no = strcmp(outcome_executed(outcome), "no") == 0;
    const char *state = outcome == OUTCOME_STORED ? "stored" : no ? "not_stored" : "unknown";
    if (name.at == NULL || fields_add(&call->targets, &call->arena, name, slice_text(state)) < 0)
        call->targets.count = 0; /* no room: better nothing than a part of it */
}

void attempt_target(struct attempt *attempt, const char *kind, const char *name,
                    enum outcome outcome)
{
    struct arena *arena = &attempt->call->arena;
    attempt->targets_told = true;
    struct slice whose = attempt->part != NULL ? fan_part_name(attempt->part) : SLICE("");
    attempt_tell_target(attempt->call,
                        arena_printf(arena, "%.*s%s%s %s", (int)whose.len, (const char *)whose.at,
                                     whose.len > 0 ? ", " : "", kind, name),
                        outcome);
}

void attempt_want(struct attempt *attempt, size_t bytes)
{
    struct call *call = attempt->call;
    assert(call->attempt == attempt && !attempt->ended);
    if (!call->sending) {
        call->sending = true;
        if (call->body.len != 0)
            call->plan.transport->body(attempt, bytes_slice(&call->body));
        bytes_free(&call->body);
        call_count(call);
        if (call->request_complete && head_has_body(&call->request))
            call_end_attempt(call);
    }
    if (!call->request_complete)
        call->caller->want(call, bytes);
}

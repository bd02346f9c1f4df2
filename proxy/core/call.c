/* The life of a call: see call.h for the picture.
 *
 * Happy path: call_begin decides (decide.c); a streaming style begins its attempt at once, a
 * message style when the whole request is there. What fails here is told to the caller at the
 * end of the turn, since the caller is calling. Whatever happens, finish() is the one way out:
 * the deadline is stopped, the attempt is gone, and the call is logged and buried at the end of
 * the turn.
 */
#include "core/call.h"

#include <assert.h>

#include "base/hex.h"
#include "core/attempt.h"
#include "core/forwarded.h"
#include "core/grpc.h"
#include "core/snapshot.h"
#include "core/worker.h"
#include "observe/observe.h"

/* What the head, its copies and the plan of one call may take. Bodies are not in here. */
#define CALL_ARENA_CAP (1024 * 1024)
#define HOPS_MAX       16

static const bool phase_moves[PHASE_FAILED + 1][PHASE_FAILED + 1] = {
    [PHASE_HEAD] = { [PHASE_BODY] = true, [PHASE_FAILED] = true },
    [PHASE_BODY] = { [PHASE_DONE] = true, [PHASE_FAILED] = true },
};

void phase_move(enum phase *phase, enum phase next)
{
    assert(phase_moves[*phase][next]);
    *phase = next;
}

void call_discard(struct call *call)
{
    assert(call->attempt == NULL && !link_joined(&call->task.link));
    struct snapshot *snapshot = call->snapshot;
    struct arena arena = call->arena;
    list_leave(&call->link);
    bytes_free(&call->body);
    arena_clear(&arena);
    snapshot_release(snapshot);
}

static void bury(struct call *call)
{
    struct worker *worker = call->worker;
    observe_call(worker, call);
    budget_count(call->budget, &call->held, 0);
    call->caller->gone(call);
    call_discard(call);
    worker_check_drained(worker);
}

static void on_turn_end(struct task *task)
{
    struct call *call = thing_of(task, struct call, task);
    if (call->over) {
        bury(call);
    } else if (call->pending != REASON_none) {
        call_tell_failure(call, call->pending);
    } else if (call->owed != 0) {
        size_t owed = call->owed;
        call->owed = 0;
        call->caller->want(call, owed);
    }
}

void call_finish(struct call *call)
{
    assert(!call->over && call->attempt == NULL);
    call->over = true;
    worker_timer_stop(call->worker, &call->deadline);
    worker_defer(call->worker, &call->task);
}

void call_tell_failure(struct call *call, enum reason reason)
{
    assert(reason != REASON_none && !call->over);
    call->reason = reason;
    if (call->response_phase == PHASE_HEAD)
        call->status = reasons[reason].status;
    if (call->grpc)
        call->grpc_status = grpc_status_of(reason, call->outcome);
    phase_move(&call->response_phase, PHASE_FAILED);
    call->caller->fail(call, reason, (const char *)call->detail.at);
    call_finish(call);
}

/* The caller is calling: it is told at the end of the turn. The first failure is the one that
 * counts. */
static void fail_later(struct call *call, enum reason reason, const char *detail)
{
    if (call->over || call->pending != REASON_none)
        return;
    if (call->attempt != NULL)
        call->outcome = attempt_cancel(call);
    call->pending = reason;
    if (detail != NULL)
        call->detail = arena_copy(&call->arena, slice_text(detail));
    worker_defer(call->worker, &call->task);
}

static void on_deadline(struct timer *timer)
{
    struct call *call = thing_of(timer, struct call, deadline);
    assert(!call->over);
    if (call->attempt != NULL)
        call->outcome = attempt_cancel(call);
    bool sent = call->outcome != OUTCOME_NOT_SENT && call->outcome != OUTCOME_REFUSED_WHOLE;
    call_tell_failure(call, sent ? REASON_timeout : REASON_deadline_passed);
}

/* 32 random hex digits; `at` NULL when memory is out. */
static struct slice draw_id(struct worker *worker, struct arena *arena)
{
    uint8_t random[16], *text = arena_try(arena, 2 * sizeof random + 1);
    if (text == NULL)
        return slice_of(NULL, 0);
    worker_random(worker, random, sizeof random);
    hex_write(text, random, sizeof random);
    return slice_of(text, 2 * sizeof random);
}

struct call *call_new(struct worker *worker, const struct caller *caller, void *asker)
{
    assert(worker->snapshot != NULL);
    struct arena arena;
    arena_init(&arena, CALL_ARENA_CAP);
    arena.spares = &worker->spares;
    struct call *call = arena_try(&arena, sizeof *call);
    struct slice message_id = draw_id(worker, &arena);
    if (call == NULL || message_id.at == NULL) {
        arena_clear(&arena);
        return NULL;
    }
    call->arena = arena;
    call->message_id = message_id;
    call->worker = worker;
    call->budget = &worker->budget;
    call->snapshot = snapshot_hold(worker->snapshot);
    call->caller = caller;
    call->asker = asker;
    call->grpc_status = GRPC_STATUS_NONE;
    call->began_ms = worker_now_ms(worker);
    call->task.run = on_turn_end;
    call->deadline.on_timer = on_deadline;
    list_append(&worker->calls, &call->link);
    observe_call_begins(worker);
    return call;
}

/* W3C Trace Context §3.2: version 00, a trace, a parent, flags. */
enum { TRACE_AT = 3, TRACE_LEN = 32, PARENT_AT = 36, PARENT_LEN = 16, TRACEPARENT_LEN = 55 };

/* Neither ID is all zeros. */
static bool traceparent_valid(struct slice value)
{
    if (value.len != TRACEPARENT_LEN || !slice_starts(value, SLICE("00-")) ||
        value.at[PARENT_AT - 1] != '-' || value.at[PARENT_AT + PARENT_LEN] != '-')
        return false;
    bool trace = false, parent = false;
    for (size_t i = TRACE_AT; i < value.len; i++) {
        uint8_t byte = value.at[i];
        if (i == PARENT_AT - 1 || i == PARENT_AT + PARENT_LEN)
            continue;
        if (!((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f')))
            return false;
        trace |= i < PARENT_AT && byte != '0';
        parent |= i > PARENT_AT && i < PARENT_AT + PARENT_LEN && byte != '0';
    }
    return trace && parent;
}

/* Random IDs, sampled; `at` NULL when memory is out. */
static struct slice draw_traceparent(struct worker *worker, struct arena *arena)
{
    uint8_t random[(TRACE_LEN + PARENT_LEN) / 2];
    struct slice text = arena_copy(arena, SLICE("00-................................-"
                                                "................-01"));
    if (text.at == NULL)
        return text;
    assert(text.len == TRACEPARENT_LEN);
    worker_random(worker, random, sizeof random);
    hex_write((uint8_t *)text.at + TRACE_AT, random, TRACE_LEN / 2);
    hex_write((uint8_t *)text.at + PARENT_AT, random + TRACE_LEN / 2, PARENT_LEN / 2);
    return text;
}

/* Passes a trace on, or starts one, so that both sidecars' log lines and both services can be
 * joined. A head that leaves no room for one goes on without. */
static void follow_trace(struct call *call)
{
    const struct field *given = fields_find(&call->request.fields, FIELD_TRACEPARENT);
    if (given != NULL && traceparent_valid(given->value)) {
        call->traceparent = given->value;
        return;
    }
    fields_remove(&call->request.fields, FIELD_TRACEPARENT);
    fields_remove(&call->request.fields, FIELD_TRACESTATE);
    call->traceparent = draw_traceparent(call->worker, &call->arena);
    if (call->traceparent.at == NULL ||
        fields_add(&call->request.fields, &call->arena, slice_text("traceparent"),
                   call->traceparent) < 0)
        call->traceparent = slice_text("");
}

static bool collects(const struct call *call)
{
    return call->plan.transport->whole & STYLE_BIT(call->plan.style);
}

/* A message style reads the whole request before anything is sent, so it refuses first what
 * needs no body. */
static enum reason before_collecting(const struct call *call)
{
    if (call->upgrade || call->request.framing == FRAMING_TUNNEL)
        return REASON_upgrade_refused;
    if (call->request.framing == FRAMING_LENGTH && call->request.length > call->plan.max_body)
        return REASON_body_too_large;
    int state = atomic_load_explicit(&call->plan.broker->status[call->worker->index].state,
                                     memory_order_relaxed);
    if (state == BROKER_BLOCKED)
        return REASON_broker_blocked;
    return state == BROKER_UP ? REASON_none : REASON_broker_down;
}

static void carry(struct call *call)
{
    enum reason reason = attempt_begin(call);
    if (reason != REASON_none)
        fail_later(call, reason, NULL);
}

/* One byte more than may be kept, so that a body over the limit shows itself. */
static void ask_for(struct call *call, uint64_t most)
{
    call->owed = most < SIZE_MAX ? (size_t)most + 1 : SIZE_MAX;
    worker_defer(call->worker, &call->task);
}

/* What the body decided was collected for that: only now is it known whether it is too large. */
static void start_whole(struct call *call)
{
    enum reason reason = call->body.len > call->plan.max_body ? REASON_body_too_large : REASON_none;
    if (reason == REASON_none && collects(call))
        reason = before_collecting(call);
    if (reason == REASON_none && collects(call))
        reason = call_compose(call);
    if (reason != REASON_none)
        fail_later(call, reason, NULL);
    else
        carry(call);
}

static void start(struct call *call, uint64_t timeout_ms)
{
    call->deadline_ms = worker_now_ms(call->worker) + timeout_ms;
    worker_timer(call->worker, &call->deadline, timeout_ms);
    if (call->request_complete) {
        start_whole(call);
        return;
    }
    phase_move(&call->request_phase, PHASE_BODY);
    if (!collects(call)) {
        carry(call);
        return;
    }
    enum reason reason = before_collecting(call);
    if (reason != REASON_none) {
        fail_later(call, reason, NULL);
        return;
    }
    ask_for(call, call->plan.max_body);
}

/* Nothing but what is collected is known of it yet. */
static void collect_undecided(struct call *call, const struct route *route)
{
    call->undecided = true;
    call->plan.max_body = route->max_body;
    phase_move(&call->request_phase, PHASE_BODY);
    call->deadline_ms = worker_now_ms(call->worker) + route->timeout_ms;
    worker_timer(call->worker, &call->deadline, route->timeout_ms);
    ask_for(call, route->max_body);
}

static void decide(struct call *call)
{
    enum reason reason = call->hops > HOPS_MAX ? REASON_loop : call_decide(call);
    if (reason != REASON_none) {
        fail_later(call, reason, NULL);
        return;
    }
    uint64_t timeout_ms = call->route != NULL ? call->route->timeout_ms
                                              : call->snapshot->pass_timeout_ms;
    uint64_t wanted_ms = call->grpc ? grpc_timeout_ms(&call->request.fields) : UINT64_MAX;
    start(call, wanted_ms < timeout_ms ? wanted_ms : timeout_ms);
}

void call_count(struct call *call)
{
    budget_count(call->budget, &call->held, call->arena.used + call->body.room);
}

void call_begin(struct call *call)
{
    follow_trace(call);
    call->grpc = grpc_is_call(&call->request);
    if (forwarded_apply(call) != 0) {
        fail_later(call, REASON_head_too_large, NULL);
        return;
    }
    if (budget_full(&call->worker->budget)) {
        fail_later(call, REASON_memory_full, NULL);
        return;
    }
    call_count(call);
    const struct route *route = call_awaits_body(call);
    if (route != NULL)
        collect_undecided(call, route);
    else
        decide(call);
}

void call_begin_planned(struct call *call, const struct plan *plan, uint64_t timeout_ms)
{
    follow_trace(call);
    call->grpc = grpc_is_call(&call->request);
    call->plan = *plan;
    call->style = plan->style;
    start(call, timeout_ms);
}

/* What is collected has no reader whose pace could bound it: at the cap it is given up, which nobody
 * but the caller hears of, unless it is so little that each may have it. */
static void collect(struct call *call, struct slice bytes)
{
    bool whole = call->undecided || collects(call);
    if (whole && call->body.len + bytes.len > BUDGET_LEAST && budget_full(&call->worker->budget)) {
        fail_later(call, REASON_memory_full, NULL);
        bytes_free(&call->body);
        call_count(call); /* at once, so that others of this turn may go on */
        return;
    }
    bytes_add(&call->body, bytes);
    call_count(call);
    if (call->body.full)
        fail_later(call, REASON_overloaded, NULL);
}

void call_body(struct call *call, struct slice bytes)
{
    if (call->over || call->pending != REASON_none || bytes.len == 0)
        return;
    assert(call->request_phase == PHASE_BODY && !call->request_complete);
    call->bytes_in += bytes.len;
    if (call->response.framing == FRAMING_TUNNEL)
        call->moved_ms = worker_now_ms(call->worker);
    if (call->bytes_in > call->plan.max_body) {
        fail_later(call, REASON_body_too_large, NULL);
    } else if (call->sending) {
        call->plan.transport->body(call->attempt, bytes);
    } else {
        collect(call, bytes);
    }
}

void call_end_attempt(struct call *call)
{
    if (call->response.framing == FRAMING_TUNNEL)
        tunnel_half(call);
    call->plan.transport->end(call->attempt, &call->request_trailers);
}

void call_end(struct call *call, const struct fields *trailers)
{
    if (call->over || call->pending != REASON_none)
        return;
    phase_move(&call->request_phase, PHASE_DONE);
    call->request_complete = true;
    if (trailers != NULL && trailers->count > 0) {
        call->request_trailers = *trailers;
        call_count(call);
    }
    if (call->undecided) {
        call->undecided = false;
        decide(call);
    } else if (collects(call)) {
        enum reason reason = call_compose(call);
        if (reason != REASON_none)
            fail_later(call, reason, NULL);
        else
            carry(call);
    } else if (call->sending || !head_has_body(&call->request)) {
        call_end_attempt(call);
    }
}

void call_room(struct call *call, size_t bytes)
{
    if (call->attempt != NULL && call->plan.transport->room != NULL)
        call->plan.transport->room(call->attempt, bytes);
}

void call_cancel(struct call *call, enum reason reason)
{
    if (call->over)
        return;
    if (call->attempt != NULL)
        call->outcome = attempt_cancel(call);
    call->reason = reason;
    phase_move(&call->response_phase, PHASE_FAILED);
    call_finish(call);
}

void call_refuse(struct call *call, enum reason reason, const char *detail)
{
    assert(reason != REASON_none);
    fail_later(call, reason, detail);
}

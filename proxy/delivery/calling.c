/* The call to the local service, and what its result means for the message.
 *
 * Happy path: delivery_call makes a call of the request, its body goes as the call wants it, on_end
 * judges the answer: a reply for whoever waits for one, success for an event. Failures: an event is
 * tried again with back-off (retry) or becomes a dead letter; a service that takes no connections
 * costs no attempt and pauses the subscription; a request gets our own answer at once.
 */
#include <assert.h>

#include "core/grpc.h"
#include "delivery/backoff.h"
#include "delivery/passage.h"
#include "observe/observe.h"

/* --- trying again ----------------------------------------------------------------------------- */

/* Promise 15: waits here, or in the broker when it would be held too long or too many wait
 * already. */
static void wait_or_put_off(struct delivery *delivery, uint64_t wait_ms)
{
    struct subscription *subscription = delivery->subscription;
    uint64_t held = worker_now_ms(subscription->worker) - delivery->arrived_ms;
    unsigned room = subscription->share > 1 ? subscription->share / 2 : 1;
    observe_event(subscription->worker, "delivery_retried");
    /* Where order is kept (promise 17), always here. */
    bool put_off = held + wait_ms > subscription->policy.hold_ms || subscription->waiting >= room;
    if (put_off && !subscription->source->keeps_order) {
        delivery_put_off(delivery, wait_ms);
        return;
    }
    delivery_move(delivery, STAGE_WAITING);
    worker_timer(subscription->worker, &delivery->timer, wait_ms);
}

/* When it was made, as far as that can be believed, or when we first saw it. */
static uint64_t born_ms(const struct delivery *delivery)
{
    uint64_t stamped = delivery->arrival->message.timestamp_ms;
    return stamped != 0 && stamped < delivery->first_seen_ms ? stamped : delivery->first_seen_ms;
}

static void retry(struct delivery *delivery, bool counted, uint64_t asked_ms)
{
    struct subscription *subscription = delivery->subscription;
    const struct policy *policy = &subscription->policy;
    assert(!delivery_is_request(delivery) && delivery->attempts < policy->attempts);
    delivery->attempts += counted;
    if (delivery->attempts >= policy->attempts) {
        delivery_kill(delivery, REASON_attempts_exhausted);
        return;
    }
    uint64_t wait = backoff_ms(subscription->worker, policy->backoff_ms, policy->max_backoff_ms,
                               delivery->waits++);
    uint64_t asked = asked_ms < policy->max_backoff_ms ? asked_ms : policy->max_backoff_ms;
    wait = asked > wait ? asked : wait;
    if (delivery_is_leaving(delivery) || subscription->paused)
        delivery_set_aside(delivery, subscription->paused ? ASIDE_MS : wait);
    else if (worker_wall_ms(subscription->worker) + wait > born_ms(delivery) + policy->max_age_ms)
        delivery_kill(delivery, REASON_too_old);
    else
        wait_or_put_off(delivery, wait);
}

/* --- the call --------------------------------------------------------------------------------- */

/* Nothing was sent, because there was nobody to send it to. */
static bool is_down(enum reason reason, enum outcome outcome)
{
    static const bool down[REASONS] = {
        [REASON_connection_refused] = true,    [REASON_connection_timeout] = true,
        [REASON_name_unresolved] = true,       [REASON_misdirected] = true,
        [REASON_destination_forbidden] = true,
    };
    return outcome == OUTCOME_NOT_SENT && down[reason];
}

/* An event was not answered. */
static void judge_failure(struct delivery *delivery, enum reason reason, enum outcome outcome)
{
    delivery->status = 0;
    delivery->suspect |= reason == REASON_connection_lost || reason == REASON_response_broken;
    if (is_down(reason, outcome)) {
        /* First, so that what is given back does not come at once again. */
        subscription_pause(delivery->subscription, reasons[reason].text);
        delivery_set_aside(delivery, ASIDE_MS);
    } else if (reasons[reason].fault == FAULT_CLIENT && reason != REASON_deadline_passed) {
        delivery_kill(delivery, reason);
    } else {
        retry(delivery, outcome != OUTCOME_NOT_SENT, 0);
    }
}

/* What an answer says of success. One of gRPC is well-formed HTTP also when it is none: its own
 * status speaks. */
static int status_of(struct delivery *delivery, const struct call *call)
{
    int status = call->response.status;
    if (!call->grpc || status != 200 || call->grpc_status == 0)
        return status;
    delivery->detail = call->grpc_status < 0
                           ? slice_text("the answer has no grpc-status")
                           : arena_printf(&delivery->arena, "grpc-status %d", call->grpc_status);
    return grpc_http_status(call->grpc_status);
}

/* An event was answered. */
static void judge_answer(struct delivery *delivery, const struct head *answer)
{
    struct subscription *subscription = delivery->subscription;
    struct slice body = delivery->answer_dropped ? slice_of(NULL, 0)
                                                 : bytes_slice(&delivery->answer);
    switch (result_judge(&subscription->policy.result, delivery->status, body)) {
    case VERDICT_OK:
        delivery_finish(delivery, SETTLE_HANDLED);
        return;
    case VERDICT_RETRY:
        retry(delivery, true,
              retry_after_ms(&answer->fields, worker_wall_ms(subscription->worker)));
        return;
    case VERDICT_DEAD:
        delivery->attempts++;
        delivery_kill(delivery, REASON_service_failed);
        return;
    }
}

/* Suspects are called one at a time, so that a message which kills the service burns its own
 * attempts and not again and again those of whatever happened to be under way with it. */
static bool may_call(const struct delivery *delivery)
{
    const struct subscription *subscription = delivery->subscription;
    bool alone = !delivery->suspect || subscription->suspect == NULL;
    return alone && subscription->calling < subscription->share;
}

/* A place has become free. */
static void call_parked(struct subscription *subscription)
{
    list_each_leaving (&subscription->parked, link) {
        struct delivery *delivery = thing_of(link, struct delivery, parked);
        if (may_call(delivery))
            delivery_call(delivery);
    }
}

static void on_interim(struct call *call, const struct head *head)
{
    (void)call;
    (void)head;
}

/* Nothing is decided before the answer is complete. */
static void on_head(struct call *call)
{
    (void)call;
}

static void on_body(struct call *call, struct slice bytes)
{
    struct delivery *delivery = call->asker;
    struct subscription *subscription = delivery->subscription;
    assert(delivery->call == call);
    bool request = delivery_is_request(delivery);
    uint64_t most = request ? subscription->policy.max_reply : RESULT_BODY_MAX;
    bool wanted = request || (subscription->policy.result.needs_body && !delivery->answer_dropped);
    if (wanted && bytes.len <= most - delivery->answer.len)
        bytes_add(&delivery->answer, bytes);
    else
        delivery->answer_dropped = true;

    delivery->answer_dropped |= delivery->answer.full;
    if (!request || !delivery->answer_dropped) {
        call_room(call, bytes.len);
        return;
    }
    call_cancel(call, REASON_reply_too_large);
    delivery->call = NULL;
    delivery_reply_error(delivery, REASON_reply_too_large, OUTCOME_ANSWERED);
    call_parked(subscription);
}

static void on_end(struct call *call, const struct fields *trailers)
{
    struct delivery *delivery = call->asker;
    struct subscription *subscription = delivery->subscription;
    assert(delivery->call == call);
    delivery->call = NULL;
    delivery->suspect = false;
    delivery->status = status_of(delivery, call);
    probe_settled(&subscription->probe);
    if (delivery_is_request(delivery))
        delivery_reply(delivery, &call->response, trailers);
    else
        judge_answer(delivery, &call->response);
    call_parked(subscription);
}

static void on_fail(struct call *call, enum reason reason, const char *detail)
{
    struct delivery *delivery = call->asker;
    struct subscription *subscription = delivery->subscription;
    assert(delivery->call == call);
    delivery->call = NULL;
    delivery->detail = arena_copy(&delivery->arena,
                                  slice_text(detail != NULL ? detail : reasons[reason].text));
    if (!delivery_is_request(delivery))
        judge_failure(delivery, reason, call->outcome);
    else
        delivery_reply_error(
            delivery, is_down(reason, call->outcome) ? REASON_service_down : reason, call->outcome);
    call_parked(subscription);
}

static void on_want(struct call *call, size_t bytes)
{
    struct delivery *delivery = call->asker;
    assert(delivery->call == call);
    struct slice rest = slice_from(delivery->arrival->message.body, delivery->sent);
    struct slice piece = slice_first(rest, bytes);
    if (rest.len == 0)
        return;
    delivery->sent += piece.len;
    call_body(call, piece);
    if (piece.len == rest.len)
        call_end(call, &delivery->trailers);
}

static void on_gone(struct call *call)
{
    struct delivery *delivery = call->asker;
    assert(delivery->call != call && delivery->calls > 0);
    delivery->calls--;
    delivery_check_gone(delivery);
}

static const struct caller delivery_caller = {
    .kind = "delivery",
    .interim = on_interim,
    .head = on_head,
    .body = on_body,
    .end = on_end,
    .fail = on_fail,
    .want = on_want,
    .gone = on_gone,
};

static int add(struct call *call, const char *name, struct slice value)
{
    return value.at == NULL
               ? -1
               : fields_add(&call->request.fields, &call->arena, slice_text(name), value);
}

/* The request as the message has it, and what tells the service which message and attempt it is
 * (design: "Delivery"). Its slices live in the delivery, which outlives the call. */
static int fill(const struct delivery *delivery, struct call *call)
{
    call->request = delivery->request;
    call->request.fields = (struct fields){ 0 };
    call->message_id = delivery->message_id;
    call->hops = delivery->hops;
    call->stats = delivery->subscription->settings->stats;
    /* Some servers of gRPC take no call without; as a hop-by-hop field it crosses no broker. */
    call->request.trailers_welcome |= grpc_is_call(&delivery->request);

    const struct fields *fields = &delivery->request.fields;
    int full = 0;
    for (uint32_t i = 0; i < fields->count && full == 0; i++)
        full = fields_add(&call->request.fields, &call->arena, fields->at[i].name,
                          fields->at[i].value);
    full |= add(call, "Shunt-Message-Id", delivery->message_id);
    if (fields_find(fields, FIELD_IDEMPOTENCY_KEY) == NULL)
        full |= add(call, "Idempotency-Key", delivery->message_id);
    full |= add(call, "Shunt-Attempt", arena_printf(&call->arena, "%u", delivery->attempts + 1));
    if (delivery->arrival->tombstone)
        full |= add(call, "Shunt-Tombstone", SLICE("1"));
    if (delivery->hops > 0)
        full |= add(call, "Shunt-Hops", arena_printf(&call->arena, "%u", delivery->hops));
    return full;
}

/* What is left of the caller's time, and never more than the subscription grants. */
static uint64_t timeout_ms(const struct delivery *delivery)
{
    uint64_t most = delivery->subscription->policy.timeout_ms,
             expires = delivery->arrival->expires_ms;
    if (expires == 0)
        return most;
    uint64_t now = worker_wall_ms(delivery->subscription->worker);
    uint64_t left = now < expires ? expires - now : 1; /* that clock does not stand still */
    return left < most ? left : most;
}

void delivery_call(struct delivery *delivery)
{
    struct subscription *subscription = delivery->subscription;
    assert(delivery->call == NULL && subscription->calling < subscription->share);
    delivery_move(delivery, STAGE_CALLING);
    if (delivery_is_expired(delivery)) {
        delivery_drop_expired(delivery);
        return;
    }
    delivery->sent = 0;
    delivery->detail = slice_of(NULL, 0);
    delivery->answer_dropped = false;
    bytes_free(&delivery->answer);
    struct call *call = call_new(subscription->worker, &delivery_caller, delivery);
    delivery->calls += call != NULL;
    if (call == NULL || fill(delivery, call) < 0) {
        if (call != NULL)
            call_cancel(call, REASON_overloaded);
        if (delivery_is_request(delivery))
            delivery_reply_error(delivery, REASON_overloaded, OUTCOME_NOT_SENT);
        else
            retry(delivery, false, 0);
        return;
    }
    delivery->call = call;
    call_begin_planned(call, &subscription->settings->plan, timeout_ms(delivery));
    if (delivery->arrival->message.body.len == 0)
        call_end(call, &delivery->trailers);
}

void delivery_call_when_free(struct delivery *delivery)
{
    if (may_call(delivery))
        delivery_call(delivery);
    else
        delivery_move(delivery, STAGE_PARKED);
}

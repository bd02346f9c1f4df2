/* Carrying calls, as carry.h says. A `carried` belongs to its attempt until that ends, and to
 * the window of confirms until its verdict: whichever comes last frees it. An await may first be
 * held for a moment while the worker's reply queue is being declared, since no request may leave
 * before its reply has somewhere to go. */
#include "plugins/amqp/carry.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/snapshot.h"
#include "plugins/amqp/lane.h"

/* What begin adds to a planned message: correlation ID, reply queue, expiration, the deadline's
 * header. */
enum { ADDED_ROOM = 512 };

struct carried {
    struct ticket ticket;
    struct waiter waiter;
    struct task task; /* stored at the end of the turn (`ack = "none"`), or no longer held */
    struct link link; /* in lane->held */
    struct lane *lane;
    struct attempt *attempt; /* NULL: it has ended */
    const struct plan *plan; /* as long as the attempt */
    bool await, confirmed;   /* what the attempt's end depends on */
    bool one_queue;          /* a nack proves that nothing was stored (promise 2) */
    bool in_window;
};

/* --- planning --------------------------------------------------------------------------------- */

int carry_plan(const struct call *call, const void *settings, struct plan *plan)
{
    (void)call;
    assert(plan->style == STYLE_EVENT || plan->style == STYLE_REQUEST_REPLY);
    const struct route_settings *route = settings;
    struct message *message = &plan->message;
    if (!plan->await)
        message->ttl_ms = route->ttl_ms;
    if (message->body.len > route->broker->max_message)
        return -REASON_message_too_large;
    if (properties_flaw(message) != NULL)
        return -REASON_fields_too_large;
    if (properties_size(message, ADDED_ROOM) > FRAME_MAX - FRAME_OVERHEAD - CONTENT_HEAD)
        return -REASON_fields_too_large;
    return 0;
}

static void describe(struct description *description, const char *name, struct slice value)
{
    struct slice key = arena_copy(description->arena, slice_text(name));
    if (key.at == NULL || fields_add_copy(&description->lines, description->arena, key, value) < 0)
        return; /* the arena is full: what is there is shown */
}

static void describe_text(struct description *description, const char *name, struct slice value)
{
    if (value.len > 0)
        describe(description, name, value);
}

static void describe_number(struct description *description, const char *name, uint64_t number)
{
    if (number > 0)
        describe(description, name, arena_printf(description->arena, "%" PRIu64, number));
}

static void describe_headers(struct description *description, const struct message *message)
{
    for (uint32_t i = 0; i < message->headers.count; i++) {
        const struct field *header = &message->headers.at[i];
        struct slice name = arena_printf(description->arena, "header %.*s", (int)header->name.len,
                                         (const char *)header->name.at);
        if (name.at != NULL)
            describe(description, (const char *)name.at, header->value);
    }
}

void carry_describe(const struct call *call, const struct plan *plan,
                    struct description *description)
{
    (void)call;
    const struct route_settings *route = plan->settings;
    const struct message *message = &plan->message;
    bool named = route->exchange.len > 0;
    describe(description, "exchange", named ? route->exchange : SLICE("(default)"));
    describe(description, named ? "routing key" : "queue", route->routing_key);
    describe(description, "mandatory", SLICE("yes"));
    describe_text(description, "property content_type", message->content_type);
    describe_text(description, "property content_encoding", message->content_encoding);
    describe(description, "property correlation_id", SLICE("(drawn when sent)"));
    if (plan->await)
        describe(description, "property reply_to", SLICE("(this worker's reply queue)"));
    describe_text(description, "property message_id", message->message_id);
    describe_text(description, "property app_id", message->app_id);
    describe(description, "property delivery_mode",
             message->durable ? SLICE("2 (persistent)") : SLICE("1 (transient)"));
    if (plan->await)
        describe(description, "property expiration", SLICE("(what is left of the timeout)"));
    else
        describe_number(description, "property expiration", message->ttl_ms);
    describe_number(description, "property timestamp", message->timestamp_ms / 1000);
    describe_headers(description, message);
    if (plan->await)
        describe(description, "header shunt-deadline",
                 SLICE("(set when sent, milliseconds since 1970)"));
    describe_number(description, "body bytes", message->body.len);
    if (!plan->await)
        describe(description, "ack",
                 route->confirmed ? SLICE("delivered: answered once the broker has confirmed it")
                                  : SLICE("none: answered at once"));
}

/* --- how it ends ------------------------------------------------------------------------------ */

/* The attempt is over: what it had joined is left. Gives the attempt, to be told. */
static struct attempt *part(struct carried *carried)
{
    struct attempt *attempt = carried->attempt;
    assert(attempt != NULL);
    carried->attempt = NULL;
    replies_leave(&carried->lane->replies, &carried->waiter);
    list_leave(&carried->task.link);
    list_leave(&carried->link);
    if (!carried->in_window)
        free(carried);
    return attempt;
}

static void fail(struct carried *carried, enum outcome outcome, enum reason reason,
                 const char *detail)
{
    const struct host *shunt = carried->lane->settings->shunt;
    shunt->fail(part(carried), outcome, reason, detail);
}

static void fail_unroutable(struct carried *carried)
{
    const struct route_settings *route = carried->plan->settings;
    char detail[2 * SHORT_MAX + 64];
    if (carried->one_queue)
        snprintf(detail, sizeof detail, "there is no queue '%.*s'", (int)route->routing_key.len,
                 (const char *)route->routing_key.at);
    else
        snprintf(detail, sizeof detail, "exchange '%.*s' has no queue for '%.*s'",
                 (int)route->exchange.len, (const char *)route->exchange.at,
                 (int)route->routing_key.len, (const char *)route->routing_key.at);
    fail(carried, OUTCOME_REFUSED_WHOLE, REASON_unroutable, detail);
}

/* The broker closed the channel over this message or an earlier one; only the first is a missing
 * exchange of ours. */
static void fail_unstored(struct carried *carried, const char *why)
{
    const struct route_settings *route = carried->plan->settings;
    char missing[SHORT_MAX + 32];
    snprintf(missing, sizeof missing, "no exchange '%.*s'", (int)route->exchange.len,
             (const char *)route->exchange.at);
    fail(carried, OUTCOME_REFUSED_WHOLE,
         strstr(why, missing) != NULL ? REASON_unroutable : REASON_broker_refused, why);
}

/* What a verdict means for a call that depends on it. */
static void conclude(struct carried *carried, enum verdict verdict, const char *why)
{
    const struct host *shunt = carried->lane->settings->shunt;
    switch (verdict) {
    case VERDICT_CONFIRMED:
        if (!carried->await)
            shunt->stored(part(carried));
        break;
    case VERDICT_RETURNED:
        fail_unroutable(carried);
        break;
    case VERDICT_REFUSED:
        if (carried->one_queue)
            fail(carried, OUTCOME_REFUSED_WHOLE, REASON_broker_refused,
                 "the broker refused it (nack)");
        else
            fail(carried, OUTCOME_MAYBE_SENT, REASON_broker_unsure,
                 "the broker refused it for one queue at least (nack)");
        break;
    case VERDICT_UNSTORED:
        fail_unstored(carried, why);
        break;
    case VERDICT_LOST:
        if (!carried->await)
            fail(carried, OUTCOME_MAYBE_SENT, REASON_confirm_lost, why);
        break;
    case VERDICTS:
        assert(false);
    }
}

static void on_verdict(struct ticket *ticket, enum verdict verdict, const char *why)
{
    struct carried *carried = thing_of(ticket, struct carried, ticket);
    assert(carried->in_window && verdict < VERDICTS);
    carried->in_window = false;
    if (carried->attempt == NULL)
        free(carried);
    else if (carried->confirmed)
        conclude(carried, verdict, why);
}

static void on_reply(struct waiter *waiter, enum reply reply, const struct message *message,
                     const char *why)
{
    struct carried *carried = thing_of(waiter, struct carried, waiter);
    assert(carried->await && !waiter->joined);
    const struct host *shunt = carried->lane->settings->shunt;
    struct attempt *attempt = part(carried);
    if (reply == REPLY_WHOLE)
        shunt->reply(attempt, message);
    else if (reply == REPLY_TOO_LARGE)
        shunt->fail(attempt, OUTCOME_ANSWERED, REASON_reply_too_large, NULL);
    else
        shunt->fail(attempt, OUTCOME_ANSWERED, REASON_bad_reply, why);
}

/* `ack = "none"`: the broker was up and has been given it; that is all that was asked for. */
static void on_handed_over(struct task *task)
{
    struct carried *carried = thing_of(task, struct carried, task);
    assert(!carried->await && !carried->confirmed);
    const struct host *shunt = carried->lane->settings->shunt;
    shunt->stored(part(carried));
}

/* --- how it begins ---------------------------------------------------------------------------- */

/* The log line of the call shows what the message was known by. */
static void note_correlation(struct attempt *attempt, const uint8_t digits[TOKEN_DIGITS])
{
    struct call *call = attempt->call;
    struct slice copy = arena_copy(&call->arena, slice_of(digits, TOKEN_DIGITS));
    if (copy.at != NULL)
        call->plan.message.correlation_id = copy;
}

static struct publisher *publisher_for(struct lane *lane, const struct route_settings *route)
{
    return &lane->publishers[route->exchange.len == 0 ? TO_QUEUES : TO_EXCHANGES];
}

int carry_ready(void *at, const struct plan *plan)
{
    struct lane *lane = at;
    const struct route_settings *route = plan->settings;
    int refused = lane_refusal(lane);
    if (refused < 0)
        return refused;
    const struct outgoing outgoing = { .exchange = route->exchange,
                                       .routing_key = route->routing_key,
                                       .message = &plan->message };
    const struct ticket ticket = {
        .destination = destination_hash(route->exchange, route->routing_key),
        .bytes = publisher_bytes(&plan->message),
    };
    return publisher_refusal(publisher_for(lane, route), &outgoing, &ticket);
}

static int publish(struct carried *carried, struct message *message, const struct field *deadline)
{
    struct lane *lane = carried->lane;
    const struct route_settings *route = carried->plan->settings;
    uint8_t digits[TOKEN_DIGITS];
    token_write(carried->ticket.token, digits);
    message->correlation_id = slice_of(digits, TOKEN_DIGITS);

    struct outgoing outgoing = { .exchange = route->exchange,
                                 .routing_key = route->routing_key,
                                 .message = message,
                                 .extra = deadline };
    carried->ticket.destination = destination_hash(route->exchange, route->routing_key);
    int refused = publisher_publish(publisher_for(lane, route), &outgoing, &carried->ticket);
    if (refused < 0)
        return refused;
    carried->in_window = true;
    carried->attempt->outcome = OUTCOME_MAYBE_SENT;
    note_correlation(carried->attempt, digits);
    return 0;
}

/* An await joins the table before its request leaves, and lives as long as its caller's
 * deadline. */
static int publish_await(struct carried *carried)
{
    struct lane *lane = carried->lane;
    const struct call *call = carried->attempt->call;
    uint64_t now_ms = worker_now_ms(lane->worker);
    if (call->deadline_ms <= now_ms)
        return -REASON_deadline_passed;
    uint64_t left_ms = call->deadline_ms - now_ms;
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, worker_wall_ms(lane->worker) + left_ms);
    struct field deadline = { .name = SLICE("shunt-deadline"), .value = slice_text(text) };

    struct message message = carried->plan->message;
    message.reply_to = lane->replies.queue;
    message.ttl_ms = left_ms;
    if (replies_join(&lane->replies, &carried->waiter) < 0)
        return -REASON_broker_full;
    int refused = publish(carried, &message, &deadline);
    if (refused < 0)
        replies_leave(&lane->replies, &carried->waiter);
    return refused;
}

static int publish_event(struct carried *carried)
{
    struct message message = carried->plan->message;
    int refused = publish(carried, &message, NULL);
    if (refused == 0 && !carried->confirmed)
        worker_defer(carried->lane->worker, &carried->task);
    return refused;
}

/* Held until carry_held; or refused, when there is no reply queue to be waited for. */
static int hold(struct carried *carried)
{
    struct lane *lane = carried->lane;
    assert(carried->await && !carried->in_window);
    if (lane->replies.state == REPLIES_OFF && connection_up(&lane->consuming))
        replies_start(&lane->replies);
    if (lane->replies.state != REPLIES_OPENING)
        return -REASON_broker_down;
    list_append(&lane->held, &carried->link);
    return 0;
}

static void on_released(struct task *task)
{
    struct carried *carried = thing_of(task, struct carried, task);
    int refused = carried->lane->replies.state == REPLIES_READY ? publish_await(carried)
                                                                : -REASON_broker_down;
    if (refused < 0)
        fail(carried, OUTCOME_NOT_SENT, (enum reason) - refused, NULL);
}

void carry_held(struct lane *lane)
{
    list_each_leaving (&lane->held, link) {
        struct carried *carried = thing_of(link, struct carried, link);
        list_leave(link);
        worker_defer(lane->worker, &carried->task);
    }
}

int carry_begin(struct attempt *attempt)
{
    struct lane *lane = attempt->lane;
    const struct plan *plan = attempt->plan;
    const struct route_settings *route = plan->settings;
    int refused = lane_refusal(lane);
    if (refused < 0)
        return refused;
    struct carried *carried = calloc(1, sizeof *carried);
    if (carried == NULL)
        return -REASON_overloaded;
    carried->lane = lane;
    carried->attempt = attempt;
    carried->plan = plan;
    carried->await = plan->await;
    carried->confirmed = route->confirmed;
    carried->one_queue = route->exchange.len == 0;
    carried->ticket.on_verdict = on_verdict;
    carried->waiter.on_reply = on_reply;
    carried->waiter.max_reply = plan->max_reply;
    carried->task.run = plan->await ? on_released : on_handed_over;
    token_draw(lane->worker, carried->ticket.token);
    memcpy(carried->waiter.token, carried->ticket.token, TOKEN_BYTES);

    attempt->own = carried;
    if (!plan->await)
        refused = publish_event(carried);
    else
        refused = lane->replies.state == REPLIES_READY ? publish_await(carried) : hold(carried);
    if (refused < 0)
        free(carried);
    return refused;
}

enum outcome carry_cancel(struct attempt *attempt)
{
    struct carried *carried = attempt->own;
    assert(carried->attempt == attempt);
    bool held = link_joined(&carried->link) || (carried->await && link_joined(&carried->task.link));
    part(carried);
    return held ? OUTCOME_NOT_SENT : OUTCOME_MAYBE_SENT;
}

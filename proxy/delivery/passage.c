/* The machine of one delivery, how it begins and how it ends; see passage.h.
 *
 * Happy path: passage_begin examines the message and has it called (calling.c); when all is said,
 * delivery_finish settles it. Failures: what cannot or may not be called is refused with its
 * reason; a subscription that pauses or stops sets aside what only rests; what is lost with its
 * connection is remembered. The memory of a delivery goes when it is over and its last call is
 * gone.
 */
#include "delivery/passage.h"

#include <assert.h>
#include <stdlib.h>

#include "core/wire.h"
#include "observe/observe.h"

/* Head, copies and letters of one delivery; its bodies are not in here. */
#define DELIVERY_ARENA_CAP (4 * 1024 * 1024)
#define HOPS_MAX           16

static const bool moves[STAGES][STAGES] = {
    [STAGE_NEW] = { [STAGE_PARKED] = true,
                    [STAGE_CALLING] = true,
                    [STAGE_RETIRING] = true,
                    [STAGE_POSTING] = true,
                    [STAGE_OVER] = true },
    [STAGE_PARKED] = { [STAGE_CALLING] = true, [STAGE_POSTING] = true, [STAGE_OVER] = true },
    [STAGE_CALLING] = { [STAGE_WAITING] = true,
                        [STAGE_RETIRING] = true,
                        [STAGE_POSTING] = true,
                        [STAGE_OVER] = true },
    [STAGE_RETIRING] = { [STAGE_POSTING] = true, [STAGE_OVER] = true },
    [STAGE_WAITING] = { [STAGE_PARKED] = true,
                        [STAGE_CALLING] = true,
                        [STAGE_POSTING] = true,
                        [STAGE_OVER] = true },
    [STAGE_POSTING] = { [STAGE_REPOSTING] = true, [STAGE_OVER] = true },
    [STAGE_REPOSTING] = { [STAGE_POSTING] = true, [STAGE_OVER] = true },
};

/* Where order is kept, what waits for its next attempt takes no place away from others. */
static void give_credit(struct subscription *subscription)
{
    bool consumes = subscription->own != NULL && !subscription->paused && !subscription->stopping;
    if (subscription->source->keeps_order && consumes)
        subscription->source->credit(subscription->own,
                                     subscription->share + subscription->waiting);
}

void delivery_move(struct delivery *delivery, enum stage next)
{
    struct subscription *subscription = delivery->subscription;
    enum stage now = delivery->stage;
    assert(moves[now][next]);
    assert(now != STAGE_CALLING || subscription->calling > 0);
    assert(now != STAGE_WAITING || subscription->waiting > 0);
    delivery->stage = next;
    subscription->calling += (next == STAGE_CALLING);
    subscription->calling -= (now == STAGE_CALLING);
    subscription->waiting += (next == STAGE_WAITING);
    subscription->waiting -= (now == STAGE_WAITING);
    if (now == STAGE_WAITING || next == STAGE_WAITING)
        give_credit(subscription);
    if (subscription->suspect == delivery)
        subscription->suspect = NULL;
    if (next == STAGE_CALLING && delivery->suspect)
        subscription->suspect = delivery;
    if (now == STAGE_PARKED)
        list_leave(&delivery->parked);
    if (next == STAGE_PARKED)
        list_append(&subscription->parked, &delivery->parked);
}

/* --- the end ---------------------------------------------------------------------------------- */

void delivery_check_gone(struct delivery *delivery)
{
    struct subscription *subscription = delivery->subscription;
    assert(delivery->stage < STAGES);
    if (delivery->stage != STAGE_OVER || delivery->calls > 0)
        return;
    assert(delivery->arrival == NULL && delivery->call == NULL);
    list_leave(&delivery->link);
    bytes_free(&delivery->answer);
    arena_clear(&delivery->arena);
    free(delivery);
    subscription_check_end(subscription);
}

/* Settles. The delivery must not be touched after this. */
void delivery_finish(struct delivery *delivery, enum settlement settlement)
{
    struct subscription *subscription = delivery->subscription;
    struct arrival *arrival = delivery->arrival;
    assert(arrival != NULL && delivery->call == NULL);
    delivery_move(delivery, STAGE_OVER);
    worker_timer_stop(subscription->worker, &delivery->timer);
    delivery->arrival = NULL;
    subscription->source->settle(subscription->own, arrival, settlement);
    delivery_check_gone(delivery);
}

/* For when it comes again. What was never tried needs no memory, and a request is never tried
 * again: it may have its ID from the same place as an event, which is not to be taken for it. */
void delivery_remember(struct delivery *delivery, unsigned attempts)
{
    bool untried = attempts == 0 && delivery->reason == REASON_none;
    if (untried || delivery_is_request(delivery))
        return;
    struct remembered known = {
        .attempts = attempts,
        .suspect = delivery->suspect,
        .first_seen_ms = delivery->first_seen_ms,
        .reason = delivery->reason,
        .status = delivery->status,
    };
    memory_note(&delivery->subscription->memory, memory_key(delivery->arrival), &known);
}

void delivery_give_back(struct delivery *delivery)
{
    delivery_remember(delivery, delivery->attempts);
    delivery_finish(delivery, SETTLE_GIVE_BACK);
}

bool delivery_is_expired(const struct delivery *delivery)
{
    uint64_t expires = delivery->arrival->expires_ms;
    return expires != 0 && expires <= worker_wall_ms(delivery->subscription->worker);
}

void delivery_drop_expired(struct delivery *delivery)
{
    observe_event(delivery->subscription->worker, "message_expired");
    delivery_finish(delivery, SETTLE_HANDLED);
}

/* --- the beginning ---------------------------------------------------------------------------- */

/* Printable and short enough for a header of HTTP and of AMQP; else it is none. */
static bool id_usable(struct slice id)
{
    for (size_t i = 0; i < id.len; i++)
        if (id.at[i] <= ' ' || id.at[i] > '~')
            return false;
    return id.len > 0 && id.len <= MESSAGE_ID_MAX;
}

/* A message without an ID gets one that is the same whenever it comes (promise 13), or, where no
 * broker tells messages apart, that stays with it as long as it stays with us. */
static void take_id(struct delivery *delivery)
{
    struct slice id = delivery->arrival->message.message_id;
    if (!id_usable(id))
        id = delivery->arrival->identity;
    if (id_usable(id)) {
        delivery->message_id = arena_copy(&delivery->arena, id);
        return;
    }
    uint64_t random[2];
    worker_random(delivery->subscription->worker, random, sizeof(random));
    delivery->message_id = arena_printf(&delivery->arena, "%016llx%016llx",
                                        (unsigned long long)random[0],
                                        (unsigned long long)random[1]);
}

static uint64_t number_in(const struct message *message, const char *name)
{
    const struct field *field = fields_find_name(&message->headers, slice_text(name));
    uint64_t number;
    return field != NULL && slice_number(field->value, &number) == 0 ? number : 0;
}

/* What is known of it: from the message, and from when it was here before. */
static void recall(struct delivery *delivery)
{
    const struct arrival *arrival = delivery->arrival;
    uint64_t now = worker_wall_ms(delivery->subscription->worker);
    uint64_t seen = number_in(&arrival->message, "shunt-first-seen");
    delivery->first_seen_ms = seen != 0 && seen < now ? seen : now;
    delivery->attempts = arrival->attempts;
    struct remembered known;
    if (arrival->redelivered && !arrival->wants_reply &&
        memory_take(&delivery->subscription->memory, memory_key(arrival), &known)) {
        if (known.attempts > delivery->attempts)
            delivery->attempts = known.attempts;
        if (known.first_seen_ms < delivery->first_seen_ms)
            delivery->first_seen_ms = known.first_seen_ms;
        delivery->suspect = known.suspect;
        delivery->reason = known.reason;
        delivery->status = known.status;
    }
    delivery->waits = delivery->attempts;
}

/* Whether the message may become a call: REASON_none, or why not. */
static enum reason examine(struct delivery *delivery)
{
    const struct arrival *arrival = delivery->arrival;
    struct subscription *subscription = delivery->subscription;
    const struct policy *policy = &subscription->policy;
    if (delivery_is_request(delivery) &&
        !subscription->source->may_reply(subscription->own, arrival->message.reply_to))
        return REASON_reply_refused;
    if (delivery->reason != REASON_none)
        return delivery->reason;
    if (arrival->malformed) {
        delivery->detail = arena_copy(&delivery->arena, slice_text(arrival->why));
        return REASON_bad_message;
    }
    uint64_t hops = number_in(&arrival->message, "shunt-hops");
    if (hops > HOPS_MAX)
        return REASON_loop;
    delivery->hops = (unsigned)hops;
    if (arrival->message.body.len > policy->max_body)
        return REASON_body_too_large;

    const struct wire_rules rules = { .trust = policy->trust };
    unsigned ignored;
    const char *why;
    if (wire_to_request(&arrival->message, &rules, subscription->settings->authority,
                        &delivery->arena, &delivery->request, &delivery->trailers, &ignored,
                        &why) < 0) {
        delivery->detail = slice_text(why);
        return REASON_bad_message;
    }
    if (ignored > 0)
        observe_event(subscription->worker, "message_fields_ignored");
    if (!policy_aim(policy, &arrival->message, subscription->settings->prefix, &delivery->arena,
                    &delivery->request)) {
        unsigned oddities = delivery->request.oddities;
        if (oddities != 0)
            delivery->detail = slice_text(path_oddity_text(oddities));
        return oddities != 0 ? REASON_bad_message : REASON_not_allowed;
    }
    bool spent = !delivery_is_request(delivery) && delivery->attempts >= policy->attempts;
    return spent ? REASON_attempts_exhausted : REASON_none;
}

static void on_timer(struct timer *timer)
{
    struct delivery *delivery = thing_of(timer, struct delivery, timer);
    assert(delivery->stage == STAGE_WAITING || delivery->stage == STAGE_REPOSTING);
    if (delivery->stage == STAGE_REPOSTING)
        delivery_post_again(delivery);
    else
        delivery_call_when_free(delivery);
}

static void admit(struct delivery *delivery)
{
    struct subscription *subscription = delivery->subscription;
    bool request = delivery_is_request(delivery);
    if (request)
        subscription_is_asked(subscription);
    if (subscription->stopping && !delivery->arrival->overdue) {
        delivery_give_back(delivery);
        return;
    }
    if (delivery_is_expired(delivery)) {
        delivery_drop_expired(delivery);
        return;
    }
    if (subscription->paused && !request) {
        delivery_set_aside(delivery, ASIDE_MS);
        return;
    }
    enum reason reason = examine(delivery);
    if (reason == REASON_none)
        delivery_call_when_free(delivery);
    else if (request && reason != REASON_reply_refused)
        delivery_reply_error(delivery, reason, OUTCOME_NOT_SENT);
    else
        delivery_kill(delivery, reason);
}

void passage_begin(struct subscription *subscription, struct arrival *arrival)
{
    struct delivery *delivery = calloc(1, sizeof(*delivery));
    if (delivery == NULL) {
        subscription->source->settle(subscription->own, arrival, SETTLE_GIVE_BACK);
        return;
    }
    delivery->subscription = subscription;
    delivery->arrival = arrival;
    delivery->arrived_ms = worker_now_ms(subscription->worker);
    delivery->timer.on_timer = on_timer;
    delivery_init_posting(delivery);
    arena_init(&delivery->arena, DELIVERY_ARENA_CAP);
    list_append(&subscription->deliveries, &delivery->link);
    take_id(delivery);
    recall(delivery);
    admit(delivery);
}

/* --- from outside ---------------------------------------------------------------------------- */

static void lose(struct delivery *delivery)
{
    delivery->lost = true;
    switch (delivery->stage) {
    case STAGE_PARKED:
    case STAGE_WAITING:
        delivery_give_back(delivery);
        return;
    case STAGE_CALLING: /* this attempt may do its work, or be what kills the service */
        delivery_remember(delivery, delivery->attempts + 1);
        return;
    case STAGE_POSTING:
        if (!delivery_is_replying(delivery))
            delivery_remember(delivery, delivery->attempts);
        return;
    case STAGE_RETIRING: /* the source says so, and then it is over */
        return;
    case STAGE_REPOSTING:
        if (!delivery_is_replying(delivery))
            delivery_give_back(delivery);
        return;
    default:
        assert(delivery->stage == STAGE_OVER);
    }
}

void passage_lost(struct subscription *subscription)
{
    list_each_leaving (&subscription->deliveries, link)
        lose(thing_of(link, struct delivery, link));
}

/* Whether nothing is under way for it that a pause or a stop should wait for. */
static bool rests(const struct delivery *delivery)
{
    bool stopping = delivery->subscription->stopping;
    switch (delivery->stage) {
    case STAGE_WAITING:
        return true;
    case STAGE_PARKED:
        return stopping || !delivery_is_request(delivery);
    case STAGE_REPOSTING:
        return stopping && !delivery_is_replying(delivery);
    default:
        return false;
    }
}

/* For how long it makes way: a stop takes from no wait and adds to none. */
static uint64_t wait_left_ms(const struct delivery *delivery)
{
    const struct subscription *subscription = delivery->subscription;
    uint64_t now = worker_now_ms(subscription->worker), due = delivery->timer.due_ms;
    if (subscription->paused)
        return ASIDE_MS;
    return delivery->stage == STAGE_WAITING && due > now ? due - now : 1;
}

void passage_return(struct subscription *subscription)
{
    assert(subscription->paused || subscription->stopping);
    list_each_leaving (&subscription->deliveries, link) {
        struct delivery *delivery = thing_of(link, struct delivery, link);
        if (!rests(delivery))
            continue;
        if (delivery->stage == STAGE_REPOSTING)
            delivery_post_again(delivery);
        else
            delivery_set_aside(delivery, wait_left_ms(delivery));
    }
}

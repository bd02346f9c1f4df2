/* Letters on their way to the broker: replies, dead letters, messages put off.
 *
 * Happy path: written (letters.c), published, confirmed, and the message is settled. Failures: a
 * letter that is too large is written again, smaller; one that the broker does not take is
 * posted again with back-off as long as the message may be held, or its reply is wanted; once more
 * when the subscription stops. After that a reply is counted as lost, since a request never runs
 * twice for it; anything else is given back, remembered, and so never lost.
 */
#include <assert.h>

#include "core/problem.h"
#include "delivery/backoff.h"
#include "delivery/letters.h"
#include "delivery/passage.h"
#include "observe/observe.h"

#define FIRST_REPOST_MS   100
#define LONGEST_REPOST_MS 5000
/* Also what was held for its whole time already is posted more than once before it is given
 * back. */
#define SHORTEST_POSTING_MS 10000

static struct postmark postmark_of(const struct delivery *delivery)
{
    return (struct postmark){
        .message_id = delivery->message_id,
        .reason = delivery->reason,
        .detail = delivery->detail,
        .status = delivery->status,
        .attempts = delivery->attempts,
        .first_seen_ms = delivery->first_seen_ms,
        .now_ms = worker_wall_ms(delivery->subscription->worker),
    };
}

static void post_failed(struct delivery *delivery, enum outcome outcome, enum reason reason);

bool delivery_is_replying(const struct delivery *delivery)
{
    return delivery->letter.message != NULL && delivery->letter.kind == LETTER_REPLY;
}

static void publish(struct delivery *delivery)
{
    struct subscription *subscription = delivery->subscription;
    delivery_move(delivery, STAGE_POSTING);
    int refused = subscription->source->publish(subscription->own, &delivery->letter,
                                                &delivery->posted);
    assert(refused <= 0 && -refused < REASONS);
    if (refused < 0)
        post_failed(delivery, OUTCOME_NOT_SENT, (enum reason) - refused);
}

/* delivery->message is written: posts it, for as long as it makes sense. */
static void post(struct delivery *delivery, enum letter_kind kind, uint64_t delay_ms)
{
    struct subscription *subscription = delivery->subscription;
    uint64_t now = worker_now_ms(subscription->worker), wall = worker_wall_ms(subscription->worker);
    uint64_t expires = delivery->arrival->expires_ms,
             bound = delivery->arrived_ms + subscription->policy.hold_ms;
    if (bound < now + SHORTEST_POSTING_MS)
        bound = now + SHORTEST_POSTING_MS;
    if (kind == LETTER_REPLY && expires > wall && now + (expires - wall) < bound)
        bound = now + (expires - wall);
    delivery->letter = (struct letter){ .kind = kind,
                                        .message = &delivery->message,
                                        .arrival = delivery->arrival,
                                        .delay_ms = delay_ms };
    delivery->give_up_ms = bound;
    publish(delivery);
}

/* Our own answer in the service's place (promise 12). */
static int write_error_reply(struct delivery *delivery, enum outcome outcome)
{
    struct head answer;
    const char *detail = delivery->detail.len > 0 ? (const char *)delivery->detail.at : NULL;
    struct slice body = problem_render(&delivery->arena, delivery->subscription->snapshot->service,
                                       delivery->reason, outcome, delivery->message_id, detail,
                                       &answer);
    struct postmark mark = postmark_of(delivery);
    return letter_reply(delivery->arrival, &mark, &answer, NULL, body, &delivery->arena,
                        &delivery->message);
}

/* Whether it is over, since nobody waits for a reply any more. */
static bool drop_late(struct delivery *delivery)
{
    if (!delivery_is_expired(delivery))
        return false;
    observe_event(delivery->subscription->worker, "reply_late");
    delivery_finish(delivery, SETTLE_HANDLED);
    return true;
}

/* Promise 2: "no" is said only once nobody can run the message any more. So the broker drops it
 * first; where it went with its connection, it comes again, and whoever gets it then answers. */
static void on_retired(struct done *done, int result)
{
    struct delivery *delivery = thing_of(done, struct delivery, retired);
    assert(delivery->stage == STAGE_RETIRING);
    if (result < 0)
        delivery_finish(delivery, SETTLE_HANDLED);
    else if (!drop_late(delivery))
        post(delivery, LETTER_REPLY, 0);
}

static void retire(struct delivery *delivery)
{
    struct subscription *subscription = delivery->subscription;
    delivery_move(delivery, STAGE_RETIRING);
    subscription->source->retire(subscription->own, delivery->arrival, &delivery->retired);
}

/* Whether somebody else may have run it, or may yet. */
static bool is_shared(const struct delivery *delivery)
{
    return delivery->lost || delivery->arrival->redelivered ||
           delivery->subscription->source->retire == NULL;
}

void delivery_reply_error(struct delivery *delivery, enum reason reason, enum outcome outcome)
{
    assert(delivery_is_request(delivery) && reason != REASON_none);
    if (drop_late(delivery))
        return;
    bool spared = outcome == OUTCOME_NOT_SENT || outcome == OUTCOME_REFUSED_WHOLE;
    if (spared && is_shared(delivery)) {
        spared = false;
        outcome = OUTCOME_MAYBE_SENT;
        if (reasons[reason].retry)
            reason = REASON_maybe_executed;
    }
    delivery->reason = reason;
    delivery->bare = true;
    bytes_free(&delivery->answer);
    if (write_error_reply(delivery, outcome) != 0) {
        observe_event(delivery->subscription->worker, "reply_lost");
        delivery_finish(delivery, SETTLE_HANDLED);
    } else if (spared) {
        retire(delivery);
    } else {
        post(delivery, LETTER_REPLY, 0);
    }
}

void delivery_reply(struct delivery *delivery, const struct head *answer,
                    const struct fields *trailers)
{
    assert(delivery_is_request(delivery) && delivery->stage == STAGE_CALLING);
    if (drop_late(delivery))
        return;
    struct postmark mark = postmark_of(delivery);
    int refused = letter_reply(delivery->arrival, &mark, answer, trailers,
                               bytes_slice(&delivery->answer), &delivery->arena,
                               &delivery->message);
    if (refused == 0)
        post(delivery, LETTER_REPLY, 0);
    else if (refused == -REASON_fields_too_large)
        delivery_reply_error(delivery, REASON_reply_too_large, OUTCOME_ANSWERED);
    else
        delivery_reply_error(delivery, REASON_bad_response, OUTCOME_ANSWERED);
}

void delivery_kill(struct delivery *delivery, enum reason reason)
{
    assert(!delivery_is_request(delivery) || reason == REASON_reply_refused);
    delivery->reason = reason;
    if (delivery->lost) {
        delivery_give_back(delivery);
        return;
    }
    struct postmark mark = postmark_of(delivery);
    int refused = letter_dead(delivery->arrival, &mark, LETTER_WHOLE, &delivery->arena,
                              &delivery->message);
    if (refused < 0) {
        delivery->bare = true;
        refused = letter_dead(delivery->arrival, &mark, LETTER_BARE, &delivery->arena,
                              &delivery->message);
    }
    if (refused < 0)
        delivery_give_back(delivery);
    else
        post(delivery, LETTER_DEAD, 0);
}

void delivery_put_off(struct delivery *delivery, uint64_t wait_ms)
{
    assert(!delivery_is_request(delivery) && wait_ms > 0);
    struct postmark mark = postmark_of(delivery);
    if (letter_delayed(delivery->arrival, &mark, &delivery->arena, &delivery->message) < 0)
        delivery_kill(delivery, REASON_fields_too_large);
    else
        post(delivery, LETTER_DELAYED, wait_ms);
}

/* Whether attempts were made that only we know of, and shall not much longer. */
static bool would_be_forgotten(const struct delivery *delivery)
{
    const struct subscription *subscription = delivery->subscription;
    return subscription->stopping && !delivery->lost && !subscription->source->keeps_order &&
           delivery->attempts > delivery->arrival->attempts;
}

/* Nothing is burnt by it: its attempts are what they were. */
void delivery_set_aside(struct delivery *delivery, uint64_t wait_ms)
{
    const struct subscription *subscription = delivery->subscription;
    bool makes_way = subscription->asked && !delivery_is_leaving(delivery);
    worker_timer_stop(subscription->worker, &delivery->timer);
    if (makes_way || would_be_forgotten(delivery))
        delivery_put_off(delivery, wait_ms);
    else
        delivery_give_back(delivery);
}

/* --- what became of it ------------------------------------------------------------------------ */

static void on_confirmed(struct delivery *delivery)
{
    struct subscription *subscription = delivery->subscription;
    if (delivery->letter.kind == LETTER_DEAD) {
        observe_event(subscription->worker, "dead_letter");
        observe_log(subscription->worker, LEVEL_WARNING, subscription->settings->name,
                    "message %.*s became a dead letter: %s (status %d, attempts %u)",
                    (int)delivery->message_id.len, (const char *)delivery->message_id.at,
                    reasons[delivery->reason].name, delivery->status, delivery->attempts);
    }
    delivery_finish(delivery, SETTLE_HANDLED);
}

static void on_posted(struct done *done, int result)
{
    struct delivery *delivery = thing_of(done, struct delivery, posted);
    assert(delivery->stage == STAGE_POSTING);
    assert(-result < REASONS);
    if (result == OUTCOME_STORED)
        on_confirmed(delivery);
    else if (result < 0)
        post_failed(delivery, OUTCOME_REFUSED_WHOLE, (enum reason) - result);
    else
        post_failed(delivery, (enum outcome)result,
                    result == OUTCOME_MAYBE_SENT ? REASON_confirm_lost : REASON_broker_refused);
}

void delivery_init_posting(struct delivery *delivery)
{
    delivery->posted.on_done = on_posted;
    delivery->retired.on_done = on_retired;
}

void delivery_post_again(struct delivery *delivery)
{
    assert(delivery->stage == STAGE_REPOSTING);
    worker_timer_stop(delivery->subscription->worker, &delivery->timer);
    publish(delivery);
}

/* Where the broker keeps what was consumed, a dead letter can do without the body: it names the
 * place. Else a message would be in the way for ever that nobody can handle. */
static bool hollow(struct delivery *delivery)
{
    bool kept = delivery->arrival->identity.len > 0 && delivery->letter.kind == LETTER_DEAD;
    if (!kept || delivery->hollow)
        return false;
    delivery->hollow = true;
    observe_log(delivery->subscription->worker, LEVEL_ERROR, delivery->subscription->settings->name,
                "message %.*s becomes a dead letter without its %zu bytes of body, which are too "
                "many",
                (int)delivery->message_id.len, (const char *)delivery->message_id.at,
                delivery->arrival->message.body.len);
    struct postmark mark = postmark_of(delivery);
    return letter_dead(delivery->arrival, &mark, LETTER_HOLLOW, &delivery->arena,
                       &delivery->message) == 0;
}

/* A letter that is too large is written again, so that it fits whatever it answers. */
static bool shrink(struct delivery *delivery, enum reason reason)
{
    bool delayed = delivery->letter.kind == LETTER_DELAYED;
    if (delayed && delivery_is_leaving(delivery))
        return false; /* who gets it next has no need to put it off */
    if (delivery->bare)
        return hollow(delivery);
    delivery->bare = true;
    if (delivery_is_replying(delivery)) {
        delivery->reason = REASON_reply_too_large;
        return write_error_reply(delivery, OUTCOME_ANSWERED) == 0;
    }
    /* One that cannot even be put off is dead, whatever it was meant to be. */
    if (delayed)
        delivery->reason = reason;
    delivery->letter.kind = LETTER_DEAD;
    struct postmark mark = postmark_of(delivery);
    return letter_dead(delivery->arrival, &mark, LETTER_BARE, &delivery->arena,
                       &delivery->message) == 0;
}

/* Nothing more can be done for this letter. A request is never run a second time for it. */
static void abandon_letter(struct delivery *delivery, const char *event)
{
    observe_event(delivery->subscription->worker, event);
    if (delivery_is_replying(delivery))
        delivery_finish(delivery, SETTLE_HANDLED);
    else
        delivery_give_back(delivery);
}

static void post_failed(struct delivery *delivery, enum outcome outcome, enum reason reason)
{
    struct subscription *subscription = delivery->subscription;
    struct worker *worker = subscription->worker;
    bool reply = delivery_is_replying(delivery);
    assert(outcome != OUTCOME_STORED && reason != REASON_none);
    delivery_move(delivery, STAGE_REPOSTING);
    if (reply && outcome == OUTCOME_REFUSED_WHOLE) {
        abandon_letter(delivery, "reply_unroutable");
        return;
    }
    bool too_large = reason == REASON_message_too_large || reason == REASON_fields_too_large;
    if (too_large && shrink(delivery, reason)) {
        publish(delivery);
        return;
    }
    uint64_t wait = backoff_ms(worker, FIRST_REPOST_MS, LONGEST_REPOST_MS, delivery->posts);
    bool late = worker_now_ms(worker) + wait > delivery->give_up_ms;
    bool pointless = reply ? too_large : delivery_is_leaving(delivery);
    if (late || pointless) {
        abandon_letter(delivery, reply ? "reply_lost" : "letter_failed");
        return;
    }
    if (delivery->posts++ == 0)
        observe_log(worker, LEVEL_ERROR, subscription->settings->name,
                    "%s cannot be published yet: %s",
                    reply ? "a reply" : "a dead or delayed letter", reasons[reason].name);
    worker_timer(worker, &delivery->timer, wait);
}

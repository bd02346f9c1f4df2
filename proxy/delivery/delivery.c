/* The life of a subscription: consuming, pausing while the service is down, stopping; see
 * delivery.h.
 *
 * Happy path: subscribe, credit, arrivals, each with its passage (passage.c). Service down: credit
 * 0, and a probe asks until the service takes connections; then credit again. Where requests come
 * as well consuming goes on, so that callers are told (promise 12), and each event is put off until
 * later, so that none stands before them. Lost connection: the
 * source consumes again by itself, and says on_ready. Stop: unsubscribe, what waits is given back or
 * put off, other deliveries finish; when the source has nothing unsettled and the last call is gone,
 * the memory goes at the end of that turn.
 */
#include "delivery/delivery.h"

#include <assert.h>
#include <stdlib.h>

#include "delivery/passage.h"
#include "observe/observe.h"

/* Patterns of one subscription, which its file has already bounded. */
#define SUBSCRIPTION_ARENA_CAP (16 * 1024 * 1024)

struct subscription *subscription_of(struct link *link)
{
    return thing_of(link, struct subscription, link);
}

bool subscription_stopping(const struct subscription *subscription)
{
    return subscription->stopping;
}

const struct subscription_settings *subscription_settings(const struct subscription *subscription)
{
    return subscription->settings;
}

bool subscription_ready(const struct subscription *subscription)
{
    return subscription->consuming && !subscription->paused && !subscription->stopping;
}

/* Once it stops, its name may belong to its successor already. */
static void tell_ready(struct subscription *subscription)
{
    if (subscription->settings->stats != NULL && !subscription->stopping)
        observe_subscription_ready(subscription->worker, subscription->settings->stats,
                                   subscription_ready(subscription));
}

static void on_arrival(struct intake *intake, struct arrival *arrival)
{
    passage_begin(thing_of(intake, struct subscription, intake), arrival);
}

static void on_lost(struct intake *intake)
{
    struct subscription *subscription = thing_of(intake, struct subscription, intake);
    subscription->consuming = false;
    tell_ready(subscription);
    passage_lost(subscription);
}

static void on_ready(struct intake *intake)
{
    struct subscription *subscription = thing_of(intake, struct subscription, intake);
    subscription->consuming = true;
    tell_ready(subscription);
}

/* --- the service goes down and comes back ----------------------------------------------------- */

void subscription_pause(struct subscription *subscription, const char *why)
{
    if (subscription->paused || subscription->stopping)
        return;
    subscription->paused = true;
    observe_event(subscription->worker, "service_down");
    observe_log(subscription->worker, LEVEL_WARNING, subscription->settings->name,
                "the service is down, %s until it is back: %s",
                subscription->asked ? "events are put off" : "nothing is consumed", why);
    if (!subscription->asked)
        subscription->source->credit(subscription->own, 0);
    passage_return(subscription);
    tell_ready(subscription);
    probe_start(&subscription->probe);
}

void subscription_is_asked(struct subscription *subscription)
{
    if (subscription->asked)
        return;
    subscription->asked = true;
    if (subscription->paused && !subscription->stopping)
        subscription->source->credit(subscription->own, subscription->share);
}

static void on_service_up(struct probe *probe)
{
    struct subscription *subscription = thing_of(probe, struct subscription, probe);
    assert(subscription->paused && !subscription->stopping);
    subscription->paused = false;
    observe_log(subscription->worker, LEVEL_INFO, subscription->settings->name,
                "the service takes connections again");
    subscription->source->credit(subscription->own, subscription->share);
    tell_ready(subscription);
}

/* --- beginning and end ------------------------------------------------------------------------ */

static void on_ending(struct task *task)
{
    struct subscription *subscription = thing_of(task, struct subscription, ending);
    struct worker *worker = subscription->worker;
    assert(subscription->calling == 0 && subscription->waiting == 0 &&
           list_empty(&subscription->parked));
    list_leave(&subscription->link);
    memory_clear(&subscription->memory);
    arena_clear(&subscription->arena);
    snapshot_release(subscription->snapshot);
    free(subscription);
    worker_check_drained(worker);
}

void subscription_check_end(struct subscription *subscription)
{
    if (subscription->left && list_empty(&subscription->deliveries))
        worker_defer(subscription->worker, &subscription->ending);
}

static void on_unsubscribed(struct done *done, int result)
{
    (void)result;
    struct subscription *subscription = thing_of(done, struct subscription, unsubscribed);
    assert(subscription->stopping && !subscription->left);
    subscription->left = true;
    subscription_check_end(subscription);
}

void subscription_stop(struct subscription *subscription)
{
    assert(!subscription->stopping);
    subscription->consuming = false;
    tell_ready(subscription);
    subscription->stopping = true;
    probe_stop(&subscription->probe);
    if (subscription->own == NULL) {
        subscription->left = true;
        subscription_check_end(subscription);
        return;
    }
    subscription->source->unsubscribe(subscription->own, &subscription->unsubscribed);
    passage_return(subscription);
}

/* -1: no lane, or the source does not take it. */
static int consume(struct subscription *subscription)
{
    const struct subscription_settings *settings = subscription->settings;
    void *lane = worker_lane(subscription->worker, settings->broker->slot);
    if (lane == NULL || subscription->source == NULL)
        return -1;
    if (subscription->share == 0) {
        subscription->consuming = true; /* as much as it ever will */
        return 0;
    }
    if (subscription->source->subscribe(lane, settings->values, &subscription->intake,
                                        &subscription->own) < 0)
        return -1;
    assert(subscription->own != NULL);
    subscription->source->credit(subscription->own, subscription->share);
    return 0;
}

struct subscription *subscription_start(struct worker *worker, struct snapshot *snapshot,
                                        const struct subscription_settings *settings)
{
    struct subscription *subscription = calloc(1, sizeof(*subscription));
    if (subscription == NULL)
        abort();
    subscription->worker = worker;
    subscription->settings = settings;
    subscription->source = settings->broker->transport->source;
    subscription->intake = (struct intake){ on_arrival, on_lost, on_ready };
    subscription->unsubscribed.on_done = on_unsubscribed;
    subscription->ending.run = on_ending;
    arena_init(&subscription->arena, SUBSCRIPTION_ARENA_CAP);
    policy_read(&subscription->policy, settings->values, &subscription->arena);
    subscription->share = policy_share(&subscription->policy, worker->index, snapshot->workers);
    memory_init(&subscription->memory);
    list_init(&subscription->deliveries);
    list_init(&subscription->parked);
    probe_init(&subscription->probe, worker, settings->upstream.endpoints[0],
               settings->upstream.connect_timeout_ms, on_service_up);
    if (consume(subscription) < 0) {
        arena_clear(&subscription->arena);
        free(subscription);
        return NULL;
    }
    subscription->snapshot = snapshot_hold(snapshot);
    list_append(&worker->subscriptions, &subscription->link);
    tell_ready(subscription);
    return subscription;
}

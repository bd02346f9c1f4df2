/* Ready means: every worker serves the configuration in force on all of its listeners, each
 * broker that it names is up on each worker, each subscription consumes there, and nobody told
 * us to stop. Anything else is said by its name, since "not ready" alone sends people to the
 * wrong place. Read from cells that workers move meanwhile: the answer was true a moment ago. */
#include "observe/readiness.h"

#include <assert.h>

#include "observe/stats.h"

struct search {
    const struct snapshot *snapshot;
    const struct stats *stats;
    struct bytes *out;
    unsigned missing;
};

static void put_text(struct search *search, const char *key, const char *value)
{
    bytes_printf(search->out, ",\"%s\":", key);
    bytes_json(search->out, slice_text(value));
}

/* Something of one worker is missing; `name` and `state` may be NULL. */
static void miss(struct search *search, const char *what, const char *name, unsigned worker,
                 const char *state)
{
    bytes_printf(search->out, "%s{\"what\":\"%s\"", search->missing++ == 0 ? "" : ",", what);
    if (name != NULL)
        put_text(search, "name", name);
    bytes_printf(search->out, ",\"worker\":%u", worker);
    if (state != NULL)
        put_text(search, "state", state);
    bytes_byte(search->out, '}');
}

static void look_at_worker(struct search *search, unsigned worker)
{
    assert(worker < search->snapshot->workers);
    const struct worker_cells *cells = &search->stats->workers[worker];
    if (atomic_load_explicit(&cells->generation, memory_order_acquire) !=
        search->snapshot->generation)
        miss(search, "configuration", NULL, worker, "not yet in use");
    unsigned failed = atomic_load_explicit(&cells->listeners_failed, memory_order_relaxed);
    if (failed != 0)
        miss(search, "listener", NULL, worker, "not open");
}

static void look_at_broker(struct search *search, const struct broker *broker, unsigned worker)
{
    int state = atomic_load_explicit(&broker->status[worker].state, memory_order_relaxed);
    assert(state >= 0 && state < BROKER_STATES);
    if (state != BROKER_UP)
        miss(search, "broker", broker->name, worker, broker_state_names[state]);
}

static void look_at_subscription(struct search *search,
                                 const struct subscription_settings *subscription, unsigned worker)
{
    if (!stats_consuming(subscription->stats, worker))
        miss(search, "subscription", subscription->name, worker, "not consuming");
}

static void look_at_everything(struct search *search)
{
    const struct snapshot *snapshot = search->snapshot;
    for (unsigned worker = 0; worker < snapshot->workers; worker++) {
        look_at_worker(search, worker);
        for (unsigned i = 0; i < snapshot->broker_count; i++) {
            if (snapshot->brokers[i]->values != NULL)
                look_at_broker(search, snapshot->brokers[i], worker);
        }
        for (unsigned i = 0; i < snapshot->subscription_count; i++)
            look_at_subscription(search, &snapshot->subscriptions[i], worker);
    }
}

bool readiness_render(const struct snapshot *snapshot, const struct stats *stats, bool draining,
                      struct bytes *out)
{
    assert(snapshot->workers <= WORKERS_MAX);
    struct bytes missing = { 0 };
    struct search search = { .snapshot = snapshot, .stats = stats, .out = &missing };
    if (draining) {
        bytes_text(&missing, "{\"what\":\"draining\"}");
        search.missing = 1;
    }
    look_at_everything(&search);

    bytes_printf(out, "{\"ready\":%s,\"missing\":[", search.missing == 0 ? "true" : "false");
    bytes_add(out, bytes_slice(&missing));
    bytes_text(out, "]}\n");
    bytes_free(&missing);
    return search.missing == 0;
}

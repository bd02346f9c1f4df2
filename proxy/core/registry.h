/* What outlives a snapshot: brokers keyed by their settings, plugins, names of counters.
 *
 * Owned by the control thread. A broker is shared by snapshots and by workers' lanes through its
 * atomic count; the last reference only marks it, and registry_sweep closes it on the control
 * thread.
 */
#ifndef CORE_REGISTRY_H
#define CORE_REGISTRY_H

#include "core/plugins.h"
#include "core/snapshot.h"
#include "observe/observe.h"

struct registry {
    struct plugins *plugins;
    struct stats *stats; /* NULL: nothing is counted (check, explain) */
    struct list brokers; /* of struct broker */
    struct broker *slots[WORKER_LANES];
    struct broker *http, *fan, *admin; /* built in */
    uint64_t generation;
    unsigned workers;               /* fixed by the first snapshot; 0 before */
    const struct snapshot *serving; /* whose listeners are open; borrowed; NULL before the first */
};

/* `admin_context`: what the admin transport answers from; NULL where there is no admin. */
void registry_init(struct registry *registry, struct stats *stats, void *admin_context);
/* Every snapshot and lane is gone. */
void registry_clear(struct registry *registry);

/* The broker of that name with just these settings, shared or opened anew, with a reference for
 * the caller; NULL with complaints. `config` is held as long as the broker lives. */
struct broker *registry_broker(struct registry *registry, const char *name,
                               const struct values *values, struct config *config,
                               struct complaints *complaints);

struct broker *broker_hold(struct broker *broker);
/* Any thread. */
void broker_release(struct broker *broker);
/* Closes brokers that nobody holds. */
void registry_sweep(struct registry *registry);

#endif

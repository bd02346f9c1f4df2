/* What core/control.c does for a process, without threads: load, build, hand out, drain, clean
 * up. Listeners are bound in the simulation, so snapshots are built dry. */
#include "sidecar.h"

#include <stdlib.h>

#include "core/registry.h"
#include "observe/observe.h"
#include "plugin.h"
#include "plugins/kafka/transport.h"
#include "seeds.h"

extern const struct transport shunt_plugin; /* amqp, linked in */

struct sidecar {
    struct sim *sim;
    struct sim_node *node;
    const char *config;
    struct registry registry;
    struct snapshot *snapshot; /* held */
    struct done drained;
    bool running, empty;
};

static struct snapshot *build(struct sidecar *sidecar, const char *text)
{
    struct complaints complaints;
    complaints_init(&complaints);
    struct catalog catalog = plugins_catalog(sidecar->registry.plugins);
    struct config *config = config_load_text(sidecar->node->name, slice_text(text), &catalog,
                                             &complaints);
    struct snapshot *snapshot = NULL;
    if (complaints.errors == 0)
        snapshot = snapshot_build(config, &sidecar->registry, true, &complaints);
    if (snapshot == NULL)
        complaints_print(&complaints, stderr, false);
    must(snapshot != NULL && complaints.errors == 0);
    complaints_clear(&complaints);
    return snapshot;
}

static bool serves(const struct snapshot *snapshot, const struct address *address)
{
    for (unsigned i = 0; snapshot != NULL && i < snapshot->listener_count; i++) {
        if (address_equal(&snapshot->listeners[i].address, address))
            return true;
    }
    return false;
}

/* Takes the snapshot over. */
static void publish(struct sidecar *sidecar, struct snapshot *snapshot)
{
    struct snapshot *before = sidecar->snapshot;
    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        struct listener_settings *listener = &snapshot->listeners[i];
        if (!serves(before, &listener->address))
            listener->descriptors[0] = sim_bind(sidecar->node, &listener->address);
    }
    sidecar->snapshot = snapshot;
    sidecar->registry.serving = snapshot;
    sidecar->registry.generation = snapshot->generation;
    worker_adopt(&sidecar->node->worker, snapshot);
    sim_finish_turn(sidecar->node);
    if (before != NULL)
        snapshot_release(before);
}

void sidecar_reload(struct sidecar *sidecar, const char *config)
{
    must(sidecar->running);
    sidecar->config = config;
    publish(sidecar, build(sidecar, config));
}

static void on_drained(struct done *done, int result)
{
    (void)result;
    struct sidecar *sidecar = thing_of(done, struct sidecar, drained);
    sidecar->empty = true;
    trace(sidecar->sim, "%s: drained", sidecar->node->name);
}

void sidecar_terminate(struct sidecar *sidecar)
{
    if (!sidecar->running || sidecar->node->worker.draining)
        return;
    trace(sidecar->sim, "%s: drains", sidecar->node->name);
    worker_drain(&sidecar->node->worker, &sidecar->drained);
    sim_finish_turn(sidecar->node);
}

bool sidecar_drained(const struct sidecar *sidecar)
{
    return sidecar->empty;
}

static bool is_empty(void *context)
{
    const struct sidecar *sidecar = context;
    return sidecar->empty && list_empty(&sidecar->node->ends);
}

static void clean_up(struct sidecar *sidecar)
{
    struct observer *observer = sidecar->node->worker.observer;
    struct stats *stats = sidecar->registry.stats;
    sim_node_renew(sidecar->node);
    snapshot_release(sidecar->snapshot);
    sidecar->snapshot = NULL;
    observer_free(observer);
    registry_clear(&sidecar->registry);
    stats_free(stats);
    sidecar->running = false;
}

void sidecar_start(struct sidecar *sidecar)
{
    if (sidecar->running) {
        must(sidecar->empty);
        must(sim_run(sidecar->sim, 1000, is_empty, sidecar));
        clean_up(sidecar);
    }
    struct stats *stats = stats_new();
    registry_init(&sidecar->registry, stats, NULL);
    plugins_add(sidecar->registry.plugins, &shunt_plugin);
    plugins_add(sidecar->registry.plugins, &kafka_transport);
    sidecar->registry.workers = 1;
    sidecar->node->worker.observer = observer_new(NULL, stats, 0);
    sidecar->running = true;
    sidecar->empty = false;
    publish(sidecar, build(sidecar, sidecar->config));
    trace(sidecar->sim, "%s: started", sidecar->node->name);
}

void sidecar_kill(struct sidecar *sidecar)
{
    if (!sidecar->running)
        return;
    trace(sidecar->sim, "%s: killed", sidecar->node->name);
    sim_continue(sidecar->node);
    sim_sever(sidecar->node);
    if (!sidecar->node->worker.draining)
        worker_drain(&sidecar->node->worker, &sidecar->drained);
    worker_stop(&sidecar->node->worker);
    sim_finish_turn(sidecar->node);
    must(sim_run(sidecar->sim, 60 * 1000, is_empty, sidecar));
    clean_up(sidecar);
    sim_revive(sidecar->node);
}

struct sidecar *sidecar_new(struct sim *sim, const char *name, unsigned host, const char *config)
{
    struct sidecar *sidecar = calloc(1, sizeof(*sidecar));
    must(sidecar != NULL);
    sidecar->sim = sim;
    sidecar->node = sim_node_new(sim, name, host);
    sidecar->config = config;
    sidecar->drained.on_done = on_drained;
    sidecar_start(sidecar);
    return sidecar;
}

struct sim_node *sidecar_node(struct sidecar *sidecar)
{
    return sidecar->node;
}

void sidecar_free(struct sidecar *sidecar)
{
    sidecar_kill(sidecar);
    free(sidecar);
}

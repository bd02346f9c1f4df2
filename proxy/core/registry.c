/* Brokers over reloads; see registry.h. */
#include "core/registry.h"

#include <assert.h>
#include <stdlib.h>

#include "core/fan.h"
#include "core/host.h"
#include "observe/admin.h"
#include "plugins/http/http.h"

static struct broker *place(struct registry *registry, const char *name,
                            const struct transport *transport)
{
    unsigned slot = 0;
    while (slot < WORKER_LANES && registry->slots[slot] != NULL)
        slot++;
    if (slot == WORKER_LANES)
        return NULL;
    struct broker *broker = calloc(1, sizeof *broker);
    if (broker == NULL || (broker->name = strdup(name)) == NULL)
        abort();
    broker->refs = 1;
    broker->transport = transport;
    broker->slot = slot;
    if (registry->stats != NULL)
        broker->counters = stats_broker(registry->stats, name);
    registry->slots[slot] = broker;
    list_append(&registry->brokers, &broker->link);
    return broker;
}

static struct broker *place_built_in(struct registry *registry, const struct transport *transport,
                                     void *instance)
{
    struct broker *broker = place(registry, transport->name, transport);
    assert(broker != NULL);
    if (instance != NULL) {
        broker->instance = instance;
    } else {
        int refused = transport->open(&host_table, broker, NULL, NULL, &broker->instance);
        assert(refused == 0);
    }
    for (unsigned i = 0; i <= WORKERS_MAX; i++)
        broker->status[i].state = BROKER_UP;
    return broker;
}

void registry_init(struct registry *registry, struct stats *stats, void *admin_context)
{
    *registry = (struct registry){ .plugins = plugins_new(), .stats = stats };
    list_init(&registry->brokers);
    registry->http = place_built_in(registry, &http_transport, NULL);
    registry->fan = place_built_in(registry, &fan_transport, NULL);
    if (admin_context != NULL)
        registry->admin = place_built_in(registry, &admin_transport, admin_context);
}

struct broker *broker_hold(struct broker *broker)
{
    unsigned before = atomic_fetch_add_explicit(&broker->refs, 1, memory_order_relaxed);
    assert(before > 0);
    return broker;
}

void broker_release(struct broker *broker)
{
    unsigned before = atomic_fetch_sub_explicit(&broker->refs, 1, memory_order_acq_rel);
    assert(before > 0);
}

static void dismiss(struct registry *registry, struct broker *broker)
{
    assert(registry->slots[broker->slot] == broker);
    if (broker->instance != NULL && broker->transport != &admin_transport)
        broker->transport->close(broker->instance);
    if (broker->config != NULL)
        config_release(broker->config);
    registry->slots[broker->slot] = NULL;
    list_leave(&broker->link);
    free(broker->name);
    free(broker);
}

void registry_sweep(struct registry *registry)
{
    list_each_leaving (&registry->brokers, link) {
        struct broker *broker = thing_of(link, struct broker, link);
        if (atomic_load_explicit(&broker->refs, memory_order_acquire) == 0)
            dismiss(registry, broker);
    }
}

void registry_clear(struct registry *registry)
{
    broker_release(registry->http);
    broker_release(registry->fan);
    if (registry->admin != NULL)
        broker_release(registry->admin);
    registry_sweep(registry);
    assert(list_empty(&registry->brokers));
    plugins_free(registry->plugins);
}

/* One that nobody holds any more, but that was not swept yet, is taken up again: only this
 * thread closes brokers. */
static struct broker *find_equal(struct registry *registry, const char *name,
                                 const struct values *values)
{
    list_each (&registry->brokers, link) {
        struct broker *broker = thing_of(link, struct broker, link);
        if (broker->values != NULL && strcmp(broker->name, name) == 0 &&
            values_equal(broker->values, values)) {
            atomic_fetch_add_explicit(&broker->refs, 1, memory_order_acquire);
            return broker;
        }
    }
    return NULL;
}

struct broker *registry_broker(struct registry *registry, const char *name,
                               const struct values *values, struct config *config,
                               struct complaints *complaints)
{
    struct broker *broker = find_equal(registry, name, values);
    if (broker != NULL)
        return broker;

    registry_sweep(registry);
    const char *why = NULL;
    const struct transport *transport = plugins_find(registry->plugins,
                                                     values_text(values, "plugin"), &why);
    if (transport == NULL) {
        complain(complaints, values_place(values, "plugin"), "%s", why);
        return NULL;
    }
    broker = place(registry, name, transport);
    if (broker == NULL) {
        complain(complaints, values->place, "too many brokers; at most %d at a time",
                 WORKER_LANES - 3);
        return NULL;
    }
    broker->values = values;
    if (transport->open(&host_table, broker, values, complaints, &broker->instance) < 0) {
        broker->instance = NULL;
        dismiss(registry, broker);
        return NULL;
    }
    broker->config = config_hold(config);
    return broker;
}

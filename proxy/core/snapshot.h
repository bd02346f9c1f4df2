/* One configuration, built and immutable: what new calls use until the next one replaces it.
 *
 * Built whole on the control thread (plugins opened, routes compiled, sockets bound) or not at
 * all, then handed to each worker. Reference-counted with atomics, since calls on several
 * workers hold it; the last reference frees it on whichever thread that is, and gives its
 * brokers back to the control thread's registry.
 */
#ifndef CORE_SNAPSHOT_H
#define CORE_SNAPSHOT_H

#include <stdatomic.h>

#include "config/config.h"
#include "core/forwarded.h"
#include "core/plan.h"
#include "http/target.h"
#include "net/address.h"
#include "core/worker.h"
#include "plugin.h"

struct broker_status {
    _Atomic int state;         /* enum broker_state */
    _Atomic uint64_t since_ms; /* wall */
};

/* A configured connection to a broker, or a built-in transport. Outlives snapshots while its
 * settings stay equal. */
struct broker {
    struct link link; /* registry's, control thread */
    _Atomic unsigned refs;
    char *name;
    const struct transport *transport;
    const struct values *values; /* NULL: built in */
    struct config *config;       /* that `values` live in; held */
    void *instance;
    unsigned slot;                                /* index into worker->lanes */
    struct broker_status status[WORKERS_MAX + 1]; /* by worker index */
    struct counter_row *counters;                 /* observe's */
};

struct upstream_settings {
    const char *name;
    const char *const *endpoints; /* "host:port"; ends with NULL */
    unsigned endpoint_count;
    uint64_t connect_timeout_ms, idle_ms;
    unsigned connections; /* cap per process and endpoint set */
    unsigned waiting;     /* calls in line for one, per process */
    bool h2;              /* HTTP/2 by prior knowledge; else HTTP/1.1 */
};

struct listener_settings {
    const char *name;
    struct address address;
    const char *host; /* "inventory:8080", or NULL */
    bool admin;       /* answered by the admin transport */
    struct hop_rules hop;
    bool cancels_half_closed; /* a caller that has said all is taken for gone */
    int *descriptors;         /* one per worker; -1 once a worker has it */
};

struct limits {
    unsigned connections;               /* of clients, per process */
    unsigned streams;                   /* of one HTTP/2 connection */
    size_t head, head_fields;           /* bytes; number */
    size_t memory;                      /* of what is under way, per process */
    uint64_t head_ms, idle_ms, body_ms; /* timeouts */
    uint64_t tunnel_ms, half_tunnel_ms;
};

struct fan_settings;
struct route_stats;

struct style_block {
    bool present;
    struct fan_settings *fan; /* of an event with `targets`; else NULL */
    struct broker *broker;
    const struct values *values;
    void *settings;                           /* transport->prepare's */
    const struct upstream_settings *upstream; /* sync */
};

struct route {
    const char *name;
    const struct values *values;
    struct matcher *matcher; /* NULL: every call; see core/route.h */
    struct path_rules paths;
    struct rewrite *rewrite; /* NULL: nothing is; see core/rewrite.h */
    enum style style;
    struct style_block block[STYLES];
    uint64_t timeout_ms, max_body, max_reply;
    bool max_body_written;
    const char *message_id; /* "header:…", "json:/…", or NULL */
    /* secret header names that messages keep; ends with NULL; may be NULL */
    const char *const *carry;
    const struct values *respond; /* an event's own answer */
    struct route_stats *stats;    /* observe's */
};

struct subscription_settings {
    const char *name;
    const struct values *values;
    struct broker *broker;
    struct upstream_settings upstream; /* of `deliver` */
    struct plan plan;                  /* how a delivery is carried: http to `deliver` */
    struct slice authority, prefix;    /* of `deliver` */
    struct route_stats *stats;
};

struct snapshot {
    _Atomic unsigned refs;
    struct config *config;
    struct arena arena;
    uint64_t generation; /* counts snapshots */
    const char *service, *instance;
    unsigned workers;
    bool pass_unmatched;
    uint64_t grace_ms;
    struct limits limits;
    struct listener_settings *listeners;
    unsigned listener_count;
    struct listener_settings *admin; /* NULL: none */
    const char *const *admin_hosts;
    struct upstream_settings *upstreams;
    unsigned upstream_count;
    struct broker **brokers; /* configured ones, then the built-in http */
    unsigned broker_count;
    struct broker *http, *fan, *admin_broker;
    struct route *routes;
    unsigned route_count;
    struct route_index *route_index;     /* core/route.h */
    const struct route **graphql_routes; /* those that ask about it */
    unsigned graphql_count;
    struct upstream_settings pass; /* timeouts for what passes through */
    uint64_t pass_timeout_ms;
    struct subscription_settings *subscriptions;
    unsigned subscription_count;
    struct route_stats *unmatched_stats;
};

struct registry; /* brokers, listeners' sockets and stats that outlive snapshots: core/registry.h */

struct snapshot *snapshot_hold(struct snapshot *snapshot);
void snapshot_release(struct snapshot *snapshot);

/* Whether a connection to `address` would come back to a listener or to admin of this snapshot. */
bool snapshot_listens_at(const struct snapshot *snapshot, const struct address *address);

/* Builds one from a loaded configuration, which it takes over. NULL with complaints: nothing has
 * changed. With `dry`, nothing is bound and no directory made: `check` and `explain`. Control
 * thread. */
struct snapshot *snapshot_build(struct config *config, struct registry *registry, bool dry,
                                struct complaints *complaints);

#endif

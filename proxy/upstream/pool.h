/* Connections to upstreams, kept for the next call: one set of pools for each worker.
 *
 * A pool belongs to an upstream of the configuration (all that it says is the key, so that pools
 * outlive snapshots that say the same) or, for calls that pass through, to an authority. It has
 * endpoints; an endpoint has connections. Whoever wants one seeks:
 *
 *   pool_seek ─▶ an idle connection, at once
 *             ─▶ the least busy endpoint, in turn among equals: name resolved, its addresses dialled one after the
 *                other, then the next endpoint, until one opens (on_client) or none is left (on_failed)
 *             ─▶ at the cap: waits for a connection to come back, at most for the connect timeout and in a bounded line
 *
 * An endpoint that cannot be reached is set aside for a growing while; when all are, the one
 * whose time is up first is tried all the same. Addresses are checked before they are dialled:
 * none that reaches ourselves (threat 2), and for calls that pass through none that Shunt never
 * calls (threat 8). Everything here runs on the worker's thread.
 */
#ifndef UPSTREAM_POOL_H
#define UPSTREAM_POOL_H

#include "core/reason.h"
#include "core/snapshot.h"
#include "http/client.h"
#include "net/net.h"

struct pool;
struct pools;
struct search;

/* Somebody who wants a connection. Embedded in whoever waits; all 0 before pool_seek but what is
 * set here first. */
struct seeker {
    /* Never inside pool_seek. The connection is the seeker's until its trip is over. */
    void (*on_client)(struct seeker *seeker, struct client *client);
    void (*on_failed)(struct seeker *seeker, enum reason reason, const char *detail);
    /* whose listeners must not be reached; lives as long as the seeker seeks */
    const struct snapshot *snapshot;
    bool fresh;            /* wants a connection that nobody has used */
    struct search *search; /* the pool's, while it is under way */
};

struct pools *pools_new(struct worker *worker);
/* Closes what is idle; `done` comes when every connection is closed. Then the pools are gone. */
void pools_free(struct pools *pools, struct done *done);

/* The pool of an upstream. */
struct pool *pool_of_upstream(struct pools *pools, const struct upstream_settings *settings,
                              unsigned workers);
/* The pool of an authority ("host:port"; port 80 by default) for calls that pass through. NULL:
 * no such authority. */
struct pool *pool_of_authority(struct pools *pools, const struct upstream_settings *settings,
                               struct slice authority, unsigned workers);

/* 1: `*client` is there. 0: on_client or on_failed follows, unless pool_forget. A negative
 * REASON_…: none to be had. */
int pool_seek(struct pool *pool, struct seeker *seeker, struct client **client)
    __attribute__((warn_unused_result));
/* The seeker seeks no more. Not seeking: allowed. */
void pool_forget(struct seeker *seeker);

/* The buffer that heads are built in. */
struct bytes *pools_scratch(struct pools *pools);

#endif

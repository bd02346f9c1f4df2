/* What pool.c and search.c share: pools, their endpoints and connections from the inside. Nobody
 * else includes this. */
#ifndef UPSTREAM_ENDPOINT_H
#define UPSTREAM_ENDPOINT_H

#include "core/worker.h"
#include "upstream/pool.h"

/* One "host:port" of a pool. */
struct endpoint {
    struct pool *pool;
    const char *text; /* the pool's */
    struct slice host;
    uint16_t port;
    struct list idle;        /* of struct pooled, the latest used first */
    unsigned busy;           /* connections that are dialled or make a trip */
    unsigned failures;       /* in a row */
    uint64_t aside_until_ms; /* not taken before, while there are others */
    unsigned dials;          /* spreads over the addresses of one name */
    struct timer sweep;      /* closes what is idle for too long */
};

struct pool {
    struct link link; /* in pools->all */
    struct pools *pools;
    char *name;  /* of an upstream; NULL: calls that pass through */
    char *texts; /* its endpoints, each with its NUL */
    uint64_t connect_timeout_ms, idle_ms;
    unsigned connections; /* as configured: part of the key */
    unsigned cap;         /* this worker's share */
    unsigned open;        /* connections there are, also those that close */
    unsigned searches;
    struct list line; /* of struct search: at the cap */
    unsigned waiting; /* in line */
    uint64_t used_ms;
    unsigned turn; /* where the next choice begins */
    unsigned endpoint_count;
    struct endpoint endpoints[];
};

/* A connection of a pool. */
struct pooled {
    struct client client;
    struct endpoint *endpoint;
    struct search *search; /* that dials it; NULL once open */
    uint64_t idle_ms;      /* since when */
    bool idle;             /* in endpoint->idle */
};

struct pools {
    struct worker *worker;
    struct list all;
    unsigned clients; /* of all pools */
    struct bytes scratch;
    struct task leaving;
    struct done *done; /* set by pools_free */
};

static inline uint64_t pools_now_ms(const struct pools *pools)
{
    return worker_now_ms(pools->worker);
}

static inline uint64_t endpoint_bit(const struct endpoint *endpoint)
{
    return UINT64_C(1) << (endpoint - endpoint->pool->endpoints);
}

/* --- pool.c ----------------------------------------------------------------------------------- */

extern const struct client_owner pool_client_owner;

/* The endpoint to try now, of those that `tried` does not name; NULL: none is left. */
struct endpoint *pool_choose(struct pool *pool, uint64_t tried);
/* A connection that rests there, now busy, or NULL. */
struct pooled *endpoint_take_idle(struct endpoint *endpoint);
/* It could not be reached: it is set aside. */
void endpoint_failed(struct endpoint *endpoint);
/* Frees a pool that nothing needs any more, if it is not to be kept. */
void pool_release(struct pool *pool);

/* --- search.c --------------------------------------------------------------------------------- */

/* Begins to search at `endpoint`, or NULL: in line. The callbacks come later. */
void search_begin(struct pool *pool, struct seeker *seeker, struct endpoint *endpoint);
/* The first in line gets this connection, or with NULL goes on to dial if there is room. False:
 * nobody does. */
bool search_serve(struct pool *pool, struct pooled *pooled);
/* What search_begin dialled. */
void search_opened(struct search *search, struct pooled *pooled);
void search_dial_failed(struct search *search, int error);

#endif

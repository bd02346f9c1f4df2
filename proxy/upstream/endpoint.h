/* What pool.c and search.c share: pools, their endpoints and connections from the inside. Nobody
 * else includes this. */
#ifndef UPSTREAM_ENDPOINT_H
#define UPSTREAM_ENDPOINT_H

#include "core/worker.h"
#include "http/h1_client.h"
#include "http/h2_client.h"
#include "upstream/pool.h"

/* One "host:port" of a pool. */
struct endpoint {
    struct pool *pool;
    const char *text; /* the pool's */
    struct slice host;
    uint16_t port;
    struct list idle;        /* of struct pooled, the latest used first */
    struct list shared;      /* of struct shared, the latest first: HTTP/2 */
    unsigned dialling;       /* of them, not yet open */
    struct list expecting;   /* of struct search: wait for one of these */
    unsigned expected;       /* of them */
    unsigned busy;           /* connections that are dialled, and trips */
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
    unsigned connections, waiting_most; /* as configured: part of the key */
    bool h2;
    unsigned cap, line_cap; /* this worker's shares */
    unsigned open;          /* connections there are, also those that close */
    unsigned searches;
    struct list line;    /* of struct search: at the cap */
    struct task serving; /* of the line */
    unsigned waiting;    /* in line */
    uint64_t used_ms;
    unsigned turn; /* where the next choice begins */
    unsigned endpoint_count;
    struct endpoint endpoints[];
};

/* A connection of a pool. */
struct pooled {
    struct h1_client h1;
    struct endpoint *endpoint;
    struct search *search; /* that dials it; NULL once open */
    uint64_t idle_ms;      /* since when */
    bool idle;             /* in endpoint->idle */
};

/* A connection of a pool that many calls share. */
struct shared {
    struct link link; /* in endpoint->shared */
    struct h2_channel channel;
    struct endpoint *endpoint;
    struct search *search; /* that dials it; NULL once open, or when it gave up */
    unsigned counted;      /* in endpoint->busy */
    uint64_t idle_ms;      /* since when */
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

extern const struct h1_client_owner pool_client_owner;

/* The endpoint to try now, of those that `tried` does not name; NULL: none is left. */
struct endpoint *pool_choose(struct pool *pool, uint64_t tried);
/* A connection that rests there, now busy, or NULL. */
struct pooled *endpoint_take_idle(struct endpoint *endpoint);
/* It could not be reached: it is set aside. */
void endpoint_failed(struct endpoint *endpoint);
/* Frees a pool that nothing needs any more, if it is not to be kept. */
void pool_release(struct pool *pool);

/* --- shared.c --------------------------------------------------------------------------------- */

/* A client on a connection that there is, or NULL. */
struct client *endpoint_take_shared(struct endpoint *endpoint);
struct client *pool_take_shared(struct pool *pool);
/* 0, or a negative errno when it cannot even begin. */
int shared_dial(struct endpoint *endpoint, const struct address *address, struct search *search)
    __attribute__((warn_unused_result));
/* Closes what nobody uses. */
void endpoint_close_shared(struct endpoint *endpoint);
/* The same for what has rested for too long; comes again. */
void endpoint_sweep_shared(struct endpoint *endpoint);

/* --- search.c --------------------------------------------------------------------------------- */

/* Begins to search at `endpoint`, or NULL: at the cap. The callbacks come later. */
void search_begin(struct pool *pool, struct seeker *seeker, struct endpoint *endpoint);
/* Whether one more may wait, at the cap. */
bool search_may_wait(const struct pool *pool);
/* The first in line gets this connection, or with NULL goes on to dial if there is room. False:
 * nobody does. */
bool search_serve(struct pool *pool, struct pooled *pooled);
/* The task `serving`. */
void search_serve_line(struct task *task);
/* What search_begin dialled. */
void search_opened(struct search *search, struct pooled *pooled);
void search_dial_failed(struct search *search, int error);
/* What shared_dial dials for it. */
void search_sharing(struct search *search, struct shared *shared);
/* The same for connections that are shared: `search` dialled it, or NULL if that gave up; others
 * may expect it. */
void search_shared_opened(struct endpoint *endpoint, struct search *search);
void search_shared_failed(struct endpoint *endpoint, struct search *search, int error);
/* A trip is over: whoever is in line may start one. */
void search_serve_shared(struct pool *pool);

#endif

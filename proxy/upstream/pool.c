/* Pools, endpoints and the connections that rest in them; dialling is in search.c.
 *
 * Happy path: a call finds its pool, the pool its least busy endpoint, and that a connection
 * which rests: no memory is asked for. After the trip it rests again, the latest used on top, so
 * that those in excess grow old and are closed. Failures: a connection that ends while it rests
 * just leaves. A pool for calls that pass through goes with its last connection, others after
 * ten minutes without use when a new one is made.
 */
#include "upstream/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "upstream/endpoint.h"

enum {
    ENDPOINTS_MAX = 64, /* the bits of search->tried */
    ASIDE_FIRST_MS = 250,
    ASIDE_MAX_MS = 5000,
    KEPT_MS = 10 * 60 * 1000,
};

static void on_sweep(struct timer *timer);

/* --- the worker's pools ----------------------------------------------------------------------- */

static void on_leaving(struct task *task)
{
    struct pools *pools = thing_of(task, struct pools, leaving);
    if (pools->clients > 0)
        return;
    struct done *done = pools->done;
    list_each_leaving (&pools->all, link)
        pool_release(thing_of(link, struct pool, link));
    assert(list_empty(&pools->all));
    bytes_free(&pools->scratch);
    free(pools);
    done->on_done(done, 0);
}

struct pools *pools_new(struct worker *worker)
{
    struct pools *pools = calloc(1, sizeof *pools);
    if (pools == NULL)
        abort();
    pools->worker = worker;
    pools->leaving.run = on_leaving;
    list_init(&pools->all);
    return pools;
}

static void close_idle(struct endpoint *endpoint)
{
    list_each_leaving (&endpoint->idle, link)
        h1_client_close(&thing_of(link, struct pooled, h1.link)->h1);
    endpoint_close_shared(endpoint);
}

void pools_free(struct pools *pools, struct done *done)
{
    assert(pools->done == NULL && done != NULL);
    pools->done = done;
    list_each (&pools->all, link) {
        struct pool *pool = thing_of(link, struct pool, link);
        for (unsigned i = 0; i < pool->endpoint_count; i++)
            close_idle(&pool->endpoints[i]);
    }
    worker_defer(pools->worker, &pools->leaving);
}

struct bytes *pools_scratch(struct pools *pools)
{
    return &pools->scratch;
}

/* --- finding and making ----------------------------------------------------------------------- */

static void destroy(struct pool *pool)
{
    assert(pool->open == 0 && pool->searches == 0 && list_empty(&pool->line));
    for (unsigned i = 0; i < pool->endpoint_count; i++)
        worker_timer_stop(pool->pools->worker, &pool->endpoints[i].sweep);
    list_leave(&pool->link);
    list_leave(&pool->serving.link);
    free(pool->name);
    free(pool->texts);
    free(pool);
}

void pool_release(struct pool *pool)
{
    if (pool->open > 0 || pool->searches > 0)
        return;
    bool old = pools_now_ms(pool->pools) - pool->used_ms > KEPT_MS;
    if (pool->name == NULL || old || pool->pools->done != NULL)
        destroy(pool);
}

static void add_endpoint(struct pool *pool, const char *text)
{
    struct endpoint *endpoint = &pool->endpoints[pool->endpoint_count];
    *endpoint = (struct endpoint){ .pool = pool, .text = text, .sweep.on_timer = on_sweep };
    if (host_split(slice_text(text), 80, &endpoint->host, &endpoint->port) != 0)
        return;
    list_init(&endpoint->idle);
    list_init(&endpoint->shared);
    list_init(&endpoint->expecting);
    pool->endpoint_count++;
}

static unsigned share_of(unsigned most, unsigned workers)
{
    unsigned share = most / (workers > 0 ? workers : 1);
    return share > 0 ? share : 1;
}

/* `texts` is taken over: `count` texts, each with its NUL. */
static struct pool *make(struct pools *pools, const struct upstream_settings *settings,
                         unsigned workers, char *texts, unsigned count)
{
    list_each_leaving (&pools->all, link)
        pool_release(thing_of(link, struct pool, link));
    struct pool *pool = calloc(1, sizeof *pool + count * sizeof(struct endpoint));
    if (pool == NULL || texts == NULL)
        abort();
    pool->pools = pools;
    pool->texts = texts;
    pool->connect_timeout_ms = settings->connect_timeout_ms;
    pool->idle_ms = settings->idle_ms;
    pool->connections = settings->connections;
    pool->waiting_most = settings->waiting;
    pool->h2 = settings->h2;
    pool->cap = share_of(settings->connections, workers);
    pool->line_cap = share_of(settings->waiting, workers);
    pool->used_ms = pools_now_ms(pools);
    list_init(&pool->line);
    pool->serving.run = search_serve_line;
    list_append(&pools->all, &pool->link);
    const char *text = texts;
    for (unsigned i = 0; i < count; i++) {
        add_endpoint(pool, text);
        text += strlen(text) + 1;
    }
    return pool;
}

static unsigned endpoints_of(const struct upstream_settings *settings)
{
    return settings->endpoint_count < ENDPOINTS_MAX ? settings->endpoint_count : ENDPOINTS_MAX;
}

static bool is_of(const struct pool *pool, const struct upstream_settings *settings)
{
    if (pool->name == NULL || strcmp(pool->name, settings->name) != 0 ||
        pool->endpoint_count != endpoints_of(settings) ||
        pool->connect_timeout_ms != settings->connect_timeout_ms ||
        pool->idle_ms != settings->idle_ms || pool->connections != settings->connections ||
        pool->waiting_most != settings->waiting || pool->h2 != settings->h2)
        return false;
    for (unsigned i = 0; i < pool->endpoint_count; i++) {
        if (strcmp(pool->endpoints[i].text, settings->endpoints[i]) != 0)
            return false;
    }
    return true;
}

struct pool *pool_of_upstream(struct pools *pools, const struct upstream_settings *settings,
                              unsigned workers)
{
    list_each (&pools->all, link) {
        struct pool *pool = thing_of(link, struct pool, link);
        if (is_of(pool, settings))
            return pool;
    }
    struct bytes texts = { 0 };
    unsigned count = endpoints_of(settings);
    for (unsigned i = 0; i < count; i++)
        bytes_add(&texts, slice_of(settings->endpoints[i], strlen(settings->endpoints[i]) + 1));
    struct pool *pool = make(pools, settings, workers, (char *)texts.at, count);
    assert(pool->endpoint_count == count);
    pool->name = strdup(settings->name);
    if (pool->name == NULL)
        abort();
    return pool;
}

struct pool *pool_of_authority(struct pools *pools, const struct upstream_settings *settings,
                               struct slice authority, unsigned workers)
{
    struct slice host;
    uint16_t port;
    if (host_split(authority, 80, &host, &port) != 0)
        return NULL;
    list_each (&pools->all, link) {
        struct pool *pool = thing_of(link, struct pool, link);
        if (pool->name == NULL && pool->endpoints[0].port == port &&
            slice_equal_nocase(pool->endpoints[0].host, host))
            return pool;
    }
    char *text = calloc(1, authority.len + 1);
    if (text == NULL)
        abort();
    memcpy(text, authority.at, authority.len);
    struct pool *pool = make(pools, settings, workers, text, 1);
    assert(pool->endpoint_count == 1);
    return pool;
}

/* --- choosing --------------------------------------------------------------------------------- */

static struct pooled *top_idle(const struct endpoint *endpoint)
{
    list_each (&endpoint->idle, link) {
        struct pooled *pooled = thing_of(link, struct pooled, h1.link);
        if (h1_client_usable(&pooled->h1))
            return pooled;
    }
    return NULL;
}

struct endpoint *pool_choose(struct pool *pool, uint64_t tried)
{
    uint64_t now = pools_now_ms(pool->pools);
    struct endpoint *best = NULL, *soonest = NULL;
    for (unsigned i = 0; i < pool->endpoint_count; i++) {
        struct endpoint *endpoint = &pool->endpoints[(pool->turn + i) % pool->endpoint_count];
        if (tried & endpoint_bit(endpoint))
            continue;
        if (endpoint->aside_until_ms > now) {
            if (soonest == NULL || endpoint->aside_until_ms < soonest->aside_until_ms)
                soonest = endpoint;
        } else if (best == NULL || endpoint->busy < best->busy) {
            best = endpoint;
        }
    }
    if (best == NULL)
        best = soonest;
    if (best != NULL)
        pool->turn = (unsigned)(best - pool->endpoints) + 1;
    return best;
}

void endpoint_failed(struct endpoint *endpoint)
{
    uint64_t aside = ASIDE_FIRST_MS;
    for (unsigned i = 0; i < endpoint->failures && aside < ASIDE_MAX_MS; i++)
        aside *= 2;
    endpoint->failures++;
    endpoint->aside_until_ms = pools_now_ms(endpoint->pool->pools) +
                               (aside < ASIDE_MAX_MS ? aside : ASIDE_MAX_MS);
}

static void take(struct pooled *pooled)
{
    assert(pooled->idle && h1_client_usable(&pooled->h1));
    list_leave(&pooled->h1.link);
    pooled->idle = false;
    pooled->endpoint->busy++;
}

struct pooled *endpoint_take_idle(struct endpoint *endpoint)
{
    struct pooled *pooled = top_idle(endpoint);
    if (pooled != NULL)
        take(pooled);
    return pooled;
}

static struct pooled *any_idle(const struct pool *pool)
{
    for (unsigned i = 0; i < pool->endpoint_count; i++) {
        struct pooled *pooled = top_idle(&pool->endpoints[i]);
        if (pooled != NULL)
            return pooled;
    }
    return NULL;
}

/* At the cap a connection that rests elsewhere serves as well, or gives its place to one that
 * must be new. */
static struct pooled *idle_for(struct pool *pool, const struct seeker *seeker,
                               const struct endpoint *endpoint, bool full)
{
    struct pooled *pooled = seeker->fresh ? NULL : top_idle(endpoint);
    if (pooled != NULL || !full)
        return pooled;
    pooled = any_idle(pool);
    if (pooled == NULL || !seeker->fresh)
        return pooled;
    h1_client_close(&pooled->h1);
    return NULL;
}

/* A way that is there already. */
static struct client *take_any(struct pool *pool, const struct seeker *seeker,
                               struct endpoint *endpoint, bool full)
{
    if (pool->h2) {
        struct client *client = endpoint_take_shared(endpoint);
        return client != NULL || !full ? client : pool_take_shared(pool);
    }
    struct pooled *pooled = idle_for(pool, seeker, endpoint, full);
    if (pooled == NULL)
        return NULL;
    take(pooled);
    return &pooled->h1.client;
}

int pool_seek(struct pool *pool, struct seeker *seeker, struct client **client)
{
    assert(seeker->search == NULL && seeker->on_client != NULL && seeker->on_failed != NULL);
    pool->used_ms = pools_now_ms(pool->pools);
    bool full = pool->open >= pool->cap;
    struct endpoint *endpoint = pool_choose(pool, 0);
    *client = take_any(pool, seeker, endpoint, full);
    if (*client != NULL)
        return 1;
    if (full && !search_may_wait(pool))
        return -(int)REASON_connections_full;
    search_begin(pool, seeker, full ? NULL : endpoint);
    return 0;
}

/* --- what becomes of connections -------------------------------------------------------------- */

static struct pooled *pooled_of(struct h1_client *h1)
{
    return thing_of(h1, struct pooled, h1);
}

static void on_opened(struct h1_client *h1)
{
    struct pooled *pooled = pooled_of(h1);
    struct search *search = pooled->search;
    assert(search != NULL && !pooled->idle);
    pooled->search = NULL;
    pooled->endpoint->failures = 0;
    pooled->endpoint->aside_until_ms = 0;
    search_opened(search, pooled);
}

static void on_idle(struct h1_client *h1)
{
    struct pooled *pooled = pooled_of(h1);
    struct endpoint *endpoint = pooled->endpoint;
    struct pool *pool = endpoint->pool;
    h1->client.reused = true;
    if (search_serve(pool, pooled))
        return;
    assert(endpoint->busy > 0 && !pooled->idle);
    endpoint->busy--;
    pooled->idle = true;
    pooled->idle_ms = pools_now_ms(pool->pools);
    list_prepend(&endpoint->idle, &h1->link);
    if (pool->pools->done != NULL)
        h1_client_close(h1);
    else if (!timer_running(&endpoint->sweep))
        worker_timer(pool->pools->worker, &endpoint->sweep, pool->idle_ms);
}

static void on_closed(struct h1_client *h1, int error)
{
    struct pooled *pooled = pooled_of(h1);
    struct endpoint *endpoint = pooled->endpoint;
    struct pool *pool = endpoint->pool;
    struct pools *pools = pool->pools;
    struct search *search = pooled->search;
    assert(pool->open > 0 && pools->clients >= pool->open);
    list_leave(&h1->link);
    if (!pooled->idle)
        endpoint->busy--;
    free(pooled);
    pool->open--;
    pools->clients--;
    if (search != NULL)
        search_dial_failed(search, error);
    else if (!search_serve(pool, NULL))
        pool_release(pool);
    if (pools->done != NULL)
        worker_defer(pools->worker, &pools->leaving);
}

const struct h1_client_owner pool_client_owner = {
    .opened = on_opened,
    .idle = on_idle,
    .closed = on_closed,
};

/* Closes what has rested for too long, from the oldest on. */
static void on_sweep(struct timer *timer)
{
    struct endpoint *endpoint = thing_of(timer, struct endpoint, sweep);
    struct pool *pool = endpoint->pool;
    uint64_t now = pools_now_ms(pool->pools);
    endpoint_sweep_shared(endpoint);
    while (!list_empty(&endpoint->idle)) {
        struct pooled *oldest = thing_of(endpoint->idle.head.prev, struct pooled, h1.link);
        uint64_t due = oldest->idle_ms + pool->idle_ms;
        if (due > now) {
            worker_timer(pool->pools->worker, timer, due - now);
            return;
        }
        list_leave(&oldest->h1.link);
        h1_client_close(&oldest->h1);
    }
}

/* Connections of a pool that speak HTTP/2, which many calls share.
 *
 * Happy path: an endpoint's first connection with room serves; only when there is none is another
 * one dialled, and whoever comes meanwhile waits for it. Failures: those who wait are told of a
 * dial that failed, and go on elsewhere (search.c).
 */
#include <assert.h>
#include <stdlib.h>

#include "upstream/endpoint.h"

static struct shared *shared_of(struct h2_channel *channel)
{
    return thing_of(channel, struct shared, channel);
}

/* An endpoint is as busy as it has trips, and dials. */
static void count_busy(struct shared *shared)
{
    unsigned now = shared->channel.trips + (shared->search != NULL || !shared->channel.opened);
    assert(shared->endpoint->busy >= shared->counted);
    shared->endpoint->busy += now - shared->counted;
    shared->counted = now;
}

struct client *endpoint_take_shared(struct endpoint *endpoint)
{
    list_each (&endpoint->shared, link) {
        struct shared *shared = thing_of(link, struct shared, link);
        if (!h2_channel_has_room(&shared->channel))
            continue;
        struct client *client = h2_channel_client(&shared->channel);
        count_busy(shared);
        return client;
    }
    return NULL;
}

struct client *pool_take_shared(struct pool *pool)
{
    for (unsigned i = 0; i < pool->endpoint_count; i++) {
        struct client *client = endpoint_take_shared(&pool->endpoints[i]);
        if (client != NULL)
            return client;
    }
    return NULL;
}

static void rest(struct shared *shared)
{
    struct endpoint *endpoint = shared->endpoint;
    struct pool *pool = endpoint->pool;
    shared->idle_ms = pools_now_ms(pool->pools);
    if (pool->pools->done != NULL)
        h2_channel_close(&shared->channel);
    else if (!timer_running(&endpoint->sweep))
        worker_timer(pool->pools->worker, &endpoint->sweep, pool->idle_ms);
}

static void on_opened(struct h2_channel *channel)
{
    struct shared *shared = shared_of(channel);
    struct endpoint *endpoint = shared->endpoint;
    struct search *search = shared->search;
    assert(endpoint->dialling > 0);
    endpoint->dialling--;
    endpoint->failures = 0;
    endpoint->aside_until_ms = 0;
    shared->search = NULL;
    count_busy(shared);
    search_shared_opened(endpoint, search);
    if (channel->trips == 0)
        rest(shared); /* whoever wanted it is gone */
}

static void on_room(struct h2_channel *channel)
{
    struct shared *shared = shared_of(channel);
    count_busy(shared);
    if (channel->stream == NULL)
        return;
    search_serve_shared(shared->endpoint->pool);
    if (channel->trips == 0)
        rest(shared);
}

static void on_closed(struct h2_channel *channel, int error)
{
    struct shared *shared = shared_of(channel);
    struct endpoint *endpoint = shared->endpoint;
    struct pool *pool = endpoint->pool;
    struct pools *pools = pool->pools;
    struct search *search = shared->search;
    bool failed = !channel->opened;
    assert(channel->trips == 0 && pool->open > 0 && pools->clients >= pool->open);
    endpoint->dialling -= failed;
    endpoint->busy -= shared->counted;
    list_leave(&shared->link);
    free(shared);
    pool->open--;
    pools->clients--;
    if (failed)
        search_shared_failed(endpoint, search, error);
    else if (!search_serve(pool, NULL))
        pool_release(pool);
    if (pools->done != NULL)
        worker_defer(pools->worker, &pools->leaving);
}

static const struct h2_channel_owner owner = {
    .opened = on_opened,
    .room = on_room,
    .closed = on_closed,
};

int shared_dial(struct endpoint *endpoint, const struct address *address, struct search *search)
{
    struct pool *pool = endpoint->pool;
    struct worker *worker = pool->pools->worker;
    struct shared *shared = calloc(1, sizeof *shared);
    if (shared == NULL)
        abort();
    assert(pool->open < pool->cap && search != NULL);
    shared->endpoint = endpoint;
    shared->search = search;
    int error = h2_channel_dial(&shared->channel, worker, address, pool->connect_timeout_ms, &owner,
                                worker->snapshot->limits.head);
    if (error != 0) {
        free(shared);
        return error;
    }
    list_prepend(&endpoint->shared, &shared->link);
    endpoint->dialling++;
    pool->open++;
    pool->pools->clients++;
    count_busy(shared);
    search_sharing(search, shared);
    return 0;
}

/* Whether nobody uses it; one that is still dialled for a search is used. */
static bool is_resting(const struct shared *shared)
{
    return shared->channel.opened && shared->channel.trips == 0;
}

void endpoint_close_shared(struct endpoint *endpoint)
{
    list_each_leaving (&endpoint->shared, link) {
        struct shared *shared = thing_of(link, struct shared, link);
        if (is_resting(shared) || (!shared->channel.opened && shared->search == NULL))
            h2_channel_close(&shared->channel);
    }
}

void endpoint_sweep_shared(struct endpoint *endpoint)
{
    struct pool *pool = endpoint->pool;
    uint64_t now = pools_now_ms(pool->pools), next = UINT64_MAX;
    list_each_leaving (&endpoint->shared, link) {
        struct shared *shared = thing_of(link, struct shared, link);
        if (!is_resting(shared) || shared->channel.leaving)
            continue;
        uint64_t due = shared->idle_ms + pool->idle_ms;
        if (due <= now)
            h2_channel_close(&shared->channel);
        else if (due < next)
            next = due;
    }
    if (next != UINT64_MAX)
        worker_timer(pool->pools->worker, &endpoint->sweep, next - now);
}

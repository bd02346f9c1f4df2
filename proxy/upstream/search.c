/* The way to a connection that is not there yet: see the picture in pool.h.
 *
 * Happy path: an endpoint is chosen, its name resolved, an address dialled, and the seeker has a
 * client.
 * Failures: each is noted, and the next address or endpoint tried; the last one noted is told
 * when none is left. Only an endpoint that was really dialled, or has no address, is set aside.
 * Whoever stands in line for too long is told that every connection is in use.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "upstream/endpoint.h"

enum {
    ADDRESSES_MAX = 8,  /* of one name that are tried */
    EXPECTED_MAX = 100, /* calls that wait for one shared connection to open */
};

struct search {
    struct link link; /* in pool->line, or in endpoint->expecting */
    bool expects;
    struct seeker *seeker;
    struct pool *pool;
    struct endpoint *endpoint; /* being tried; NULL before the first */
    uint64_t tried;            /* endpoints */
    bool dialled;              /* one of this endpoint's addresses was */
    struct lookup lookup;
    struct pooled *dialling;
    struct shared *sharing; /* the same where connections are shared */
    struct address addresses[ADDRESSES_MAX];
    unsigned count, next;
    struct timer patience; /* in line */
    enum reason reason;    /* of the last failure */
    char detail[192];
};

static void go_on(struct search *search);

static struct worker *worker_of(const struct search *search)
{
    return search->pool->pools->worker;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void leave_line(struct search *search)
{
    if (!link_joined(&search->link))
        return;
    list_leave(&search->link);
    if (search->expects) {
        search->expects = false;
        search->endpoint->expected--;
        return;
    }
    search->pool->waiting--;
    worker_timer_stop(worker_of(search), &search->patience);
}

static void end(struct search *search)
{
    struct worker *worker = worker_of(search);
    assert(search->seeker->search == search && search->dialling == NULL);
    assert(search->sharing == NULL);
    leave_line(search);
    worker->net->forget(worker->net, &search->lookup);
    search->seeker->search = NULL;
    search->pool->searches--;
    if (!list_empty(&search->pool->line)) /* it may have left the room that it was given */
        worker_defer(worker, &search->pool->serving);
    free(search);
}

static void give_up(struct search *search)
{
    struct seeker *seeker = search->seeker;
    struct pool *pool = search->pool;
    enum reason reason = search->reason;
    char detail[sizeof search->detail];
    memcpy(detail, search->detail, sizeof detail);
    assert(reason != REASON_none);
    end(search);
    pool_release(pool);
    seeker->on_failed(seeker, reason, detail);
}

static void succeed(struct search *search, struct client *client)
{
    struct seeker *seeker = search->seeker;
    end(search);
    seeker->on_client(seeker, client);
}

void pool_forget(struct seeker *seeker)
{
    struct search *search = seeker->search;
    if (search == NULL)
        return;
    struct pool *pool = search->pool;
    struct pooled *dialling = search->dialling;
    search->dialling = NULL;
    if (search->sharing != NULL)
        search->sharing->search = NULL; /* it opens for others */
    search->sharing = NULL;
    end(search);
    if (dialling != NULL) {
        dialling->search = NULL;
        h1_client_close(&dialling->h1);
    }
    pool_release(pool);
}

/* --- in line ---------------------------------------------------------------------------------- */

static void note(struct search *search, enum reason reason, const struct address *address,
                 const char *what)
{
    char text[ADDRESS_TEXT] = "";
    if (address != NULL)
        address_text(address, text);
    search->reason = reason;
    snprintf(search->detail, sizeof search->detail, "%.60s%s%.60s: %s",
             search->endpoint != NULL ? search->endpoint->text : "upstream",
             address != NULL ? ", " : "", text, what);
}

static void on_patience(struct timer *timer)
{
    struct search *search = thing_of(timer, struct search, patience);
    note(search, REASON_connections_full, NULL, "every connection is in use");
    give_up(search);
}

static bool endpoint_may_expect(const struct endpoint *endpoint)
{
    return endpoint->expected < endpoint->dialling * EXPECTED_MAX;
}

/* A connection that is being dialled will serve as well. */
static bool expect(struct search *search, struct endpoint *endpoint)
{
    if (!endpoint_may_expect(endpoint))
        return false;
    search->endpoint = endpoint;
    search->expects = true;
    endpoint->expected++;
    list_append(&endpoint->expecting, &search->link);
    return true;
}

/* The same at the cap, where one to any endpoint will. */
static bool expect_any(struct search *search)
{
    struct pool *pool = search->pool;
    struct endpoint *before = search->endpoint;
    for (unsigned i = 0; i < pool->endpoint_count; i++) {
        if (!expect(search, &pool->endpoints[i]))
            continue;
        if (before != NULL && before != search->endpoint) {
            if (!search->dialled) /* it can still be tried */
                search->tried &= ~endpoint_bit(before);
            search->dialled = false;
            search->count = search->next = 0;
        }
        return true;
    }
    return false;
}

static void wait_at_cap(struct search *search)
{
    struct pool *pool = search->pool;
    assert(search->dialling == NULL && pool->open >= pool->cap);
    if (expect_any(search))
        return;
    list_append(&pool->line, &search->link);
    pool->waiting++;
    search->patience.on_timer = on_patience;
    worker_timer(worker_of(search), &search->patience, pool->connect_timeout_ms);
}

bool search_may_wait(const struct pool *pool)
{
    for (unsigned i = 0; i < pool->endpoint_count; i++) {
        if (endpoint_may_expect(&pool->endpoints[i]))
            return true;
    }
    return pool->waiting < pool->line_cap;
}

bool search_serve(struct pool *pool, struct pooled *pooled)
{
    if (pooled == NULL) {
        struct link *first = list_first(&pool->line);
        if (first == NULL || pool->open >= pool->cap)
            return false;
        struct search *search = thing_of(first, struct search, link);
        leave_line(search);
        go_on(search);
        return true;
    }
    list_each (&pool->line, link) {
        struct search *search = thing_of(link, struct search, link);
        if (search->seeker->fresh || !h1_client_usable(&pooled->h1))
            continue;
        succeed(search, &pooled->h1.client);
        return true;
    }
    return false;
}

void search_serve_line(struct task *task)
{
    struct pool *pool = thing_of(task, struct pool, serving);
    search_serve(pool, NULL);
}

void search_serve_shared(struct pool *pool)
{
    while (!list_empty(&pool->line)) {
        struct client *client = pool_take_shared(pool);
        if (client == NULL)
            return;
        succeed(thing_of(list_first(&pool->line), struct search, link), client);
    }
}

/* --- dialling --------------------------------------------------------------------------------- */

static bool is_permitted(struct search *search, const struct address *address)
{
    if (search->pool->name == NULL && address_is_forbidden(address)) {
        note(search, REASON_destination_forbidden, address, "Shunt never calls this address");
        return false;
    }
    if (snapshot_listens_at(search->seeker->snapshot, address)) {
        note(search, REASON_misdirected, address, "this address is Shunt itself");
        return false;
    }
    return true;
}

/* One address that must not be called spoils its name: whoever answers for the name cannot mix
 * them. */
static bool all_permitted(struct search *search)
{
    for (unsigned i = 0; i < search->count; i++) {
        if (!is_permitted(search, &search->addresses[i]))
            return false;
    }
    return true;
}

static enum reason reason_of(int error)
{
    return error == -ETIMEDOUT ? REASON_connection_timeout : REASON_connection_refused;
}

static int dial_one(struct search *search, const struct address *address)
{
    struct pool *pool = search->pool;
    struct pooled *pooled = calloc(1, sizeof *pooled);
    if (pooled == NULL)
        abort();
    int error = h1_client_dial(&pooled->h1, worker_of(search), address, pool->connect_timeout_ms,
                               &pool_client_owner, &pool->pools->scratch);
    if (error != 0) {
        free(pooled);
        return error;
    }
    pooled->endpoint = search->endpoint;
    pooled->search = search;
    search->dialling = pooled;
    search->endpoint->busy++;
    pool->open++;
    pool->pools->clients++;
    return 0;
}

static bool dial(struct search *search, const struct address *address)
{
    struct pool *pool = search->pool;
    assert(search->dialling == NULL && search->sharing == NULL && pool->open < pool->cap);
    search->dialled = true;
    int error = pool->h2 ? shared_dial(search->endpoint, address, search)
                         : dial_one(search, address);
    if (error != 0)
        note(search, reason_of(error), address, strerror(-error));
    return error == 0;
}

void search_opened(struct search *search, struct pooled *pooled)
{
    assert(search->dialling == pooled);
    search->dialling = NULL;
    succeed(search, &pooled->h1.client);
}

void search_sharing(struct search *search, struct shared *shared)
{
    search->sharing = shared;
}

/* Those who expected a connection go on: one that is there serves, or they look elsewhere. */
static void wake_expecting(struct endpoint *endpoint, enum reason reason, const char *detail)
{
    for (unsigned left = endpoint->expected; left > 0 && endpoint->expected > 0; left--) {
        struct search *search = thing_of(list_first(&endpoint->expecting), struct search, link);
        leave_line(search);
        struct client *client = endpoint_take_shared(endpoint);
        if (reason != REASON_none) {
            note(search, reason, NULL, detail);
            search->tried |= endpoint_bit(endpoint); /* on to another one */
            search->count = search->next = 0;
        }
        if (client != NULL)
            succeed(search, client);
        else
            go_on(search);
    }
}

void search_shared_opened(struct endpoint *endpoint, struct search *search)
{
    if (search != NULL) {
        search->sharing = NULL;
        struct client *client = endpoint_take_shared(endpoint);
        if (client != NULL)
            succeed(search, client);
        else
            go_on(search);
    }
    wake_expecting(endpoint, REASON_none, NULL);
    search_serve_shared(endpoint->pool);
}

/* A search whose dial failed has gone on: there may be room for whoever is in line. */
static void serve_line(struct pool *pool)
{
    pool->searches--;
    if (!search_serve(pool, NULL))
        pool_release(pool);
}

void search_shared_failed(struct endpoint *endpoint, struct search *search, int error)
{
    struct pool *pool = endpoint->pool;
    pool->searches++; /* it stays for as long as we look at it */
    if (search != NULL) {
        search->sharing = NULL;
        note(search, reason_of(error), &search->addresses[search->next - 1], strerror(-error));
        go_on(search);
    }
    /* Without it, nobody has tried the other addresses. */
    enum reason reason = search != NULL ? reason_of(error) : REASON_none;
    if (endpoint->dialling == 0)
        wake_expecting(endpoint, reason, strerror(-error));
    serve_line(pool);
}

void search_dial_failed(struct search *search, int error)
{
    struct pool *pool = search->pool;
    assert(search->dialling != NULL && search->next > 0);
    pool->searches++;
    search->dialling = NULL;
    note(search, reason_of(error), &search->addresses[search->next - 1], strerror(-error));
    go_on(search);
    serve_line(pool);
}

/* The addresses in their order, but for the first family's, which are taken in turn. */
static void take_addresses(struct search *search, const struct address *addresses, unsigned count)
{
    unsigned family = 0;
    while (family < count && family < ADDRESSES_MAX &&
           addresses[family].any.sa_family == addresses[0].any.sa_family)
        family++;
    search->count = count < ADDRESSES_MAX ? count : ADDRESSES_MAX;
    unsigned turn = search->endpoint->dials++;
    for (unsigned i = 0; i < search->count; i++)
        search->addresses[i] = addresses[i < family ? (i + turn) % family : i];
}

static void on_resolved(struct lookup *lookup, const struct address *addresses, unsigned count,
                        const char *error)
{
    struct search *search = thing_of(lookup, struct search, lookup);
    if (count == 0) {
        note(search, REASON_name_unresolved, NULL, error);
        search->dialled = true;
    }
    take_addresses(search, addresses, count);
    if (!all_permitted(search))
        search->count = 0;
    go_on(search);
}

static void try_endpoint(struct search *search, struct endpoint *endpoint)
{
    struct net *net = worker_of(search)->net;
    assert(endpoint->pool == search->pool && !(search->tried & endpoint_bit(endpoint)));
    search->endpoint = endpoint;
    search->tried |= endpoint_bit(endpoint);
    search->dialled = false;
    search->count = search->next = 0;
    net->resolve(net, worker_of(search), endpoint->host, endpoint->port, &search->lookup);
}

static struct client *take_resting(struct search *search, struct endpoint *endpoint)
{
    if (search->pool->h2)
        return endpoint_take_shared(endpoint);
    struct pooled *pooled = search->seeker->fresh ? NULL : endpoint_take_idle(endpoint);
    return pooled == NULL ? NULL : &pooled->h1.client;
}

/* The next address, the next endpoint, or the end. */
static void go_on(struct search *search)
{
    struct pool *pool = search->pool;
    if (pool->open >= pool->cap) {
        wait_at_cap(search);
        return;
    }
    while (search->next < search->count) {
        if (expect(search, search->endpoint))
            return;
        const struct address *address = &search->addresses[search->next++];
        if (dial(search, address))
            return;
    }
    if (search->dialled)
        endpoint_failed(search->endpoint);
    struct endpoint *endpoint = pool_choose(pool, search->tried);
    struct client *client = endpoint == NULL ? NULL : take_resting(search, endpoint);
    if (client != NULL)
        succeed(search, client);
    else if (endpoint != NULL)
        try_endpoint(search, endpoint);
    else
        give_up(search);
}

void search_begin(struct pool *pool, struct seeker *seeker, struct endpoint *endpoint)
{
    struct search *search = calloc(1, sizeof *search);
    if (search == NULL)
        abort();
    search->seeker = seeker;
    search->pool = pool;
    search->lookup.on_resolved = on_resolved;
    seeker->search = search;
    pool->searches++;
    if (endpoint != NULL)
        try_endpoint(search, endpoint);
    else
        wait_at_cap(search);
}

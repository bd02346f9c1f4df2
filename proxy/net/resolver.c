/* Names with their addresses, and who waits for them; see resolver.h.
 *
 * Happy path: a lookup gets a waiter. For a literal or a fresh name it is ready at once, else it
 * joins the name, whose query makes it ready. Ready waiters are answered by a task at the end of
 * the turn, never inside a call.
 * A name that somebody waits for is pinned; the others may be thrown out, the one asked for
 * longest ago first. Failures: no addresses and an error text, also when every name is pinned or
 * c-ares cannot start.
 */
#include "net/resolver.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/worker.h"
#include "net/dns.h"

enum { MOST_NAME = 254, TTL_LEAST_MS = 1000, TTL_MOST_MS = 60 * 1000 };

struct name {
    struct link link; /* in resolver->names, the latest asked for first */
    struct resolver *resolver;
    struct dns_query query;
    struct list waiting; /* of struct waiter, until the query's answer */
    unsigned pins;       /* waiters, also those that are ready */
    struct address *addresses;
    unsigned count;
    uint64_t fresh_until_ms; /* 0: never asked */
    const char *error;
    uint64_t hash;
    char text[]; /* lower case */
};

struct waiter {
    struct link link; /* in name->waiting or resolver->ready */
    struct lookup *lookup;
    struct name *name; /* NULL: it has its own addresses */
    uint16_t port;
    struct address own[2];
    unsigned count;
    const char *error;
};

struct resolver {
    uv_loop_t *loop;
    struct worker *worker;
    const char *servers;
    struct dns *dns; /* made at the first query */
    struct list names;
    unsigned count;
    struct list ready;
    struct task answer;
};

/* --- answering -------------------------------------------------------------------------------- */

static void drop_waiter(struct waiter *waiter)
{
    list_leave(&waiter->link);
    if (waiter->name != NULL) {
        assert(waiter->name->pins > 0);
        waiter->name->pins--;
    }
    waiter->lookup->own = NULL;
    free(waiter);
}

static void answer_one(struct waiter *waiter)
{
    struct lookup *lookup = waiter->lookup;
    const struct name *name = waiter->name;
    const struct address *from = name != NULL ? name->addresses : waiter->own;
    const char *error = name != NULL ? name->error : waiter->error;
    unsigned count = name != NULL ? name->count : waiter->count;
    struct address addresses[DNS_ADDRESSES];

    assert(count <= DNS_ADDRESSES && (count > 0 || error != NULL));
    for (unsigned i = 0; i < count; i++) {
        addresses[i] = from[i];
        address_set_port(&addresses[i], waiter->port);
    }
    drop_waiter(waiter);
    lookup->on_resolved(lookup, addresses, count, count > 0 ? NULL : error);
}

static void on_ready(struct task *task)
{
    struct resolver *resolver = thing_of(task, struct resolver, answer);
    struct link *link;
    while ((link = list_take(&resolver->ready)) != NULL)
        answer_one(thing_of(link, struct waiter, link));
}

static void make_ready(struct resolver *resolver, struct waiter *waiter)
{
    list_leave(&waiter->link);
    list_append(&resolver->ready, &waiter->link);
    worker_defer(resolver->worker, &resolver->answer);
}

/* --- names ------------------------------------------------------------------------------------ */

static void drop_name(struct name *name)
{
    assert(name->pins == 0 && name->query.dns == NULL && list_empty(&name->waiting));
    list_leave(&name->link);
    name->resolver->count--;
    free(name->addresses);
    free(name);
}

static bool make_place(struct resolver *resolver)
{
    if (resolver->count < RESOLVER_NAMES)
        return true;
    for (struct link *link = resolver->names.head.prev; link != &resolver->names.head;
         link = link->prev) {
        struct name *name = thing_of(link, struct name, link);
        if (name->pins > 0 || name->query.dns != NULL)
            continue;
        drop_name(name);
        return true;
    }
    return false;
}

static void take_addresses(struct name *name, const struct dns_answer *answer)
{
    struct address *addresses = NULL;
    if (answer->count > 0) {
        addresses = malloc(answer->count * sizeof(*addresses));
        if (addresses == NULL)
            abort();
        memcpy(addresses, answer->addresses, answer->count * sizeof(*addresses));
    }
    free(name->addresses);
    name->addresses = addresses;
    name->count = answer->count;
    name->error = answer->error;
}

/* RFC 8767: addresses that were right a while ago are better than none. */
static void on_answer(struct dns_query *query, const struct dns_answer *answer)
{
    struct name *name = thing_of(query, struct name, query);
    struct resolver *resolver = name->resolver;
    if (!answer->failed || name->count == 0)
        take_addresses(name, answer);

    uint64_t ttl_ms = answer->count == 0 ? TTL_LEAST_MS : answer->ttl_ms;
    if (ttl_ms < TTL_LEAST_MS)
        ttl_ms = TTL_LEAST_MS;
    if (ttl_ms > TTL_MOST_MS)
        ttl_ms = TTL_MOST_MS;
    name->fresh_until_ms = worker_now_ms(resolver->worker) + ttl_ms;
    struct link *link;
    while ((link = list_take(&name->waiting)) != NULL)
        make_ready(resolver, thing_of(link, struct waiter, link));
}

static struct name *find_name(struct resolver *resolver, const char *text, uint64_t hash)
{
    list_each (&resolver->names, link) {
        struct name *name = thing_of(link, struct name, link);
        if (name->hash == hash && strcmp(name->text, text) == 0)
            return name;
    }
    return NULL;
}

/* NULL: no place, no memory. */
static struct name *add_name(struct resolver *resolver, struct slice text, uint64_t hash)
{
    if (!make_place(resolver))
        return NULL;
    struct name *name = calloc(1, sizeof(*name) + text.len + 1);
    if (name == NULL)
        return NULL;
    name->resolver = resolver;
    name->query.on_answer = on_answer;
    name->hash = hash;
    memcpy(name->text, text.at, text.len);
    list_init(&name->waiting);
    list_prepend(&resolver->names, &name->link);
    resolver->count++;
    return name;
}

/* --- looking up ------------------------------------------------------------------------------- */

static void refuse(struct resolver *resolver, struct waiter *waiter, const char *error)
{
    waiter->error = error;
    make_ready(resolver, waiter);
}

/* Into `low` in lower case; -1: too long, or bytes that no name has. A dot at the end stays: it
 * keeps the search list away. */
static int lower_name(struct slice host, char low[MOST_NAME + 1])
{
    if (host.len == 0 || host.len > MOST_NAME || slice_is(host, "."))
        return -1;
    for (size_t i = 0; i < host.len; i++) {
        uint8_t byte = host.at[i];
        if (byte <= ' ' || byte >= 0x7f)
            return -1;
        low[i] = (char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
    }
    low[host.len] = '\0';
    return 0;
}

/* RFC 6761 §6.3: always loopback, whatever a server says. */
static bool is_localhost(const char *name)
{
    struct slice rest = slice_text(name);
    if (rest.at[rest.len - 1] == '.')
        rest.len--;
    static const char local[] = "localhost";
    size_t len = sizeof(local) - 1;
    bool ends_so = rest.len >= len && slice_is(slice_from(rest, rest.len - len), local);
    return ends_so && (rest.len == len || rest.at[rest.len - len - 1] == '.');
}

static bool resolve_here(struct waiter *waiter, struct slice host, const char *low)
{
    if (address_from_host(host, 0, &waiter->own[0]) == 0) {
        waiter->count = 1;
    } else if (is_localhost(low)) {
        int bad = address_parse(SLICE("127.0.0.1:0"), &waiter->own[0]);
        bad += address_parse(SLICE("[::1]:0"), &waiter->own[1]);
        assert(bad == 0);
        waiter->count = 2;
    }
    return waiter->count > 0;
}

static void wait_for(struct resolver *resolver, struct waiter *waiter, struct name *name)
{
    waiter->name = name;
    name->pins++;
    list_leave(&name->link);
    list_prepend(&resolver->names, &name->link);
    if (name->fresh_until_ms > worker_now_ms(resolver->worker)) {
        make_ready(resolver, waiter);
        return;
    }
    list_append(&name->waiting, &waiter->link);
    if (name->query.dns == NULL)
        dns_ask(resolver->dns, &name->query, name->text);
}

void resolver_resolve(struct resolver *resolver, struct slice host, uint16_t port,
                      struct lookup *lookup)
{
    assert(lookup->own == NULL && lookup->on_resolved != NULL);
    struct waiter *waiter = calloc(1, sizeof(*waiter));
    if (waiter == NULL)
        abort();
    waiter->lookup = lookup;
    waiter->port = port;
    lookup->own = waiter;

    char low[MOST_NAME + 1];
    if (lower_name(host, low) != 0) {
        refuse(resolver, waiter, "the name is malformed");
        return;
    }
    if (resolve_here(waiter, host, low)) {
        make_ready(resolver, waiter);
        return;
    }
    if (resolver->dns == NULL)
        resolver->dns = dns_new(resolver->loop, resolver->worker, resolver->servers);
    if (resolver->dns == NULL) {
        refuse(resolver, waiter, "the resolver cannot start");
        return;
    }
    uint64_t hash = slice_hash(slice_text(low));
    struct name *name = find_name(resolver, low, hash);
    if (name == NULL)
        name = add_name(resolver, slice_text(low), hash);
    if (name == NULL)
        refuse(resolver, waiter, "too many names are being resolved");
    else
        wait_for(resolver, waiter, name);
}

void resolver_forget(struct resolver *resolver, struct lookup *lookup)
{
    (void)resolver;
    if (lookup->own != NULL)
        drop_waiter(lookup->own);
}

/* --- life ------------------------------------------------------------------------------------- */

struct resolver *resolver_new_with(uv_loop_t *loop, struct worker *worker, const char *servers)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    if (resolver == NULL)
        abort();
    resolver->loop = loop;
    resolver->worker = worker;
    resolver->servers = servers;
    resolver->answer.run = on_ready;
    list_init(&resolver->names);
    list_init(&resolver->ready);
    return resolver;
}

struct resolver *resolver_new(uv_loop_t *loop, struct worker *worker)
{
    return resolver_new_with(loop, worker, NULL);
}

void resolver_free(struct resolver *resolver)
{
    if (resolver->dns != NULL)
        dns_free(resolver->dns);
    list_leave(&resolver->answer.link);
    struct link *link;
    while ((link = list_take(&resolver->ready)) != NULL)
        drop_waiter(thing_of(link, struct waiter, link));
    while ((link = list_take(&resolver->names)) != NULL) {
        struct name *name = thing_of(link, struct name, link);
        struct link *waiting;
        while ((waiting = list_take(&name->waiting)) != NULL)
            drop_waiter(thing_of(waiting, struct waiter, link));
        name->query.dns = NULL;
        drop_name(name);
    }
    free(resolver);
}

/* c-ares with its sockets polled by libuv and its timeouts on the worker's timers.
 *
 * Happy path: ares_getaddrinfo opens sockets and tells by on_socket_state what to wait for;
 * on_poll lets it read and write; the answer comes out of that. /etc/hosts is its first source.
 * Failures: a server that does not answer is asked again, then the next, until c-ares gives up
 * (some 10 s; who asks has a deadline of its own); a socket that cannot be polled is left to
 * those timeouts.
 */
#include "net/dns.h"

#include <ares.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/worker.h"

enum { TIMEOUT_MS = 1500, TRIES = 3 };

struct dns {
    ares_channel channel;
    uv_loop_t *loop;
    struct worker *worker;
    struct timer timer;
    struct list sockets;
    unsigned handles; /* sockets that are not closed yet */
    bool leaving;
};

struct dns_socket {
    struct link link;
    uv_poll_t poll;
    ares_socket_t descriptor;
    struct dns *dns;
};

/* --- waiting for sockets and time ------------------------------------------------------------- */

static void process(struct dns *dns, ares_socket_t readable, ares_socket_t writable)
{
    ares_process_fd(dns->channel, readable, writable);
    struct timeval left;
    if (ares_timeout(dns->channel, NULL, &left) == NULL)
        worker_timer_stop(dns->worker, &dns->timer);
    else
        worker_timer(dns->worker, &dns->timer,
                     (uint64_t)left.tv_sec * 1000 + (uint64_t)left.tv_usec / 1000 + 1);
}

static void on_timer(struct timer *timer)
{
    process(thing_of(timer, struct dns, timer), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct dns_socket *waiting = poll->data;
    ares_socket_t descriptor = waiting->descriptor;
    bool readable = status < 0 || (events & UV_READABLE) != 0;
    bool writable = status < 0 || (events & UV_WRITABLE) != 0;
    process(waiting->dns, readable ? descriptor : ARES_SOCKET_BAD,
            writable ? descriptor : ARES_SOCKET_BAD);
}

static void free_when_closed(struct dns *dns)
{
    if (dns->leaving && dns->handles == 0)
        free(dns);
}

static void on_closed(uv_handle_t *handle)
{
    struct dns_socket *waiting = handle->data;
    struct dns *dns = waiting->dns;
    free(waiting);
    dns->handles--;
    free_when_closed(dns);
}

static struct dns_socket *find(struct dns *dns, ares_socket_t descriptor)
{
    list_each (&dns->sockets, link) {
        struct dns_socket *waiting = thing_of(link, struct dns_socket, link);
        if (waiting->descriptor == descriptor)
            return waiting;
    }
    return NULL;
}

static struct dns_socket *add(struct dns *dns, ares_socket_t descriptor)
{
    struct dns_socket *waiting = calloc(1, sizeof(*waiting));
    if (waiting == NULL)
        return NULL;
    if (uv_poll_init_socket(dns->loop, &waiting->poll, descriptor) != 0) {
        free(waiting);
        return NULL;
    }
    waiting->dns = dns;
    waiting->descriptor = descriptor;
    waiting->poll.data = waiting;
    dns->handles++;
    list_append(&dns->sockets, &waiting->link);
    return waiting;
}

/* c-ares is about to close a socket when it says that it waits for nothing. */
static void on_socket_state(void *context, ares_socket_t descriptor, int readable, int writable)
{
    struct dns *dns = context;
    struct dns_socket *waiting = find(dns, descriptor);
    if (!readable && !writable) {
        if (waiting == NULL)
            return;
        list_leave(&waiting->link);
        uv_poll_stop(&waiting->poll);
        uv_close((uv_handle_t *)&waiting->poll, on_closed);
        return;
    }
    if (waiting == NULL)
        waiting = add(dns, descriptor);
    if (waiting == NULL)
        return;
    int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
    uv_poll_start(&waiting->poll, events, on_poll);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void read_addresses(const struct ares_addrinfo *info, struct dns_answer *answer)
{
    int64_t ttl_s = INT32_MAX;
    const struct ares_addrinfo_node *node = info->nodes;
    for (; node != NULL && answer->count < DNS_ADDRESSES; node = node->ai_next) {
        struct address *address = &answer->addresses[answer->count];
        bool known = (node->ai_family == AF_INET && node->ai_addrlen == sizeof(address->in)) ||
                     (node->ai_family == AF_INET6 && node->ai_addrlen == sizeof(address->in6));
        if (!known)
            continue;
        memcpy(&address->any, node->ai_addr, node->ai_addrlen);
        address->len = node->ai_addrlen;
        answer->count++;
        if (node->ai_ttl < ttl_s)
            ttl_s = node->ai_ttl;
    }
    answer->ttl_ms = ttl_s > 0 ? (uint64_t)ttl_s * 1000 : 0;
}

static void on_answer(void *context, int status, int timeouts, struct ares_addrinfo *info)
{
    (void)timeouts;
    struct dns_query *query = context;
    if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED) {
        ares_freeaddrinfo(info);
        return;
    }
    struct dns_answer answer = { .count = 0 };
    if (status == ARES_SUCCESS)
        read_addresses(info, &answer);
    ares_freeaddrinfo(info);
    if (status == ARES_SUCCESS && answer.count == 0)
        status = ARES_ENODATA;
    if (answer.count == 0) {
        answer.failed = status != ARES_ENOTFOUND && status != ARES_ENODATA;
        answer.error = ares_strerror(status);
    }
    query->dns = NULL;
    query->on_answer(query, &answer);
}

void dns_ask(struct dns *dns, struct dns_query *query, const char *name)
{
    assert(query->dns == NULL && query->on_answer != NULL && !dns->leaving);
    static const struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
    };
    query->dns = dns;
    ares_getaddrinfo(dns->channel, name, NULL, &hints, on_answer, query);
    process(dns, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* --- life ------------------------------------------------------------------------------------- */

struct dns *dns_new(uv_loop_t *loop, struct worker *worker, const char *servers)
{
    struct dns *dns = calloc(1, sizeof(*dns));
    if (dns == NULL)
        abort();
    *dns = (struct dns){ .loop = loop, .worker = worker, .timer.on_timer = on_timer };
    list_init(&dns->sockets);

    struct ares_options options = {
        .timeout = TIMEOUT_MS,
        .tries = TRIES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = dns,
    };
    int given = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
#ifdef ARES_OPT_QUERY_CACHE /* newer ones keep answers themselves, longer than we may */
    given |= ARES_OPT_QUERY_CACHE;
#endif
    if (ares_init_options(&dns->channel, &options, given) != ARES_SUCCESS) {
        free(dns);
        return NULL;
    }
    if (servers != NULL && ares_set_servers_ports_csv(dns->channel, servers) != ARES_SUCCESS) {
        ares_destroy(dns->channel);
        free(dns);
        return NULL;
    }
    return dns;
}

void dns_free(struct dns *dns)
{
    assert(!dns->leaving);
    dns->leaving = true;
    worker_timer_stop(dns->worker, &dns->timer);
    ares_destroy(dns->channel);
    assert(list_empty(&dns->sockets));
    free_when_closed(dns);
}

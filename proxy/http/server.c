/* Listeners on a worker; what happens on one connection is in connection.c and answer.c.
 *
 * Happy path: accepted streams become connections, until the share of this worker is used up;
 * further ones get a 503 at once, and when even those are many, a close. Drained, it stops
 * listening and ends as its last connection does.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/snapshot.h"
#include "http/connection.h"
#include "http/h2_server.h"

enum { REFUSED_MAX = 64 /* connections that are being told that there are too many */ };

struct server *server_of(struct link *link)
{
    return thing_of(link, struct server, link);
}

bool server_draining(const struct server *server)
{
    return server->draining;
}

const struct address *server_address(const struct server *server)
{
    return &server->settings.address;
}

/* --- accepting -------------------------------------------------------------------------------- */

/* Caps are per process; each worker has its share. */
static bool is_full(const struct worker *worker)
{
    unsigned cap = worker->snapshot->limits.connections / worker->snapshot->workers;
    unsigned open = 0;
    list_each (&worker->servers, link) {
        const struct server *server = server_of(link);
        open += server->open - server->refused;
    }
    return open >= (cap > 0 ? cap : 1);
}

static void no_read(struct stream *stream, struct slice bytes)
{
    (void)stream;
    (void)bytes;
}

static void no_eof(struct stream *stream)
{
    (void)stream;
}

static void no_close(struct stream *stream, int error)
{
    (void)stream;
    (void)error;
}

static const struct stream_events unwanted = {
    .on_read = no_read,
    .on_eof = no_eof,
    .on_close = no_close,
};

static void on_accept(struct listening *listening, struct stream *stream)
{
    struct server *server = thing_of(listening, struct server, listening);
    assert(!server->unlistened && server->refused <= server->open);
    bool full = is_full(server->worker);
    if (server->draining || (full && server->refused >= REFUSED_MAX)) {
        stream->events = &unwanted;
        stream_close(stream);
        return;
    }
    connection_open(server, stream, full);
}

/* --- life ------------------------------------------------------------------------------------- */

static void settings_free(struct listener_settings *own)
{
    free((void *)(uintptr_t)own->name);
    free((void *)(uintptr_t)own->host);
    free((void *)(uintptr_t)own->hop.trusted);
}

static void destroy_if_done(struct server *server)
{
    if (!server->unlistened || !list_empty(&server->connections) || !list_empty(&server->h2))
        return;
    assert(server->open == 0 && server->refused == 0);
    struct worker *worker = server->worker;
    list_leave(&server->link);
    bytes_free(&server->scratch);
    settings_free(&server->settings);
    free(server);
    worker_check_drained(worker);
}

void server_connection_gone(struct server *server)
{
    destroy_if_done(server);
}

static void on_unlistened(struct listening *listening)
{
    struct server *server = thing_of(listening, struct server, listening);
    assert(server->draining && !server->unlistened);
    server->unlistened = true;
    destroy_if_done(server);
}

static char *copy_text(const char *text)
{
    if (text == NULL)
        return NULL;
    char *copy = strdup(text);
    if (copy == NULL)
        abort();
    return copy;
}

static struct network *copy_networks(const struct network *networks, size_t count)
{
    if (count == 0)
        return NULL;
    struct network *copy = calloc(count, sizeof *copy);
    if (copy == NULL)
        abort();
    memcpy(copy, networks, count * sizeof *copy);
    return copy;
}

void server_update(struct server *server, const struct listener_settings *settings)
{
    assert(address_equal(&server->settings.address, &settings->address));
    struct listener_settings *own = &server->settings, before = *own;
    own->name = copy_text(settings->name);
    own->host = copy_text(settings->host);
    own->hop = settings->hop;
    own->hop.trusted = copy_networks(settings->hop.trusted, settings->hop.trusted_count);
    own->cancels_half_closed = settings->cancels_half_closed;
    settings_free(&before);
}

struct server *server_open(struct worker *worker, const struct listener_settings *settings,
                           int descriptor)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL)
        abort();
    server->worker = worker;
    server->listening.on_accept = on_accept;
    server->listening.on_closed = on_unlistened;
    server->settings.address = settings->address;
    server->settings.admin = settings->admin;
    address_text(&settings->address, server->self);
    list_init(&server->connections);
    list_init(&server->h2);
    server_update(server, settings);
    int error = worker->net->listen(worker->net, worker, descriptor, &server->listening);
    if (error != 0) {
        settings_free(&server->settings);
        free(server);
        return NULL;
    }
    list_append(&worker->servers, &server->link);
    return server;
}

void server_drain(struct server *server)
{
    assert(!server->draining);
    server->draining = true;
    server->worker->net->unlisten(server->worker->net, &server->listening);
    list_each_leaving (&server->connections, link)
        connection_close_idle(thing_of(link, struct connection, link));
    list_each_leaving (&server->h2, link)
        h2_connection_drain(h2_connection_of(link));
}

void server_abort(struct server *server)
{
    if (!server->draining)
        server_drain(server);
    list_each_leaving (&server->connections, link)
        connection_abort(thing_of(link, struct connection, link));
    list_each_leaving (&server->h2, link)
        h2_connection_abort(h2_connection_of(link));
}

char *peer_text(const struct stream *stream)
{
    char text[ADDRESS_TEXT];
    address_text(&stream->peer, text);
    char *copy = strdup(text);
    if (copy == NULL)
        abort();
    return copy;
}

/* --- the listener's own name ------------------------------------------------------------------ */

bool listener_is_named(const struct address *own, struct slice authority)
{
    struct slice host;
    uint16_t port;
    if (host_split(authority, 80, &host, &port) != 0 || port != address_port(own))
        return false;
    if (slice_is_nocase(host, "localhost") || slice_is_nocase(host, "localhost."))
        return true;
    struct address address;
    if (address_from_host(host, port, &address) != 0)
        return false;
    return (address_is_loopback(&address) && address_is_loopback(own)) ||
           address_reaches(&address, own);
}

static bool names_itself(const struct server *server, struct slice authority)
{
    return authority.len == 0 || slice_equal_nocase(authority, slice_text(server->self)) ||
           listener_is_named(&server->settings.address, authority);
}

struct slice server_authority(const struct server *server, struct slice authority,
                              struct arena *arena)
{
    if (server->settings.host == NULL || !names_itself(server, authority))
        return authority;
    struct slice host = arena_copy(arena, slice_text(server->settings.host));
    return host.at != NULL ? host : authority;
}

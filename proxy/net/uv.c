/* The network on libuv: dialling, listening, names; what a stream does is in uv_stream.c.
 *
 * Happy path of listening: the bound descriptor becomes a handle, each connection a stream that
 * on_accept gets. Pausing: libuv stops accepting by itself as long as one connection is not
 * taken from it; so that is what a paused listening does with the next one, and takes it when it
 * goes on.
 * Failures: a connection that cannot be taken (descriptors, memory) is closed or left to the
 * kernel's queue, which libuv asks again.
 */
#include "net/uv.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/worker.h"
#include "net/resolver.h"
#include "net/uv_net.h"

enum { BACKLOG = 4096 };

struct uv_listening {
    struct listening *listening;
    struct uv_net *net;
    struct worker *worker;
    union {
        uv_handle_t handle;
        uv_stream_t any;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    bool paused;
    bool pending; /* a connection waits to be taken */
    struct task resumed;
};

static struct uv_net *self(struct net *net)
{
    return thing_of(net, struct uv_net, net);
}

/* --- dialling -------------------------------------------------------------------------------- */

static struct stream *dial(struct net *net, struct worker *worker, const struct address *address,
                           int *error)
{
    assert(!self(net)->leaving);
    struct uv_stream *stream = uv_stream_new(self(net), worker, address->any.sa_family);
    if (stream == NULL) {
        *error = -ENOMEM;
        return NULL;
    }
    *error = uv_stream_connect(stream, address);
    return *error == 0 ? uv_stream_of(stream) : NULL;
}

/* --- listening ------------------------------------------------------------------------------- */

static void take_connection(struct uv_listening *own)
{
    own->pending = false;
    struct uv_stream *stream = uv_stream_new(own->net, own->worker,
                                             own->handle.type == UV_TCP ? AF_INET : AF_UNIX);
    if (stream == NULL)
        abort();
    if (uv_accept(&own->any, uv_stream_handle(stream)) != 0) {
        uv_stream_discard(stream);
        return;
    }
    uv_stream_accepted(stream);
    struct stream *base = uv_stream_of(stream);
    own->listening->on_accept(own->listening, base);
    assert(base->events != NULL || base->closing);
}

/* After a pause, outside of the call that ended it. */
static void on_resumed(struct task *task)
{
    struct uv_listening *own = thing_of(task, struct uv_listening, resumed);
    if (own->pending && !own->paused)
        take_connection(own);
}

static void on_connection(uv_stream_t *handle, int status)
{
    struct uv_listening *own = handle->data;
    if (status != 0)
        return;
    if (own->paused)
        own->pending = true;
    else
        take_connection(own);
}

static void on_unlistened(uv_handle_t *handle)
{
    struct uv_listening *own = handle->data;
    struct listening *listening = own->listening;
    if (listening != NULL)
        listening->on_closed(listening);
    uv_net_drop(own->net);
    free(own);
}

static int open_handle(struct uv_listening *own, int descriptor, int family)
{
    int error = family == AF_UNIX ? uv_pipe_open(&own->pipe, descriptor)
                                  : uv_tcp_open(&own->tcp, descriptor);
    if (error != 0) {
        close(descriptor);
        return error;
    }
    return uv_listen(&own->any, BACKLOG, on_connection);
}

static int listen_on(struct net *net, struct worker *worker, int descriptor,
                     struct listening *listening)
{
    assert(descriptor >= 0 && listening->on_accept != NULL && listening->on_closed != NULL);
    struct uv_listening *own = calloc(1, sizeof(*own));
    if (own == NULL)
        abort();
    *own = (struct uv_listening){ .net = self(net), .worker = worker, .resumed.run = on_resumed };

    struct sockaddr_storage bound = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof(bound);
    getsockname(descriptor, (struct sockaddr *)&bound, &len);
    int error = bound.ss_family == AF_UNIX ? uv_pipe_init(own->net->loop, &own->pipe, 0)
                                           : uv_tcp_init(own->net->loop, &own->tcp);
    assert(error == 0);
    own->handle.data = own;
    own->net->handles++;
    error = open_handle(own, descriptor, bound.ss_family);
    if (error != 0) {
        uv_close(&own->handle, on_unlistened);
        return error;
    }
    own->listening = listening;
    listening->own = own;
    return 0;
}

static void unlisten(struct net *net, struct listening *listening)
{
    (void)net;
    struct uv_listening *own = listening->own;
    assert(own->listening == listening && !uv_is_closing(&own->handle));
    list_leave(&own->resumed.link);
    uv_close(&own->handle, on_unlistened);
}

static void pause_listening(struct net *net, struct listening *listening, bool paused)
{
    (void)net;
    struct uv_listening *own = listening->own;
    if (uv_is_closing(&own->handle))
        return;
    own->paused = paused;
    if (!paused && own->pending)
        worker_defer(own->worker, &own->resumed);
}

/* --- names ----------------------------------------------------------------------------------- */

static void resolve(struct net *net, struct worker *worker, struct slice host, uint16_t port,
                    struct lookup *lookup)
{
    struct uv_net *own = self(net);
    assert(!own->leaving && lookup->on_resolved != NULL);
    if (own->resolver == NULL)
        own->resolver = resolver_new(own->loop, worker);
    resolver_resolve(own->resolver, host, port, lookup);
}

static void forget(struct net *net, struct lookup *lookup)
{
    if (self(net)->resolver != NULL)
        resolver_forget(self(net)->resolver, lookup);
}

/* --- other people's descriptors -------------------------------------------------------------- */

struct uv_watched {
    uv_poll_t poll;
    struct uv_net *net;
    struct watched *watched;
};

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct uv_watched *own = poll->data;
    if (status == 0)
        own->watched->on_ready(own->watched);
}

static void on_unwatched(uv_handle_t *handle)
{
    struct uv_watched *own = handle->data;
    uv_net_drop(own->net);
    free(own);
}

static int watch(struct net *net, struct worker *worker, int descriptor, struct watched *watched)
{
    (void)worker;
    assert(descriptor >= 0 && watched->on_ready != NULL && watched->own == NULL);
    struct uv_watched *own = calloc(1, sizeof(*own));
    if (own == NULL)
        abort();
    own->net = self(net);
    own->watched = watched;
    own->poll.data = own;
    int error = uv_poll_init(own->net->loop, &own->poll, descriptor);
    if (error != 0) {
        free(own);
        return error;
    }
    own->net->handles++;
    watched->own = own;
    error = uv_poll_start(&own->poll, UV_READABLE, on_readable);
    assert(error == 0);
    return 0;
}

static void unwatch(struct net *net, struct watched *watched)
{
    struct uv_watched *own = watched->own;
    assert(own->watched == watched && own->net == self(net));
    watched->own = NULL;
    uv_close((uv_handle_t *)&own->poll, on_unwatched);
}

/* --- life ------------------------------------------------------------------------------------ */

struct net *net_uv_new(uv_loop_t *loop)
{
    struct uv_net *net = calloc(1, sizeof(*net));
    if (net == NULL)
        abort();
    signal(SIGPIPE, SIG_IGN);
    net->loop = loop;
    net->net = (struct net){
        .dial = dial,
        .listen = listen_on,
        .unlisten = unlisten,
        .pause = pause_listening,
        .resolve = resolve,
        .forget = forget,
        .watch = watch,
        .unwatch = unwatch,
    };
    return &net->net;
}

void uv_net_drop(struct uv_net *net)
{
    assert(net->handles > 0);
    if (--net->handles == 0 && net->leaving)
        free(net);
}

void net_uv_free(struct net *net)
{
    struct uv_net *own = self(net);
    assert(!own->leaving);
    own->leaving = true;
    own->handles++;
    if (own->resolver != NULL)
        resolver_free(own->resolver);
    uv_net_drop(own);
}

/* A worker whose connections are pipes in the test's hand, on a clock that the test moves: what
 * a peer says is given, what Shunt says is read, byte by byte. Names: "one:PORT" and "two:PORT"
 * have one and two addresses, others none.
 *
 * A turn (turn) is what the loop does once: names are answered, streams that close are closed,
 * deferred tasks run.
 */
#ifndef TEST_PIPES_H
#define TEST_PIPES_H

#include <assert.h>
#include <stdlib.h>

#include "core/registry.h"
#include "core/snapshot.h"
#include "core/worker.h"
#include "http/server.h"
#include "net/net.h"
#include "net/stream.h"
#include "test/unit/hand_clock.h"

struct pipe {
    struct stream stream;
    struct link link; /* in pipes->all */
    struct pipes *pipes;
    struct bytes said; /* by Shunt, and not yet read by the test */
    size_t room;       /* bytes that the peer still takes */
    bool dialled, reading, ended, reset, closing, closed, awaiting;
    bool deserted; /* behind its end of file nobody is left */
    int error;     /* to close with */
};

enum { MOST_PIPES = 128 };

struct pipes {
    struct net net;
    struct worker worker;
    struct registry registry;
    struct hand_clock clock;
    struct listening *listening;
    bool unlistened;
    struct list lookups; /* of struct pending */
    bool lookups_wait;   /* none is answered */
    struct pipe *made[MOST_PIPES];
    unsigned count;
    unsigned dialled; /* how often; the number of the next dialled pipe */
};

struct pending {
    struct link link;
    struct lookup *lookup;
    struct address addresses[2];
    unsigned count;
};

/* --- the driver ------------------------------------------------------------------------------- */

static inline struct pipe *pipe_of(struct stream *stream)
{
    return thing_of(stream, struct pipe, stream);
}

static void pipe_read(struct stream *stream, bool on)
{
    pipe_of(stream)->reading = on;
}

static ssize_t pipe_write(struct stream *stream, const struct iovec *parts, int count)
{
    struct pipe *pipe = pipe_of(stream);
    size_t taken = 0;
    for (int i = 0; i < count; i++) {
        size_t len = parts[i].iov_len < pipe->room ? parts[i].iov_len : pipe->room;
        bytes_add(&pipe->said, slice_of(parts[i].iov_base, len));
        pipe->room -= len;
        taken += len;
    }
    return (ssize_t)taken;
}

static void pipe_await(struct stream *stream)
{
    pipe_of(stream)->awaiting = true;
}

static void pipe_end(struct stream *stream)
{
    pipe_of(stream)->ended = true;
}

static void pipe_close(struct stream *stream)
{
    pipe_of(stream)->closing = true;
}

static void pipe_reset(struct stream *stream)
{
    pipe_of(stream)->reset = pipe_of(stream)->closing = true;
}

static bool pipe_deserted(const struct stream *stream)
{
    return thing_of(stream, const struct pipe, stream)->deserted;
}

static const struct stream_driver pipe_driver = {
    .read = pipe_read,
    .write = pipe_write,
    .await_room = pipe_await,
    .end = pipe_end,
    .close = pipe_close,
    .reset = pipe_reset,
    .deserted = pipe_deserted,
};

static inline struct pipe *pipe_new(struct pipes *pipes, bool dialled)
{
    struct pipe *pipe = calloc(1, sizeof *pipe);
    assert(pipe != NULL && pipes->count < MOST_PIPES);
    if (dialled)
        stream_init_dialled(&pipe->stream, &pipes->worker, &pipe_driver);
    else
        stream_init(&pipe->stream, &pipes->worker, &pipe_driver);
    pipe->pipes = pipes;
    pipe->dialled = dialled;
    pipe->room = SIZE_MAX;
    pipes->made[pipes->count++] = pipe;
    return pipe;
}

/* --- the net ---------------------------------------------------------------------------------- */

static inline struct pipes *pipes_of(struct net *net)
{
    return thing_of(net, struct pipes, net);
}

static struct stream *net_dial(struct net *net, struct worker *worker,
                               const struct address *address, int *error)
{
    (void)worker;
    (void)address;
    *error = 0;
    pipes_of(net)->dialled++;
    return &pipe_new(pipes_of(net), true)->stream;
}

static int net_listen(struct net *net, struct worker *worker, int descriptor,
                      struct listening *listening)
{
    (void)worker;
    (void)descriptor;
    pipes_of(net)->listening = listening;
    return 0;
}

static void net_unlisten(struct net *net, struct listening *listening)
{
    assert(pipes_of(net)->listening == listening);
    pipes_of(net)->unlistened = true;
}

static void net_resolve(struct net *net, struct worker *worker, struct slice host, uint16_t port,
                        struct lookup *lookup)
{
    (void)worker;
    struct pending *pending = calloc(1, sizeof *pending);
    assert(pending != NULL);
    pending->lookup = lookup;
    lookup->own = pending;
    static const char *const names[] = { "one", "two" };
    if (address_from_host(host, port, &pending->addresses[0]) == 0)
        pending->count = 1;
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned j = 0; slice_is_nocase(host, names[i]) && j <= i; j++) {
            int bad = address_from_host(j == 0 ? SLICE("10.0.0.1") : SLICE("10.0.0.2"), port,
                                        &pending->addresses[pending->count++]);
            assert(bad == 0);
        }
    }
    list_append(&pipes_of(net)->lookups, &pending->link);
}

static void net_forget(struct net *net, struct lookup *lookup)
{
    (void)net;
    struct pending *pending = lookup->own;
    if (pending == NULL)
        return;
    lookup->own = NULL;
    list_leave(&pending->link);
    free(pending);
}

/* --- turns ------------------------------------------------------------------------------------ */

static inline bool answer_lookups(struct pipes *pipes)
{
    struct link *link = list_first(&pipes->lookups);
    if (link == NULL || pipes->lookups_wait)
        return false;
    struct pending *pending = thing_of(link, struct pending, link);
    struct lookup *lookup = pending->lookup;
    list_leave(link);
    lookup->own = NULL;
    lookup->on_resolved(lookup, pending->addresses, pending->count, "there is no such name");
    free(pending);
    return true;
}

static inline bool close_pipes(struct pipes *pipes)
{
    for (unsigned i = 0; i < pipes->count; i++) {
        struct pipe *pipe = pipes->made[i];
        if (!pipe->closing || pipe->closed)
            continue;
        pipe->closed = true;
        stream_closed(&pipe->stream, pipe->error);
        return true;
    }
    return false;
}

static inline void turn(struct pipes *pipes)
{
    do {
        worker_begin_turn(&pipes->worker);
        worker_finish_turn(&pipes->worker);
        if (pipes->unlistened && pipes->listening != NULL) {
            struct listening *listening = pipes->listening;
            pipes->listening = NULL;
            listening->on_closed(listening);
        }
    } while (answer_lookups(pipes) || close_pipes(pipes) || !list_empty(&pipes->worker.tasks));
}

/* Time passes. */
static inline void pass(struct pipes *pipes, uint64_t ms)
{
    uint64_t until_ms = pipes->clock.now_ms + ms;
    while (hand_clock_step(&pipes->clock, &pipes->worker, until_ms))
        turn(pipes);
}

/* --- what peers do ---------------------------------------------------------------------------- */

static inline struct pipe *accept_client(struct pipes *pipes)
{
    struct pipe *pipe = pipe_new(pipes, false);
    int bad = address_from_host(SLICE("10.0.0.9"), 999, &pipe->stream.peer);
    assert(bad == 0);
    pipes->listening->on_accept(pipes->listening, &pipe->stream);
    turn(pipes);
    return pipe;
}

/* The dialled pipe of that number, from 0, or NULL. */
static inline struct pipe *dialled(struct pipes *pipes, unsigned number)
{
    for (unsigned i = 0; i < pipes->count; i++) {
        if (pipes->made[i]->dialled && number-- == 0)
            return pipes->made[i];
    }
    return NULL;
}

static inline void open_pipe(struct pipe *pipe)
{
    stream_opened(&pipe->stream);
    turn(pipe->pipes);
}

/* In one read, if it is read at all. */
static inline void say_bytes(struct pipe *pipe, struct slice bytes)
{
    assert(pipe->reading || pipe->stream.closing);
    stream_arrived(&pipe->stream, bytes);
    turn(pipe->pipes);
}

static inline void say(struct pipe *pipe, const char *text)
{
    say_bytes(pipe, slice_text(text));
}

static inline void hang_up(struct pipe *pipe)
{
    stream_at_end(&pipe->stream);
    turn(pipe->pipes);
}

static inline void break_pipe(struct pipe *pipe, int error)
{
    stream_fail(&pipe->stream, error);
    turn(pipe->pipes);
}

/* The peer takes so many bytes more. */
static inline void take_more(struct pipe *pipe, size_t room)
{
    pipe->room = room;
    if (pipe->awaiting) {
        pipe->awaiting = false;
        stream_writable(&pipe->stream);
    }
    turn(pipe->pipes);
}

/* All that Shunt has said since the last time; valid until the next call. Dates are blotted out. */
static inline const char *heard(struct pipe *pipe)
{
    bytes_byte(&pipe->said, '\0');
    pipe->said.len = 0;
    char *text = (char *)pipe->said.at;
    for (char *date = strstr(text, "Date: Thu, "); date != NULL;
         date = strstr(date + 1, "Date: Thu, "))
        memmove(date, strstr(date, "\r\n") + 2, strlen(strstr(date, "\r\n") + 2) + 1);
    return text;
}

/* --- the world -------------------------------------------------------------------------------- */

static inline struct snapshot *pipes_snapshot(struct pipes *pipes, const char *text)
{
    struct complaints complaints;
    complaints_init(&complaints);
    const struct catalog catalog = plugins_catalog(pipes->registry.plugins);
    struct config *config = config_load_text("test", slice_text(text), &catalog, &complaints);
    struct snapshot *snapshot = complaints.errors == 0
                                    ? snapshot_build(config, &pipes->registry, true, &complaints)
                                    : NULL;
    if (snapshot == NULL)
        complaints_print(&complaints, stderr, false);
    assert(snapshot != NULL);
    complaints_clear(&complaints);
    return snapshot;
}

/* A worker with the configuration `text`, its first listener open. */
static inline struct pipes *pipes_new(const char *text)
{
    struct pipes *pipes = calloc(1, sizeof *pipes);
    assert(pipes != NULL);
    pipes->net = (struct net){ .dial = net_dial,
                               .listen = net_listen,
                               .unlisten = net_unlisten,
                               .resolve = net_resolve,
                               .forget = net_forget };
    list_init(&pipes->lookups);
    pipes->clock = (struct hand_clock){ .now_ms = 1000, .byte = 0xab };
    registry_init(&pipes->registry, NULL, NULL);
    hand_clock_worker(&pipes->clock, &pipes->worker, &pipes->net);
    struct snapshot *snapshot = pipes_snapshot(pipes, text);
    for (unsigned i = 0; i < snapshot->listener_count; i++)
        snapshot->listeners[i].descriptors[0] = 1000;
    worker_adopt(&pipes->worker, snapshot);
    snapshot_release(snapshot);
    turn(pipes);
    return pipes;
}

static void pipes_drained(struct done *done, int result)
{
    (void)result;
    done->on_done = NULL;
}

/* Drains, with whatever is left aborted, and sees that nothing remains. */
static inline void pipes_free(struct pipes *pipes)
{
    struct done done = { pipes_drained };
    if (!pipes->worker.draining)
        worker_drain(&pipes->worker, &done);
    else
        done.on_done = NULL;
    worker_stop(&pipes->worker);
    turn(pipes);
    pass(pipes, 10000);
    assert(done.on_done == NULL && list_empty(&pipes->worker.calls));
    worker_destroy(&pipes->worker);
    registry_clear(&pipes->registry);
    for (unsigned i = 0; i < pipes->count; i++) {
        assert(pipes->made[i]->closed);
        bytes_free(&pipes->made[i]->said);
        free(pipes->made[i]);
    }
    free(pipes);
}

#endif

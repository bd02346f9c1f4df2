/* Happy path and failures: see probe.h. A connection is closed as soon as it is open, and one
 * that is given up is told nothing to us any more: it has no owner until its end. */
#include "delivery/probe.h"

#include <assert.h>

#include "delivery/backoff.h"

enum { FIRST_WAIT_MS = 100, LONGEST_WAIT_MS = 2000 };

static void wait_again(struct probe *probe)
{
    uint64_t wait = backoff_ms(probe->worker, FIRST_WAIT_MS, LONGEST_WAIT_MS, probe->failures++);
    worker_timer(probe->worker, &probe->timer, wait);
}

static void let_go(struct probe *probe)
{
    probe->stream->owner = NULL;
    stream_close(probe->stream);
    probe->stream = NULL;
}

static void on_open(struct stream *stream)
{
    struct probe *probe = stream->owner;
    if (probe == NULL)
        return;
    assert(probe->stream == stream);
    let_go(probe);
    probe->on_up(probe);
}

/* Nothing is read and nothing is written: neither of these comes. */
static void on_read(struct stream *stream, struct slice bytes)
{
    (void)bytes;
    assert(stream->owner == NULL);
}

static void on_quiet(struct stream *stream)
{
    assert(stream->owner == NULL);
}

static void on_close(struct stream *stream, int error)
{
    (void)error;
    struct probe *probe = stream->owner;
    if (probe == NULL)
        return;
    assert(probe->stream == stream);
    probe->stream = NULL;
    wait_again(probe);
}

static const struct stream_events events = {
    .on_open = on_open,
    .on_read = on_read,
    .on_eof = on_quiet,
    .on_room = on_quiet,
    .on_close = on_close,
};

static void on_resolved(struct lookup *lookup, const struct address *addresses, unsigned count,
                        const char *error)
{
    (void)error;
    struct probe *probe = thing_of(lookup, struct probe, lookup);
    assert(probe->resolving && probe->stream == NULL);
    probe->resolving = false;
    int refused;
    if (count > 0)
        probe->stream = stream_dial(probe->worker, &addresses[0], probe->timeout_ms, &events, probe,
                                    &refused);
    if (probe->stream == NULL)
        wait_again(probe);
}

static void on_timer(struct timer *timer)
{
    struct probe *probe = thing_of(timer, struct probe, timer);
    struct net *net = probe->worker->net;
    probe->resolving = true;
    net->resolve(net, probe->worker, probe->host, probe->port, &probe->lookup);
}

void probe_init(struct probe *probe, struct worker *worker, const char *endpoint,
                uint64_t timeout_ms, void (*on_up)(struct probe *probe))
{
    *probe = (struct probe){ .on_up = on_up, .worker = worker, .timeout_ms = timeout_ms };
    probe->timer.on_timer = on_timer;
    probe->lookup.on_resolved = on_resolved;
    int bad = host_split(slice_text(endpoint), 80, &probe->host, &probe->port);
    assert(bad == 0);
}

void probe_start(struct probe *probe)
{
    assert(!timer_running(&probe->timer) && !probe->resolving && probe->stream == NULL);
    wait_again(probe);
}

void probe_stop(struct probe *probe)
{
    worker_timer_stop(probe->worker, &probe->timer);
    if (probe->resolving)
        probe->worker->net->forget(probe->worker->net, &probe->lookup);
    probe->resolving = false;
    if (probe->stream != NULL)
        let_go(probe);
}

void probe_settled(struct probe *probe)
{
    if (!timer_running(&probe->timer) && !probe->resolving && probe->stream == NULL)
        probe->failures = 0;
}

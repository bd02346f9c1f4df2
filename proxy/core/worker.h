/* A worker: one event loop that shares nothing. Calls are born, live and die on it.
 *
 * The worker knows neither libuv nor the system's clock: time, randomness and bytes come through
 * `clock` and `net`, so that a test can run it on virtual time against simulated peers.
 * core/loop.c drives it on libuv; the simulator drives it in tests. A turn: bytes and timers are
 * handled, then worker_finish_turn runs what was deferred.
 *
 * Everything here is called on the worker's thread, except where a comment says otherwise.
 */
#ifndef CORE_WORKER_H
#define CORE_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/spares.h"
#include "base/timer.h"
#include "core/budget.h"
#include "core/task.h"

struct broker;
struct net;
struct observer;
struct snapshot;

/* The seam of time and chance. */
struct clock {
    uint64_t (*monotonic_ms)(void *context);
    uint64_t (*wall_ms)(void *context); /* since the epoch */
    void (*random)(void *context, void *bytes, size_t len);
    void *context;
};

/* Workers of one process, and the place of the control thread's own behind them. */
#define WORKERS_MAX    64
#define WORKER_CONTROL WORKERS_MAX

#define WORKER_LANES 64 /* brokers that one process may have, the built-in transports included */

struct worker {
    unsigned index;
    struct clock clock;
    struct timers timers;
    struct net *net;
    struct spares spares;      /* memory of calls, and of what waits to be written */
    struct spares small;       /* memory of streams of HTTP/2 */
    struct list tasks;         /* of struct task: this turn's */
    struct list calls;         /* of struct call */
    struct budget budget;      /* of what is under way here */
    struct snapshot *snapshot; /* held: what new calls use; NULL before the first */
    struct list coming;        /* of snapshots: what they use as soon as its lanes are up */
    uint64_t coming_until_ms;  /* the first of these is not waited for any longer; 0: none is */
    struct timer arrival;      /* looks whether it can be taken over */
    struct observer *observer; /* counters and log of this worker; see observe/observe.h */
    void *lanes[WORKER_LANES]; /* of transports, by broker->slot; NULL: not attached */
    struct broker *brokers[WORKER_LANES]; /* whose lanes they are; held */
    bool detaching[WORKER_LANES];         /* the lane is on its way out */
    struct list servers;                  /* of struct server: open listeners */
    struct list subscriptions;            /* of struct subscription */
    unsigned lanes_attached;
    struct timer sweep;   /* looks for lanes that nobody needs any more */
    bool draining;        /* no new work, finish what there is */
    struct done *drained; /* told when nothing is left; NULL before worker_drain */
};

/* Deferring a task that waits already is allowed and does nothing. */
static inline void worker_defer(struct worker *worker, struct task *task)
{
    if (!link_joined(&task->link))
        list_append(&worker->tasks, &task->link);
}

/* Monotonic milliseconds; the loop reads the clock once a turn, this asks the loop. */
static inline uint64_t worker_now_ms(const struct worker *worker)
{
    return worker->clock.monotonic_ms(worker->clock.context);
}

static inline uint64_t worker_wall_ms(const struct worker *worker)
{
    return worker->clock.wall_ms(worker->clock.context);
}

/* The lane that carries for the broker of this slot. NULL: none is attached, or it is on its way
 * out and takes nothing new. */
static inline void *worker_lane(const struct worker *worker, unsigned slot)
{
    return worker->detaching[slot] ? NULL : worker->lanes[slot];
}

static inline void worker_random(struct worker *worker, void *bytes, size_t len)
{
    worker->clock.random(worker->clock.context, bytes, len);
}

static inline void worker_timer(struct worker *worker, struct timer *timer, uint64_t after_ms)
{
    worker->timers.now_ms = worker_now_ms(worker);
    timer_start(&worker->timers, timer, after_ms);
}

static inline void worker_timer_stop(struct worker *worker, struct timer *timer)
{
    timer_stop(&worker->timers, timer);
}

void worker_init(struct worker *worker, unsigned index, struct clock clock, struct net *net);
/* Sets the time and fires due timers. */
void worker_begin_turn(struct worker *worker);
/* Runs deferred tasks until none is left. */
void worker_finish_turn(struct worker *worker);
/* Takes a new snapshot: attaches lanes, opens and closes listeners and subscriptions; old calls
 * keep theirs. New calls use it a moment later where lanes have to connect first. */
void worker_adopt(struct worker *worker, struct snapshot *snapshot);
/* Something ended: looks whether a drain is complete. */
void worker_check_drained(struct worker *worker);
/* Promise 23: stop consuming, finish, close. `done` runs when nothing is left. */
void worker_drain(struct worker *worker, struct done *done);
/* Ends everything at once, without grace: calls fail, connections close. */
void worker_stop(struct worker *worker);
/* Frees what is left; the loop has ended. */
void worker_destroy(struct worker *worker);

#endif

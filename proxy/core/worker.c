/* A worker between its loop and its calls: turns, snapshots, draining; see worker.h.
 *
 * Adopting: lanes of new brokers are attached; while they connect, for a moment, the snapshot
 * before goes on, so that a reload fails no call. Then listeners and subscriptions are compared
 * with what is open. What the new snapshot no longer has is closed gently; a lane only when no
 * call and no subscription needs it (sweep). Draining (promise 23): subscriptions stop; when
 * they and the calls are done, servers close; when their connections are done, lanes are
 * detached; when nothing is left, `drained` is told.
 */
#include "core/worker.h"

#include <assert.h>
#include <stdlib.h>

#include "core/call.h"
#include "core/registry.h"
#include "core/snapshot.h"
#include "delivery/delivery.h"
#include "http/server.h"
#include "net/net.h"
#include "observe/observe.h"

#define SWEEP_MS    200
#define PATIENCE_MS 2000 /* with the lanes of a new snapshot */
#define LOOK_MS     5
#define BODY_SHIFT  8 /* of 64 MB that are free one body may hold 256 KB */

static void on_sweep(struct timer *timer);
static void on_arrival(struct timer *timer);
static bool awaited(const struct worker *worker, const struct broker *broker);
static void attach(struct worker *worker, struct broker *broker);
static bool snapshot_has(const struct snapshot *snapshot, const struct broker *broker);
static void adopt_subscriptions(struct worker *worker);

void worker_init(struct worker *worker, unsigned index, struct clock clock, struct net *net)
{
    *worker = (struct worker){ .index = index, .clock = clock, .net = net };
    spares_init(&worker->spares, SPARE_BYTES);
    spares_init(&worker->small, SPARE_SMALL_BYTES);
    worker->budget = (struct budget){ .cap = SIZE_MAX, .shift = BODY_SHIFT };
    list_init(&worker->tasks);
    list_init(&worker->calls);
    list_init(&worker->servers);
    list_init(&worker->subscriptions);
    list_init(&worker->coming);
    worker->sweep.on_timer = on_sweep;
    worker->arrival.on_timer = on_arrival;
    worker->timers.now_ms = worker_now_ms(worker);
}

void worker_begin_turn(struct worker *worker)
{
    timers_run(&worker->timers, worker_now_ms(worker));
}

void worker_finish_turn(struct worker *worker)
{
    struct link *link;
    while ((link = list_first(&worker->tasks)) != NULL) {
        list_leave(link);
        struct task *task = thing_of(link, struct task, link);
        assert(task->run != NULL);
        task->run(task);
    }
    observe_held(worker, worker->budget.used);
}

/* --- lanes ------------------------------------------------------------------------------------ */

/* A lane on its way out: freed when the transport says so. */
struct leaving {
    struct done done;
    struct worker *worker;
    unsigned slot;
};

static void on_detached(struct done *done, int result)
{
    (void)result;
    struct leaving *leaving = thing_of(done, struct leaving, done);
    struct worker *worker = leaving->worker;
    unsigned slot = leaving->slot;
    free(leaving);
    assert(worker->detaching[slot] && worker->lanes_attached > 0);
    struct broker *broker = worker->brokers[slot];
    worker->lanes[slot] = NULL;
    worker->brokers[slot] = NULL;
    worker->detaching[slot] = false;
    worker->lanes_attached--;
    if (!worker->draining && snapshot_has(worker->snapshot, broker)) {
        attach(worker, broker); /* it came back with a snapshot that was adopted meanwhile */
        adopt_subscriptions(worker);
    }
    broker_release(broker);
    worker_check_drained(worker);
}

static void detach(struct worker *worker, unsigned slot)
{
    assert(worker->lanes[slot] != NULL && !worker->detaching[slot]);
    struct leaving *leaving = calloc(1, sizeof *leaving);
    if (leaving == NULL)
        abort();
    *leaving = (struct leaving){ .done = { on_detached }, .worker = worker, .slot = slot };
    worker->detaching[slot] = true;
    worker->brokers[slot]->transport->detach(worker->lanes[slot], &leaving->done);
}

/* One on its way out is attached again when it is gone. */
static void attach(struct worker *worker, struct broker *broker)
{
    assert(broker->slot < WORKER_LANES);
    if (worker->lanes[broker->slot] != NULL)
        return;
    void *lane = NULL;
    int error = broker->transport->attach(broker->instance, worker, &lane);
    if (error < 0) {
        observe_log(worker, LEVEL_ERROR, broker->name, "cannot be used: %s", strerror(-error));
        return;
    }
    assert(lane != NULL);
    worker->lanes[broker->slot] = lane;
    worker->brokers[broker->slot] = broker_hold(broker);
    worker->lanes_attached++;
}

static bool snapshot_has(const struct snapshot *snapshot, const struct broker *broker)
{
    for (unsigned i = 0; i < snapshot->broker_count; i++)
        if (snapshot->brokers[i] == broker)
            return true;
    return false;
}

static bool needed(const struct worker *worker, const struct broker *broker)
{
    if (!worker->draining && snapshot_has(worker->snapshot, broker))
        return true;
    if (awaited(worker, broker))
        return true;
    list_each (&worker->calls, link)
        if (snapshot_has(thing_of(link, struct call, link)->snapshot, broker))
            return true;
    list_each (&worker->subscriptions, link)
        if (subscription_settings(subscription_of(link))->broker == broker)
            return true;
    return false;
}

static void on_sweep(struct timer *timer)
{
    struct worker *worker = thing_of(timer, struct worker, sweep);
    bool waiting = false;
    for (unsigned slot = 0; slot < WORKER_LANES; slot++) {
        if (worker->lanes[slot] == NULL || worker->detaching[slot])
            continue;
        if (!needed(worker, worker->brokers[slot]))
            detach(worker, slot);
        else if (worker->draining || !snapshot_has(worker->snapshot, worker->brokers[slot]))
            waiting = true;
    }
    if (waiting)
        worker_timer(worker, &worker->sweep, SWEEP_MS);
}

/* --- adopting --------------------------------------------------------------------------------- */

/* The admin listener belongs to the control thread's worker, the others to the rest. */
static unsigned listeners_of(const struct worker *worker, const struct snapshot *snapshot,
                             struct listener_settings **listeners)
{
    if (worker->index != WORKER_CONTROL) {
        *listeners = snapshot->listeners;
        return snapshot->listener_count;
    }
    *listeners = snapshot->admin;
    return snapshot->admin != NULL ? 1 : 0;
}

static struct server *server_at(const struct worker *worker, const struct address *address)
{
    list_each (&worker->servers, link) {
        struct server *server = server_of(link);
        if (!server_draining(server) && address_equal(server_address(server), address))
            return server;
    }
    return NULL;
}

/* How many listeners it added to those that cannot be served. */
static unsigned adopt_listener(struct worker *worker, struct listener_settings *settings)
{
    struct server *server = server_at(worker, &settings->address);
    if (server != NULL) {
        server_update(server, settings);
        return 0;
    }
    unsigned place = worker->index == WORKER_CONTROL ? 0 : worker->index;
    assert(place < worker->snapshot->workers);
    int descriptor =
        settings->descriptors[place]; /* -1: an earlier snapshot's could not be served */
    settings->descriptors[place] = -1;
    if (descriptor >= 0 && server_open(worker, settings, descriptor) != NULL)
        return 0;
    observe_log(worker, LEVEL_ERROR, "shunt", "listener %s cannot be served", settings->name);
    return 1;
}

static unsigned adopt_listeners(struct worker *worker)
{
    struct listener_settings *listeners;
    unsigned count = listeners_of(worker, worker->snapshot, &listeners);
    list_each_leaving (&worker->servers, link) {
        struct server *server = server_of(link);
        bool kept = false;
        for (unsigned i = 0; i < count; i++)
            kept |= address_equal(&listeners[i].address, server_address(server));
        if (!kept && !server_draining(server))
            server_drain(server);
    }
    unsigned failed = 0;
    for (unsigned i = 0; i < count; i++)
        failed += adopt_listener(worker, &listeners[i]);
    return failed;
}

static bool same_subscription(const struct subscription_settings *a,
                              const struct subscription_settings *b)
{
    return strcmp(a->name, b->name) == 0 && a->broker == b->broker &&
           values_equal(a->values, b->values);
}

static void adopt_subscriptions(struct worker *worker)
{
    struct snapshot *snapshot = worker->snapshot;
    bool *running = calloc(snapshot->subscription_count + 1, sizeof *running);
    if (running == NULL)
        abort();
    list_each_leaving (&worker->subscriptions, link) {
        struct subscription *subscription = subscription_of(link);
        bool kept = false;
        for (unsigned i = 0;
             i < snapshot->subscription_count && !subscription_stopping(subscription); i++) {
            if (!same_subscription(subscription_settings(subscription),
                                   &snapshot->subscriptions[i]))
                continue;
            running[i] = kept = true;
        }
        if (!kept && !subscription_stopping(subscription))
            subscription_stop(subscription);
    }
    for (unsigned i = 0; i < snapshot->subscription_count; i++) {
        const struct subscription_settings *settings = &snapshot->subscriptions[i];
        if (running[i] || worker->detaching[settings->broker->slot])
            continue; /* a lane on its way out is followed by another: on_detached */
        if (subscription_start(worker, snapshot, settings) == NULL)
            observe_log(worker, LEVEL_ERROR, settings->name, "cannot be consumed");
    }
    free(running);
}

static void take_over(struct worker *worker, struct snapshot *snapshot)
{
    struct snapshot *before = worker->snapshot;
    assert(!worker->draining && before != snapshot);
    worker->snapshot = snapshot_hold(snapshot);
    worker->budget.cap = snapshot->limits.memory / snapshot->workers;
    unsigned failed = adopt_listeners(worker);
    if (worker->index != WORKER_CONTROL)
        adopt_subscriptions(worker);
    observe_adopted(worker, snapshot->generation, failed);
    if (before != NULL) {
        snapshot_release(before);
        worker_timer(worker, &worker->sweep, SWEEP_MS);
    }
}

/* Whether a lane of that snapshot is still on its way to its broker. */
static bool connects(const struct worker *worker, const struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->broker_count; i++) {
        struct broker *broker = snapshot->brokers[i];
        int state = atomic_load_explicit(&broker->status[worker->index].state,
                                         memory_order_relaxed);
        if (worker->brokers[broker->slot] == broker && state == BROKER_CONNECTING)
            return true;
    }
    return false;
}

/* A snapshot that waits for its lanes, or behind one that does. None is ever skipped: sockets were
 * bound for it that its successors have not. */
struct coming {
    struct link link;          /* in worker->coming, oldest first */
    struct snapshot *snapshot; /* held */
};

static struct coming *first_coming(const struct worker *worker)
{
    struct link *link = list_first(&worker->coming);
    return link != NULL ? thing_of(link, struct coming, link) : NULL;
}

/* The oldest alone has lanes of its own already. */
static bool awaited(const struct worker *worker, const struct broker *broker)
{
    const struct coming *coming = first_coming(worker);
    return coming != NULL && snapshot_has(coming->snapshot, broker);
}

static void forget(struct coming *coming)
{
    list_leave(&coming->link);
    snapshot_release(coming->snapshot);
    free(coming);
}

static void forget_coming(struct worker *worker)
{
    worker_timer_stop(worker, &worker->arrival);
    list_each_leaving (&worker->coming, link)
        forget(thing_of(link, struct coming, link));
}

/* A lane learns from the worker's snapshot whose it is, so that is the new one meanwhile. */
static void attach_all(struct worker *worker, struct snapshot *snapshot)
{
    struct snapshot *before = worker->snapshot;
    bool control = worker->index == WORKER_CONTROL;
    worker->snapshot = snapshot;
    for (unsigned i = 0; i < snapshot->broker_count; i++)
        if ((snapshot->brokers[i] == snapshot->admin_broker) == control)
            attach(worker, snapshot->brokers[i]);
    worker->snapshot = before;
}

/* Takes over what need not wait any longer, and then looks again at the first that must. */
static void receive(struct worker *worker)
{
    struct coming *coming;
    while ((coming = first_coming(worker)) != NULL) {
        uint64_t now = worker_now_ms(worker);
        if (worker->coming_until_ms == 0) {
            attach_all(worker, coming->snapshot);
            worker->coming_until_ms = now + PATIENCE_MS;
        }
        if (worker->snapshot != NULL && connects(worker, coming->snapshot) &&
            now < worker->coming_until_ms) {
            worker_timer(worker, &worker->arrival, LOOK_MS);
            return;
        }
        worker->coming_until_ms = 0;
        take_over(worker, coming->snapshot);
        forget(coming);
    }
}

static void on_arrival(struct timer *timer)
{
    receive(thing_of(timer, struct worker, arrival));
}

void worker_adopt(struct worker *worker, struct snapshot *snapshot)
{
    assert(!worker->draining);
    struct coming *coming = calloc(1, sizeof *coming);
    if (coming == NULL)
        abort();
    coming->snapshot = snapshot_hold(snapshot);
    list_append(&worker->coming, &coming->link);
    if (!timer_running(&worker->arrival))
        receive(worker);
}

/* --- the end ---------------------------------------------------------------------------------- */

void worker_drain(struct worker *worker, struct done *done)
{
    assert(!worker->draining);
    forget_coming(worker);
    worker->draining = true;
    worker->drained = done;
    list_each_leaving (&worker->subscriptions, link)
        if (!subscription_stopping(subscription_of(link)))
            subscription_stop(subscription_of(link));
    worker_check_drained(worker);
}

static void drain_servers(struct worker *worker)
{
    list_each_leaving (&worker->servers, link)
        if (!server_draining(server_of(link)))
            server_drain(server_of(link));
}

static void drain_lanes(struct worker *worker)
{
    for (unsigned slot = 0; slot < WORKER_LANES; slot++)
        if (worker->lanes[slot] != NULL && !worker->detaching[slot])
            detach(worker, slot);
}

void worker_check_drained(struct worker *worker)
{
    if (!worker->draining || !list_empty(&worker->subscriptions) || !list_empty(&worker->calls))
        return;
    drain_servers(worker);
    if (!list_empty(&worker->servers))
        return;
    drain_lanes(worker);
    if (worker->lanes_attached > 0 || worker->drained == NULL)
        return;
    struct done *done = worker->drained;
    worker->drained = NULL;
    done->on_done(done, 0);
}

void worker_stop(struct worker *worker)
{
    forget_coming(worker);
    worker->draining = true;
    list_each_leaving (&worker->servers, link)
        server_abort(server_of(link));
}

void worker_destroy(struct worker *worker)
{
    assert(list_empty(&worker->calls) && list_empty(&worker->coming));
    if (worker->snapshot != NULL)
        snapshot_release(worker->snapshot);
    timers_clear(&worker->timers);
    spares_clear(&worker->spares);
    spares_clear(&worker->small);
}

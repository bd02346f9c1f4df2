/* Observers: each worker's hand in the statistics and in the log.
 *
 * Happy path: a call is over → its row's cells move → its line is rendered into the observer's
 * own buffer and put into the worker's ring. Nothing here blocks or waits; a line without room
 * is dropped and counted. A worker without an observer (a test) is not observed, an observer
 * without a log counts only.
 */
#include "observe/observe.h"

#include <assert.h>
#include <stdlib.h>

#include "core/worker.h"
#include "observe/access_log.h"
#include "observe/log.h"
#include "observe/stats.h"

struct observer {
    struct log *log; /* NULL: nothing is logged */
    struct stats *stats;
    unsigned worker;
    struct worker_cells *cells;
    struct bytes line; /* kept for its memory */
    struct stamp stamp;
};

struct observer *observer_new(struct log *log, struct stats *stats, unsigned worker)
{
    assert(worker < STATS_WORKERS);
    struct observer *observer = calloc(1, sizeof *observer);
    if (observer == NULL)
        abort();
    *observer = (struct observer){ .log = log, .stats = stats, .worker = worker };
    observer->cells = &stats->workers[worker];
    observer->line.cap = LINE_CAP;
    if (log != NULL) {
        log_open(log, worker);
        atomic_store(&stats->log, log);
    }
    return observer;
}

void observer_free(struct observer *observer)
{
    if (observer == NULL)
        return;
    bytes_free(&observer->line);
    free(observer);
}

/* The rendered line goes out, or is dropped whole. */
static void send_line(struct observer *observer)
{
    struct bytes *line = &observer->line;
    if (line->full || !log_put(observer->log, observer->worker, bytes_slice(line)))
        cell_add(&observer->cells->lines_dropped, 1);
    line->len = 0;
    line->full = false;
}

void observe_call_begins(struct worker *worker)
{
    if (worker->observer != NULL)
        cell_add(&worker->observer->cells->begun, 1);
}

static bool is_admin(const struct call *call)
{
    return call->listener != NULL && call->listener->admin;
}

/* Whose counters a call moves. One for which nothing was planned was refused before any route
 * was looked for. */
static struct route_stats *row_of(const struct stats *stats, const struct call *call)
{
    if (is_admin(call))
        return stats->admin;
    if (call->stats != NULL)
        return call->stats;
    if (call->route != NULL)
        return call->route->stats;
    bool unmatched = call->plan.transport != NULL || call->reason == REASON_no_route;
    return unmatched ? call->snapshot->unmatched_stats : stats->refused;
}

static void count_call(struct route_stats *row, unsigned worker, const struct call *call,
                       uint64_t duration_ms)
{
    struct route_cells *cells = route_cells(row, worker);
    struct style_cells *style = &cells->styles[call->style];
    cell_add(&style->calls[status_class(call->status)], 1);
    cell_add(&style->buckets[bucket_of(duration_ms)], 1);
    cell_add(&style->sum_ms, duration_ms);
    if (call->reason != REASON_none)
        cell_add(&cells->failures[call->reason], 1);
    if (call->grpc && call->grpc_status >= 0)
        cell_add(&cells->grpc[call->grpc_status], 1);
}

/* Probes and scrapes are not worth a line each; what was refused there is. */
static bool deserves_line(const struct log *log, const struct call *call)
{
    if (is_admin(call) && status_class(call->status) != STATUS_4XX)
        return false;
    return log_wants_calls(log) && log_wants(log, access_log_level(call));
}

void observe_call(struct worker *worker, const struct call *call)
{
    struct observer *observer = worker->observer;
    if (observer == NULL)
        return;
    assert(call->style < STYLES && call->reason < REASONS);

    uint64_t duration_ms = worker_now_ms(worker) - call->began_ms;
    struct route_stats *row = row_of(observer->stats, call);
    count_call(row, observer->worker, call, duration_ms);
    cell_add(&observer->cells->ended, 1);
    if (observer->log == NULL || !deserves_line(observer->log, call))
        return;
    access_log_render(&observer->line, log_format_now(observer->log) == LOG_JSON, call,
                      call->stats != NULL ? call->stats->name : NULL,
                      stamp_text(&observer->stamp, worker_wall_ms(worker)), duration_ms);
    send_line(observer);
}

void observe_event(struct worker *worker, const char *event)
{
    if (worker->observer != NULL)
        cell_add(event_cell(&worker->observer->stats->events, worker->observer->worker, event), 1);
}

void observe_broker_event(struct worker *worker, struct broker *broker, const char *event,
                          uint64_t by)
{
    if (worker->observer != NULL && broker->counters != NULL)
        cell_add(event_cell(broker->counters, worker->observer->worker, event), by);
}

void observe_connections(struct worker *worker, int by)
{
    if (worker->observer == NULL)
        return;
    _Atomic int64_t *cell = &worker->observer->cells->connections;
    int64_t there = atomic_load_explicit(cell, memory_order_relaxed) + by;
    assert(there >= 0);
    atomic_store_explicit(cell, there, memory_order_relaxed);
}

void observe_held(struct worker *worker, size_t bytes)
{
    if (worker->observer != NULL)
        atomic_store_explicit(&worker->observer->cells->held, bytes, memory_order_relaxed);
}

void observe_adopted(struct worker *worker, uint64_t generation, unsigned listeners_failed)
{
    if (worker->observer == NULL)
        return;
    struct worker_cells *cells = worker->observer->cells;
    atomic_store_explicit(&cells->listeners_failed, listeners_failed, memory_order_relaxed);
    atomic_store_explicit(&cells->generation, generation, memory_order_release);
}

bool observe_all_serve(const struct stats *stats, unsigned workers, uint64_t generation)
{
    assert(workers <= WORKERS_MAX);
    for (unsigned i = 0; i < workers; i++) {
        uint64_t served = atomic_load_explicit(&stats->workers[i].generation, memory_order_acquire);
        assert(served <= generation);
        if (served != generation)
            return false;
    }
    return true;
}

void observe_subscription_ready(struct worker *worker, struct route_stats *stats, bool ready)
{
    if (worker->observer == NULL || stats == NULL)
        return;
    struct route_cells *cells = route_cells(stats, worker->observer->worker);
    atomic_store_explicit(&cells->consuming, ready, memory_order_relaxed);
}

void observe_log(struct worker *worker, enum level level, const char *where, const char *format,
                 ...)
{
    struct observer *observer = worker->observer;
    if (observer == NULL || observer->log == NULL || !log_wants(observer->log, level))
        return;
    va_list args;
    va_start(args, format);
    line_message(&observer->line, log_format_now(observer->log) == LOG_JSON,
                 stamp_text(&observer->stamp, worker_wall_ms(worker)), level, where, format, args);
    va_end(args);
    send_line(observer);
}

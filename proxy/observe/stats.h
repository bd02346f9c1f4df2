/* The cells behind the numbers: what a worker writes and the control thread adds up.
 *
 * A row stands for a name of the configuration and has cells for each worker. The worker makes
 * its cells when it first has something to count, in memory of its own, and is their only
 * writer, so counting is a load and a store without a lock. The control thread makes the rows,
 * walks them and reads the cells; a row is never removed, since a counter that disappears in a
 * reload would look like a restart.
 */
#ifndef OBSERVE_STATS_H
#define OBSERVE_STATS_H

#include <stdalign.h>

#include "core/grpc.h"
#include "observe/observe.h"

#define STATS_WORKERS (WORKERS_MAX + 1)
#define STATS_EVENTS  64 /* different events of one row; what comes beyond is counted as "other" */

enum status_class { STATUS_NONE, STATUS_2XX, STATUS_3XX, STATUS_4XX, STATUS_5XX, STATUS_CLASSES };

/* Upper bounds of the histogram's buckets; the last has none. A worker's clock counts
 * milliseconds. */
#define STATS_BUCKETS 14
struct bucket {
    uint64_t most_ms;
    const char *le; /* as Prometheus writes it, in seconds */
};
extern const struct bucket stats_buckets[STATS_BUCKETS];
extern const char *const stats_status_names[STATUS_CLASSES];

struct style_cells {
    _Atomic uint64_t calls[STATUS_CLASSES];
    _Atomic uint64_t buckets[STATS_BUCKETS];
    _Atomic uint64_t sum_ms;
};

struct route_cells {
    struct style_cells styles[STYLES];
    _Atomic uint64_t failures[REASONS];
    _Atomic uint64_t grpc[GRPC_STATUSES]; /* calls of gRPC, by their status */
    _Atomic bool consuming;               /* a subscription's: its consumer is there */
};

struct route_stats {
    struct link link;
    struct route_stats *beside; /* the next in its bucket */
    const char *kind;
    char *name;
    _Atomic(struct route_cells *) cells[STATS_WORKERS];
};

struct event_cells {
    _Atomic(const char *) names[STATS_EVENTS]; /* constants, in the order of their first use */
    _Atomic uint64_t counts[STATS_EVENTS];
};

struct counter_row {
    struct link link;
    char *name;
    _Atomic(struct event_cells *) cells[STATS_WORKERS];
};

/* On cache lines of its own: the neighbour writes as often. */
struct worker_cells {
    alignas(64) _Atomic uint64_t begun;
    _Atomic uint64_t ended;
    _Atomic int64_t connections;
    _Atomic uint64_t lines_dropped;
    _Atomic uint64_t held;       /* bytes of what is under way: core/budget.h */
    _Atomic uint64_t generation; /* of the snapshot that this worker serves; 0: none yet */
    _Atomic unsigned listeners_failed;
};

enum { STATS_NAMES = 1024 };

struct stats {
    struct list routes, brokers; /* of struct route_stats, struct counter_row; control thread */
    struct route_stats *buckets[STATS_NAMES]; /* the routes again, to find them by name */
    struct counter_row events;
    struct route_stats *refused, *admin;
    _Atomic(const struct log *) log; /* whose lost lines are counted too; NULL: none */
    struct worker_cells workers[STATS_WORKERS];
};

/* One writer each: the worker that owns the cell. */
static inline void cell_add(_Atomic uint64_t *cell, uint64_t by)
{
    uint64_t value = atomic_load_explicit(cell, memory_order_relaxed);
    atomic_store_explicit(cell, value + by, memory_order_relaxed);
}

static inline uint64_t cell_read(const _Atomic uint64_t *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

/* The cells of one worker; made at first use, never NULL. On that worker's thread. */
struct route_cells *route_cells(struct route_stats *row, unsigned worker);
/* The counter of `event`, a string constant; the same name at another address is the same event.
 * Worker's thread. */
_Atomic uint64_t *event_cell(struct counter_row *row, unsigned worker, const char *event);

enum status_class status_class(int status);
unsigned bucket_of(uint64_t duration_ms);

/* For whoever reads, on the control thread. */
bool stats_consuming(const struct route_stats *row, unsigned worker);
extern const char *const broker_state_names[BROKER_STATES];

#endif

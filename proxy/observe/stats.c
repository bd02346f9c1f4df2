/* Making rows and cells, and finding them. Names come from the configuration and from constants
 * only, so their number is bounded by what somebody wrote; a row that exists is found again
 * after a reload. Nothing here can fail but memory of fixed size, and that aborts. */
#include "observe/stats.h"

#include <assert.h>
#include <stdlib.h>

#include "core/worker.h"

const struct bucket stats_buckets[STATS_BUCKETS] = {
    { 1, "0.001" },  { 2, "0.0025" }, { 5, "0.005" },  { 10, "0.01" },         { 25, "0.025" },
    { 50, "0.05" },  { 100, "0.1" },  { 250, "0.25" }, { 500, "0.5" },         { 1000, "1" },
    { 2500, "2.5" }, { 5000, "5" },   { 10000, "10" }, { UINT64_MAX, "+Inf" },
};

const char *const stats_status_names[STATUS_CLASSES] = {
    [STATUS_NONE] = "none", [STATUS_2XX] = "2xx", [STATUS_3XX] = "3xx",
    [STATUS_4XX] = "4xx",   [STATUS_5XX] = "5xx",
};

const char *const broker_state_names[BROKER_STATES] = {
    [BROKER_DOWN] = "down",
    [BROKER_CONNECTING] = "connecting",
    [BROKER_UP] = "up",
    [BROKER_BLOCKED] = "blocked",
};

static void *get(size_t size)
{
    void *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    if (memory == NULL)
        abort();
    return memset(memory, 0, size);
}

static char *get_text(const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL)
        abort();
    return copy;
}

struct stats *stats_new(void)
{
    struct stats *stats = get(sizeof *stats);
    list_init(&stats->routes);
    list_init(&stats->brokers);
    stats->refused = stats_route(stats, "refused", "");
    stats->admin = stats_route(stats, "admin", "");
    return stats;
}

static void free_events(struct counter_row *row)
{
    for (unsigned i = 0; i < STATS_WORKERS; i++)
        free(atomic_load_explicit(&row->cells[i], memory_order_relaxed));
}

void stats_free(struct stats *stats)
{
    list_each_leaving (&stats->routes, link) {
        struct route_stats *row = thing_of(link, struct route_stats, link);
        for (unsigned i = 0; i < STATS_WORKERS; i++)
            free(atomic_load_explicit(&row->cells[i], memory_order_relaxed));
        free(row->name);
        free(row);
    }
    list_each_leaving (&stats->brokers, link) {
        struct counter_row *row = thing_of(link, struct counter_row, link);
        free_events(row);
        free(row->name);
        free(row);
    }
    free_events(&stats->events);
    free(stats);
}

/* FNV-1a. A configuration may have thousands of routes, and each reload asks for them all. */
static struct route_stats **bucket_named(struct stats *stats, const char *name)
{
    uint32_t hash = 2166136261;
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619;
    return &stats->buckets[hash % STATS_NAMES];
}

struct route_stats *stats_route(struct stats *stats, const char *kind, const char *name)
{
    assert(kind != NULL && name != NULL);
    struct route_stats **bucket = bucket_named(stats, name);
    for (struct route_stats *row = *bucket; row != NULL; row = row->beside) {
        if (strcmp(row->kind, kind) == 0 && strcmp(row->name, name) == 0)
            return row;
    }
    struct route_stats *row = get(sizeof *row);
    row->kind = kind;
    row->name = get_text(name);
    row->beside = *bucket;
    *bucket = row;
    list_append(&stats->routes, &row->link);
    return row;
}

struct counter_row *stats_broker(struct stats *stats, const char *name)
{
    assert(name != NULL);
    list_each (&stats->brokers, link) {
        struct counter_row *row = thing_of(link, struct counter_row, link);
        if (strcmp(row->name, name) == 0)
            return row;
    }
    struct counter_row *row = get(sizeof *row);
    row->name = get_text(name);
    list_append(&stats->brokers, &row->link);
    return row;
}

struct route_cells *route_cells(struct route_stats *row, unsigned worker)
{
    assert(worker < STATS_WORKERS);
    struct route_cells *cells = atomic_load_explicit(&row->cells[worker], memory_order_relaxed);
    if (cells == NULL) {
        cells = get(sizeof *cells);
        atomic_store_explicit(&row->cells[worker], cells, memory_order_release);
    }
    return cells;
}

static struct event_cells *event_cells(struct counter_row *row, unsigned worker)
{
    assert(worker < STATS_WORKERS);
    struct event_cells *cells = atomic_load_explicit(&row->cells[worker], memory_order_relaxed);
    if (cells == NULL) {
        cells = get(sizeof *cells);
        atomic_store_explicit(&row->cells[worker], cells, memory_order_release);
    }
    return cells;
}

static bool same_event(const char *known, const char *event)
{
    return known == event || strcmp(known, event) == 0;
}

_Atomic uint64_t *event_cell(struct counter_row *row, unsigned worker, const char *event)
{
    assert(event != NULL);
    struct event_cells *cells = event_cells(row, worker);
    for (unsigned i = 0; i < STATS_EVENTS; i++) {
        const char *known = atomic_load_explicit(&cells->names[i], memory_order_relaxed);
        if (known == NULL) {
            known = i == STATS_EVENTS - 1 ? "other" : event;
            atomic_store_explicit(&cells->names[i], known, memory_order_release);
        }
        if (same_event(known, event))
            return &cells->counts[i];
    }
    return &cells->counts[STATS_EVENTS - 1];
}

enum status_class status_class(int status)
{
    static const enum status_class classes[] = {
        [2] = STATUS_2XX,
        [3] = STATUS_3XX,
        [4] = STATUS_4XX,
        [5] = STATUS_5XX,
    };
    return status >= 200 && status < 600 ? classes[status / 100] : STATUS_NONE;
}

unsigned bucket_of(uint64_t duration_ms)
{
    unsigned bucket = 0;
    while (duration_ms > stats_buckets[bucket].most_ms)
        bucket++;
    assert(bucket < STATS_BUCKETS);
    return bucket;
}

bool stats_consuming(const struct route_stats *row, unsigned worker)
{
    assert(worker < STATS_WORKERS);
    if (row == NULL)
        return false;
    const struct route_cells *cells = atomic_load_explicit(&row->cells[worker],
                                                           memory_order_acquire);
    return cells != NULL && atomic_load_explicit(&cells->consuming, memory_order_relaxed);
}

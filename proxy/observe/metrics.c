/* The Prometheus text of everything (exposition format 0.0.4), family by family.
 *
 * Adding up is done here, on the control thread, so that workers never add more than one to a
 * cell of their own. Cells move while they are read: a histogram's count is therefore the sum of
 * the buckets just read, and every counter only grows. What a route's style has not carried yet is
 * left out, as clients of Prometheus do, or thousands of idle routes would fill megabytes with
 * zeros; from its first call on all its classes of status are there, so that a rate sees the first
 * failure. Nothing fails but the room of `out`.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/version.h"
#include "core/worker.h"
#include "observe/log.h"
#include "observe/process.h"
#include "observe/stats.h"

struct scrape {
    const struct stats *stats;
    const struct snapshot *snapshot;
    bool reload_failed;
    struct bytes *out;
};

/* --- writing ---------------------------------------------------------------------------------- */

static void family(const struct scrape *scrape, const char *name, const char *type,
                   const char *help)
{
    bytes_printf(scrape->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value by the exposition format; bytes that are no ASCII text become '?'. */
static void put_label_value(struct bytes *out, const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        uint8_t byte = (uint8_t)*at;
        if (byte == '\\' || byte == '"')
            bytes_byte(out, '\\');
        bytes_byte(out, byte < 0x20 || byte >= 0x7f ? '?' : byte);
    }
}

/* `labels`: name, value, name, value, …, NULL. */
static void put_series(struct bytes *out, const char *name, const char *const *labels)
{
    bytes_text(out, name);
    for (size_t i = 0; labels[i] != NULL; i += 2) {
        bytes_text(out, i == 0 ? "{" : ",");
        bytes_text(out, labels[i]);
        bytes_text(out, "=\"");
        put_label_value(out, labels[i + 1]);
        bytes_byte(out, '"');
    }
    assert(labels[0] == NULL || labels[1] != NULL);
    bytes_text(out, labels[0] != NULL ? "} " : " ");
}

#define LABELS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_LABELS   ((const char *const[]){ NULL })

static void put_count(const struct scrape *scrape, const char *name, const char *const *labels,
                      uint64_t value)
{
    put_series(scrape->out, name, labels);
    bytes_number(scrape->out, value);
    bytes_byte(scrape->out, '\n');
}

static void put_seconds(const struct scrape *scrape, const char *name, const char *const *labels,
                        double value)
{
    put_series(scrape->out, name, labels);
    bytes_printf(scrape->out, "%.3f\n", value);
}

/* --- calls ------------------------------------------------------------------------------------ */

static const struct route_cells *cells_of(const struct route_stats *row, unsigned worker)
{
    assert(worker < STATS_WORKERS);
    return atomic_load_explicit(&row->cells[worker], memory_order_acquire);
}

static uint64_t add_calls(const struct route_stats *row, enum style style, enum status_class status)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < STATS_WORKERS; i++) {
        const struct route_cells *cells = cells_of(row, i);
        sum += cells == NULL ? 0 : cell_read(&cells->styles[style].calls[status]);
    }
    return sum;
}

static uint64_t add_failures(const struct route_stats *row, enum reason reason)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < STATS_WORKERS; i++) {
        const struct route_cells *cells = cells_of(row, i);
        sum += cells == NULL ? 0 : cell_read(&cells->failures[reason]);
    }
    return sum;
}

/* Whether any worker has ever counted here: its cells are made for that. */
static bool is_touched(const struct route_stats *row)
{
    for (unsigned i = 0; i < STATS_WORKERS; i++) {
        if (cells_of(row, i) != NULL)
            return true;
    }
    return false;
}

static bool has_carried(const struct route_stats *row, enum style style)
{
    for (unsigned status = 0; status < STATUS_CLASSES; status++) {
        if (add_calls(row, style, status) != 0)
            return true;
    }
    return false;
}

static void put_calls(const struct scrape *scrape, const struct route_stats *row, enum style style)
{
    for (unsigned status = 0; status < STATUS_CLASSES; status++)
        put_count(scrape, "shunt_calls_total",
                  LABELS("kind", row->kind, "route", row->name, "style", style_names[style],
                         "status", stats_status_names[status]),
                  add_calls(row, style, status));
}

static void put_histogram(const struct scrape *scrape, const struct route_stats *row,
                          enum style style)
{
    uint64_t buckets[STATS_BUCKETS] = { 0 }, sum_ms = 0, count = 0;
    for (unsigned i = 0; i < STATS_WORKERS; i++) {
        const struct route_cells *cells = cells_of(row, i);
        if (cells == NULL)
            continue;
        for (unsigned j = 0; j < STATS_BUCKETS; j++)
            buckets[j] += cell_read(&cells->styles[style].buckets[j]);
        sum_ms += cell_read(&cells->styles[style].sum_ms);
    }
    for (unsigned j = 0; j < STATS_BUCKETS; j++) {
        count += buckets[j];
        put_count(scrape, "shunt_call_duration_seconds_bucket",
                  LABELS("kind", row->kind, "route", row->name, "style", style_names[style], "le",
                         stats_buckets[j].le),
                  count);
    }
    const char *const *labels = LABELS("kind", row->kind, "route", row->name, "style",
                                       style_names[style]);
    put_seconds(scrape, "shunt_call_duration_seconds_sum", labels, (double)sum_ms / 1000);
    put_count(scrape, "shunt_call_duration_seconds_count", labels, count);
}

static void each_style(const struct scrape *scrape,
                       void (*put)(const struct scrape *, const struct route_stats *, enum style))
{
    list_each (&scrape->stats->routes, link) {
        const struct route_stats *row = thing_of(link, struct route_stats, link);
        for (enum style style = 0; is_touched(row) && style < STYLES; style++) {
            if (has_carried(row, style))
                put(scrape, row, style);
        }
    }
}

static void put_failures(const struct scrape *scrape, const struct route_stats *row)
{
    for (enum reason reason = REASON_none + 1; reason < REASONS; reason++) {
        uint64_t count = add_failures(row, reason);
        if (count != 0)
            put_count(scrape, "shunt_call_failures_total",
                      LABELS("kind", row->kind, "route", row->name, "reason", reasons[reason].name),
                      count);
    }
}

static void failures(const struct scrape *scrape)
{
    family(scrape, "shunt_call_failures_total", "counter",
           "Calls that Shunt itself ended, by reason.");
    list_each (&scrape->stats->routes, link) {
        const struct route_stats *row = thing_of(link, struct route_stats, link);
        if (is_touched(row))
            put_failures(scrape, row);
    }
}

static void put_grpc_row(const struct scrape *scrape, const struct route_stats *row)
{
    for (unsigned code = 0; code < GRPC_STATUSES; code++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < STATS_WORKERS; i++) {
            const struct route_cells *cells = cells_of(row, i);
            sum += cells == NULL ? 0 : cell_read(&cells->grpc[code]);
        }
        char text[12];
        snprintf(text, sizeof text, "%u", code);
        if (sum != 0)
            put_count(scrape, "shunt_grpc_calls_total",
                      LABELS("kind", row->kind, "route", row->name, "code", text), sum);
    }
}

static void put_grpc(const struct scrape *scrape)
{
    list_each (&scrape->stats->routes, link)
        put_grpc_row(scrape, thing_of(link, struct route_stats, link));
}

static uint64_t in_flight(const struct stats *stats)
{
    uint64_t begun = 0, ended = 0;
    for (unsigned i = 0; i < STATS_WORKERS; i++)
        ended += cell_read(&stats->workers[i].ended); /* first, or more have ended than began */
    for (unsigned i = 0; i < STATS_WORKERS; i++)
        begun += cell_read(&stats->workers[i].begun);
    return begun > ended ? begun - ended : 0;
}

static uint64_t connections(const struct stats *stats)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < STATS_WORKERS; i++)
        sum += atomic_load_explicit(&stats->workers[i].connections, memory_order_relaxed);
    return sum > 0 ? (uint64_t)sum : 0;
}

static uint64_t held(const struct stats *stats)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < STATS_WORKERS; i++)
        sum += cell_read(&stats->workers[i].held);
    return sum;
}

static void calls(const struct scrape *scrape)
{
    family(scrape, "shunt_calls_total", "counter",
           "Calls that are over, by the status that the caller got.");
    each_style(scrape, put_calls);
    failures(scrape);
    family(scrape, "shunt_grpc_calls_total", "counter", "Calls of gRPC, by their grpc-status.");
    put_grpc(scrape);
    family(scrape, "shunt_call_duration_seconds", "histogram",
           "Time from a call's head to its end.");
    each_style(scrape, put_histogram);
    family(scrape, "shunt_calls_in_flight", "gauge", "Calls that have begun and not ended.");
    put_count(scrape, "shunt_calls_in_flight", NO_LABELS, in_flight(scrape->stats));
    family(scrape, "shunt_connections", "gauge", "Open connections of clients.");
    put_count(scrape, "shunt_connections", NO_LABELS, connections(scrape->stats));
    family(scrape, "shunt_held_bytes", "gauge",
           "What heads and bodies under way hold, as `limits.memory` counts it.");
    put_count(scrape, "shunt_held_bytes", NO_LABELS, held(scrape->stats));
}

/* --- events ----------------------------------------------------------------------------------- */

static const struct event_cells *events_of(const struct counter_row *row, unsigned worker)
{
    return atomic_load_explicit(&row->cells[worker], memory_order_acquire);
}

/* The names that one worker has counted, one after the other; NULL behind the last. */
static const char *event_name(const struct event_cells *cells, unsigned place)
{
    if (cells == NULL || place == STATS_EVENTS)
        return NULL;
    return atomic_load_explicit(&cells->names[place], memory_order_acquire);
}

static uint64_t event_count(const struct event_cells *cells, const char *event)
{
    const char *name;
    for (unsigned i = 0; (name = event_name(cells, i)) != NULL; i++) {
        if (strcmp(name, event) == 0)
            return cell_read(&cells->counts[i]);
    }
    return 0;
}

/* Whether a worker before this one knows the event: then it was shown there, with everybody's
 * sum. */
static bool was_shown(const struct counter_row *row, unsigned worker, const char *event)
{
    for (unsigned i = 0; i < worker; i++) {
        const char *name;
        for (unsigned j = 0; (name = event_name(events_of(row, i), j)) != NULL; j++) {
            if (strcmp(name, event) == 0)
                return true;
        }
    }
    return false;
}

/* `broker` NULL: events that are nobody's. */
static void put_event(const struct scrape *scrape, const char *metric,
                      const struct counter_row *row, const char *broker, const char *event)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < STATS_WORKERS; i++)
        sum += event_count(events_of(row, i), event);
    put_count(scrape, metric,
              broker == NULL ? LABELS("event", event) : LABELS("broker", broker, "event", event),
              sum);
}

static void put_events(const struct scrape *scrape, const char *metric,
                       const struct counter_row *row, const char *broker)
{
    for (unsigned i = 0; i < STATS_WORKERS; i++) {
        const char *name;
        for (unsigned j = 0; (name = event_name(events_of(row, i), j)) != NULL; j++) {
            if (!was_shown(row, i, name))
                put_event(scrape, metric, row, broker, name);
        }
    }
}

/* --- brokers and subscriptions ---------------------------------------------------------------- */

static unsigned workers_in(const struct scrape *scrape, const struct broker *broker,
                           enum broker_state state)
{
    unsigned count = 0;
    for (unsigned i = 0; i < scrape->snapshot->workers; i++)
        count += atomic_load_explicit(&broker->status[i].state, memory_order_relaxed) == (int)state;
    return count;
}

static void put_broker_up(const struct scrape *scrape, const struct broker *broker)
{
    put_count(scrape, "shunt_broker_up", LABELS("broker", broker->name),
              workers_in(scrape, broker, BROKER_UP) == scrape->snapshot->workers);
}

static void put_broker_state(const struct scrape *scrape, const struct broker *broker)
{
    for (enum broker_state state = 0; state < BROKER_STATES; state++)
        put_count(scrape, "shunt_broker_state",
                  LABELS("broker", broker->name, "state", broker_state_names[state]),
                  workers_in(scrape, broker, state));
}

static void each_broker(const struct scrape *scrape,
                        void (*put)(const struct scrape *, const struct broker *))
{
    for (unsigned i = 0; i < scrape->snapshot->broker_count; i++) {
        if (scrape->snapshot->brokers[i]->values != NULL)
            put(scrape, scrape->snapshot->brokers[i]);
    }
}

static void put_consuming(const struct scrape *scrape,
                          const struct subscription_settings *subscription)
{
    unsigned consuming = 0;
    for (unsigned i = 0; i < scrape->snapshot->workers; i++)
        consuming += stats_consuming(subscription->stats, i);
    put_count(scrape, "shunt_subscription_consuming", LABELS("subscription", subscription->name),
              consuming);
}

static void brokers(const struct scrape *scrape)
{
    family(scrape, "shunt_broker_up", "gauge",
           "Whether every worker's connection to the broker is up.");
    each_broker(scrape, put_broker_up);
    family(scrape, "shunt_broker_state", "gauge",
           "Workers whose connection to the broker is in this state.");
    each_broker(scrape, put_broker_state);
    family(scrape, "shunt_broker_events_total", "counter",
           "What happened on connections to brokers.");
    list_each (&scrape->stats->brokers, link) {
        const struct counter_row *row = thing_of(link, struct counter_row, link);
        put_events(scrape, "shunt_broker_events_total", row, row->name);
    }
    family(scrape, "shunt_subscription_consuming", "gauge",
           "Workers that consume for the subscription.");
    for (unsigned i = 0; i < scrape->snapshot->subscription_count; i++)
        put_consuming(scrape, &scrape->snapshot->subscriptions[i]);
}

/* --- ourselves -------------------------------------------------------------------------------- */

static uint64_t lines_dropped(const struct stats *stats)
{
    const struct log *log = atomic_load(&stats->log);
    uint64_t sum = log == NULL ? 0 : log_lost(log);
    for (unsigned i = 0; i < STATS_WORKERS; i++)
        sum += cell_read(&stats->workers[i].lines_dropped);
    return sum;
}

static void ourselves(const struct scrape *scrape)
{
    const struct stats *stats = scrape->stats;
    family(scrape, "shunt_events_total", "counter", "What happened that is no call.");
    put_events(scrape, "shunt_events_total", &stats->events, NULL);
    family(scrape, "shunt_log_lines_dropped_total", "counter", "Lines of the log that were lost.");
    put_count(scrape, "shunt_log_lines_dropped_total", NO_LABELS, lines_dropped(stats));
    family(scrape, "shunt_build_info", "gauge", "Always 1; which version this is.");
    put_count(scrape, "shunt_build_info", LABELS("version", SHUNT_VERSION), 1);
    family(scrape, "shunt_workers", "gauge", "Workers of this process.");
    put_count(scrape, "shunt_workers", NO_LABELS, scrape->snapshot->workers);
    family(scrape, "shunt_config_generation", "gauge",
           "How many configurations have been taken since the start.");
    put_count(scrape, "shunt_config_generation", NO_LABELS, scrape->snapshot->generation);
    family(scrape, "shunt_config_last_reload_successful", "gauge",
           "Whether the last reload was taken.");
    put_count(scrape, "shunt_config_last_reload_successful", NO_LABELS, !scrape->reload_failed);
}

static void process(const struct scrape *scrape)
{
    struct process now;
    if (process_read(&now) < 0)
        return;
    family(scrape, "process_cpu_seconds_total", "counter", "Processor time used, user and system.");
    put_seconds(scrape, "process_cpu_seconds_total", NO_LABELS, now.cpu_seconds);
    family(scrape, "process_start_time_seconds", "gauge",
           "When the process started, since the epoch.");
    put_seconds(scrape, "process_start_time_seconds", NO_LABELS, now.start_seconds);
    const struct {
        const char *name, *help;
        uint64_t value;
    } gauges[] = {
        { "process_resident_memory_bytes", "Resident memory.", now.resident_bytes },
        { "process_virtual_memory_bytes", "Virtual memory.", now.virtual_bytes },
        { "process_open_fds", "Open file descriptors.", now.open_fds },
        { "process_max_fds", "The most file descriptors that may be open.", now.max_fds },
        { "process_threads", "Threads.", now.threads },
    };
    for (size_t i = 0; i < sizeof gauges / sizeof gauges[0]; i++) {
        family(scrape, gauges[i].name, "gauge", gauges[i].help);
        put_count(scrape, gauges[i].name, NO_LABELS, gauges[i].value);
    }
}

void metrics_render(const struct stats *stats, const struct snapshot *snapshot, bool reload_failed,
                    struct bytes *out)
{
    assert(stats != NULL && snapshot != NULL);
    const struct scrape scrape = {
        .stats = stats,
        .snapshot = snapshot,
        .reload_failed = reload_failed,
        .out = out,
    };
    calls(&scrape);
    brokers(&scrape);
    ourselves(&scrape);
    process(&scrape);
}

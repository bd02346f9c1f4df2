/* What can be seen from outside: counters, the access log, messages of our own.
 *
 * Each worker writes its own cells (relaxed atomics, one writer) and its own log ring; the
 * control thread adds cells up when it is asked for metrics, and a log thread writes the rings
 * to standard output, so that a reader that stalls never stops a call: lines that do not fit are
 * dropped and counted. Labels come from the configuration only.
 */
#ifndef OBSERVE_OBSERVE_H
#define OBSERVE_OBSERVE_H

#include <stdatomic.h>

#include "core/call.h"
#include "core/snapshot.h"
#include "plugin.h"

struct log;
struct observer; /* one per worker: its index, cells, log ring */
struct stats;    /* all names that were ever configured; outlives snapshots */

enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON };

/* Starts the log thread, which writes to `descriptor`. LOG_AUTO: text when that is a terminal,
 * else JSON. */
struct log *log_start(int descriptor);
/* `calls`: whether each call gets its line. Both at any time, on any thread; LOG_AUTO and calls
 * at first. */
void log_format(struct log *log, enum log_format format, bool calls);
/* What is below `lowest` is not written; LEVEL_INFO at first. */
void log_level(struct log *log, enum level lowest);
/* Writes what the rings hold, ends the thread, frees the log. No observer may log afterwards. A
 * reader that takes nothing for two seconds is given up, and the log is freed when it does. */
void log_stop(struct log *log);
/* For a process that leaves by _exit while its workers still run: the same, but nothing is
 * freed, and what workers log from here on is lost. */
void log_flush(struct log *log);

struct stats *stats_new(void);
void stats_free(struct stats *stats);
/* The cells of a route or subscription name; made at first use, never removed. Control thread.
 * `kind`: "route", "subscription", "unmatched". */
struct route_stats *stats_route(struct stats *stats, const char *kind, const char *name);
struct counter_row *stats_broker(struct stats *stats, const char *name);
/* Made on the control thread before the worker's thread starts, freed after it has ended. `log`
 * may be NULL. */
struct observer *observer_new(struct log *log, struct stats *stats, unsigned worker);
void observer_free(struct observer *observer);

/* All below: on the worker's thread. A worker whose observer is NULL is not observed. */

/* A call is there; observe_call follows for each. */
void observe_call_begins(struct worker *worker);
/* A call is over: its log line and its counters, which are those of `call->stats`, or its
 * route's. */
void observe_call(struct worker *worker, const struct call *call);
/* Something happened that is no call: "head_timeout", "connections_full", … a name of reason.def
 * or of ours. */
void observe_event(struct worker *worker, const char *event);
/* Gauges of this worker. */
void observe_connections(struct worker *worker, int by);
void observe_held(struct worker *worker, size_t bytes);
void observe_broker_event(struct worker *worker, struct broker *broker, const char *event,
                          uint64_t by);
/* For readiness, which the control thread answers. The worker serves this snapshot now, but for
 * so many listeners. */
void observe_adopted(struct worker *worker, uint64_t generation, unsigned listeners_failed);
/* Whether each of the first `workers` serves that snapshot, and so has closed what earlier ones
 * had open. Control thread. */
bool observe_all_serve(const struct stats *stats, unsigned workers, uint64_t generation);
/* The subscription of this row consumes, or has ceased to: at intake's on_ready, on_lost, at a
 * pause, and as soon as it is told to stop (not later: after a reload its successor has the same
 * row). */
void observe_subscription_ready(struct worker *worker, struct route_stats *stats, bool ready);
/* A line of our own: time, level, where, text. `where` is "shunt", a broker's or a
 * subscription's name. */
void observe_log(struct worker *worker, enum level level, const char *where, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));
/* The same from any thread, for what has no worker; takes a lock. */
void log_line(struct log *log, enum level level, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The Prometheus text of everything (exposition format 0.0.4), brokers' states from the
 * snapshot. `reload_failed`: the last configuration was refused, the snapshot is of the one
 * before. Control thread. */
void metrics_render(const struct stats *stats, const struct snapshot *snapshot, bool reload_failed,
                    struct bytes *out);

#endif

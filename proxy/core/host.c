/* What plugins may call: attempts' up-calls as they are, and what lands in logs, counters and
 * readiness. */
#include "core/host.h"

#include <assert.h>
#include <stdatomic.h>

#include "core/snapshot.h"
#include "observe/observe.h"

static void set_status(struct broker *broker, struct worker *worker, enum broker_state state,
                       const char *detail)
{
    assert(state < BROKER_STATES && worker->index <= WORKERS_MAX);
    struct broker_status *status = &broker->status[worker->index];
    int before = atomic_exchange_explicit(&status->state, (int)state, memory_order_relaxed);
    if (before == (int)state)
        return;
    atomic_store_explicit(&status->since_ms, worker_wall_ms(worker), memory_order_relaxed);
    static const char *const words[BROKER_STATES] = { [BROKER_DOWN] = "down",
                                                      [BROKER_CONNECTING] = "connecting",
                                                      [BROKER_UP] = "up",
                                                      [BROKER_BLOCKED] = "blocked" };
    enum level level = state == BROKER_UP           ? LEVEL_INFO
                       : state == BROKER_CONNECTING ? LEVEL_DEBUG
                                                    : LEVEL_WARNING;
    observe_log(worker, level, broker->name, "%s%s%s", words[state], detail != NULL ? ": " : "",
                detail != NULL ? detail : "");
}

__attribute__((format(printf, 4, 5))) static void log_for(struct broker *broker,
                                                          struct worker *worker, enum level level,
                                                          const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    observe_log(worker, level, broker->name, "%s", text);
}

static void count_for(struct broker *broker, struct worker *worker, const char *event, uint64_t by)
{
    observe_broker_event(worker, broker, event, by);
}

const struct host host_table = {
    .abi = SHUNT_ABI,
    .interim = attempt_interim,
    .head = attempt_head,
    .body = attempt_body,
    .half_end = attempt_half_end,
    .end = attempt_end,
    .stored = attempt_stored,
    .reply = attempt_reply,
    .fail = attempt_fail,
    .want = attempt_want,
    .target = attempt_target,
    .status = set_status,
    .log = log_for,
    .count = count_for,
};

/* A lane, as lane.h says: it wires the producer and the members together and tells how the broker
 * is. */
#include "plugins/kafka/lane.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/snapshot.h"
#include "plugins/kafka/member.h"

enum { PATIENCE_MS = 1000, PATIENCE_STEP_MS = 20 };

void kafka_count(const struct lane *lane, const char *event, uint64_t by)
{
    lane->settings->shunt->count(lane->settings->broker, lane->worker, event, by);
}

void kafka_log(const struct lane *lane, enum level level, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    lane->settings->shunt->log(lane->settings->broker, lane->worker, level, "%s", text);
}

struct client_settings kafka_client_settings(const struct lane *lane)
{
    const struct broker_settings *settings = lane->settings;
    return (struct client_settings){
        .bootstrap = settings->bootstrap,
        .properties = settings->properties,
        .client_id = lane->client_id,
        .max_message = settings->max_message,
        .window = settings->window,
        .window_bytes = settings->window_bytes,
    };
}

/* --- how the broker is ------------------------------------------------------------------------ */

static enum broker_state state_of(const struct producer *producer, const char **detail)
{
    *detail = producer->trouble[0] != '\0' ? producer->trouble : NULL;
    if (producer->running == NULL)
        return BROKER_DOWN;
    if (!producer->there)
        return *detail != NULL || producer->late ? BROKER_DOWN : BROKER_CONNECTING;
    if (!producer->late)
        return BROKER_UP;
    if (*detail != NULL)
        return BROKER_DOWN;
    *detail = "it does not answer";
    return BROKER_BLOCKED;
}

static void report(struct lane *lane)
{
    if (lane->leaving != NULL)
        return;
    const char *detail = NULL;
    enum broker_state state = state_of(&lane->producer, &detail);
    lane->settings->shunt->status(lane->settings->broker, lane->worker, state, detail);
}

static void on_change(struct producer *producer)
{
    struct lane *lane = producer->lane;
    report(lane);
    if (producer_refusal(producer) < 0)
        return;
    list_each (&lane->members, link)
        member_producer_up(member_of(link));
}

static void on_declared(struct producer *producer, const char *topic, const char *why, bool made)
{
    list_each (&producer->lane->members, link)
        member_declared(member_of(link), topic, why);
    if (made)
        kafka_log(producer->lane, LEVEL_INFO, "topic %s was not there and is declared", topic);
}

/* --- attaching and detaching ------------------------------------------------------------------ */

static void on_finish(struct task *task)
{
    struct lane *lane = thing_of(task, struct lane, finish);
    struct done *done = lane->leaving;
    assert(list_empty(&lane->members));
    producer_free(&lane->producer);
    free(lane);
    done->on_done(done, 0);
}

static void on_stopped(struct producer *producer)
{
    worker_defer(producer->lane->worker, &producer->lane->finish);
}

/* Calls are gone by now, but what they left unreported is still worth a moment. */
static void on_patience(struct timer *timer)
{
    struct lane *lane = thing_of(timer, struct lane, patience);
    size_t left = lane->producer.count;
    if (left > 0 && worker_now_ms(lane->worker) < lane->leaving_until_ms) {
        worker_timer(lane->worker, timer, PATIENCE_STEP_MS);
        return;
    }
    if (left > 0)
        kafka_log(lane, LEVEL_WARNING, "%zu records are given up: some may not be stored", left);
    producer_stop(&lane->producer);
}

int kafka_attach(void *instance, struct worker *worker, void **lane)
{
    assert(worker->snapshot != NULL);
    struct lane *made = calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    made->worker = worker;
    made->settings = instance;
    made->patience.on_timer = on_patience;
    made->finish.run = on_finish;
    list_init(&made->members);
    snprintf(made->client_id, sizeof made->client_id, "%.60s.%.60s", worker->snapshot->service,
             worker->snapshot->instance);
    producer_init(&made->producer, made);
    made->producer.on_change = on_change;
    made->producer.on_declared = on_declared;
    made->producer.on_stopped = on_stopped;
    producer_start(&made->producer);
    report(made);
    *lane = made;
    return 0;
}

void kafka_detach(void *at, struct done *done)
{
    struct lane *lane = at;
    assert(lane->leaving == NULL && list_empty(&lane->members));
    lane->leaving = done;
    lane->leaving_until_ms = worker_now_ms(lane->worker) + PATIENCE_MS;
    worker_timer(lane->worker, &lane->patience, 0);
}

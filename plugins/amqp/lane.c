/* A lane, as lane.h says: it wires connections, publishers, pulse, replies and consumers
 * together, and tells how the broker is. Nothing here carries a message. */
#include "plugins/amqp/lane.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/snapshot.h"
#include "plugins/amqp/carry.h"
#include "plugins/amqp/consumer.h"

enum { PATIENCE_MS = 1000, PATIENCE_STEP_MS = 20, HURRY_MS = 1 };

void lane_count(const struct lane *lane, const char *event, uint64_t by)
{
    if (by > 0)
        lane->settings->shunt->count(lane->settings->broker, lane->worker, event, by);
}

void lane_log(const struct lane *lane, enum level level, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    lane->settings->shunt->log(lane->settings->broker, lane->worker, level, "%s", text);
}

/* --- how the broker is ------------------------------------------------------------------------ */

static bool awaits(const struct lane *lane)
{
    return atomic_load_explicit(&lane->settings->awaits, memory_order_acquire);
}

/* Whether calls find all that they need. The consuming connection is waited for, unless it has
 * failed meanwhile: then calls that wait for replies are refused one by one, and events go on. */
static bool is_settled(const struct lane *lane)
{
    for (size_t i = 0; i < PUBLISHERS; i++)
        if (!lane->publishers[i].ready)
            return false;
    if (lane->consuming_failed)
        return true;
    return connection_up(&lane->consuming) &&
           (!awaits(lane) || lane->replies.state >= REPLIES_READY);
}

static enum broker_state state_of(struct lane *lane, const char **detail)
{
    const struct connection *publishing = &lane->publishing;
    if (!connection_up(publishing)) {
        *detail = publishing->why;
        return publishing->why[0] == '\0' && publishing->life.failures == 0 ? BROKER_CONNECTING
                                                                            : BROKER_DOWN;
    }
    lane->settled = lane->settled || is_settled(lane);
    if (!lane->settled)
        return BROKER_CONNECTING;
    if (publishing->blocked) {
        *detail = lane->blocked_why;
        return BROKER_BLOCKED;
    }
    if (lane->pulse.late) {
        *detail = "it does not confirm";
        return BROKER_BLOCKED;
    }
    return BROKER_UP;
}

void lane_report(struct lane *lane)
{
    if (lane->leaving != NULL)
        return;
    const char *detail = NULL;
    enum broker_state state = state_of(lane, &detail);
    lane->settings->shunt->status(lane->settings->broker, lane->worker, state, detail);
}

int lane_refusal(const struct lane *lane)
{
    if (lane->leaving != NULL)
        return -REASON_draining;
    if (!connection_up(&lane->publishing))
        return -REASON_broker_down;
    return lane->publishing.blocked || lane->pulse.late ? -REASON_broker_blocked : 0;
}

/* --- the publishing connection ---------------------------------------------------------------- */

static struct lane *lane_of_publishing(struct connection *connection)
{
    return thing_of(connection, struct lane, publishing);
}

/* What keeps the other connection waiting is over for this one: no reason to sit out its
 * backoff. */
static void hurry(struct connection *connection)
{
    if (connection->life.state == LIFE_WAITING)
        worker_timer(connection->worker, &connection->timer, HURRY_MS);
}

static void on_publishing_up(struct connection *connection)
{
    struct lane *lane = lane_of_publishing(connection);
    lane->settled = lane->consuming_failed = false;
    lane_count(lane, "connections", 1);
    assert(!lane->was_up);
    for (size_t i = 0; i < PUBLISHERS; i++)
        publisher_start(&lane->publishers[i]);
    pulse_start(&lane->pulse);
    lane->was_up = true;
    hurry(&lane->consuming);
    lane_report(lane);
}

static void on_publishing_down(struct connection *connection, const char *why)
{
    struct lane *lane = lane_of_publishing(connection);
    for (size_t i = 0; i < PUBLISHERS; i++)
        publisher_stop(&lane->publishers[i]);
    pulse_stop(&lane->pulse);
    if (lane->leaving != NULL)
        return;
    lane_count(lane, "connections_lost", 1);
    lane_log(lane, LEVEL_DEBUG, "publishing: %s", why);
    if (lane->was_up && connection_up(&lane->consuming))
        connection_cut(&lane->consuming, "the publishing connection was lost");
    lane->was_up = false;
    lane_report(lane);
}

static void on_publishing_blocked(struct connection *connection, const char *why)
{
    struct lane *lane = lane_of_publishing(connection);
    snprintf(lane->blocked_why, sizeof lane->blocked_why, "%s", why != NULL ? why : "");
    lane_count(lane, why != NULL ? "blocked" : "unblocked", 1);
    lane_report(lane);
}

/* --- the consuming connection ----------------------------------------------------------------- */

static struct lane *lane_of_consuming(struct connection *connection)
{
    return thing_of(connection, struct lane, consuming);
}

static void on_consuming_up(struct connection *connection)
{
    struct lane *lane = lane_of_consuming(connection);
    lane_count(lane, "connections", 1);
    if (awaits(lane))
        replies_start(&lane->replies);
    list_each (&lane->consumers, link)
        consumer_start(consumer_of(link));
    hurry(&lane->publishing);
    lane_report(lane);
}

static void on_consuming_down(struct connection *connection, const char *why)
{
    struct lane *lane = lane_of_consuming(connection);
    if (lane->leaving != NULL)
        return;
    lane->consuming_failed = true;
    lane_count(lane, "connections_lost", 1);
    lane_log(lane, connection_up(&lane->publishing) ? LEVEL_WARNING : LEVEL_DEBUG, "consuming: %s",
             why);
    lane_report(lane);
}

/* Nothing is published here, so the broker does not block it. */
static void on_consuming_blocked(struct connection *connection, const char *why)
{
    lane_log(lane_of_consuming(connection), LEVEL_DEBUG, "consuming: blocked: %s",
             why != NULL ? why : "no more");
}

/* --- what changes on them --------------------------------------------------------------------- */

static void on_publisher_change(struct publisher *publisher)
{
    lane_report(publisher->lane);
}

static void on_pulse_change(struct pulse *pulse)
{
    lane_report(pulse->lane);
}

static void on_replies_change(struct replies *replies)
{
    if (replies->state != REPLIES_OPENING)
        carry_held(replies->lane);
    lane_report(replies->lane);
}

/* --- attaching -------------------------------------------------------------------------------- */

/* The service's name as part of a queue's: what is unusual there becomes '_'. */
static void name_queues(struct lane *lane)
{
    char service[64];
    snprintf(service, sizeof service, "%s", lane->worker->snapshot->service);
    for (char *at = service; *at != '\0'; at++)
        if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
              (*at >= '0' && *at <= '9') || *at == '-'))
            *at = '_';
    uint8_t token[TOKEN_BYTES], digits[TOKEN_DIGITS];
    token_draw(lane->worker, token);
    token_write(token, digits);
    snprintf(lane->reply_queue, sizeof lane->reply_queue, "shunt.reply.%s.%.*s", service,
             TOKEN_DIGITS, (const char *)digits);
    /* Not the same bits: the key of the pulse is no secret to whoever may watch the broker. */
    token_draw(lane->worker, token);
    token_write(token, digits);
    snprintf(lane->pulse_key, sizeof lane->pulse_key, "shunt.pulse.%.*s", TOKEN_DIGITS,
             (const char *)digits);
}

/* The window is the process's: each worker has its share, in which the largest message has room. */
static void init_publishers(struct lane *lane)
{
    static const char *const what[PUBLISHERS] = { "messages to queues", "messages to exchanges",
                                                  "replies and dead letters", "delayed messages" };
    size_t workers = lane->worker->snapshot->workers, window = lane->settings->window / workers,
           bytes = lane->settings->window_bytes / workers;
    if (window == 0)
        window = 1;
    if (bytes < lane->settings->max_message + FRAME_MAX)
        bytes = lane->settings->max_message + FRAME_MAX;
    for (size_t i = 0; i < PUBLISHERS; i++) {
        publisher_init(&lane->publishers[i], lane, &lane->publishing, what[i], window, bytes);
        lane->publishers[i].on_change = on_publisher_change;
    }
}

static void on_stopped(struct lane *lane);
static void on_publishing_stopped(struct connection *connection);
static void on_consuming_stopped(struct connection *connection);
static void on_patience(struct timer *timer);
static void on_finish(struct task *task);

int lane_attach(void *instance, struct worker *worker, void **lane)
{
    static const struct connection_events publishing = { on_publishing_up, on_publishing_down,
                                                         on_publishing_blocked,
                                                         on_publishing_stopped };
    static const struct connection_events consuming = { on_consuming_up, on_consuming_down,
                                                        on_consuming_blocked,
                                                        on_consuming_stopped };
    assert(worker->snapshot != NULL);
    struct lane *made = calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    made->worker = worker;
    made->settings = instance;
    made->patience.on_timer = on_patience;
    made->finish.run = on_finish;
    list_init(&made->held);
    list_init(&made->consumers);
    name_queues(made);

    char name[128];
    snprintf(name, sizeof name, "%.96s publishing", worker->snapshot->service);
    connection_init(&made->publishing, &publishing, worker, instance, name);
    snprintf(name, sizeof name, "%.96s consuming", worker->snapshot->service);
    connection_init(&made->consuming, &consuming, worker, instance, name);
    init_publishers(made);
    pulse_init(&made->pulse, made, &made->publishing, slice_text(made->pulse_key));
    made->pulse.on_change = on_pulse_change;
    replies_init(&made->replies, made, &made->consuming, slice_text(made->reply_queue));
    made->replies.on_change = on_replies_change;

    lane_report(made);
    connection_start(&made->publishing);
    connection_start(&made->consuming);
    *lane = made;
    return 0;
}

/* --- detaching -------------------------------------------------------------------------------- */

static bool has_unconfirmed(const struct lane *lane)
{
    for (size_t i = 0; i < PUBLISHERS; i++)
        if (lane->publishers[i].confirms.count > 0)
            return true;
    return lane->replies.count > 0;
}

void lane_detach(void *at, struct done *done)
{
    struct lane *lane = at;
    assert(lane->leaving == NULL && list_empty(&lane->consumers));
    lane->leaving = done;
    lane->leaving_until_ms = worker_now_ms(lane->worker) + PATIENCE_MS;
    worker_timer(lane->worker, &lane->patience, 0);
}

/* Calls are gone by now, but what they left unconfirmed is still worth a moment. */
static void on_patience(struct timer *timer)
{
    struct lane *lane = thing_of(timer, struct lane, patience);
    if (has_unconfirmed(lane) && worker_now_ms(lane->worker) < lane->leaving_until_ms) {
        worker_timer(lane->worker, timer, PATIENCE_STEP_MS);
        return;
    }
    replies_abandon(&lane->replies);
    connection_stop(&lane->publishing);
    connection_stop(&lane->consuming);
}

static void on_publishing_stopped(struct connection *connection)
{
    on_stopped(lane_of_publishing(connection));
}

static void on_consuming_stopped(struct connection *connection)
{
    on_stopped(lane_of_consuming(connection));
}

static void on_stopped(struct lane *lane)
{
    assert(lane->leaving != NULL && lane->stopped < 2);
    if (++lane->stopped == 2)
        worker_defer(lane->worker, &lane->finish);
}

static void on_finish(struct task *task)
{
    struct lane *lane = thing_of(task, struct lane, finish);
    struct done *done = lane->leaving;
    assert(list_empty(&lane->held) && list_empty(&lane->consumers));
    for (size_t i = 0; i < PUBLISHERS; i++)
        publisher_free(&lane->publishers[i]);
    replies_free(&lane->replies);
    connection_free(&lane->publishing);
    connection_free(&lane->consuming);
    free(lane);
    done->on_done(done, 0);
}

/* Consumers, as consumer.h says. The channel is walked up by the answers of the broker; whatever
 * closes it starts the walk again. Leaving waits until nothing is unsettled, since a settlement
 * needs the channel that the message came by.
 */
#include "plugins/amqp/consumer.h"

#include <assert.h>
#include <stdlib.h>

#include "core/snapshot.h"
#include "plugins/amqp/arrival.h"

static const struct channel_events channel_events;
static const struct slice consumer_tag = SLICE("shunt");

static void find(struct consumer *consumer, enum consumer_step step);

/* --- leaving ---------------------------------------------------------------------------------- */

static void on_finish(struct task *task)
{
    struct consumer *consumer = thing_of(task, struct consumer, finish);
    struct done *done = consumer->leaving;
    assert(consumer->unsettled == 0 && consumer->channel.state == CHANNEL_CLOSED);
    assert(list_empty(&consumer->retiring) && list_empty(&consumer->stale));
    worker_timer_stop(consumer->lane->worker, &consumer->again);
    list_leave(&consumer->link);
    free(consumer);
    done->on_done(done, 0);
}

static void stop_consuming(struct consumer *consumer)
{
    assert(consumer->step == CONSUMER_CONSUMING);
    amqp_basic_cancel_t cancel = { .consumer_tag = amqp_from(consumer_tag) };
    channel_send(&consumer->channel, AMQP_BASIC_CANCEL_METHOD, &cancel);
    consumer->step = CONSUMER_STOPPING;
}

/* Goes as soon as nothing is unsettled; what comes until then is given back. */
static void leave(struct consumer *consumer)
{
    if (consumer->leaving == NULL)
        return;
    if (consumer->unsettled > 0) {
        if (consumer->step == CONSUMER_CONSUMING)
            stop_consuming(consumer);
    } else if (consumer->channel.state == CHANNEL_CLOSED) {
        worker_defer(consumer->lane->worker, &consumer->finish);
    } else {
        channel_close(&consumer->channel);
    }
}

void consumer_unsubscribe(void *subscription, struct done *done)
{
    struct consumer *consumer = subscription;
    assert(consumer->leaving == NULL);
    consumer->leaving = done;
    leave(consumer);
}

/* --- the walk up ------------------------------------------------------------------------------ */

static void begin(struct consumer *consumer)
{
    if (consumer->channel.state != CHANNEL_CLOSED || consumer->leaving != NULL)
        return;
    if (channel_open(&consumer->channel, &consumer->lane->consuming, &channel_events) == 0)
        consumer->step = CONSUMER_OPENING;
    else if (connection_up(&consumer->lane->consuming))
        lane_log(consumer->lane, LEVEL_ERROR, "no channel is left for %.*s",
                 (int)consumer->queue.len, (const char *)consumer->queue.at);
}

void consumer_start(struct consumer *consumer)
{
    worker_timer_stop(consumer->lane->worker, &consumer->again);
    begin(consumer);
}

static void on_again(struct timer *timer)
{
    struct consumer *consumer = thing_of(timer, struct consumer, again);
    if (consumer->channel.state == CHANNEL_CLOSED)
        begin(consumer);
    else if (consumer->step == CONSUMER_RESTING)
        find(consumer, CONSUMER_FINDING);
}

static void wait_and_begin(struct consumer *consumer)
{
    worker_timer(consumer->lane->worker, &consumer->again, consumer->lane->settings->backoff_ms);
}

enum { RESTORE_EVERY_MS = 50 };
enum declaring { ASK, DECLARE, DECLARE_UNANSWERED };

static void declare(const struct consumer *consumer, struct channel *channel, struct slice name,
                    enum declaring how)
{
    amqp_table_entry_t type = {
        .key = amqp_cstring_bytes("x-queue-type"),
        .value = { .kind = AMQP_FIELD_KIND_UTF8,
                   .value = { .bytes = amqp_cstring_bytes(consumer->quorum ? "quorum"
                                                                           : "classic") } },
    };
    amqp_queue_declare_t declare = {
        .queue = amqp_from(name),
        .passive = how == ASK,
        .durable = 1,
        .nowait = how == DECLARE_UNANSWERED,
        .arguments = { .num_entries = 1, .entries = &type },
    };
    channel_send(channel, AMQP_QUEUE_DECLARE_METHOD, &declare);
}

/* Asks, unless it was missing: a queue that is there keeps the arguments that somebody gave it. */
static void find(struct consumer *consumer, enum consumer_step step)
{
    assert(step == CONSUMER_FINDING || step == CONSUMER_FINDING_DEAD);
    bool dead = step == CONSUMER_FINDING_DEAD;
    consumer->step = step;
    declare(consumer, &consumer->channel, dead ? consumer->dead : consumer->queue,
            (dead ? consumer->missing_dead : consumer->missing) ? DECLARE : ASK);
}

void consumer_restore_dead(struct consumer *consumer)
{
    struct publisher *publisher = &consumer->lane->publishers[DELAYS];
    uint64_t now_ms = worker_now_ms(consumer->lane->worker);
    if (!consumer->declares || !publisher->ready ||
        now_ms < consumer->restored_ms + RESTORE_EVERY_MS)
        return;
    consumer->restored_ms = now_ms;
    lane_log(consumer->lane, LEVEL_WARNING, "queue %.*s is gone and is declared again",
             (int)consumer->dead.len, (const char *)consumer->dead.at);
    declare(consumer, &publisher->channel, consumer->dead, DECLARE_UNANSWERED);
}

/* The queues are there, or the consumer has stopped: consumes as the credit says. */
static void go_on(struct consumer *consumer)
{
    assert(channel_is_open(&consumer->channel) && !consumer->missing);
    if (consumer->credit == 0 || consumer->leaving != NULL) {
        consumer->step = CONSUMER_RESTING;
        leave(consumer);
        return;
    }
    consumer->step = CONSUMER_LIMITING;
    consumer->limit = consumer->credit;
    amqp_basic_qos_t qos = {
        .prefetch_count = (uint16_t)(consumer->limit < UINT16_MAX ? consumer->limit : UINT16_MAX)
    };
    channel_send(&consumer->channel, AMQP_BASIC_QOS_METHOD, &qos);
}

static void consume(struct consumer *consumer)
{
    consumer->step = CONSUMER_STARTING;
    amqp_basic_consume_t consume = { .queue = amqp_from(consumer->queue),
                                     .consumer_tag = amqp_from(consumer_tag) };
    channel_send(&consumer->channel, AMQP_BASIC_CONSUME_METHOD, &consume);
}

/* The credit may have changed while it was being put in force: prefetch counts for new consumers
 * only. */
static void started(struct consumer *consumer)
{
    consumer->step = CONSUMER_CONSUMING;
    consumer->complained = false;
    if (!consumer->ready) {
        consumer->ready = true;
        consumer->intake->on_ready(consumer->intake);
    }
    if (consumer->step == CONSUMER_CONSUMING &&
        (consumer->credit != consumer->limit || consumer->leaving != NULL))
        stop_consuming(consumer);
}

void consumer_credit(void *subscription, unsigned credit)
{
    struct consumer *consumer = subscription;
    consumer->credit = credit;
    if (consumer->step == CONSUMER_CONSUMING && credit != consumer->limit)
        stop_consuming(consumer);
    else if (consumer->step == CONSUMER_RESTING && credit > 0 && !timer_running(&consumer->again))
        go_on(consumer);
}

/* --- what the broker says --------------------------------------------------------------------- */

static void on_open(struct channel *channel)
{
    find(thing_of(channel, struct consumer, channel), CONSUMER_FINDING);
}

static void on_found(struct consumer *consumer)
{
    if (consumer->step != CONSUMER_FINDING && consumer->step != CONSUMER_FINDING_DEAD)
        return; /* an answer to nothing */
    bool *missing = consumer->step == CONSUMER_FINDING ? &consumer->missing
                                                       : &consumer->missing_dead;
    struct slice name = consumer->step == CONSUMER_FINDING ? consumer->queue : consumer->dead;
    if (*missing)
        lane_log(consumer->lane, LEVEL_INFO, "queue %.*s was not there and is declared",
                 (int)name.len, (const char *)name.at);
    *missing = false;
    if (consumer->step == CONSUMER_FINDING && consumer->declares)
        find(consumer, CONSUMER_FINDING_DEAD);
    else
        go_on(consumer);
}

/* Somebody deleted the queue, or a cluster moves it. What is unsettled stays so: this channel
 * lives. */
static void on_cancelled_by_broker(struct consumer *consumer)
{
    lane_count(consumer->lane, "consumers_cancelled", 1);
    lane_log(consumer->lane, LEVEL_WARNING,
             "the broker cancelled the consumer of %.*s: was the queue deleted?",
             (int)consumer->queue.len, (const char *)consumer->queue.at);
    if (consumer->step != CONSUMER_CONSUMING && consumer->step != CONSUMER_STOPPING)
        return;
    consumer->missing = consumer->declares;
    consumer->step = CONSUMER_RESTING;
    wait_and_begin(consumer);
    leave(consumer);
}

static void tell_retired(struct parcel *parcel, int result)
{
    assert(parcel->retired != NULL);
    parcel->retired->on_done(parcel->retired, result);
}

/* A channel works in order: what answers our flow has passed our acknowledgement on to the
 * queue. */
static void on_retired(struct consumer *consumer)
{
    struct link *link = list_take(&consumer->retiring);
    if (link != NULL)
        tell_retired(thing_of(link, struct parcel, retiring), 0);
}

static void on_tell_stale(struct task *task)
{
    struct consumer *consumer = thing_of(task, struct consumer, tell_stale);
    struct list stale;
    struct link *link;
    list_init(&stale);
    while ((link = list_take(&consumer->stale)) != NULL)
        list_append(&stale, link);
    while ((link = list_take(&stale)) != NULL) /* with the last one, the consumer may go */
        tell_retired(thing_of(link, struct parcel, retiring), -1);
}

static void give_up_retiring(struct consumer *consumer)
{
    struct link *link;
    while ((link = list_take(&consumer->retiring)) != NULL)
        list_append(&consumer->stale, link);
    if (!list_empty(&consumer->stale))
        worker_defer(consumer->lane->worker, &consumer->tell_stale);
}

static void on_method(struct channel *channel, const amqp_method_t *method)
{
    struct consumer *consumer = thing_of(channel, struct consumer, channel);
    switch (method->id) {
    case AMQP_QUEUE_DECLARE_OK_METHOD:
        on_found(consumer);
        break;
    case AMQP_BASIC_QOS_OK_METHOD:
        if (consumer->step == CONSUMER_LIMITING)
            consume(consumer);
        break;
    case AMQP_BASIC_CONSUME_OK_METHOD:
        if (consumer->step == CONSUMER_STARTING)
            started(consumer);
        break;
    case AMQP_BASIC_CANCEL_METHOD:
        on_cancelled_by_broker(consumer);
        break;
    case AMQP_BASIC_CANCEL_OK_METHOD:
        if (consumer->step == CONSUMER_STOPPING)
            go_on(consumer);
        break;
    case AMQP_CHANNEL_FLOW_OK_METHOD:
        on_retired(consumer);
        break;
    default:
        break;
    }
}

/* A queue that is missing closes the channel that looked for it; the next look declares it. */
static bool was_missing(struct consumer *consumer, unsigned code)
{
    if (code != AMQP_NOT_FOUND || !consumer->declares)
        return false;
    bool *missing = consumer->step == CONSUMER_FINDING        ? &consumer->missing
                    : consumer->step == CONSUMER_FINDING_DEAD ? &consumer->missing_dead
                                                              : NULL;
    if (missing == NULL || *missing)
        return false;
    *missing = true;
    return true;
}

static void on_closed(struct channel *channel, unsigned code, const char *why)
{
    struct consumer *consumer = thing_of(channel, struct consumer, channel);
    bool look_again = was_missing(consumer, code);
    consumer->step = CONSUMER_AWAY;
    bool was_ready = consumer->ready, left = consumer->leaving != NULL && consumer->unsettled == 0;
    consumer->ready = false;
    if (was_ready && !left)
        consumer->intake->on_lost(consumer->intake);
    give_up_retiring(consumer);
    if (consumer->leaving != NULL) {
        leave(consumer);
        return;
    }
    if (look_again) {
        begin(consumer);
        return;
    }
    if (code == 0)
        return;
    consumer->missing = consumer->missing_dead = false;
    if (!consumer->complained)
        lane_log(consumer->lane, LEVEL_WARNING, "%.*s cannot be consumed: %u %s",
                 (int)consumer->queue.len, (const char *)consumer->queue.at, code, why);
    consumer->complained = true;
    wait_and_begin(consumer);
}

/* --- messages --------------------------------------------------------------------------------- */

static void send_settlement(struct consumer *consumer, uint64_t tag, enum settlement settlement)
{
    amqp_basic_ack_t ack = { .delivery_tag = tag };
    amqp_basic_nack_t nack = { .delivery_tag = tag, .requeue = 1 };
    if (settlement == SETTLE_HANDLED)
        channel_send(&consumer->channel, AMQP_BASIC_ACK_METHOD, &ack);
    else
        channel_send(&consumer->channel, AMQP_BASIC_NACK_METHOD, &nack);
}

static bool wants(struct channel *channel, const struct content *content)
{
    const struct consumer *consumer = thing_of(channel, struct consumer, channel);
    return content->size <= consumer->max_body; /* malformed ones as well: for the dead letters */
}

static void on_content(struct channel *channel, struct content *content)
{
    struct consumer *consumer = thing_of(channel, struct consumer, channel);
    bool unwanted = consumer->leaving != NULL || consumer->credit == 0;
    struct parcel *parcel = unwanted ? NULL
                                     : parcel_make(content, channel->generation, consumer->queue);
    if (parcel == NULL) {
        send_settlement(consumer, content->tag, SETTLE_GIVE_BACK);
        return;
    }
    lane_count(consumer->lane, "consumed", 1);
    consumer->unsettled++;
    consumer->intake->on_arrival(consumer->intake, &parcel->arrival);
}

static bool is_current(const struct consumer *consumer, const struct parcel *parcel)
{
    return channel_is_open(&consumer->channel) &&
           parcel->generation == consumer->channel.generation;
}

void consumer_retire(void *subscription, struct arrival *arrival, struct done *done)
{
    struct consumer *consumer = subscription;
    struct parcel *parcel = arrival->own;
    assert(&parcel->arrival == arrival && parcel->retired == NULL);
    parcel->retired = done;
    if (!is_current(consumer, parcel)) {
        list_append(&consumer->stale, &parcel->retiring);
        worker_defer(consumer->lane->worker, &consumer->tell_stale);
        return;
    }
    send_settlement(consumer, parcel->tag, SETTLE_HANDLED);
    amqp_channel_flow_t flow = { .active = 1 };
    channel_send(&consumer->channel, AMQP_CHANNEL_FLOW_METHOD, &flow);
    list_append(&consumer->retiring, &parcel->retiring);
}

void consumer_settle(void *subscription, struct arrival *arrival, enum settlement settlement)
{
    struct consumer *consumer = subscription;
    struct parcel *parcel = arrival->own;
    assert(consumer->unsettled > 0 && &parcel->arrival == arrival);
    assert(!link_joined(&parcel->retiring));
    if (parcel->retired == NULL && is_current(consumer, parcel))
        send_settlement(consumer, parcel->tag, settlement);
    parcel_free(parcel);
    consumer->unsettled--;
    leave(consumer);
}

static const struct channel_events channel_events = {
    .content = AMQP_BASIC_DELIVER_METHOD,
    .on_open = on_open,
    .on_method = on_method,
    .wants = wants,
    .on_content = on_content,
    .on_closed = on_closed,
};

/* --- subscribing ------------------------------------------------------------------------------ */

/* Names that we make of the queue's own, "<queue>.delay.<ms>", must be names, too. */
static bool name_fits(struct lane *lane, const char *queue)
{
    enum { LONGEST_SUFFIX = 24 };
    if (strlen(queue) + LONGEST_SUFFIX <= SHORT_MAX)
        return true;
    lane_log(lane, LEVEL_ERROR, "the queue's name is longer than %d bytes",
             SHORT_MAX - LONGEST_SUFFIX);
    return false;
}

/* Zeroed memory, the name of the dead-letter queue behind it where that is not written. */
static struct consumer *allocate(const char *queue)
{
    struct consumer *consumer = calloc(1, sizeof *consumer + strlen(queue) + sizeof ".dead");
    if (consumer == NULL)
        return NULL;
    char *name = (char *)(consumer + 1);
    size_t len = strlen(queue);
    memcpy(name, queue, len);
    memcpy(name + len, ".dead", sizeof ".dead");
    consumer->queue = slice_of(name, len);
    consumer->dead = slice_text(name);
    return consumer;
}

int consumer_subscribe(void *at, const struct values *values, struct intake *intake,
                       void **subscription)
{
    struct lane *lane = at;
    const char *queue = values_text(values, "queue"), *dead = values_text(values, "dead_letter");
    if (!name_fits(lane, queue) || (dead != NULL && !name_fits(lane, dead)))
        return -1;
    struct consumer *consumer = allocate(queue);
    if (consumer == NULL)
        return -1;
    consumer->lane = lane;
    consumer->intake = intake;
    if (dead != NULL)
        consumer->dead = slice_text(dead);
    consumer->reply_to = values_get(values, "reply_to")->texts;
    consumer->declares = values_flag(values, "declare");
    consumer->quorum = strcmp(values_text(values, "queue_type"), "quorum") == 0;
    consumer->max_body = values_bytes(values, "max_body");
    if (consumer->max_body < lane->settings->max_message)
        consumer->max_body = lane->settings->max_message;
    consumer->again.on_timer = on_again;
    consumer->finish.run = on_finish;
    consumer->tell_stale.run = on_tell_stale;
    list_init(&consumer->retiring);
    list_init(&consumer->stale);
    list_append(&lane->consumers, &consumer->link);
    begin(consumer);
    *subscription = consumer;
    return 0;
}

/* --- replies (threat 7) ----------------------------------------------------------------------- */

static bool fits(const char *pattern, struct slice name)
{
    size_t len = strlen(pattern);
    if (len > 0 && pattern[len - 1] == '*')
        return slice_starts(name, slice_of(pattern, len - 1));
    return slice_is(name, pattern);
}

/* Whether a name is that of a queue, or one that we make of it: "<queue>.dead",
 * "<queue>.delay.<ms>". */
static bool is_made_of(struct slice name, struct slice queue)
{
    if (name.len < queue.len || !slice_starts(name, queue))
        return false;
    struct slice rest = slice_from(name, queue.len);
    return rest.len == 0 || slice_is(rest, ".dead") || slice_starts(rest, SLICE(".delay."));
}

/* What is consumed here, or elsewhere in this process: not every worker has a share in each
 * subscription. */
static bool is_our_own(const struct lane *lane, struct slice name)
{
    list_each (&lane->consumers, link) {
        const struct consumer *consumer = consumer_of(link);
        if (is_made_of(name, consumer->queue) || slice_equal(name, consumer->dead))
            return true;
    }
    const struct snapshot *snapshot = lane->worker->snapshot;
    for (unsigned i = 0; i < snapshot->subscription_count; i++) {
        const struct subscription_settings *settings = &snapshot->subscriptions[i];
        if (settings->broker->transport->source != lane->settings->broker->transport->source)
            continue;
        const char *dead = values_text(settings->values, "dead_letter");
        if (is_made_of(name, slice_text(values_text(settings->values, "queue"))) ||
            (dead != NULL && slice_is(name, dead)))
            return true;
    }
    return false;
}

/* A reply into a queue that we consume would be a call that nobody made. */
bool consumer_may_reply(void *subscription, struct slice reply_to)
{
    const struct consumer *consumer = subscription;
    if (reply_to.len == 0 || reply_to.len > SHORT_MAX || is_our_own(consumer->lane, reply_to))
        return false;
    for (const char *const *pattern = consumer->reply_to; *pattern != NULL; pattern++)
        if (fits(*pattern, reply_to))
            return true;
    return false;
}

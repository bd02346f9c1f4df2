/* Producing, as producer.h says. A client that is being closed goes on reporting beside its
 * successor; `running` tells whose events count for the state. */
#include "plugins/kafka/producer.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/snapshot.h"
#include "plugins/kafka/lane.h"

enum { TICK_MS = 200, PROBE_AGAIN_MS = 300, HURRY_MS = 1, RENEW_MS = 1000 };

/* A client, as long as it exists. */
struct running {
    struct producer *producer;
    struct producer_client *client;
};

static const struct producer_events events;

static void change(struct producer *producer)
{
    if (!producer->stopping)
        producer->on_change(producer);
}

static uint64_t now_ms(const struct producer *producer)
{
    return worker_now_ms(producer->lane->worker);
}

/* --- topics ----------------------------------------------------------------------------------- */

static struct destination *find(const struct producer *producer, const char *topic)
{
    list_each (&producer->destinations, link) {
        struct destination *destination = thing_of(link, struct destination, link);
        if (strcmp(destination->name, topic) == 0)
            return destination;
    }
    return NULL;
}

/* NULL when memory is out. */
static struct destination *destination_of(struct producer *producer, const char *topic)
{
    struct destination *destination = find(producer, topic);
    if (destination != NULL)
        return destination;
    destination = calloc(1, sizeof *destination);
    if (destination == NULL)
        return NULL;
    assert(strlen(topic) <= TOPIC_NAME_MAX);
    memcpy(destination->name, topic, strlen(topic) + 1);
    list_init(&destination->shipments);
    list_append(&producer->destinations, &destination->link);
    if (producer->running != NULL)
        kafka_library.warm(producer->running->client, topic);
    return destination;
}

/* Those that routes of a new configuration have brought. */
static void warm_new(struct producer *producer)
{
    const struct known_topic *first = atomic_load_explicit(&producer->lane->settings->topics,
                                                           memory_order_acquire);
    for (const struct known_topic *topic = first; topic != producer->warmed; topic = topic->next)
        if (destination_of(producer, topic->name) == NULL)
            return;
    producer->warmed = first;
}

static bool is_stuck(const struct destination *destination, uint64_t now)
{
    const struct link *first = list_first(&destination->shipments);
    if (first == NULL)
        return false;
    return thing_of(first, const struct shipment, link)->sent_ms + STUCK_MS <= now;
}

/* --- whether a broker is there ---------------------------------------------------------------- */

static void set_there(struct producer *producer, bool there)
{
    bool before = producer->there && !producer->late;
    producer->there |= there;
    producer->late = !there;
    if (there)
        producer->trouble[0] = '\0';
    if (before != there)
        kafka_count(producer->lane, there ? "answers_again" : "answers_no_more", 1);
    change(producer);
}

/* One broker of several that does not answer a probe is no outage while others store what they
 * get. */
static bool is_heard(const struct producer *producer)
{
    return producer->there && producer->stored_ms + PROBE_LATE_MS > now_ms(producer);
}

static void on_beat(struct timer *timer)
{
    struct producer *producer = thing_of(timer, struct producer, beat);
    assert(producer->running != NULL);
    if (producer->probing) {
        if (!is_heard(producer))
            set_there(producer, false);
        return; /* on_probed starts the timer again */
    }
    warm_new(producer);
    producer->probing = true;
    kafka_library.probe(producer->running->client);
    worker_timer(producer->lane->worker, timer, PROBE_LATE_MS);
}

static void on_probed(void *owner, bool there)
{
    struct running *running = owner;
    struct producer *producer = running->producer;
    if (producer->running != running)
        return;
    assert(producer->probing);
    producer->probing = false;
    if (there || !is_heard(producer))
        set_there(producer, there);
    worker_timer(producer->lane->worker, &producer->beat, there ? PROBE_EVERY_MS : PROBE_AGAIN_MS);
}

/* Connections come and go by themselves; what counts is whether a broker answers, so it is asked at
 * once. */
static void on_trouble(void *owner, const char *why)
{
    struct running *running = owner;
    struct producer *producer = running->producer;
    if (producer->running != running)
        return;
    kafka_log(producer->lane, LEVEL_DEBUG, "producing: %s", why);
    snprintf(producer->trouble, sizeof producer->trouble, "%s", why);
    if (!producer->probing)
        worker_timer(producer->lane->worker, &producer->beat, HURRY_MS);
    else if (producer->late)
        change(producer);
}

/* Promise 2: in an outage nothing may wait in the client, to be stored after its caller was told
 * otherwise. */
static void on_tick(struct timer *timer)
{
    struct producer *producer = thing_of(timer, struct producer, tick);
    if (producer->count == 0 || producer->running == NULL)
        return;
    bool outage = producer->late;
    list_each (&producer->destinations, link)
        outage |= is_stuck(thing_of(link, struct destination, link), now_ms(producer));
    if (outage)
        kafka_library.purge(producer->running->client, false);
    worker_timer(producer->lane->worker, timer, TICK_MS);
}

/* --- clients ---------------------------------------------------------------------------------- */

static void on_renew(struct timer *timer)
{
    producer_start(thing_of(timer, struct producer, beat));
}

static void start_again(struct producer *producer, uint64_t after_ms)
{
    producer->beat.on_timer = on_renew;
    worker_timer(producer->lane->worker, &producer->beat, after_ms);
}

static void abandon(struct producer *producer)
{
    struct running *running = producer->running;
    producer->running = NULL;
    producer->probing = producer->there = producer->late = false;
    worker_timer_stop(producer->lane->worker, &producer->beat);
    worker_timer_stop(producer->lane->worker, &producer->tick);
    if (running != NULL)
        kafka_library.producer_close(running->client);
}

/* An idempotent producer that lost its place in the sequence cannot go on; a new one can. */
static void on_fatal(void *owner, const char *why)
{
    struct running *running = owner;
    struct producer *producer = running->producer;
    if (producer->running != running)
        return;
    kafka_count(producer->lane, "producers_renewed", 1);
    kafka_log(producer->lane, LEVEL_WARNING, "the producer is replaced: %s", why);
    abandon(producer);
    snprintf(producer->trouble, sizeof producer->trouble, "%s", why);
    change(producer);
    start_again(producer, HURRY_MS);
}

static void on_closed(void *owner)
{
    struct running *running = owner;
    struct producer *producer = running->producer;
    assert(producer->running != running && producer->clients > 0);
    free(running);
    producer->clients--;
    if (producer->stopping && producer->clients == 0)
        producer->on_stopped(producer);
}

static void on_topic(void *owner, const char *topic, bool there)
{
    struct running *running = owner;
    struct destination *destination = find(running->producer, topic);
    if (destination != NULL)
        destination->missing = !there;
}

static void on_limit(void *owner, const char *topic, size_t bytes)
{
    struct running *running = owner;
    struct destination *destination = find(running->producer, topic);
    if (destination != NULL)
        destination->limit = bytes;
}

static void on_declared(void *owner, const char *topic, const char *why, bool made)
{
    struct running *running = owner;
    struct producer *producer = running->producer;
    if (!producer->stopping)
        producer->on_declared(producer, topic, why, made);
}

void producer_start(struct producer *producer)
{
    assert(producer->running == NULL && !producer->stopping);
    struct running *running = calloc(1, sizeof *running);
    if (running == NULL)
        abort();
    struct client_settings settings = kafka_client_settings(producer->lane);
    running->producer = producer;
    running->client = kafka_library.producer_open(producer->lane->worker, &settings, &events,
                                                  running, producer->trouble,
                                                  sizeof producer->trouble);
    if (running->client == NULL) {
        free(running);
        kafka_log(producer->lane, LEVEL_ERROR, "no client can be made: %s", producer->trouble);
        start_again(producer, RENEW_MS);
        return;
    }
    producer->running = running;
    producer->clients++;
    list_each (&producer->destinations, link)
        kafka_library.warm(running->client, thing_of(link, struct destination, link)->name);
    producer->beat.on_timer = on_beat;
    worker_timer(producer->lane->worker, &producer->beat, HURRY_MS);
}

void producer_stop(struct producer *producer)
{
    assert(!producer->stopping);
    producer->stopping = true;
    abandon(producer);
    if (producer->clients == 0)
        producer->on_stopped(producer);
}

void producer_init(struct producer *producer, struct lane *lane)
{
    size_t workers = lane->worker->snapshot->workers;
    producer->lane = lane;
    producer->beat.on_timer = on_beat;
    producer->tick.on_timer = on_tick;
    producer->max_count = lane->settings->window / workers;
    producer->max_bytes = lane->settings->window_bytes / workers;
    if (producer->max_count == 0)
        producer->max_count = 1;
    if (producer->max_bytes < 2 * lane->settings->max_message)
        producer->max_bytes = 2 * lane->settings->max_message;
    list_init(&producer->destinations);
}

void producer_free(struct producer *producer)
{
    assert(producer->clients == 0 && producer->count == 0);
    worker_timer_stop(producer->lane->worker, &producer->beat);
    worker_timer_stop(producer->lane->worker, &producer->tick);
    struct link *link;
    while ((link = list_take(&producer->destinations)) != NULL)
        free(thing_of(link, struct destination, link));
}

/* --- shipping --------------------------------------------------------------------------------- */

int producer_refusal(const struct producer *producer)
{
    if (producer->stopping)
        return -REASON_draining;
    if (producer->running == NULL || !producer->there)
        return -REASON_broker_down;
    if (!producer->late)
        return 0;
    return producer->trouble[0] != '\0' ? -REASON_broker_down : -REASON_broker_blocked;
}

/* Records are sent in batches, and a topic refuses one that is too large whole: a record of it that
 * would fit alone is not too large. */
static bool fits_alone(const struct shipment *shipment)
{
    return shipment->destination->limit >= shipment->bytes;
}

static void on_report(void *owner, void *token, enum report report, const char *why)
{
    (void)owner;
    struct shipment *shipment = token;
    struct producer *producer = shipment->producer;
    assert(report < REPORTS && producer->count > 0 && producer->bytes >= shipment->bytes);
    if (report == REPORT_TOO_LARGE && fits_alone(shipment))
        report = REPORT_NOT_STORED;
    static const char *const counts[REPORTS] = {
        [REPORT_STORED] = "stored",
        [REPORT_NOT_STORED] = "not_stored",
        [REPORT_UNKNOWN_TOPIC] = "unknown_topic",
        [REPORT_TOO_LARGE] = "too_large",
        [REPORT_UNSURE] = "unsure",
    };
    kafka_count(producer->lane, counts[report], 1);
    if (report == REPORT_STORED)
        producer->stored_ms = now_ms(producer);
    producer->count--;
    producer->bytes -= shipment->bytes;
    list_leave(&shipment->link);
    shipment->on_report(shipment, report, why);
}

static int fits(const struct producer *producer, const struct destination *destination,
                size_t bytes, size_t most)
{
    if (bytes > most || (destination->limit > 0 && bytes > destination->limit))
        return -REASON_message_too_large;
    if (destination->missing)
        return -REASON_unroutable;
    if (is_stuck(destination, now_ms(producer)))
        return -REASON_broker_blocked;
    bool full = producer->count >= producer->max_count ||
                producer->bytes + bytes > producer->max_bytes;
    return full ? -REASON_broker_full : 0;
}

int producer_check(struct producer *producer, const char *topic, const struct record *record)
{
    int refused = producer_refusal(producer);
    if (refused < 0)
        return refused;
    struct destination *destination = destination_of(producer, topic);
    if (destination == NULL)
        return -REASON_overloaded;
    return fits(producer, destination, record_size(record), producer->lane->settings->max_message);
}

int producer_ship(struct producer *producer, const struct record *record, struct shipment *shipment)
{
    assert(shipment->on_report != NULL && !link_joined(&shipment->link));
    int refused = producer_refusal(producer);
    if (refused < 0)
        return refused;
    struct destination *destination = destination_of(producer, record->topic);
    if (destination == NULL)
        return -REASON_overloaded;
    size_t most = producer->lane->settings->max_message;
    shipment->bytes = record_size(record);
    refused = fits(producer, destination, shipment->bytes,
                   shipment->letter ? most + LETTER_SLACK : most);
    if (refused == 0)
        refused = kafka_library.produce(producer->running->client, record, shipment);
    if (refused < 0)
        return refused;
    shipment->destination = destination;
    shipment->producer = producer;
    shipment->sent_ms = now_ms(producer);
    list_append(&destination->shipments, &shipment->link);
    producer->count++;
    producer->bytes += shipment->bytes;
    kafka_count(producer->lane, "produced", 1);
    if (!timer_running(&producer->tick))
        worker_timer(producer->lane->worker, &producer->tick, TICK_MS);
    return 0;
}

bool producer_declare(struct producer *producer, const struct topic_wish *wish)
{
    if (producer->running == NULL)
        return false;
    kafka_library.declare(producer->running->client, wish);
    return true;
}

static const struct producer_events events = {
    .on_report = on_report,
    .on_probed = on_probed,
    .on_topic = on_topic,
    .on_limit = on_limit,
    .on_trouble = on_trouble,
    .on_fatal = on_fatal,
    .on_declared = on_declared,
    .on_closed = on_closed,
};

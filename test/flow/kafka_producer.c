/* The simulated producing client, and the table that stands in for librdkafka's.
 *
 * A record: QUEUED → (the request leaves) → FLYING → stored → (the answer arrives) → reported. A
 * request or an answer that does not get through is sent again later, and the broker knows a record
 * that it has; a purge reports what is QUEUED, and what is FLYING only when that is asked for.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/reason.h"
#include "kafka_state.h"
#include "seeds.h"

enum { AGAIN_US = 300 * 1000, GIVE_UP_MS = 30 * 1000, PROBE_US = 1000 * 1000, BATCH_BYTES = 65536 };

enum journey { QUEUED, FLYING, ANSWERING, REPORTED };

struct producer_client {
    struct link link; /* in kafka->producers */
    struct kafka *kafka;
    struct sim_node *node;
    const struct producer_events *events;
    void *owner;
    struct list sendings;
    struct sim_event probe, fatal, closed;
    uint64_t probe_until_us;
    bool broken, closing;
    struct list wishes; /* of struct wish */
};

/* A record on its way. */
struct sending {
    struct link link;
    struct producer_client *client;
    struct sim_event event;
    struct kafka_record copy;
    char topic[TOPIC_NAME_MAX + 1];
    void *token;
    enum journey journey;
    enum report report; /* what will be reported */
    bool left, stored;  /* it may have arrived; it has */
    uint64_t since_ms;
};

struct wish {
    struct link link;
    struct producer_client *client;
    struct sim_event event;
    char topic[TOPIC_NAME_MAX + 1];
    unsigned partitions;
};

/* --- records ---------------------------------------------------------------------------------- */

static void report_in(struct sending *sending, enum report report, uint64_t after_us)
{
    sending->journey = REPORTED;
    sending->report = report;
    sim_schedule(sending->client->kafka->sim, &sending->event, after_us);
}

static void check_closed(struct producer_client *client)
{
    if (client->closing && list_empty(&client->sendings) && !sim_scheduled(&client->closed))
        sim_schedule(client->kafka->sim, &client->closed, sim_below(client->kafka->sim, 50 * 1000));
}

static void tell(struct sending *sending)
{
    struct producer_client *client = sending->client;
    void *token = sending->token;
    enum report report = sending->report;
    must(report == REPORT_STORED ? sending->stored : report == REPORT_UNSURE || !sending->stored);
    list_leave(&sending->link);
    arena_clear(&sending->copy.arena);
    free(sending);
    client->events->on_report(client->owner, token, report,
                              report == REPORT_STORED ? NULL : "simulated");
    check_closed(client);
}

static void store(struct sending *sending)
{
    if (sending->stored)
        return;
    const struct kafka_record *copy = &sending->copy;
    struct record record = { .topic = sending->topic,
                             .key = copy->key,
                             .value = copy->value,
                             .headers = copy->headers,
                             .timestamp_ms = copy->timestamp_ms };
    kafka_append(sending->client->kafka, &record);
    sending->stored = true;
}

/* What is sent to a topic at a time is one batch, whatever a single record would need. */
static size_t batch_of(const struct sending *sending)
{
    size_t batch = sending->copy.value.len;
    list_each (&sending->client->sendings, link) {
        const struct sending *other = thing_of(link, struct sending, link);
        bool joins = other != sending && other->journey == FLYING && !other->left &&
                     strcmp(other->topic, sending->topic) == 0;
        if (joins && batch + other->copy.value.len <= BATCH_BYTES)
            batch += other->copy.value.len;
    }
    return batch;
}

/* The request arrives, or it does not and goes again. */
static void arrive(struct sending *sending)
{
    struct producer_client *client = sending->client;
    struct kafka *kafka = client->kafka;
    struct sim *sim = kafka->sim;
    if (!kafka_hears(kafka, client->node)) {
        sending->journey = QUEUED;
        if (sim_now_ms(sim) - sending->since_ms > GIVE_UP_MS)
            report_in(sending, sending->left ? REPORT_UNSURE : REPORT_NOT_STORED, 0);
        else
            sim_schedule(sim, &sending->event, AGAIN_US);
        return;
    }
    const struct kafka_topic *topic = kafka_topic(kafka, sending->topic);
    if (topic == NULL) {
        report_in(sending, REPORT_UNKNOWN_TOPIC, 1000);
        return;
    }
    if (!sending->left && topic->limit > 0 && batch_of(sending) > topic->limit) {
        report_in(sending, REPORT_TOO_LARGE, sim_below(sim, 1000));
        return;
    }
    if (!sending->left && sim_chance(sim, kafka->habits.refuse_percent)) {
        report_in(sending, REPORT_NOT_STORED, sim_below(sim, 1000));
        return;
    }
    sending->left = true;
    store(sending);
    sending->journey = ANSWERING;
    sim_schedule(sim, &sending->event, sim_below(sim, kafka->habits.report_most_us + 1));
}

static void answer(struct sending *sending)
{
    struct producer_client *client = sending->client;
    struct kafka *kafka = client->kafka;
    bool lost = sim_chance(kafka->sim, kafka->habits.lost_percent);
    if (!lost && kafka_answers(kafka, client->node)) {
        report_in(sending, REPORT_STORED, 0);
        return;
    }
    if (lost && sim_chance(kafka->sim, kafka->habits.fatal_percent) && !client->broken) {
        client->broken = true;
        sim_schedule(kafka->sim, &client->fatal, 0);
    }
    sending->journey = FLYING;
    sim_schedule(kafka->sim, &sending->event, AGAIN_US);
}

static void on_sending(struct sim_event *event)
{
    struct sending *sending = thing_of(event, struct sending, event);
    switch (sending->journey) {
    case QUEUED:
        sending->journey = FLYING;
        sim_schedule(sending->client->kafka->sim, event,
                     sim_latency_us(sending->client->kafka->sim));
        break;
    case FLYING:
        arrive(sending);
        break;
    case ANSWERING:
        answer(sending);
        break;
    case REPORTED:
        tell(sending);
        break;
    }
}

static int produce(struct producer_client *client, const struct record *record, void *token)
{
    must(!client->closing);
    if (client->broken)
        return -REASON_broker_refused;
    struct sending *sending = calloc(1, sizeof(*sending));
    must(sending != NULL && token != NULL);
    sending->client = client;
    sending->token = token;
    sending->event = (struct sim_event){ .run = on_sending, .node = client->node };
    sending->since_ms = sim_now_ms(client->kafka->sim);
    snprintf(sending->topic, sizeof(sending->topic), "%s", record->topic);
    kafka_copy(&sending->copy, record);
    list_append(&client->sendings, &sending->link);
    sim_schedule(client->kafka->sim, &sending->event, sim_below(client->kafka->sim, 500));
    return 0;
}

static void purge(struct producer_client *client, bool in_flight)
{
    list_each (&client->sendings, link) {
        struct sending *sending = thing_of(link, struct sending, link);
        if (sending->journey == QUEUED)
            report_in(sending, sending->left ? REPORT_UNSURE : REPORT_NOT_STORED, 0);
        else if (in_flight && sending->journey != REPORTED)
            report_in(sending, REPORT_UNSURE, 0);
    }
}

void kafka_producers_cut(struct kafka *kafka)
{
    list_each (&kafka->producers, link) {
        struct producer_client *client = thing_of(link, struct producer_client, link);
        list_each (&client->sendings, each) {
            struct sending *sending = thing_of(each, struct sending, link);
            if (sending->journey == ANSWERING)
                sending->journey = FLYING;
        }
        client->events->on_trouble(client->owner, "Connection refused");
    }
}

/* --- the rest --------------------------------------------------------------------------------- */

static void tell_topics(struct producer_client *client)
{
    list_each (&client->kafka->topics, link) {
        const struct kafka_topic *topic = thing_of(link, struct kafka_topic, link);
        client->events->on_topic(client->owner, topic->name, true);
        if (topic->limit > 0)
            client->events->on_limit(client->owner, topic->name, topic->limit);
    }
}

static void on_probe(struct sim_event *event)
{
    struct producer_client *client = thing_of(event, struct producer_client, probe);
    struct kafka *kafka = client->kafka;
    bool there = kafka_hears(kafka, client->node) && kafka_answers(kafka, client->node);
    if (!there && sim_now_us(kafka->sim) < client->probe_until_us) {
        sim_schedule(kafka->sim, event, 50 * 1000);
        return;
    }
    if (there)
        tell_topics(client);
    client->events->on_probed(client->owner, there);
}

static void probe(struct producer_client *client)
{
    struct sim *sim = client->kafka->sim;
    must(!sim_scheduled(&client->probe) && !client->closing);
    client->probe_until_us = sim_now_us(sim) + PROBE_US + sim_below(sim, 500 * 1000);
    sim_schedule(sim, &client->probe, 2 * sim_latency_us(sim));
}

static void warm(struct producer_client *client, const char *topic)
{
    must(!client->closing && strlen(topic) <= TOPIC_NAME_MAX);
}

static void on_wish(struct sim_event *event)
{
    struct wish *wish = thing_of(event, struct wish, event);
    struct producer_client *client = wish->client;
    struct kafka *kafka = client->kafka;
    bool there = kafka_hears(kafka, client->node);
    bool made = there && kafka_topic(kafka, wish->topic) == NULL;
    if (there)
        kafka_create_topic(kafka, wish->topic, wish->partitions);
    client->events->on_declared(client->owner, wish->topic, there ? NULL : "simulated", made);
    list_leave(&wish->link);
    free(wish);
}

static void declare(struct producer_client *client, const struct topic_wish *asked)
{
    struct wish *wish = calloc(1, sizeof(*wish));
    must(wish != NULL);
    wish->client = client;
    wish->event = (struct sim_event){ .run = on_wish, .node = client->node };
    wish->partitions = asked->partitions > 0 ? (unsigned)asked->partitions : 1;
    snprintf(wish->topic, sizeof(wish->topic), "%s", asked->name);
    list_append(&client->wishes, &wish->link);
    sim_schedule(client->kafka->sim, &wish->event, 2 * sim_latency_us(client->kafka->sim));
}

static void on_fatal(struct sim_event *event)
{
    struct producer_client *client = thing_of(event, struct producer_client, fatal);
    if (!client->closing)
        client->events->on_fatal(client->owner, "simulated");
}

static void on_closed(struct sim_event *event)
{
    struct producer_client *client = thing_of(event, struct producer_client, closed);
    must(list_empty(&client->sendings));
    sim_unschedule(client->kafka->sim, &client->probe);
    sim_unschedule(client->kafka->sim, &client->fatal);
    struct link *link;
    while ((link = list_take(&client->wishes)) != NULL) {
        struct wish *wish = thing_of(link, struct wish, link);
        sim_unschedule(client->kafka->sim, &wish->event);
        client->events->on_declared(client->owner, wish->topic, "closed", false);
        free(wish);
    }
    list_leave(&client->link);
    client->events->on_closed(client->owner);
    free(client);
}

static void producer_close(struct producer_client *client)
{
    must(!client->closing);
    client->closing = true;
    purge(client, true);
    check_closed(client);
}

static struct producer_client *producer_open(struct worker *worker,
                                             const struct client_settings *settings,
                                             const struct producer_events *events, void *owner,
                                             char *why, size_t room)
{
    must(settings->bootstrap != NULL && room > 0);
    bool none = kafka_of(worker)->habits.no_client;
    snprintf(why, room, "%s", none ? "simulated" : "");
    if (none)
        return NULL;
    struct producer_client *client = calloc(1, sizeof(*client));
    must(client != NULL);
    client->kafka = kafka_of(worker);
    client->node = kafka_node_of(worker);
    client->events = events;
    client->owner = owner;
    list_init(&client->sendings);
    list_init(&client->wishes);
    client->probe = (struct sim_event){ .run = on_probe, .node = client->node };
    client->fatal = (struct sim_event){ .run = on_fatal, .node = client->node };
    client->closed = (struct sim_event){ .run = on_closed, .node = client->node };
    list_append(&client->kafka->producers, &client->link);
    return client;
}

static const char *check(const char *name, const char *value, char *why, size_t room)
{
    (void)name;
    (void)value;
    (void)why;
    (void)room;
    return NULL;
}

static const char *try(const struct client_settings *settings, char *why, size_t room)
{
    must(settings->window > 0 && room > 0);
    why[0] = '\0';
    return NULL;
}

const struct kafka_library kafka_library = {
    .check = check,
    .try = try,
    .producer_open = producer_open,
    .produce = produce,
    .warm = warm,
    .probe = probe,
    .purge = purge,
    .declare = declare,
    .producer_close = producer_close,
    .member_open = sim_member_open,
    .assign = sim_assign,
    .release = sim_release,
    .pause = sim_pause,
    .store = sim_store,
    .commit = sim_commit,
    .member_close = sim_member_close,
};

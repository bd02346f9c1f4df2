/* The producing client on librdkafka: see client.h for what it promises.
 *
 * A probe asks any broker for the metadata of the topics that are known: a chore, since librdkafka
 * has no other way to do that than a call that blocks. It says whether topics are there, and
 * librdkafka learns of it, too. How large a record each topic takes is asked now and then
 * (DescribeConfigs); who may not ask is told by reports only. Closing: what is left is purged and
 * reported; then the handle goes.
 *
 * Records that librdkafka could not send yet wait before it (gate.h).
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/reason.h"
#include "plugins/kafka/gate.h"
#include "plugins/kafka/handle.h"
#include "plugins/kafka/rdkafka.h"

enum {
    PROBE_MS = 1000,
    LIMITS_MS = 5000,
    LIMITS_EVERY_MS = 30000,
    DECLARE_MS = 5000,
    CLOSE_STEP_MS = 10
};

struct topic {
    struct link link; /* in client->topics */
    rd_kafka_topic_t *rkt;
    struct gates gates;
};

/* A topic that was asked for, until its answer. */
struct asking {
    struct link link; /* in client->askings */
    char name[TOPIC_NAME_MAX + 1];
};

struct producer_client {
    struct handle handle;
    const struct producer_events *events;
    void *owner;
    struct list topics, askings;
    size_t max_message, window;
    size_t unreported, waiting; /* records: all, and those before a gate */
    struct task opening;        /* of the gates, at the end of the turn */
    struct list returned;       /* of struct consignment: purged before a gate, to be reported */
    struct task return_all;
    uint64_t limits_ms; /* when limits are asked for again */
    bool fatal, closing;
    struct timer step;     /* of closing */
    struct timer unprobed; /* a probe that could not begin is over */
};

/* A probe under way. */
struct probe {
    struct chore chore;
    rd_kafka_t *rk;
    const struct rd_kafka_metadata *metadata; /* NULL: none came */
};

static struct producer_client *client_of(struct handle *handle)
{
    return thing_of(handle, struct producer_client, handle);
}

/* --- records out ------------------------------------------------------------------------------ */

static struct topic *find_topic(const struct producer_client *client, const char *name)
{
    list_each (&client->topics, link) {
        struct topic *topic = thing_of(link, struct topic, link);
        if (strcmp(rd_kafka_topic_name(topic->rkt), name) == 0)
            return topic;
    }
    return NULL;
}

static int refusal_of(rd_kafka_resp_err_t error)
{
    switch (error) {
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        return -REASON_broker_full;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return -REASON_unroutable;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return -REASON_message_too_large;
    default:
        return -REASON_broker_refused;
    }
}

/* 0, and its report follows; or a negative REASON_…, and nothing has changed. */
static int hand_over(struct producer_client *client, struct consignment *consignment)
{
    rd_kafka_resp_err_t error = rd_kafka_producev(
        client->handle.rk, RD_KAFKA_V_RKT(consignment->rkt),
        RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
        RD_KAFKA_V_KEY((void *)(uintptr_t)consignment->key.at, consignment->key.len),
        RD_KAFKA_V_VALUE(consignment->value, consignment->value_len),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_FREE),
        RD_KAFKA_V_TIMESTAMP((int64_t)consignment->timestamp_ms),
        RD_KAFKA_V_HEADERS(consignment->headers), RD_KAFKA_V_OPAQUE(consignment), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return refusal_of(error);
    consignment->headers = NULL;
    consignment->value = NULL;
    consignment->gate->inside++;
    return 0;
}

int rdkafka_produce(struct producer_client *client, const struct record *record, void *token)
{
    if (client->unreported >= client->window)
        return -REASON_broker_full;
    if (record_size(record) > client->max_message + LETTER_SLACK)
        return -REASON_message_too_large;
    rdkafka_warm(client, record->topic);
    struct topic *topic = find_topic(client, record->topic);
    if (topic == NULL)
        return -REASON_overloaded;
    struct gate *gate = gates_find(&topic->gates, record->key);
    struct consignment *consignment = consignment_new(record, topic->rkt, gate, token);
    if (consignment == NULL)
        return -REASON_overloaded;
    list_append(&gate->waiting, &consignment->link);
    client->waiting++;
    client->unreported++;
    worker_defer(client->handle.worker, &client->opening);
    return 0;
}

/* --- reports ---------------------------------------------------------------------------------- */

static enum report report_of_refusal(int refused)
{
    switch (refused) {
    case -REASON_unroutable:
        return REPORT_UNKNOWN_TOPIC;
    case -REASON_message_too_large:
        return REPORT_TOO_LARGE;
    default:
        return REPORT_NOT_STORED;
    }
}

static enum report report_of(const rd_kafka_message_t *message)
{
    switch (rd_kafka_message_status(message)) {
    case RD_KAFKA_MSG_STATUS_PERSISTED:
        return message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? REPORT_STORED : REPORT_UNSURE;
    case RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED:
        return REPORT_UNSURE;
    case RD_KAFKA_MSG_STATUS_NOT_PERSISTED:
        break;
    }
    return report_of_refusal(refusal_of(message->err));
}

static void report(struct producer_client *client, struct consignment *consignment,
                   enum report what, const char *why)
{
    void *token = consignment->token;
    assert(client->unreported > 0);
    client->unreported--;
    consignment_free(consignment);
    client->events->on_report(client->owner, token, what, why);
}

/* What librdkafka refuses now was taken already. */
static void empty_gate(struct producer_client *client, struct gate *gate)
{
    struct consignment *consignment;
    while ((consignment = gate_take(gate)) != NULL) {
        assert(client->waiting > 0);
        client->waiting--;
        int refused = hand_over(client, consignment);
        if (refused < 0)
            report(client, consignment, report_of_refusal(refused), reasons[-refused].text);
    }
}

static void open_gates(struct producer_client *client)
{
    list_each (&client->topics, link) {
        struct topic *topic = thing_of(link, struct topic, link);
        for (size_t i = 0; i < GATES && client->waiting > 0; i++)
            if (gate_may_empty(&topic->gates.each[i]))
                empty_gate(client, &topic->gates.each[i]);
    }
}

static void on_opening(struct task *task)
{
    open_gates(thing_of(task, struct producer_client, opening));
}

static void on_reports(struct producer_client *client, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;
    while ((message = rd_kafka_event_message_next(event)) != NULL) {
        struct consignment *consignment = message->_private;
        const char *why = message->err != RD_KAFKA_RESP_ERR_NO_ERROR
                              ? rd_kafka_err2str(message->err)
                              : NULL;
        assert(consignment->gate->inside > 0);
        consignment->gate->inside--;
        report(client, consignment, report_of(message), why);
    }
    open_gates(client);
}

/* --- limits ----------------------------------------------------------------------------------- */

static void ask_limits(struct producer_client *client)
{
    size_t count = 0;
    list_each (&client->topics, link)
        count++;
    if (count == 0)
        return;
    rd_kafka_ConfigResource_t **resources = calloc(count, sizeof(*resources));
    if (resources == NULL)
        abort();
    count = 0;
    list_each (&client->topics, link) {
        const char *name = rd_kafka_topic_name(thing_of(link, struct topic, link)->rkt);
        resources[count] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
        rd_kafka_ConfigResource_set_config(resources[count++], "max.message.bytes", "");
    }
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client->handle.rk,
                                                                 RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    char why[128];
    rd_kafka_AdminOptions_set_request_timeout(options, LIMITS_MS, why, sizeof why);
    rd_kafka_DescribeConfigs(client->handle.rk, resources, count, options, client->handle.queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy_array(resources, count);
    free(resources);
}

static void read_limit(struct producer_client *client, const rd_kafka_ConfigResource_t *resource)
{
    size_t count = 0;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
    for (size_t i = 0; i < count; i++) {
        const char *value = rd_kafka_ConfigEntry_value(entries[i]);
        uint64_t bytes;
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "max.message.bytes") == 0 &&
            value != NULL && slice_number(slice_text(value), &bytes) == 0)
            client->events->on_limit(client->owner, rd_kafka_ConfigResource_name(resource), bytes);
    }
}

static void on_limits(struct producer_client *client, rd_kafka_event_t *event)
{
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    size_t count = 0;
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(event), &count);
    for (size_t i = 0; i < count; i++)
        if (rd_kafka_ConfigResource_error(resources[i]) == RD_KAFKA_RESP_ERR_NO_ERROR)
            read_limit(client, resources[i]);
}

/* --- probes ----------------------------------------------------------------------------------- */

static void run_probe(struct chore *chore)
{
    struct probe *probe = thing_of(chore, struct probe, chore);
    if (rd_kafka_metadata(probe->rk, 0, NULL, &probe->metadata, PROBE_MS) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        probe->metadata = NULL;
}

static void set_partitions(struct producer_client *client, const char *name, int count)
{
    struct topic *topic = find_topic(client, name);
    if (topic == NULL || count < 1 || topic->gates.partitions == count)
        return;
    for (size_t i = 0; i < GATES; i++)
        empty_gate(client, &topic->gates.each[i]);
    topic->gates.partitions = count;
}

static void read_metadata(struct producer_client *client, const struct rd_kafka_metadata *metadata)
{
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];
        if (topic->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            set_partitions(client, topic->topic, topic->partition_cnt);
        if (topic->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            client->events->on_topic(client->owner, topic->topic, true);
        else if (topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            client->events->on_topic(client->owner, topic->topic, false);
    }
}

static void on_probe_over(struct chore *chore)
{
    struct probe *probe = thing_of(chore, struct probe, chore);
    struct producer_client *client = client_of(chore->handle);
    bool there = probe->metadata != NULL;
    if (there) {
        read_metadata(client, probe->metadata);
        rd_kafka_metadata_destroy(probe->metadata);
    }
    free(probe);
    uint64_t now_ms = worker_now_ms(client->handle.worker);
    if (there && !client->closing && now_ms >= client->limits_ms) {
        client->limits_ms = now_ms + LIMITS_EVERY_MS;
        ask_limits(client);
    }
    client->events->on_probed(client->owner, there);
}

void rdkafka_probe(struct producer_client *client)
{
    struct probe *probe = calloc(1, sizeof *probe);
    if (probe == NULL)
        abort();
    probe->rk = client->handle.rk;
    probe->chore = (struct chore){ .run = run_probe, .over = on_probe_over };
    if (chore_start(&client->handle, &probe->chore))
        return;
    free(probe); /* there can be no further thread now */
    worker_timer(client->handle.worker, &client->unprobed, PROBE_MS);
}

static void on_unprobed(struct timer *timer)
{
    struct producer_client *client = thing_of(timer, struct producer_client, unprobed);
    client->events->on_probed(client->owner, false);
}

/* --- topics ----------------------------------------------------------------------------------- */

void rdkafka_warm(struct producer_client *client, const char *topic)
{
    if (find_topic(client, topic) != NULL)
        return;
    struct topic *made = calloc(1, sizeof *made);
    if (made == NULL)
        return;
    made->rkt = rd_kafka_topic_new(client->handle.rk, topic, NULL);
    if (made->rkt == NULL) {
        free(made);
        return;
    }
    gates_init(&made->gates);
    list_append(&client->topics, &made->link);
    client->limits_ms = 0;
}

/* For ever, and as large as a letter of ours can be. */
static void keep(rd_kafka_NewTopic_t *topic, size_t max_message)
{
    enum { DEFAULT_MAX = 1048588 };
    rd_kafka_NewTopic_set_config(topic, "retention.ms", "-1");
    rd_kafka_NewTopic_set_config(topic, "retention.bytes", "-1");
    size_t largest = max_message + 2 * (size_t)LETTER_SLACK;
    if (largest <= DEFAULT_MAX)
        return;
    char text[24];
    snprintf(text, sizeof text, "%zu", largest);
    rd_kafka_NewTopic_set_config(topic, "max.message.bytes", text);
}

void rdkafka_declare(struct producer_client *client, const struct topic_wish *wish)
{
    char why[256];
    struct asking *asking = calloc(1, sizeof *asking);
    if (asking == NULL)
        abort();
    assert(strlen(wish->name) <= TOPIC_NAME_MAX);
    memcpy(asking->name, wish->name, strlen(wish->name) + 1);
    list_append(&client->askings, &asking->link);
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(wish->name, wish->partitions,
                                                       wish->replication, why, sizeof why);
    assert(topic != NULL); /* names and numbers were checked */
    if (wish->keep)
        keep(topic, client->max_message);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client->handle.rk,
                                                                 RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, DECLARE_MS, why, sizeof why);
    rd_kafka_AdminOptions_set_operation_timeout(options, DECLARE_MS, why, sizeof why);
    rd_kafka_AdminOptions_set_opaque(options, asking);
    rd_kafka_CreateTopics(client->handle.rk, &topic, 1, options, client->handle.queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
}

static void on_created(struct producer_client *client, rd_kafka_event_t *event)
{
    struct asking *asking = rd_kafka_event_opaque(event);
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    const char *why = rd_kafka_event_error_string(event);
    size_t count = 0;
    const rd_kafka_topic_result_t **topics = NULL;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        topics = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event),
                                                     &count);
    if (count > 0) {
        error = rd_kafka_topic_result_error(topics[0]);
        why = rd_kafka_topic_result_error_string(topics[0]);
    }
    bool there = error == RD_KAFKA_RESP_ERR_NO_ERROR ||
                 error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS;
    client->events->on_declared(client->owner, asking->name,
                                there         ? NULL
                                : why != NULL ? why
                                              : rd_kafka_err2str(error),
                                error == RD_KAFKA_RESP_ERR_NO_ERROR);
    list_leave(&asking->link);
    free(asking);
}

/* --- trouble ---------------------------------------------------------------------------------- */

/* The handle itself is asked whether it can go on: the event of a fatal error carries the error that
 * led to it. */
static void on_error(struct producer_client *client, rd_kafka_event_t *event)
{
    char why[256] = "";
    if (rd_kafka_fatal_error(client->handle.rk, why, sizeof why) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        client->events->on_trouble(client->owner, rd_kafka_event_error_string(event));
        return;
    }
    if (!client->fatal && !client->closing) {
        client->fatal = true;
        client->events->on_fatal(client->owner, why);
    }
}

static void on_event(struct handle *handle, rd_kafka_event_t *event)
{
    struct producer_client *client = client_of(handle);
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
        on_reports(client, event);
        break;
    case RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT:
        on_limits(client, event);
        break;
    case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
        on_created(client, event);
        break;
    case RD_KAFKA_EVENT_ERROR:
        on_error(client, event);
        break;
    default:
        break;
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static void on_gone(struct handle *handle)
{
    struct producer_client *client = client_of(handle);
    struct link *link;
    while ((link = list_take(&client->askings)) != NULL) {
        struct asking *asking = thing_of(link, struct asking, link);
        client->events->on_declared(client->owner, asking->name, "the client is closed", false);
        free(asking);
    }
    client->events->on_closed(client->owner);
    free(client);
}

static void on_return_all(struct task *task)
{
    struct producer_client *client = thing_of(task, struct producer_client, return_all);
    struct link *link;
    while ((link = list_take(&client->returned)) != NULL)
        report(client, thing_of(link, struct consignment, link), REPORT_NOT_STORED,
               rd_kafka_err2str(RD_KAFKA_RESP_ERR__PURGE_QUEUE));
}

/* What waits before a gate passes none any more. */
static void purge_gates(struct producer_client *client)
{
    list_each (&client->topics, link) {
        struct topic *topic = thing_of(link, struct topic, link);
        struct consignment *consignment;
        for (size_t i = 0; i < GATES; i++)
            for (; (consignment = gate_take(&topic->gates.each[i])) != NULL; client->waiting--)
                list_append(&client->returned, &consignment->link);
    }
    assert(client->waiting == 0);
    if (!list_empty(&client->returned))
        worker_defer(client->handle.worker, &client->return_all);
}

void rdkafka_purge(struct producer_client *client, bool in_flight)
{
    purge_gates(client);
    int flags = RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING;
    rd_kafka_purge(client->handle.rk, in_flight ? flags | RD_KAFKA_PURGE_F_INFLIGHT : flags);
}

/* Everything is reported before the handle goes: purging says so within milliseconds. */
static void on_step(struct timer *timer)
{
    struct producer_client *client = thing_of(timer, struct producer_client, step);
    handle_wake(&client->handle);
    if (client->unreported > 0) {
        rdkafka_purge(client, true);
        worker_timer(client->handle.worker, timer, CLOSE_STEP_MS);
        return;
    }
    struct link *link;
    while ((link = list_take(&client->topics)) != NULL) {
        struct topic *topic = thing_of(link, struct topic, link);
        rd_kafka_topic_destroy(topic->rkt);
        free(topic);
    }
    handle_close(&client->handle);
}

void rdkafka_producer_close(struct producer_client *client)
{
    assert(!client->closing);
    client->closing = true;
    worker_timer_stop(client->handle.worker, &client->unprobed);
    rdkafka_purge(client, true);
    worker_timer(client->handle.worker, &client->step, 1);
}

struct producer_client *rdkafka_producer_open(struct worker *worker,
                                              const struct client_settings *settings,
                                              const struct producer_events *events, void *owner,
                                              char *why, size_t room)
{
    rd_kafka_conf_t *conf = conf_make(settings, NULL, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR, why,
                                      room);
    if (conf == NULL)
        return NULL;
    struct producer_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        abort();
    client->events = events;
    client->owner = owner;
    client->max_message = settings->max_message;
    client->window = settings->window;
    client->opening.run = on_opening;
    client->return_all.run = on_return_all;
    client->handle.on_event = on_event;
    client->handle.on_gone = on_gone;
    client->step.on_timer = on_step;
    client->unprobed.on_timer = on_unprobed;
    list_init(&client->topics);
    list_init(&client->askings);
    list_init(&client->returned);
    if (handle_open(&client->handle, worker, conf, false, why, room) == 0)
        return client;
    free(client);
    return NULL;
}

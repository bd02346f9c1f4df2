/* The configuration of librdkafka handles: what promises need, what serves a sidecar better than
 * the defaults, and over the latter whatever the user wrote. The rows that keep a promise are those
 * that settings.c refuses to users. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "plugins/kafka/handle.h"

struct row {
    const char *name, *value;
};

static const struct row common[] = {
    { "allow.auto.create.topics", "false" },
    { "socket.nagle.disable", "true" },
    { "socket.keepalive.enable", "true" },
    { "socket.timeout.ms",
      "6000" }, /* a connection into a black hole ends, and another one is made */
    { "reconnect.backoff.ms", "100" },
    { "reconnect.backoff.max.ms", "1000" },
    { "topic.metadata.refresh.interval.ms", "5000" }, /* a topic that was missing is found */
    { "topic.metadata.propagation.max.ms", "1000" }, /* and one that is missing is known to be so */
    { NULL, NULL },
};

static const struct row producing[] = {
    { "acks", "all" },
    { "enable.idempotence", "true" },
    { "partitioner", "murmur2_random" },
    { "linger.ms", "0" },
    { "batch.size", "65536" }, /* a topic refuses a batch larger than its max.message.bytes whole */
    { "request.timeout.ms", "5000" },
    { "message.timeout.ms", "30000" }, /* no deadline of ours: how long librdkafka tries */
    { NULL, NULL },
};

static const struct row consuming[] = {
    { "enable.auto.commit", "false" },
    { "enable.auto.offset.store", "false" },
    { "auto.offset.reset", "error" },
    { "partition.assignment.strategy", "range" },
    { "session.timeout.ms", "9000" }, /* what a killed member had is taken over soon */
    { "heartbeat.interval.ms", "1000" },
    { "max.poll.interval.ms", "60000" },
    { "queued.min.messages", "1000" },
    { "queued.max.messages.kbytes", "4096" },
    { "fetch.max.bytes", "4194304" }, /* of one answer: the queue's limit is looked at before it */
    { NULL, NULL },
};

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value, char *why, size_t room)
{
    return rd_kafka_conf_set(conf, name, value, why, room) == RD_KAFKA_CONF_OK;
}

static bool set_number(rd_kafka_conf_t *conf, const char *name, size_t number, char *why,
                       size_t room)
{
    char text[24];
    snprintf(text, sizeof text, "%zu", number);
    return set(conf, name, text, why, room);
}

static bool set_rows(rd_kafka_conf_t *conf, const struct row *rows, char *why, size_t room)
{
    bool fine = true;
    for (; rows->name != NULL && fine; rows++)
        fine = set(conf, rows->name, rows->value, why, room);
    return fine;
}

static bool set_property(rd_kafka_conf_t *conf, const char *text, char *why, size_t room)
{
    char name[128];
    size_t len = strcspn(text, "=");
    assert(len < sizeof name && text[len] == '='); /* checked when it was read */
    memcpy(name, text, len);
    name[len] = '\0';
    return set(conf, name, text + len + 1, why, room);
}

/* What belongs to one kind of handle only. */
static bool set_kind(rd_kafka_conf_t *conf, const struct client_settings *settings,
                     const struct membership *membership, char *why, size_t room)
{
    if (membership != NULL)
        return set_rows(conf, consuming, why, room) &&
               set(conf, "group.id", membership->group, why, room);
    return set_rows(conf, producing, why, room) &&
           set_number(conf, "message.max.bytes", settings->max_message + LETTER_SLACK, why, room) &&
           set_number(conf, "queue.buffering.max.messages", settings->window, why, room) &&
           set_number(conf, "queue.buffering.max.kbytes", settings->window_bytes / 1024 + 128, why,
                      room);
}

rd_kafka_conf_t *conf_make(const struct client_settings *settings,
                           const struct membership *membership, int events, char *why, size_t room)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool fine = set_rows(conf, common, why, room) &&
                (settings->bootstrap == NULL ||
                 set(conf, "bootstrap.servers", settings->bootstrap, why, room)) &&
                set(conf, "client.id", settings->client_id, why, room) &&
                set_kind(conf, settings, membership, why, room);
    const char *const *property = settings->properties;
    for (; property != NULL && *property != NULL && fine; property++)
        fine = set_property(conf, *property, why, room);
    if (!fine) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_log_cb(conf, NULL); /* what matters comes as an event */
    rd_kafka_conf_set_events(conf, events);
    return conf;
}

static bool can_be_made(const struct client_settings *settings, const struct membership *membership,
                        char *why, size_t room)
{
    rd_kafka_conf_t *conf = conf_make(settings, membership, 0, why, room);
    if (conf == NULL)
        return false;
    rd_kafka_type_t type = membership != NULL ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER;
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, room);
    if (rk == NULL) {
        rd_kafka_conf_destroy(conf);
        return false;
    }
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return true;
}

const char *conf_try(const struct client_settings *settings, char *why, size_t room)
{
    static const struct membership membership = { .group = "try" };
    struct client_settings apart = *settings;
    apart.bootstrap = NULL; /* it connects to nobody */
    bool fine = can_be_made(&apart, NULL, why, room) && can_be_made(&apart, &membership, why, room);
    return fine ? NULL : why;
}

/* librdkafka's texts repeat values, and any may be a secret. */
const char *conf_check(const char *name, const char *value, char *why, size_t room)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool fine = set(conf, name, value, why, room);
    rd_kafka_conf_destroy(conf);
    if (fine)
        return NULL;
    return strstr(why, value) == NULL ? why : "it takes no such value";
}

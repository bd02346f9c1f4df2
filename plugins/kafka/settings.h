/* What a configuration says of a Kafka broker, of events to it and of subscriptions to it. */
#ifndef KAFKA_SETTINGS_H
#define KAFKA_SETTINGS_H

#include "plugin.h"
#include "plugins/kafka/client.h"
#include "plugins/kafka/key.h"

/* A topic that a route of some configuration publishes to. Never removed while the broker lives:
 * lanes walk the list while the control thread adds to it. */
struct known_topic {
    struct known_topic *next;
    char name[TOPIC_NAME_MAX + 1];
};

/* A broker's block, as `open` read it. Immutable but for `topics`; read by every worker. */
struct broker_settings {
    const struct host *shunt;
    struct broker *broker;
    char *bootstrap;
    const char *const *properties;
    size_t window, window_bytes, max_message;
    struct known_topic *_Atomic topics; /* the newest first */
};

/* A route's block, as `prepare` read it. */
struct route_settings {
    const struct broker_settings *broker;
    const char *const *topics; /* ends with NULL */
    unsigned topic_count;
    struct key_source key;
    bool confirmed; /* the caller is answered once every topic has it */
};

extern const struct setting kafka_broker_table[], kafka_event_table[], kafka_subscription_table[];

/* What is wrong with the name of a topic, or NULL. */
const char *topic_flaw(const char *name);

/* The functions of the same names in struct transport. */
int kafka_open(const struct host *host, struct broker *broker, const struct values *values,
               struct complaints *complaints, void **instance);
void kafka_close(void *instance);
int kafka_prepare(void *instance, enum style style, const struct values *route,
                  const struct values *block, struct complaints *complaints, void **settings);
void kafka_release(void *settings);
/* The function of this name in struct source. */
int kafka_check(const struct values *values, const char *service, struct complaints *complaints);

#endif

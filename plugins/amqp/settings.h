/* What a configuration says of a RabbitMQ broker, of routes over it and of subscriptions to it. */
#ifndef AMQP_SETTINGS_H
#define AMQP_SETTINGS_H

#include "plugin.h"

/* A broker's block, as `open` read it. Immutable but for `awaits`; read by every worker. */
struct broker_settings {
    const struct host *shunt;
    struct broker *broker;
    char *url; /* its parts are pointed to by the following five */
    const char *host, *user, *password, *vhost;
    uint16_t port;
    uint64_t heartbeat_ms, connect_timeout_ms, backoff_ms, max_backoff_ms;
    size_t window, window_bytes, max_message;
    _Atomic bool
        awaits; /* a route of a configuration waits for replies: workers need their reply queues */
};

/* A route's block, as `prepare` read it. */
struct route_settings {
    const struct broker_settings *broker;
    struct slice exchange, routing_key; /* the default exchange is "" */
    uint64_t ttl_ms;                    /* 0: the message never expires */
    bool confirmed;                     /* the caller is answered once the broker confirmed */
};

extern const struct setting amqp_broker_table[], amqp_request_reply_table[], amqp_event_table[],
    amqp_subscription_table[];

/* The functions of the same names in struct transport. */
int settings_open(const struct host *host, struct broker *broker, const struct values *values,
                  struct complaints *complaints, void **instance);
void settings_close(void *instance);
int settings_prepare(void *instance, enum style style, const struct values *route,
                     const struct values *block, struct complaints *complaints, void **settings);
void settings_release(void *settings);

#endif

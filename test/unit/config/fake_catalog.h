/* A catalog with one plugin like amqp, so that the tests of the tables need no real one. */
#ifndef FAKE_CATALOG_H
#define FAKE_CATALOG_H

#include <stddef.h>
#include <string.h>

#include "config/config.h"

static const char *const fake_schemes[] = { "amqp", "amqps", NULL };
static const char *const fake_replies[] = { "await", NULL };

static const struct setting fake_broker[] = {
    { "url", SETTING_URL, SETTING_REQUIRED | SETTING_SECRET, .choices = fake_schemes,
      .since = "0.1", .help = "Where it is." },
    { "heartbeat", SETTING_DURATION, 0, "10s", 1000, 600000, .since = "0.1",
      .help = "How often to knock." },
    { 0 },
};
static const struct setting fake_request_reply[] = {
    { "queue", SETTING_TEXT, SETTING_REQUIRED | SETTING_NOT_EMPTY, .since = "0.1",
      .help = "The queue." },
    { "reply", SETTING_CHOICE, 0, "await", .choices = fake_replies, .since = "0.1",
      .help = "How to answer." },
    { 0 },
};
static const struct setting fake_queue[] = {
    { "queue", SETTING_TEXT, SETTING_REQUIRED | SETTING_NOT_EMPTY, .since = "0.1",
      .help = "The queue." },
    { 0 },
};
static const struct setting fake_nothing[] = { { 0 } };

/* And one like kafka, for the examples. */
static const struct setting fake_bootstrap[] = {
    { "bootstrap", SETTING_HOSTPORTS, SETTING_REQUIRED, .since = "0.1", .help = "Where it is." },
    { 0 },
};
static const struct setting fake_topics[] = {
    { "topics", SETTING_TEXTS, SETTING_REQUIRED, .since = "0.1", .help = "The topics." },
    { "key", SETTING_TEXT, 0, .since = "0.1", .help = "The key." },
    { 0 },
};
static const struct setting fake_declare[] = {
    { "partitions", SETTING_NUMBER, 0, .low = 1, .high = 100, .since = "0.1", .help = "How many." },
    { 0 },
};
static const struct setting fake_group[] = {
    { "topics", SETTING_TEXTS, SETTING_REQUIRED, .since = "0.1", .help = "The topics." },
    { "group", SETTING_TEXT, 0, .since = "0.1", .help = "The group." },
    { "start", SETTING_TEXT, SETTING_REQUIRED, .since = "0.1", .help = "Where it begins." },
    { "declare", SETTING_GROUP, 0, .children = fake_declare, .since = "0.1", .help = "Makes it." },
    { 0 },
};

static inline const struct setting *fake_broker_rows(void *context, const char *name,
                                                     const char **why)
{
    (void)context;
    if (strcmp(name, "amqp") == 0)
        return fake_broker;
    if (strcmp(name, "kafka") == 0)
        return fake_bootstrap;
    if (strcmp(name, "mute") == 0)
        return fake_nothing;
    *why = "there is no such file";
    return NULL;
}

static inline const struct setting *fake_route_rows(void *context, const char *name,
                                                    enum style style)
{
    (void)context;
    if (strcmp(name, "kafka") == 0 && style == STYLE_EVENT)
        return fake_topics;
    if (strcmp(name, "amqp") != 0 || style == STYLE_SYNC)
        return fake_nothing;
    return style == STYLE_REQUEST_REPLY ? fake_request_reply : fake_queue;
}

static inline const struct setting *fake_subscription_rows(void *context, const char *name)
{
    (void)context;
    if (strcmp(name, "kafka") == 0)
        return fake_group;
    return strcmp(name, "amqp") == 0 ? fake_queue : fake_nothing;
}

static inline const char *const *fake_names(void *context)
{
    static const char *const names[] = { "http", "amqp", "mute", NULL };
    (void)context;
    return names;
}

static const struct catalog fake_catalog = {
    .broker = fake_broker_rows,
    .route = fake_route_rows,
    .subscription = fake_subscription_rows,
    .names = fake_names,
};

#endif

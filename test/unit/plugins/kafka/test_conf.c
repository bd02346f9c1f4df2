/* What a client's configuration says in the end: ours, and over it the user's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plugins/kafka/handle.h"

static void expect_property(const rd_kafka_conf_t *conf, const char *name, const char *expected)
{
    char value[256];
    size_t len = sizeof value;
    assert_int_equal(rd_kafka_conf_get(conf, name, value, &len), RD_KAFKA_CONF_OK);
    assert_string_equal(value, expected);
}

static rd_kafka_conf_t *conf_of(const char *const *properties, bool consumer)
{
    const struct client_settings settings = { .bootstrap = "kafka:9092",
                                              .properties = properties,
                                              .client_id = "c",
                                              .max_message = 1000000,
                                              .window = 100,
                                              .window_bytes = 1 << 20 };
    const struct membership membership = { .group = "g" };
    char why[256];
    rd_kafka_conf_t *conf = conf_make(&settings, consumer ? &membership : NULL, 0, why, sizeof why);
    assert_non_null(conf);
    return conf;
}

/* What is fetched and not yet ours: at most a full queue, and one answer that came too late. */
static void what_is_fetched_is_bounded(void **state)
{
    (void)state;
    rd_kafka_conf_t *conf = conf_of(NULL, true);
    expect_property(conf, "queued.max.messages.kbytes", "4096");
    expect_property(conf, "fetch.max.bytes", "4194304");
    rd_kafka_conf_destroy(conf);
}

static void promises_are_kept(void **state)
{
    (void)state;
    rd_kafka_conf_t *conf = conf_of(NULL, true);
    expect_property(conf, "group.id", "g");
    expect_property(conf, "enable.auto.commit", "false");
    expect_property(conf, "enable.auto.offset.store", "false");
    expect_property(conf, "auto.offset.reset", "error");
    expect_property(conf, "allow.auto.create.topics", "false");
    rd_kafka_conf_destroy(conf);
    conf = conf_of(NULL, false);
    expect_property(conf, "acks", "-1");
    expect_property(conf, "enable.idempotence", "true");
    expect_property(conf, "partitioner", "murmur2_random");
    expect_property(conf, "message.max.bytes", "1065536");
    rd_kafka_conf_destroy(conf);
}

static void the_user_s_properties_come_last(void **state)
{
    (void)state;
    static const char *const properties[] = { "fetch.max.bytes=9000000", "client.rack=a=b", NULL };
    rd_kafka_conf_t *conf = conf_of(properties, true);
    expect_property(conf, "fetch.max.bytes", "9000000");
    expect_property(conf, "client.rack", "a=b");
    rd_kafka_conf_destroy(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_fetched_is_bounded),
        cmocka_unit_test(promises_are_kept),
        cmocka_unit_test(the_user_s_properties_come_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

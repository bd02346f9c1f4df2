/* Whole files through the real tables, and then through open and prepare; what is complained of is
 * compared. The library that properties are held against is librdkafka itself. */
#include "plugins/kafka/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/config.h"
#include "plugins/kafka/handle.h"

static const struct setting *broker_rows(void *context, const char *name, const char **why)
{
    (void)context;
    (void)name;
    (void)why;
    return kafka_broker_table;
}

static const struct setting *route_rows(void *context, const char *name, enum style style)
{
    static const struct setting nothing[] = { { 0 } };
    (void)context;
    (void)name;
    return style == STYLE_EVENT ? kafka_event_table : nothing;
}

static const struct setting *subscription_rows(void *context, const char *name)
{
    (void)context;
    (void)name;
    return kafka_subscription_table;
}

static const char *const *plugin_names(void *context)
{
    static const char *const names[] = { "kafka", NULL };
    (void)context;
    return names;
}

static const struct catalog catalog = { .broker = broker_rows,
                                        .route = route_rows,
                                        .subscription = subscription_rows,
                                        .names = plugin_names };

struct file {
    struct config *config;
    struct complaints complaints;
};

static void load(struct file *file, const char *broker, const char *event)
{
    struct bytes text = { 0 };
    complaints_init(&file->complaints);
    bytes_printf(&text, "brokers = ( { name = \"k\"; plugin = \"kafka\"; %s } );\n", broker);
    bytes_text(&text, "listeners = ( { name = \"in\"; address = \"127.0.0.1:1\"; } );\n");
    bytes_printf(
        &text,
        "routes = ( { name = \"r\"; match = { path = \"/orders/{id}\"; }; style = \"event\"; "
        "event = { broker = \"k\"; %s }; } );\n",
        event);
    file->config = config_load_text("test.cfg", bytes_slice(&text), &catalog, &file->complaints);
    bytes_free(&text);
}

static void unload(struct file *file)
{
    config_free(file->config);
    complaints_clear(&file->complaints);
}

static struct broker_settings *open_broker(struct file *file)
{
    void *instance = NULL;
    const struct values *values = values_get(file->config->top, "brokers")->groups[0];
    int result = kafka_open(NULL, NULL, values, &file->complaints, &instance);
    assert_int_equal(result, instance == NULL ? -1 : 0);
    return instance;
}

static struct route_settings *prepare(struct file *file, struct broker_settings *broker)
{
    void *settings = NULL;
    const struct values *route = values_get(file->config->top, "routes")->groups[0];
    int result = kafka_prepare(broker, STYLE_EVENT, route, values_group(route, "event"),
                               &file->complaints, &settings);
    assert_int_equal(result, settings == NULL ? -1 : 0);
    return settings;
}

static void expect_complaint(struct file *file, const char *word)
{
    char *told = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&told, &len);
    complaints_print(&file->complaints, out, false);
    fclose(out);
    if (strstr(told, word) == NULL)
        fail_msg("no '%s' in: %s", word, told);
    free(told);
}

static void a_good_file(void **state)
{
    (void)state;
    struct file file;
    load(&file, "bootstrap = ( \"a:9092\", \"b:9093\" ); properties = ( \"linger.ms=5\" );",
         "topics = ( \"x\", \"y.z\" ); key = \"path:id\"; ack = \"none\";");
    assert_int_equal(file.complaints.errors, 0);
    struct broker_settings *broker = open_broker(&file);
    assert_non_null(broker);
    assert_string_equal(broker->bootstrap, "a:9092,b:9093");
    struct route_settings *route = prepare(&file, broker);
    assert_non_null(route);
    assert_int_equal(route->topic_count, 2);
    assert_int_equal(route->key.segment, 2);
    assert_false(route->confirmed);
    assert_string_equal(broker->topics->name, "y.z");
    assert_string_equal(broker->topics->next->name, "x");
    kafka_release(route);
    kafka_close(broker);
    unload(&file);
}

static void expect_batch_size(const char *property, const char *bytes)
{
    const char *properties[] = { property, NULL };
    const struct client_settings settings = { .properties = properties,
                                              .client_id = "test",
                                              .max_message = 1000000,
                                              .window = 10,
                                              .window_bytes = 1 << 20 };
    char text[64];
    size_t room = sizeof text;
    rd_kafka_conf_t *conf = conf_make(&settings, NULL, 0, text, sizeof text);
    assert_non_null(conf);
    assert_int_equal(rd_kafka_conf_get(conf, "batch.size", text, &room), RD_KAFKA_CONF_OK);
    assert_string_equal(text, bytes);
    rd_kafka_conf_destroy(conf);
}

/* A topic that takes less than the largest record refuses whole batches. */
static void batches_are_small_and_the_user_has_the_last_word(void **state)
{
    (void)state;
    expect_batch_size(NULL, "65536");
    expect_batch_size("batch.size=1000", "1000");
}

static void the_window_has_room_for_two(void **state)
{
    (void)state;
    struct file file;
    load(&file, "bootstrap = \"a:9092\"; max_message = \"50MB\"; window_bytes = \"64MB\";",
         "topics = \"x\";");
    struct broker_settings *broker = open_broker(&file);
    assert_non_null(broker);
    assert_int_equal(broker->window_bytes, 2 * broker->max_message);
    kafka_close(broker);
    unload(&file);
}

static void a_property_that_breaks_a_promise_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *property, *word;
    } rows[] = {
        { "acks=1", "all replicas in sync" },
        { "enable.idempotence=false", "'enable.idempotence' is refused" },
        { "partitioner=random", "JVM producer" },
        { "enable.auto.offset.store=true", "only what was handled" },
        { "enable.auto.commit=true", "only what was handled" },
        { "bootstrap.servers=x:1", "the setting 'bootstrap'" },
        { "plugin.library.paths=evil", "load code" },
        { "ssl.engine.location=/tmp/evil.so", "load code" },
        { "test.mock.num.brokers=1", "this process's memory" },
        { "offset.store.method=file", "and to the group" },
        { "linger.ms=1000", "is an outage" },
        { "max.in.flight=10", "makes no client of this: `max.in.flight`" },
        { "queuing.strategy=lifo", "makes no client of this" },
        { "session.timeout.ms=100000", "makes no client of this" },
        { "security.protocol=ssl\", \"ssl.ca.location=/nowhere/ca.pem", "ssl.ca.location failed" },
        { "security.protocol=sasl_ssl\", \"sasl.mechanisms=PLAIN", "sasl.username" },
        { "queue.buffering.max.ms=501", "is an outage" },
        { "no.such.thing=1", "not taken by librdkafka" },
        { "linger.ms=abc", "not taken by librdkafka" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct file file;
        char broker[256];
        snprintf(broker, sizeof broker, "bootstrap = \"a:9092\"; properties = ( \"%s\" );",
                 rows[i].property);
        load(&file, broker, "topics = \"x\";");
        assert_int_equal(file.complaints.errors, 0);
        assert_null(open_broker(&file));
        expect_complaint(&file, rows[i].word);
        unload(&file);
    }
}

static void a_broker_that_is_not_verified_is_told(void **state)
{
    (void)state;
    static const char *const properties[] = { "enable.ssl.certificate.verification=FALSE",
                                              "ssl.endpoint.identification.algorithm=none",
                                              "linger.ms=500" };
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++) {
        struct file file;
        char broker[256];
        snprintf(broker, sizeof broker, "bootstrap = \"a:9092\"; properties = ( \"%s\" );",
                 properties[i]);
        load(&file, broker, "topics = \"x\";");
        struct broker_settings *settings = open_broker(&file);
        assert_non_null(settings);
        assert_int_equal(file.complaints.warnings, i < 2 ? 1 : 0);
        kafka_close(settings);
        unload(&file);
    }
}

static void a_secret_is_never_repeated(void **state)
{
    (void)state;
    static const char *const properties[] = { "sasl.passwrd=1618033", "security.protocol=1618033",
                                              "linger.ms=16180339887", "acks=1618033" };
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++) {
        struct file file;
        char broker[256];
        snprintf(broker, sizeof broker, "bootstrap = \"a:9092\"; properties = ( \"%s\" );",
                 properties[i]);
        load(&file, broker, "topics = \"x\";");
        assert_null(open_broker(&file));
        char *told = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&told, &len);
        complaints_print(&file.complaints, out, false);
        fclose(out);
        assert_non_null(strstr(told, "the property '"));
        assert_null(strstr(told, "1618033"));
        free(told);
        unload(&file);
    }
}

static void mistakes_in_a_route_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *event, *word;
    } rows[] = {
        { "topics = ( \"a\", \"a\" );", "named twice" },
        { "topics = ( \"a b\" );", "letters, digits" },
        { "topics = \"..\";", "no name of a topic" },
        { "topics = \"a\"; key = \"cookie:x\";", "no source of a key" },
        { "topics = \"a\"; key = \"path:shop\";", "no segment of this name" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct file file;
        load(&file, "bootstrap = \"a:9092\";", rows[i].event);
        assert_int_equal(file.complaints.errors, 0);
        struct broker_settings *broker = open_broker(&file);
        assert_null(prepare(&file, broker));
        expect_complaint(&file, rows[i].word);
        kafka_close(broker);
        unload(&file);
    }
}

static void mistakes_in_a_subscription_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *subscription, *word; /* NULL: there is none */
    } rows[] = {
        { "topics = ( \"a\", \"b\" );", NULL },
        { "topics = ( \"a\", \"a\" );", "named twice" },
        { "topics = ( \"a b\" );", "letters, digits" },
        { "topics = \"a\"; group = \"my group\";", "cannot go to 'a.my group.dead'" },
        { "topics = ( \"a\", \"a.g.dead\" ); group = \"g\";", "consumed itself" },
        { "topics = \"a\"; group = \"my group\"; dead_letter = \"d\";", NULL },
        { "topics = \"a\"; dead_letter = \"a\";", "consumed itself" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct file file;
        char text[512];
        complaints_init(&file.complaints);
        snprintf(text, sizeof text,
                 "brokers = ( { name = \"k\"; plugin = \"kafka\"; bootstrap = \"a:9092\"; } );\n"
                 "subscriptions = ( { name = \"s\"; broker = \"k\"; start = \"latest\"; "
                 "deliver = \"http://127.0.0.1:1\"; %s } );\n",
                 rows[i].subscription);
        file.config = config_load_text("test.cfg", slice_text(text), &catalog, &file.complaints);
        assert_int_equal(file.complaints.errors, 0);
        const struct values *values = values_get(file.config->top, "subscriptions")->groups[0];
        int result = kafka_check(values, "inventory", &file.complaints);
        assert_int_equal(result, rows[i].word == NULL ? 0 : -1);
        if (rows[i].word != NULL)
            expect_complaint(&file, rows[i].word);
        unload(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file),
        cmocka_unit_test(batches_are_small_and_the_user_has_the_last_word),
        cmocka_unit_test(the_window_has_room_for_two),
        cmocka_unit_test(a_property_that_breaks_a_promise_is_refused),
        cmocka_unit_test(a_broker_that_is_not_verified_is_told),
        cmocka_unit_test(a_secret_is_never_repeated),
        cmocka_unit_test(mistakes_in_a_route_are_told),
        cmocka_unit_test(mistakes_in_a_subscription_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

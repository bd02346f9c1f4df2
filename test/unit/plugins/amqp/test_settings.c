/* Whole files through the real tables, and then through open and prepare; what is complained of
 * is compared. */
#include "plugins/amqp/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/config.h"

static const struct setting *broker_rows(void *context, const char *name, const char **why)
{
    (void)context;
    (void)name;
    (void)why;
    return amqp_broker_table;
}

static const struct setting *route_rows(void *context, const char *name, enum style style)
{
    static const struct setting nothing[] = { { 0 } };
    (void)context;
    (void)name;
    return style == STYLE_EVENT           ? amqp_event_table
           : style == STYLE_REQUEST_REPLY ? amqp_request_reply_table
                                          : nothing;
}

static const struct setting *subscription_rows(void *context, const char *name)
{
    (void)context;
    (void)name;
    return amqp_subscription_table;
}

static const char *const *plugin_names(void *context)
{
    static const char *const names[] = { "amqp", NULL };
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

static void load(struct file *file, const char *broker, const char *style, const char *block)
{
    struct bytes text = { 0 };
    complaints_init(&file->complaints);
    bytes_printf(&text, "brokers = ( { name = \"rabbit\"; plugin = \"amqp\"; %s } );\n", broker);
    bytes_text(&text, "listeners = ( { name = \"in\"; address = \"127.0.0.1:1\"; } );\n");
    bytes_printf(
        &text,
        "routes = ( { name = \"r\"; style = \"%s\"; %s = { broker = \"rabbit\"; %s }; } );\n",
        style, style, block);
    file->config = config_load_text("test.cfg", bytes_slice(&text), &catalog, &file->complaints);
    assert_int_equal(file->complaints.errors, 0);
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
    int result = settings_open(NULL, NULL, values, &file->complaints, &instance);
    assert_int_equal(result, instance == NULL ? -1 : 0);
    return instance;
}

static const char *first_complaint(const struct file *file)
{
    struct link *first = list_first(&file->complaints.all);
    return first == NULL ? NULL : (const char *)thing_of(first, struct complaint, link)->what.at;
}

static const char anything[] = "queue = \"q\";";

static void a_url_is_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *url, *user, *password, *host, *vhost;
        int port;
    } rows[] = {
        { "amqp://me:secret@rabbit:1234/shop", "me", "secret", "rabbit", "shop", 1234 },
        { "amqp://rabbit", "guest", "guest", "rabbit", "/", 5672 },
        { "amqp://rabbit/", "guest", "guest", "rabbit", "/", 5672 },
        { "amqp://rabbit/%2f", "guest", "guest", "rabbit", "/", 5672 },
        { "amqp://a%40b:p%3Aw%2Fd@[::1]:5673/v", "a@b", "p:w/d", "::1", "v", 5673 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char broker[128];
        snprintf(broker, sizeof broker, "url = \"%s\";", rows[i].url);
        struct file file;
        load(&file, broker, "event", anything);
        struct broker_settings *settings = open_broker(&file);
        assert_non_null(settings);
        assert_string_equal(settings->user, rows[i].user);
        assert_string_equal(settings->password, rows[i].password);
        assert_string_equal(settings->host, rows[i].host);
        assert_string_equal(settings->vhost, rows[i].vhost);
        assert_int_equal(settings->port, rows[i].port);
        settings_close(settings);
        unload(&file);
    }
}

static void a_bad_url_is_told_without_a_word_of_it(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "amqp://me:MARKER@rabbit:1/a/b",
        "amqp://me:MARKER%zz@rabbit/",
        "amqp://me:MARKER%00@rabbit/",
        "amqp://me:MARKER@rabbit/v?x=1",
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        char broker[128];
        snprintf(broker, sizeof broker, "url = \"%s\";", urls[i]);
        struct file file;
        load(&file, broker, "event", anything);
        assert_null(open_broker(&file));
        assert_int_equal(file.complaints.errors, 1);
        char *printed = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&printed, &len);
        complaints_print(&file.complaints, out, false);
        fclose(out);
        assert_null(strstr(printed, "MARKER"));
        assert_non_null(strstr(printed, "test.cfg:1:"));
        free(printed);
        unload(&file);
    }
}

static void defaults_are_what_the_manual_says(void **state)
{
    (void)state;
    struct file file;
    load(&file, "url = \"amqp://rabbit\";", "event", anything);
    struct broker_settings *settings = open_broker(&file);
    assert_int_equal(settings->heartbeat_ms, 4000);
    assert_int_equal(settings->connect_timeout_ms, 3000);
    assert_int_equal(settings->window, 1024);
    assert_int_equal(settings->window_bytes, 64 << 20);
    assert_int_equal(settings->max_message, 16 << 20);
    assert_int_equal(settings->backoff_ms, 200);
    assert_int_equal(settings->max_backoff_ms, 5000);
    settings_close(settings);
    unload(&file);
}

static int prepare(struct file *file, enum style style, struct broker_settings *settings,
                   struct route_settings **prepared)
{
    const struct values *route = values_get(file->config->top, "routes")->groups[0];
    void *result = NULL;
    int refused = settings_prepare(settings, style, route, values_group(route, style_names[style]),
                                   &file->complaints, &result);
    *prepared = result;
    return refused;
}

static void routes_say_where_to_and_how(void **state)
{
    (void)state;
    static const struct {
        enum style style;
        const char *block, *exchange, *key;
        uint64_t ttl_ms;
        bool confirmed, awaits;
    } rows[] = {
        { STYLE_REQUEST_REPLY, "queue = \"q\";", "", "q", 0, true, true },
        { STYLE_EVENT, "queue = \"q\"; ttl = \"5s\";", "", "q", 5000, true, false },
        { STYLE_EVENT, "exchange = \"x\"; routing_key = \"\"; ack = \"none\";", "x", "", 0, false,
          false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct file file;
        load(&file, "url = \"amqp://rabbit\";", style_names[rows[i].style], rows[i].block);
        struct broker_settings *settings = open_broker(&file);
        struct route_settings *route;
        assert_int_equal(prepare(&file, rows[i].style, settings, &route), 0);
        assert_true(slice_is(route->exchange, rows[i].exchange));
        assert_true(slice_is(route->routing_key, rows[i].key));
        assert_int_equal(route->ttl_ms, rows[i].ttl_ms);
        assert_int_equal(route->confirmed, rows[i].confirmed);
        assert_int_equal(settings->awaits, rows[i].awaits);
        settings_release(route);
        settings_close(settings);
        unload(&file);
    }
}

static void what_tables_cannot_say_is_complained_of(void **state)
{
    (void)state;
    static const struct {
        const char *block, *what;
    } rows[] = {
        { "", "the event has no destination; expected 'queue' or 'exchange'" },
        { "queue = \"q\"; exchange = \"x\"; routing_key = \"k\";",
          "an event goes to a queue or to an exchange, not to both" },
        { "queue = \"q\"; routing_key = \"k\";",
          "a queue has no routing key: write it with 'exchange'" },
        { "exchange = \"x\";", "the exchange needs a 'routing_key'; \"\" is one, too" },
        { "queue = \"a\\tb\";", "'queue' has control characters in it" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct file file;
        load(&file, "url = \"amqp://rabbit\";", "event", rows[i].block);
        struct broker_settings *settings = open_broker(&file);
        struct route_settings *route;
        assert_int_equal(prepare(&file, STYLE_EVENT, settings, &route), -1);
        assert_string_equal(first_complaint(&file), rows[i].what);
        settings_close(settings);
        unload(&file);
    }
}

static void a_name_longer_than_amqp_has_is_complained_of(void **state)
{
    (void)state;
    char name[257] = "", block[300];
    memset(name, 'q', sizeof name - 1);
    snprintf(block, sizeof block, "queue = \"%s\";", name);
    struct file file;
    load(&file, "url = \"amqp://rabbit\";", "request_reply", block);
    struct broker_settings *settings = open_broker(&file);
    struct route_settings *route;
    assert_int_equal(prepare(&file, STYLE_REQUEST_REPLY, settings, &route), -1);
    assert_string_equal(first_complaint(&file), "'queue' is longer than AMQP's names, 255 bytes");
    assert_false(settings->awaits);
    settings_close(settings);
    unload(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_taken_apart),
        cmocka_unit_test(a_bad_url_is_told_without_a_word_of_it),
        cmocka_unit_test(defaults_are_what_the_manual_says),
        cmocka_unit_test(routes_say_where_to_and_how),
        cmocka_unit_test(what_tables_cannot_say_is_complained_of),
        cmocka_unit_test(a_name_longer_than_amqp_has_is_complained_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a good file reads as: typed, with defaults, variables and includes, and without a word. */
#include "config/values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_catalog.h"

#define LISTENER "listeners = ( { name = \"out\"; address = \"127.0.0.1:15001\"; } );\n"

static struct config *load_good(const char *text)
{
    struct complaints complaints;
    complaints_init(&complaints);
    struct config *config = config_load_text("shunt.cfg", slice_text(text), &fake_catalog,
                                             &complaints);
    complaints_print(&complaints, stderr, false);
    assert_int_equal(complaints.errors + complaints.warnings, 0);
    assert_non_null(config);
    complaints_clear(&complaints);
    return config;
}

static void every_type_reads_as_written(void **state)
{
    (void)state;
    struct config *config = load_good(
        "service = \"orders\"; workers = 4; grace = \"1500ms\"; unmatched = \"refuse\";\n"
        "listeners = ( { name = \"out\"; address = \"[::1]:15001\"; host = \"inventory\"; } );\n"
        "limits = { head = \"16KB\"; };\n"
        "log = { calls = false; };\n"
        "upstreams = ( { name = \"a\"; endpoints = \"a:1\"; }, { name = \"b\"; endpoints = [ "
        "\"b:1\", \"[::1]:2\" ]; } );\n"
        "routes = ( { name = \"r\"; style = \"sync\"; sync = { upstream = \"b\"; };\n"
        "  match = { headers = ( \"x-tenant: *\" ); query = \"dry=1\"; path = \"/orders/{id}\"; }; "
        "} );\n");
    const struct values *top = config->top;
    assert_string_equal(values_text(top, "service"), "orders");
    assert_int_equal(values_number(top, "workers"), 4);
    assert_int_equal(values_ms(top, "grace"), 1500);
    assert_int_equal(values_number(top, "unmatched"), 1);
    assert_string_equal(values_text(top, "unmatched"), "refuse");
    assert_int_equal(values_bytes(values_group(top, "limits"), "head"), 16384);
    assert_false(values_flag(values_group(top, "log"), "calls"));

    const struct value *upstreams = values_get(top, "upstreams");
    assert_int_equal(upstreams->count, 2);
    assert_null(upstreams->groups[2]);
    const struct value *endpoints = values_get(upstreams->groups[1], "endpoints");
    assert_int_equal(endpoints->count, 2);
    assert_string_equal(endpoints->texts[1], "[::1]:2");
    assert_int_equal(endpoints->places[1].line, 5);
    assert_int_equal(endpoints->places[1].column, 86);

    const struct values *route = values_get(top, "routes")->groups[0];
    assert_int_equal(values_number(route, "style"), STYLE_SYNC);
    assert_int_equal(values_number(values_group(route, "sync"), "upstream"), 1);
    const struct values *match = values_group(route, "match");
    assert_string_equal(values_get(match, "headers")->texts[0], "x-tenant: *");
    assert_string_equal(values_get(match, "query")->texts[0], "dry=1");
    assert_int_equal(values_place(match, "path").line, 7);
    config_free(config);
}

static void what_is_not_written_has_its_default(void **state)
{
    (void)state;
    struct config *config = load_good(LISTENER);
    const struct values *top = config->top;
    assert_false(values_has(top, "service"));
    assert_string_equal(values_text(top, "service"), "shunt");
    assert_false(values_has(top, "instance"));
    assert_null(values_text(top, "instance"));
    assert_int_equal(values_number(top, "workers"), 1);
    assert_int_equal(values_ms(values_group(top, "timeouts"), "idle"), 60000);
    assert_int_equal(values_bytes(values_group(top, "limits"), "head"), 65536);
    assert_false(values_has(top, "admin"));
    assert_null(values_text(values_group(top, "admin"), "address"));
    assert_null(values_get(values_group(top, "admin"), "hosts")->texts[0]);
    assert_null(values_get(top, "routes")->groups[0]);
    assert_int_equal(values_get(top, "routes")->count, 0);
    config_free(config);
}

static void a_plugin_brings_its_own_rows(void **state)
{
    (void)state;
    struct config *config = load_good(
        "subscriptions = ( { name = \"s\"; broker = \"b\"; queue = \"q\"; deliver = "
        "\"http://127.0.0.1:1/base\"; } );\n"
        "routes = ( { name = \"r\"; style = \"event\"; event = { broker = \"b\"; queue = \"e\"; "
        "respond = { status = 204; }; };\n"
        "  request_reply = { broker = \"b\"; queue = \"q\"; }; } );\n"
        "brokers = ( { name = \"b\"; plugin = \"amqp\"; url = \"amqp://u:p%40@host/vhost?x=1\"; } "
        ");\n");
    const struct values *broker = values_get(config->top, "brokers")->groups[0];
    assert_int_equal(values_ms(broker, "heartbeat"), 10000);
    assert_string_equal(values_text(broker, "url"), "amqp://u:p%40@host/vhost?x=1");
    const struct values *subscription = values_get(config->top, "subscriptions")->groups[0];
    assert_string_equal(values_text(subscription, "queue"), "q");
    assert_int_equal(values_number(values_group(subscription, "retry"), "attempts"), 8);
    const struct value *retry = values_get(values_group(subscription, "result"), "retry");
    assert_int_equal(retry->count, 4);
    assert_string_equal(retry->texts[3], "5xx");
    const struct values *route = values_get(config->top, "routes")->groups[0];
    assert_string_equal(values_text(values_group(route, "request_reply"), "reply"), "await");
    assert_int_equal(values_number(values_group(values_group(route, "event"), "respond"), "status"),
                     204);
    assert_int_equal(values_number(values_group(route, "event"), "broker"), 0);
    config_free(config);
}

static void variables_stand_in_every_string(void **state)
{
    (void)state;
    setenv("SHUNT_TEST_WORKERS", "3", 1);
    setenv("SHUNT_TEST_EMPTY", "", 1);
    setenv("SHUNT_TEST_ODD", "\"; ${HOME}", 1);
    unsetenv("SHUNT_TEST_UNSET");
    struct config *config = load_good(
        LISTENER "workers = \"${SHUNT_TEST_WORKERS}\"; grace = \"${SHUNT_TEST_UNSET:-7s}\";\n"
                 "service = \"a${SHUNT_TEST_EMPTY}b${SHUNT_TEST_EMPTY:-c}$d${SHUNT_TEST_ODD}\";\n"
                 "log = { calls = \"${SHUNT_TEST_UNSET:-false}\"; };\n");
    assert_int_equal(values_number(config->top, "workers"), 3);
    assert_int_equal(values_ms(config->top, "grace"), 7000);
    assert_string_equal(values_text(config->top, "service"), "abc$d\"; ${HOME}");
    assert_true(values_get(config->top, "service")->variable);
    assert_false(values_flag(values_group(config->top, "log"), "calls"));
    config_free(config);
}

static void all_that_libconfig_allows(void **state)
{
    (void)state;
    struct config *config = load_good("# one comment\n// another\n/* and\n a third */\n"
                                      "service : \"a\" \"b\", workers = 2L log = { calls = TRUE }\n"
                                      "grace = \"\\x31s\";\r\n" LISTENER);
    assert_string_equal(values_text(config->top, "service"), "ab");
    assert_int_equal(values_number(config->top, "workers"), 2);
    assert_int_equal(values_ms(config->top, "grace"), 1000);
    config_free(config);
}

static void equal_means_the_same_in_every_value(void **state)
{
    (void)state;
    static const char *const texts[] = {
        LISTENER
        "grace = \"60s\"; upstreams = ( { name = \"u\"; endpoints = ( \"a:1\", \"b:1\" ); } );",
        "\n\n" LISTENER "workers = 1; upstreams = ( { name = \"u\"; endpoints = ( \"a:1\", \"b:1\" "
        "); } ); grace = \"1m\";",
        LISTENER
        "grace = \"60s\"; upstreams = ( { name = \"u\"; endpoints = ( \"a:1\", \"b:2\" ); } );",
        LISTENER "grace = \"60s\"; upstreams = ( { name = \"u\"; endpoints = ( \"a:1\" ); } );",
    };
    struct config *configs[4];
    for (size_t i = 0; i < 4; i++)
        configs[i] = load_good(texts[i]);
    assert_true(values_equal(configs[0]->top, configs[1]->top));
    assert_false(values_equal(configs[0]->top, configs[2]->top));
    assert_false(values_equal(configs[0]->top, configs[3]->top));
    for (size_t i = 0; i < 4; i++)
        config_free(configs[i]);
}

static void routes_that_can_win_are_silent(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "host = \"a.svc\";", "host = \"*.svc\";" },
        { "host = \"*.svc\";", "host = \"svc\";" },
        { "method = \"GET\";", "" },
        { "path = \"/orders\";", "path = \"/orders/*\";" },
        { "path = \"/orders/{id}\";", "path = \"/orders/\";" },
        { "path = \"/orders/{id}\";", "path = \"/orders/*\";" },
        { "path = \"/orders/{id}/x\";", "path = \"/orders/{id}\";" },
        { "path_regex = \"^/a\";", "path = \"/ab\";" },
        { "headers = \"a: b\";", "headers = \"a: *\";" },
        { "headers = \"a: *\";", "host = \"x\";" },
        { "query = ( \"a=1\", \"b=2\" );", "query = \"a=1\";" },
        { "query = \"A=1\";", "query = \"a=1\";" },
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        char text[1024];
        snprintf(text, sizeof(text),
                 LISTENER "upstreams = ( { name = \"u\"; endpoints = \"a:1\"; } );\n"
                          "routes = ( { name = \"a\"; match = { %s }; style = \"sync\"; sync = { "
                          "upstream = \"u\"; }; },\n"
                          "{ name = \"b\"; match = { %s }; style = \"sync\"; sync = { upstream = "
                          "\"u\"; }; } );\n",
                 pairs[i][0], pairs[i][1]);
        config_free(load_good(text));
    }
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* The first complaint's line, or "" for a file that is taken. */
static void load_file(const char *folder, const char *name, char *line, size_t room)
{
    char path[256], *text;
    size_t len;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    struct complaints complaints;
    complaints_init(&complaints);
    struct config *config = config_load(path, &fake_catalog, &complaints);
    FILE *out = open_memstream(&text, &len);
    complaints_print(&complaints, out, false);
    fclose(out);
    size_t skip = strncmp(text, folder, strlen(folder)) == 0 ? strlen(folder) + 1 : 0;
    snprintf(line, room, "%s", text + skip);
    free(text);
    complaints_clear(&complaints);
    config_free(config);
}

static void includes_are_read_from_the_folder_of_the_file(void **state)
{
    (void)state;
    char folder[] = "/tmp/shunt-test-XXXXXX", line[512];
    assert_non_null(mkdtemp(folder));
    write_file(folder, "main.cfg",
               "@include \"listeners.cfg\" # by name\nupstreams = (\n@include \"list.cfg\"\n);\n");
    write_file(folder, "listeners.cfg", LISTENER);
    write_file(folder, "list.cfg", "{ name = \"u\"; endpoints = \"a:1\"; }");
    load_file(folder, "main.cfg", line, sizeof(line));
    assert_string_equal(line, "");

    write_file(folder, "list.cfg", "\n{ name = \"u\"; endpoint = \"a:1\"; }");
    load_file(folder, "main.cfg", line, sizeof(line));
    assert_non_null(strstr(line, "list.cfg:2:15: unknown setting 'endpoint'"));

    write_file(folder, "list.cfg", "@include \"main.cfg\"\n");
    load_file(folder, "main.cfg", line, sizeof(line));
    assert_non_null(strstr(line, "list.cfg:1:10: include loop"));

    write_file(folder, "self.cfg", LISTENER "@include \"self.cfg\"\n");
    load_file(folder, "self.cfg", line, sizeof(line));
    assert_non_null(strstr(line, "self.cfg:2:10: include loop"));

    load_file(folder, "none.cfg", line, sizeof(line));
    assert_string_equal(line, "none.cfg: cannot read the file: No such file or directory\n");

    static const char *const names[] = { "main.cfg", "listeners.cfg", "list.cfg", "self.cfg" };
    for (size_t i = 0; i < 4; i++) {
        char path[256];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void the_reference_names_every_setting(void **state)
{
    (void)state;
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    reference_print(&fake_catalog, out, false);
    fclose(out);
    assert_non_null(strstr(text, "\n## routes › match\n"));
    assert_non_null(strstr(text, "| `grace` | a duration with a unit (ms, s, m, h), such as "
                                 "\"5s\", from 0s to 1h | `\"8s\"` |"));
    assert_non_null(strstr(text, "With the plugin `amqp` also:"));
    assert_non_null(strstr(text, "Never printed."));
    assert_null(strstr(text, "(null)"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_reads_as_written),
        cmocka_unit_test(what_is_not_written_has_its_default),
        cmocka_unit_test(a_plugin_brings_its_own_rows),
        cmocka_unit_test(variables_stand_in_every_string),
        cmocka_unit_test(all_that_libconfig_allows),
        cmocka_unit_test(equal_means_the_same_in_every_value),
        cmocka_unit_test(routes_that_can_win_are_silent),
        cmocka_unit_test(includes_are_read_from_the_folder_of_the_file),
        cmocka_unit_test(the_reference_names_every_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

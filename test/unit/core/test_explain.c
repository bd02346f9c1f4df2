/* Questions as one types them, and what must stand in the answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/explain.h"
#include "core/registry.h"

static const char config_text[] =
    "listeners = ( { name = \"out\"; address = \"127.0.0.1:15001\"; host = \"inventory:8080\"; } "
    ");\n"
    "admin = { address = \"127.0.0.1:15000\"; };\n"
    "upstreams = ( { name = \"inventory\"; endpoints = ( \"inventory:8080\" ); },\n"
    "              { name = \"two\"; endpoints = ( \"two:8080\" ); protocol = \"h2\"; } );\n"
    "routes = ( { name = \"stock\"; match = { host = \"inventory\"; }; style = \"sync\";\n"
    "             sync = { upstream = \"inventory\"; }; },\n"
    "           { name = \"two\"; match = { host = \"two\"; }; style = \"sync\";\n"
    "             sync = { upstream = \"two\"; }; },\n"
    "           { name = \"items\"; match = { host = \"items\"; path = \"/a/{id}\"; };\n"
    "             encoded_slash = \"keep\"; style = \"sync\"; sync = { upstream = \"inventory\"; "
    "};\n"
    "             rewrite = { path = \"/v2/{id}\"; host = \"storage.svc\"; };\n"
    "             request_headers = { set = ( \"x-item: item {id} of {{all}}\" ); remove = "
    "\"x-gone\";\n"
    "                                 add = ( \"x-key: ${SHUNT_TEST_KEY}\" ); };\n"
    "             response_headers = { add = ( \"x-served: {id}\" ); remove = ( \"server\" ); }; } "
    ");\n";

struct row {
    const char *method, *url, *header, *data;
    int status;
    const char *words; /* behind '!': not said */
};

static const struct row rows[] = {
    { NULL, "http://inventory:8080/a?b=1", NULL, NULL, 0, "/a?b=1" },
    { NULL, "inventory/a", NULL, NULL, 0, "stock (test.cfg:5)" },
    /* the documented way: the application's base URL is the listener */
    { NULL, "http://127.0.0.1:15001/a", NULL, NULL, 0, "stock (test.cfg:5)" },
    { NULL, "http://localhost:15001", NULL, NULL, 0, "stock (test.cfg:5)" },
    { NULL, "http://127.0.0.1:15001/a", "Host: inventory", NULL, 0, "stock (test.cfg:5)" },
    { NULL, "http://other/a", NULL, NULL, 0, "none: passes through" },
    { NULL, "http://inventory/a", NULL, "{}", 0, "POST" },
    { "CONNECT", "http://other:443", NULL, NULL, 0, "tunnel" },
    { "CONNECT", "http://other:25", NULL, NULL, 1, "403" },
    /* paths that can be read in several ways */
    { NULL, "http://inventory/a%2fb", NULL, NULL, 1, "none: the path can be read in several ways" },
    { NULL, "http://other//a", NULL, NULL, 1, "400, reason bad_request" },
    { NULL, "http://items/a/b%2Fc", NULL, NULL, 0, "/v2/b%2Fc" },
    { NULL, "http://items/a/b//c", NULL, NULL, 1, "empty segment" },
    /* what a route changes */
    { NULL, "http://items/a/7?q", NULL, NULL, 0, "GET http://items/a/7" },
    { NULL, "http://items/a/7?q", NULL, NULL, 0, "/v2/7?q" },
    { NULL, "http://items/a/7", "X-Gone: 1", NULL, 0, "!X-Gone" },
    { NULL, "http://items/a/7", NULL, NULL, 0, "item 7 of {all}" },
    { NULL, "http://items/a/7", NULL, NULL, 0, "stock: the host is not inventory" },
    { NULL, "http://items/a/7", NULL, NULL, 0, "storage.svc" },
    { NULL, "http://items/a/7", NULL, NULL, 0, "(from a variable)" },
    { NULL, "http://items/a/7", NULL, NULL, 0, "!open sesame" },
    { NULL, "http://items/a/7", NULL, NULL, 0, "x-served: 7" },
    { NULL, "http://items/a/7", NULL, NULL, 0, "answer loses" },
    /* where nothing ever goes */
    { NULL, "http://127.0.0.1:15000/metrics", NULL, NULL, 1, "421" },
    { NULL, "http://2130706433:15000/metrics", NULL, NULL, 1, "421" },
    { NULL, "http://169.254.169.254/latest", NULL, NULL, 1, "403" },
    /* no questions */
    { NULL, "https://inventory/a", NULL, NULL, 2, "" },
    { NULL, "/a", NULL, NULL, 2, "" },
    { NULL, "", NULL, NULL, 2, "" },
    { NULL, "http://inventory/%2f..", NULL, NULL, 2, "" },
    { NULL, "http://user:word@inventory/", NULL, NULL, 2, "" },
    { "BAD METHOD", "http://inventory/", NULL, NULL, 2, "" },
};

/* Of an upgrade to an upstream of HTTP/2, what the program answers. */
static const struct {
    const char *url, *headers[4];
    int status;
    const char *words;
} upgrades[] = {
    { "http://two/a", { "Connection: Upgrade", "Upgrade: tea" }, 1, "501, reason upgrade_refused" },
    { "http://two/a",
      { "Connection: Upgrade", "Upgrade: websocket" },
      1,
      "400, reason bad_request" },
    { "http://two/a",
      { "Connection: Upgrade", "Upgrade: websocket" },
      1,
      "a WebSocket is asked for by GET, with one Sec-WebSocket-Key" },
    { "http://two/a",
      { "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Key: q6urq6urq6urq6urq6urqw==" },
      0,
      "answer" },
    { "http://two/a", { "Upgrade: tea" }, 0, "answer" },
    { "http://inventory/a", { "Connection: Upgrade", "Upgrade: tea" }, 0, "Upgrade" },
};

static struct registry registry;
static struct snapshot *snapshot;

static int setup(void **state)
{
    (void)state;
    setenv("SHUNT_TEST_KEY", "open sesame", 1);
    registry_init(&registry, NULL, NULL);
    struct complaints complaints;
    complaints_init(&complaints);
    struct catalog catalog = plugins_catalog(registry.plugins);
    struct config *config = config_load_text("test.cfg", slice_text(config_text), &catalog,
                                             &complaints);
    snapshot = snapshot_build(config, &registry, true, &complaints);
    complaints_clear(&complaints);
    return snapshot != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    snapshot_release(snapshot);
    registry_clear(&registry);
    return 0;
}

static void expect(const struct question *question, int wanted, const char *words)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    int status = explain(snapshot, question, out);
    fclose(out);
    bool unsaid = words[0] == '!';
    bool said = strstr(text, words + unsaid) != NULL;
    if (status != wanted || said == unsaid)
        fail_msg("%s: %d\n%s", question->url, status, text);
    free(text);
}

static void each_question_gets_its_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const headers[] = { rows[i].header, NULL };
        const struct question question = {
            .method = rows[i].method, .url = rows[i].url, .headers = headers, .data = rows[i].data
        };
        expect(&question, rows[i].status, rows[i].words);
    }
}

static void an_upgrade_is_judged_as_it_would_be(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof upgrades / sizeof *upgrades; i++) {
        const struct question question = { .url = upgrades[i].url, .headers = upgrades[i].headers };
        expect(&question, upgrades[i].status, upgrades[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_question_gets_its_answer),
        cmocka_unit_test(an_upgrade_is_judged_as_it_would_be),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

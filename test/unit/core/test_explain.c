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
    "upstreams = ( { name = \"inventory\"; endpoints = ( \"inventory:8080\" ); } );\n"
    "routes = ( { name = \"stock\"; match = { host = \"inventory\"; }; style = \"sync\";\n"
    "             sync = { upstream = \"inventory\"; }; },\n"
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
    { NULL, "inventory/a", NULL, NULL, 0, "stock (test.cfg:4)" },
    /* the documented way: the application's base URL is the listener */
    { NULL, "http://127.0.0.1:15001/a", NULL, NULL, 0, "stock (test.cfg:4)" },
    { NULL, "http://localhost:15001", NULL, NULL, 0, "stock (test.cfg:4)" },
    { NULL, "http://127.0.0.1:15001/a", "Host: inventory", NULL, 0, "stock (test.cfg:4)" },
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

static void each_question_gets_its_answer(void **state)
{
    (void)state;
    setenv("SHUNT_TEST_KEY", "open sesame", 1);
    struct registry registry;
    registry_init(&registry, NULL, NULL);
    struct complaints complaints;
    complaints_init(&complaints);
    struct catalog catalog = plugins_catalog(registry.plugins);
    struct config *config = config_load_text("test.cfg", slice_text(config_text), &catalog,
                                             &complaints);
    struct snapshot *snapshot = snapshot_build(config, &registry, true, &complaints);
    assert_non_null(snapshot);
    complaints_clear(&complaints);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const headers[] = { rows[i].header, NULL };
        struct question question = {
            .method = rows[i].method, .url = rows[i].url, .headers = headers, .data = rows[i].data
        };
        char *text = NULL;
        size_t len = 0;
        FILE *out = open_memstream(&text, &len);
        int status = explain(snapshot, &question, out);
        fclose(out);
        bool unsaid = rows[i].words[0] == '!';
        bool said = strstr(text, rows[i].words + unsaid) != NULL;
        if (status != rows[i].status || said == unsaid)
            fail_msg("%s: %d\n%s", rows[i].url, status, text);
        free(text);
    }
    snapshot_release(snapshot);
    registry_clear(&registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_question_gets_its_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

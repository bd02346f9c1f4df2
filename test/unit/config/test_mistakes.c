/* Every mistake that we know people make: where it is told, in which words, with which help.
 *
 * Each is one edit of a good file. `place` is "line:column"; `words` must stand in the
 * complaint, in that order. */
#include "base/bytes.h"
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/time.h>

#include <cmocka.h>

#include "fake_catalog.h"

#define FORWARDED(ip, rows) \
    "listeners = ( { name = \"out\"; address = \"" ip ":15001\";\n" rows " } );\n"
#define TOP       "listeners = ( { name = \"out\"; address = \"127.0.0.1:15001\"; } );\n"
#define UPSTREAMS "upstreams = ( { name = \"inventory\"; endpoints = ( \"inventory:8080\" ); } );\n"
#define BROKERS \
    "brokers = ( { name = \"rabbit\"; plugin = \"amqp\"; url = \"amqp://broker\"; } );\n"
#define BASE TOP UPSTREAMS BROKERS /* three lines */
#define ROUTE(rest)                                                                         \
    BASE "routes = ( { name = \"r\"; style = \"sync\"; sync = { upstream = \"inventory\"; " \
         "};\n" rest " } );\n"
#define MATCH(rest)   ROUTE("match = { " rest " };")
#define REWRITE(rest) ROUTE("match = { path = \"/{id}\"; };\nrewrite = { " rest " };")
#define SUBSCRIPTION(rest)                                                                  \
    BASE "subscriptions = ( { name = \"s\"; broker = \"rabbit\"; queue = \"q\"; deliver = " \
         "\"http://127.0.0.1:8080\";\n" rest " } );\n"
#define TWO(first, second)                                                  \
    BASE "routes = (\n{ name = \"a\"; match = { " first                     \
         " }; style = \"sync\"; sync = { upstream = \"inventory\"; }; },\n" \
         "{ name = \"b\"; match = { " second                                \
         " }; style = \"sync\"; sync = { upstream = \"inventory\"; }; } );\n"

struct mistake {
    const char *text, *place;
    const char *words[4];
};

static const struct mistake mistakes[] = {
    /* names */
    { ROUTE("tiemout = \"5s\";"),
      "5:1",
      { "unknown setting 'tiemout' in a route", "match", "did you mean 'timeout'" } },
    { BASE "rutes = ();\n",
      "4:1",
      { "unknown setting 'rutes' in the top level", "did you mean 'routes'" } },
    { ROUTE("queue = \"q\";"), "5:1", { "unknown setting 'queue'", "belongs in 'request_reply'" } },
    { BASE "zzz = 1;\n", "4:1", { "unknown setting 'zzz'", "one of service, instance" } },
    { TOP "brokers = ( { name = \"b\"; plugin = \"amqp\"; url = \"amqp://b\"; heartbaet = \"5s\"; "
          "} );\n",
      "2:62",
      { "unknown setting 'heartbaet' in a broker", "did you mean 'heartbeat'" } },
    /* types, units, ranges */
    { BASE "workers = \"many\";\n", "4:11", { "'many' is not a whole number", "from 1 to 64" } },
    { BASE "workers = 65;\n", "4:11", { "'65' is out of range", "from 1 to 64" } },
    { BASE "workers = -1;\n", "4:11", { "'-1' is negative" } },
    { BASE "workers = true;\n", "4:11", { "'workers' is true or false", "a whole number" } },
    { BASE "workers = 1.5;\n", "4:11", { "'workers' is a fraction" } },
    { BASE "workers = 4294967328;\n", "4:11", { "'4294967328' is out of range" } },
    { BASE "workers = 99999999999999999999;\n", "4:11", { "does not fit in 64 bits" } },
    { BASE "workers = 010;\n", "4:11", { "leading zeros" } },
    { BASE "workers = 0x41;\n", "4:11", { "out of range" } },
    { BASE "service = 5;\n", "4:11", { "'service' is a number", "a string" } },
    { BASE "log = { calls = \"yes\"; };\n", "4:17", { "neither true nor false" } },
    { BASE "log = { calls = yes; };\n", "4:17", { "without quotes", "did you mean true" } },
    { BASE "log = ( );\n", "4:7", { "'log' is a list", "a group" } },
    { BASE "routes = { };\n", "4:10", { "'routes' is a group", "a list of groups" } },
    { BASE "routes = ( \"r\" );\n", "4:12", { "an entry of 'routes' is a string", "a group" } },
    { ROUTE("timeout = \"5\";"),
      "5:11",
      { "'5' has no unit", "(ms, s, m, h)", "did you mean \"5s\"" } },
    { ROUTE("timeout = 5;"), "5:11", { "has no unit", "did you mean \"5s\"" } },
    { ROUTE("timeout = 5s;"), "5:11", { "without quotes", "\"5s\"" } },
    { ROUTE("timeout = \"5 s\";"), "5:11", { "unknown unit" } },
    { ROUTE("timeout = \"-5s\";"), "5:11", { "is negative" } },
    { ROUTE("timeout = \"0s\";"), "5:11", { "out of range", "from 1ms to 24h" } },
    { ROUTE("timeout = \"9999999999999999h\";"), "5:11", { "out of range" } },
    { ROUTE("max_body = \"1TB\";"), "5:12", { "unknown unit", "KB, MB, GB" } },
    { ROUTE("max_body = \"1.5MB\";"), "5:12", { "not a whole number of its unit" } },
    { BASE "unmatched = \"pas\";\n",
      "4:13",
      { "'pas' is unknown", "pass, refuse", "did you mean 'pass'" } },
    /* addresses */
    { "listeners = ( { name = \"a\"; address = \"localhost:1\"; } );\n",
      "1:39",
      { "no numeric address", "did you mean \"127.0.0.1:1\"" } },
    { "listeners = ( { name = \"a\"; address = \"127.0.0.1\"; } );\n", "1:39", { "has no port" } },
    { "listeners = ( { name = \"a\"; address = \"127.0.0.1:70000\"; } );\n",
      "1:39",
      { "no port from 1 to 65535" } },
    { "listeners = ( { name = \"a\"; address = \"127.0.0.300:80\"; } );\n",
      "1:39",
      { "no numeric address" } },
    { "listeners = ( { name = \"a\"; address = \"unix:/x\"; } );\n",
      "1:39",
      { "is a Unix socket" } },
    { "listeners = ( { name = \"a\"; address = \"127.0.0.1:80\"; },\n{ name = \"b\"; address = "
      "\"0.0.0.0:80\"; } );\n",
      "2:25",
      { "taken already", "line 1" } },
    { FORWARDED("127.0.0.1", "trusted_proxies = ( \"10.0.0.0/8\", \"10.0.0.0/33\" );"),
      "2:35",
      { "no address and no network", "such as ( \"10.0.0.0/8\", \"::1\" )" } },
    { FORWARDED("127.0.0.1", "trusted_proxies = ( \"10.1.0.0/8\" );"),
      "2:21",
      { "bits that its length leaves out", "did you mean \"10.0.0.0/8\"" } },
    { FORWARDED("127.0.0.1", "trusted_proxies = \"fd00::1/8\";"),
      "2:19",
      { "bits that its length leaves out", "did you mean \"fd00::/8\"" } },
    { FORWARDED("127.0.0.1", "trusted_proxies = \"proxy\";"), "2:19", { "no address" } },
    { FORWARDED("127.0.0.1", "trusted_proxies = ( );"), "2:19", { "is empty" } },
    { FORWARDED("0.0.0.0", "forwarded = \"append\";"),
      "2:13",
      { "everybody on the network", "'trusted_proxies' beside it" } },
    { FORWARDED("[::]", "forwarded = \"keep\";"), "2:13", { "everybody on the network" } },
    { FORWARDED("0.0.0.0", "forwarded = \"replace\"; trusted_proxies = \"10.0.0.1\";"),
      "2:42",
      { "nobody's word", "'replace'", "keep or append" } },
    { TOP "admin = { address = \"127.0.0.1:15001\"; };\n",
      "2:21",
      { "admin has an address that is taken already" } },
    { TOP "admin = { address = \"0.0.0.0:15000\"; };\n",
      "2:21",
      { "open to the network", "loopback" } },
    { TOP "admin = { };\n", "2:9", { "'admin' has no 'address'" } },
    { TOP "upstreams = ( { name = \"u\"; endpoints = ( \"inventory\" ); } );\n",
      "2:43",
      { "has no port" } },
    { TOP "upstreams = ( { name = \"u\"; endpoints = ( ); } );\n",
      "2:41",
      { "'endpoints' is empty" } },
    { TOP "upstreams = ( { name = \"u\"; endpoints = ( \"http://a:1\" ); } );\n",
      "2:43",
      { "is a URL" } },
    { TOP "brokers = ( { name = \"b\"; plugin = \"amqp\"; url = \"http://b\"; } );\n",
      "2:50",
      { "'url' has a scheme", "amqp:// or amqps://" } },
    { BASE "subscriptions = ( { name = \"s\"; broker = \"rabbit\"; queue = \"q\"; deliver = "
           "\"127.0.0.1:1\"; } );\n",
      "4:75",
      { "is no URL", "http:// or h2c://" } },
    /* references */
    { BASE
      "routes = ( { name = \"r\"; style = \"sync\"; sync = { upstream = \"inventry\"; }; } );\n",
      "4:62",
      { "no entry of 'upstreams'", "one of inventory", "did you mean 'inventory'" } },
    { BASE "routes = ( { name = \"r\"; style = \"event\"; event = { broker = \"rabit\"; queue = "
           "\"q\"; }; } );\n",
      "4:62",
      { "no entry of 'brokers'", "did you mean 'rabbit'" } },
    { TOP "brokers = ( { name = \"b\"; plugin = \"ampq\"; url = \"amqp://b\"; } );\n",
      "2:36",
      { "no plugin 'ampq'", "did you mean 'amqp'" } },
    { UPSTREAMS TOP "brokers = ( { name = \"b\"; plugin = \"mute\"; } );\nroutes = ( { name = "
                    "\"r\"; style = \"event\"; event = { broker = \"b\"; }; } );\n",
      "4:62",
      { "the plugin of this broker does not carry event" } },
    { TOP "brokers = ( { name = \"b\"; plugin = \"mute\"; } );\nsubscriptions = ( { name = \"s\"; "
          "broker = \"b\"; deliver = \"http://a:1\"; } );\n",
      "3:42",
      { "the plugin of this broker consumes nothing" } },
    { TOP "upstreams = ( { name = \"u\"; endpoints = \"a:1\"; }, { name = \"u\"; endpoints = "
          "\"b:1\"; } );\n",
      "2:60",
      { "the same name twice in 'upstreams'" } },
    /* styles */
    { BASE "routes = ( { name = \"r\"; style = \"request-reply\"; } );\n",
      "4:34",
      { "'request-reply' is unknown", "did you mean 'request_reply'" } },
    { BASE
      "routes = ( { name = \"r\"; style = \"event\"; sync = { upstream = \"inventory\"; }; } );\n",
      "4:34",
      { "the style is 'event'", "no block", "event = {" } },
    { BASE "routes = ( { name = \"r\"; sync = { upstream = \"inventory\"; }; } );\n",
      "4:12",
      { "a route has no 'style'" } },
    { BASE "routes = ( { name = \"r\"; style = \"event\"; event = { broker = \"rabbit\"; }; } );\n",
      "4:51",
      { "'event' has no 'queue'" } },
    /* patterns */
    { MATCH("path = \"orders\";"), "5:18", { "does not begin with '/'" } },
    { MATCH("path = \"/a{id}\";"), "5:18", { "not a whole segment" } },
    { MATCH("path = \"/{id}/{id}\";"), "5:18", { "twice in the path" } },
    { MATCH("path = \"/*/a\";"), "5:18", { "'*' is not the last segment" } },
    { MATCH("path = \"/a/../b\";"), "5:18", { "'..'" } },
    { MATCH("path = \"/a\"; path_regex = \"^/a\";"), "5:37", { "both" } },
    { MATCH("path_regex = \"^/a(b\";"), "5:30", { "wrong at offset 5", "parenthesis" } },
    { MATCH("path_regex = \"\\d\";"), "5:25", { "unknown escape", "a backslash itself" } },
    { MATCH("method = \"post\";"), "5:20", { "not a method", "capital letters" } },
    { MATCH("host = \"in ventory\";"), "5:18", { "not a host" } },
    { MATCH("headers = ( \"x-tenant\" );"), "5:23", { "has no ':'" } },
    { MATCH("query = ( \"tenant\" );"), "5:21", { "has no '='" } },
    { ROUTE("message_id = \"x-id\";"), "5:14", { "no source of an ID", "header:NAME" } },
    { ROUTE("carry = \"a b\";"), "5:9", { "not the name of a header" } },
    { SUBSCRIPTION("result = { ok = ( \"2xx\", \"20x\" ); };"), "5:26", { "not an answer" } },
    { SUBSCRIPTION("retry = { backoff = \"1m\"; };"), "5:21", { "'max_backoff' is shorter" } },
    { SUBSCRIPTION("allow = ( { path = \"a\"; } );"), "5:20", { "does not begin with '/'" } },
    /* routes in each other's way */
    { TWO("host = \"*.svc\";", "host = \"a.SVC\"; method = \"GET\";"),
      "6:23",
      { "never win", "'a' in line 5" } },
    { TWO("path = \"/orders/*\";", "path = \"/orders\";"), "6:23", { "never win" } },
    { TWO("path = \"/{a}/x\";", "path = \"/orders/x\"; headers = \"a: b\";"),
      "6:23",
      { "never win" } },
    { TWO("headers = \"A: *\";", "headers = ( \"b: c\", \"a: b\" );"), "6:23", { "never win" } },
    { TWO("query = \"a=*\"; method = ( \"GET\", \"PUT\" );", "query = \"a=1\"; method = \"PUT\";"),
      "6:23",
      { "never win" } },
    { TWO("path_regex = \"^/a\";", "path_regex = \"^/a\";"), "6:23", { "never win" } },
    { TWO("path = \"/%6frders/*\";", "path_regex = \"/orders/[0-9]+\";"), "6:23", { "never win" } },
    { TWO("path_regex = \"/orders/[a-z]+\";", "path = \"/orders/new\";"), "6:23", { "never win" } },
    /* what a route changes */
    { ROUTE("rewrite = { path = \"v2\"; };"), "5:20", { "does not begin with '/'" } },
    { REWRITE("path = \"/v2/{idd}\";"), "6:20", { "captures no {idd}", "did you mean {id}?" } },
    { REWRITE("path = \"/v2/*\";"), "6:20", { "no '*' at the end", "\"/*\" too" } },
    { REWRITE("path = \"/v2/{id\";"), "6:20", { "a brace stands alone" } },
    { REWRITE("path = \"/v2/{a b}\";"), "6:20", { "not a name" } },
    { REWRITE("path = \"/v2/../{id}\";"), "6:20", { "dot segment" } },
    { REWRITE("path = \"/v2//{id}\";"), "6:20", { "empty segment" } },
    { REWRITE("path = \"/v2?{id}\";"), "6:20", { "not allowed" } },
    { ROUTE("match = { path_regex = \"/(?<item>.*)\"; }; rewrite = { path = \"/{itme}\"; };"),
      "5:62",
      { "captures no {itme}", "did you mean {item}?" } },
    { ROUTE("request_headers = { set = ( \"x: {a}\" ); };"),
      "5:29",
      { "captures no {a}", "one of {*}" } },
    { ROUTE("request_headers = { set = ( \"Host: a\" ); };"), "5:29", { "'host' in 'rewrite'" } },
    { ROUTE("request_headers = { add = ( \"content-length: 1\" ); };"),
      "5:29",
      { "how long the body is" } },
    { ROUTE("request_headers = { remove = ( \"Connection\" ); };"),
      "5:32",
      { "one connection only" } },
    { ROUTE("request_headers = { set = ( \"te: trailers\" ); };"),
      "5:29",
      { "one connection only" } },
    { ROUTE("response_headers = { remove = \"transfer-encoding\"; };"),
      "5:31",
      { "how long the body is" } },
    { ROUTE("response_headers = { set = ( \"Shunt-Message-Id: 1\" ); };"),
      "5:30",
      { "Shunt's own" } },
    { ROUTE("response_headers = { remove = \"a b\"; };"), "5:31", { "not the name of a header" } },
    { ROUTE("request_headers = { remove = \"via\"; };"), "5:30", { "loops" } },
    { ROUTE("encoded_slash = \"merge\";"), "5:17", { "is unknown", "decode" } },
    /* variables */
    { BASE "service = \"a-${SHUNT_TEST_UNSET}\";\n",
      "4:14",
      { "the variable 'SHUNT_TEST_UNSET' is not set", "default" } },
    { BASE "service = \"${SHUNT\";\n", "4:12", { "not the name of a variable", "${NAME}" } },
    { BASE "workers = \"${SHUNT_TEST_SECRET}\";\n",
      "4:11",
      { "'${SHUNT_TEST_SECRET}' is not a whole number" } },
    /* syntax */
    { BASE "workers = 1;\nworkers = 2;\n", "5:1", { "'workers' is set twice", "line 4" } },
    { BASE "service \"x\";\n", "4:9", { "a name without '='" } },
    { BASE "service = ;\n", "4:1", { "the value is missing" } },
    { BASE "service = \"x;\nworkers = 1;\n", "4:11", { "not closed on its line" } },
    { BASE "service = \"x\";;\n", "4:15", { "a separator with no setting" } },
    { BASE "_x = 1;\n", "4:1", { "not the name of a setting" } },
    { BASE "}\n", "4:1", { "closes nothing" } },
    { TOP "upstreams = ( { name = \"u\"; endpoints = ( \"a:1\" \"b:1\" ); } );\n",
      "2:49",
      { "without a comma" } },
    { TOP "upstreams = ( { name = \"u\"; endpoints = ( \"a:1\", ); } );\n",
      "2:48",
      { "a comma behind the last entry" } },
    { TOP "upstreams = ( { name = \"u\"; endpoints = [ \"a:1\", ]; } );\n",
      "2:48",
      { "a comma behind the last entry" } },
    { TOP "upstreams = ( { name = \"u\"; endpoints = \"a:1\"; };\n { name = \"v\"; endpoints = "
          "\"b:1\"; } );\n",
      "2:49",
      { "';' between two entries" } },
    { TOP "upstreams = ( { name = \"u\"; endpoints = \"a:1\"; );\n",
      "2:15",
      { "'{' that opens here is never closed" } },
    { TOP "upstreams = ( { name = \"u\"; endp",
      "2:15",
      { "'{' that opens here is never closed", "before the file ends" } },
    { BASE "/* never\n", "4:1", { "never closed", "*/" } },
    { BASE "service = \"a\\qb\";\n", "4:13", { "unknown escape" } },
    { BASE "service = \"a\x01\";\n", "4:13", { "control character" } },
    { BASE "\xff\xfe\n", "4:1", { "byte 0xff" } },
    { "\xef\xbb\xbf" BASE, "1:1", { "byte order mark" } },
    { BASE "@include \"/nonexistent/x.cfg\"\n",
      "4:10",
      { "cannot read the included file", "No such file" } },
    { BASE "@include \"/dev/zero\"\n", "4:10", { "not a regular file" } },
    { BASE "service = \"x\"; @include \"y\"\n", "4:16", { "'@' begins nothing" } },
    { "", "1:1", { "nothing to do" } },
};

static char *print(const struct complaints *complaints, bool json)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    complaints_print(complaints, out, json);
    fclose(out);
    return text;
}

/* The mistakes, each told once and at its place. */
static char *load(struct slice text, unsigned *errors)
{
    struct complaints complaints;
    complaints_init(&complaints);
    struct config *config = config_load_text("shunt.cfg", text, &fake_catalog, &complaints);
    *errors = complaints.errors;
    assert_int_equal(complaints.warnings, 0);
    config_free(config);
    char *printed = print(&complaints, false); /* complaints outlive the configuration */
    complaints_clear(&complaints);
    return printed;
}

static void each_mistake_is_told_once_and_at_its_place(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
        const struct mistake *mistake = &mistakes[i];
        unsigned errors;
        char *printed = load(slice_text(mistake->text), &errors);
        char place[64];
        snprintf(place, sizeof(place), "shunt.cfg:%s: ", mistake->place);
        bool good = errors == 1 && strncmp(printed, place, strlen(place)) == 0;
        const char *at = printed;
        for (size_t j = 0; j < 4 && mistake->words[j] != NULL && good; j++) {
            at = strstr(at, mistake->words[j]);
            good = at != NULL;
        }
        if (!good) {
            failures++;
            print_error("%s\nat %s: '%s' expected, but:\n%s\n", mistake->text, mistake->place,
                        mistake->words[0], printed);
        }
        free(printed);
    }
    assert_int_equal(failures, 0);
}

static void seven_mistakes_are_told_in_one_run(void **state)
{
    (void)state;
    static const char text[] =
        "wrokers = 1;\n"
        "listeners = ( { name = \"a\"; address = \"localhost:80\"; } );\n"
        "upstreams = ( { name = \"u\"; endpoints = ( \"a:1\" \"b:1\" ); } );\n"
        "service = \"open;\n"
        "routes = ( { name = \"r\"; style = \"sink\"; timeout = \"5\";\n"
        "  sync = { upstream = \"x\"; }; } );\n";
    static const char *const lines[] = { "1:1: ",  "2:39: ", "3:49: ", "4:11: ",
                                         "5:34: ", "5:52: ", "6:23: " };
    unsigned errors;
    char *printed = load(slice_text(text), &errors);
    const char *at = printed;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        at = strstr(at, lines[i]);
        assert_non_null(at);
    }
    assert_int_equal(errors, sizeof(lines) / sizeof(*lines));
    free(printed);
}

static void the_line_is_shown_with_a_caret(void **state)
{
    (void)state;
    unsigned errors;
    char *printed = load(SLICE(ROUTE("   tiemout = \"5s\"; # soon")), &errors);
    const char *shown = strstr(printed, "\n   tiemout = \"5s\";\n   ^\n");
    assert_non_null(shown);
    free(printed);
}

/* A marker in all the places where a secret could stand. */
static void no_secret_is_ever_shown(void **state)
{
    (void)state;
    static const char *const texts[] = {
        TOP "brokers = ( { name = \"b\"; plugin = \"amqp\"; url = \"amqp://u:MARKER@b:x\"; bad = "
            "1; } );\n",
        TOP "brokers = ( { name = \"b\"; plugin = \"amqp\"; urll = \"amqp://u:MARKER@b\"; } );\n",
        TOP "brokers = ( { name = \"b\"; plugin = \"none\"; url = \"amqp://u:MARKER@b\"; } );\n",
        TOP "brokers = ( { name = \"b\"; plugin = \"amqp\"; url = \"amqp://u:MARKER@b; } );\n",
        TOP "brokers = ( { name = \"b\"; plugin = \"amqp\"; url = MARKER; } );\n",
        TOP "brokers = ( { name = \"b\"; plugin = \"amqp\"; url = ( \"MARKER\" ); } );\n",
        TOP "password = \"MARKER\"; # MARKER\n",
        TOP "workers = \"${SHUNT_TEST_SECRET}\";\n",
        TOP "unmatched = \"${SHUNT_TEST_SECRET}\";\n",
        TOP "log = { format = \"${SHUNT_TEST_SECRET:-x}\"; };\n",
        TOP "upstreams = ( { name = \"u\"; endpoints = \"${SHUNT_TEST_SECRET}\"; } );\n",
        BASE "subscriptions = ( { name = \"s\"; broker = \"${SHUNT_TEST_SECRET}\"; queue = \"q\"; "
             "deliver = \"http://u:MARKER@a:1\"; } );\n",
        MATCH("headers = ( \"x-token MARKER\" );"),
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        unsigned errors;
        char *printed = load(slice_text(texts[i]), &errors);
        assert_int_not_equal(errors, 0);
        assert_null(strstr(printed, "MARKER"));
        free(printed);
    }
}

static void two_hundred_are_told_and_the_rest_counted(void **state)
{
    (void)state;
    char text[8192] = TOP;
    for (unsigned i = 0; i < 300; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "qq%u = 1;\n", i);
    unsigned errors;
    char *printed = load(slice_text(text), &errors);
    assert_int_equal(errors, 300);
    assert_non_null(strstr(printed, "and 100 more\n"));
    assert_null(strstr(printed, "qq250"));
    free(printed);
}

static void a_nul_ends_the_reading_and_is_told(void **state)
{
    (void)state;
    unsigned errors;
    char *printed = load(slice_of(TOP "\0\0\0", sizeof(TOP) + 2), &errors);
    assert_int_equal(errors, 1);
    assert_non_null(strstr(printed, "shunt.cfg:2:1: a NUL byte"));
    free(printed);
}

/* Wherever it is cut. */
static void a_file_that_was_cut_off_is_refused(void **state)
{
    (void)state;
    static const char text[] = "listeners = ( { name = \"a\"; address = \"127.0.0.1:80\"; } )";
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        unsigned errors;
        free(load(slice_of(text, len), &errors));
        assert_int_not_equal(errors, 0);
    }
}

static void junk_never_crashes_and_is_shown_harmlessly(void **state)
{
    (void)state;
    uint8_t junk[600];
    uint32_t seed = 1;
    for (unsigned round = 0; round < 300; round++) {
        for (size_t i = 0; i < sizeof(junk); i++) {
            seed = seed * 1664525 + 1013904223;
            junk[i] = (uint8_t)(seed >> 24) | (uint8_t)(i == 0);
        }
        unsigned errors;
        char *printed = load(slice_of(junk, sizeof(junk)), &errors);
        assert_int_not_equal(errors, 0);
        for (const char *at = printed; *at != '\0'; at++)
            assert_true((uint8_t)*at >= ' ' || *at == '\n');
        free(printed);
    }
}

static void json_has_every_part(void **state)
{
    (void)state;
    struct complaints complaints;
    complaints_init(&complaints);
    config_free(
        config_load_text("a\"b.cfg", SLICE(TOP "wrokers = 1;\n"), &fake_catalog, &complaints));
    char *printed = print(&complaints, true);
    assert_non_null(strstr(
        printed,
        "[{\"severity\":\"error\",\"file\":\"a\\\"b.cfg\",\"line\":2,\"column\":1,\"what\":"));
    assert_non_null(strstr(printed, "\"hint\":\"did you mean 'workers'?\"}]\n"));
    free(printed);
    complaints_clear(&complaints);
    printed = print(&complaints, true);
    assert_string_equal(printed, "[]\n");
    free(printed);
}

/* Ends the program when it has computed for so long: others' load does not count. 0: never. */
static void limit_cpu(time_t seconds)
{
    const struct itimerval limit = { .it_value = { .tv_sec = seconds } };
    assert_int_equal(setitimer(ITIMER_VIRTUAL, &limit, NULL), 0);
}

/* Nothing takes time or memory by the square: many names, many routes, one line as long as the
 * file. */
static void a_large_file_is_read_in_a_moment(void **state)
{
    (void)state;
    enum { MANY = 6000 };
    struct bytes text = { 0 };
    bytes_text(&text, TOP "upstreams = (");
    for (unsigned i = 0; i < MANY; i++)
        bytes_printf(&text, "%s{ name = \"u%u\"; endpoints = ( \"u:1\" ); }", i ? "," : "", i);
    bytes_text(&text, ");\nroutes = (");
    for (unsigned i = 0; i < MANY; i++)
        bytes_printf(&text,
                     "%s{ name = \"r%u\"; match = { path = \"/{id}/%u/*\"; }; style = \"sync\"; "
                     "sync = { upstream = \"u%u\"; }; }",
                     i ? "," : "", i, i, MANY - 1 - i);
    bytes_text(&text, ");\n");
    limit_cpu(60);
    unsigned errors;
    free(load(bytes_slice(&text), &errors));
    assert_int_equal(errors, 0);

    text.len = 0;
    for (unsigned i = 0; i < 50 * 1000; i++)
        bytes_text(&text, "a = { ");
    free(load(bytes_slice(&text), &errors));
    assert_int_not_equal(errors, 0);
    limit_cpu(0);
    bytes_free(&text);
}

static int set_secret(void **state)
{
    (void)state;
    unsetenv("SHUNT_TEST_UNSET");
    return setenv("SHUNT_TEST_SECRET", "MARKER", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_is_told_once_and_at_its_place),
        cmocka_unit_test(seven_mistakes_are_told_in_one_run),
        cmocka_unit_test(the_line_is_shown_with_a_caret),
        cmocka_unit_test(no_secret_is_ever_shown),
        cmocka_unit_test(two_hundred_are_told_and_the_rest_counted),
        cmocka_unit_test(a_nul_ends_the_reading_and_is_told),
        cmocka_unit_test(a_file_that_was_cut_off_is_refused),
        cmocka_unit_test(junk_never_crashes_and_is_shown_harmlessly),
        cmocka_unit_test(json_has_every_part),
        cmocka_unit_test(a_large_file_is_read_in_a_moment),
    };
    return cmocka_run_group_tests(tests, set_secret, NULL);
}

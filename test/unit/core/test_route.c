/* Routes as they are written in a file, against requests as a client sends them. */
#include "core/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "test/unit/config/fake_catalog.h"

static struct config *config;
static struct snapshot snapshot;
static struct complaints complaints;

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < snapshot.route_count; i++)
        if (snapshot.routes[i].matcher != NULL)
            matcher_free(snapshot.routes[i].matcher);
    route_index_free(snapshot.route_index);
    arena_clear(&snapshot.arena);
    complaints_clear(&complaints);
    if (config != NULL)
        config_release(config);
    config = NULL;
    snapshot = (struct snapshot){ 0 };
    return 0;
}

/* `matches`: what stands between the braces of each route's `match`, from top to bottom; "-": no
 * match at all. */
static void routes(const char *const *matches)
{
    tear_down(NULL);
    struct bytes text = { 0 };
    bytes_text(&text, "listeners = ( { name = \"l\"; address = \"127.0.0.1:1\"; } );\n"
                      "upstreams = ( { name = \"u\"; endpoints = ( \"u:80\" ); } );\nroutes = (");
    for (unsigned i = 0; matches[i] != NULL; i++) {
        bytes_printf(&text, "%s{ name = \"r%u\"; style = \"sync\"; sync = { upstream = \"u\"; };",
                     i == 0 ? "" : ",\n", i);
        if (strcmp(matches[i], "-") != 0)
            bytes_printf(&text, " match = { %s };", matches[i]);
        bytes_text(&text, " }");
    }
    bytes_text(&text, ");\n");
    complaints_init(&complaints);
    config = config_load_text("test.cfg", bytes_slice(&text), &fake_catalog, &complaints);
    bytes_free(&text);
    if (complaints.errors > 0)
        complaints_print(&complaints, stderr, false);
    assert_int_equal(complaints.errors, 0);
    assert_non_null(config);

    const struct value *list = values_get(config->top, "routes");
    arena_init(&snapshot.arena, 16 << 20);
    snapshot.routes = arena_get(&snapshot.arena, list->count * sizeof(*snapshot.routes));
    for (size_t i = 0; i < list->count; i++) {
        struct route *route = &snapshot.routes[snapshot.route_count++];
        route->name = values_text(list->groups[i], "name");
        if (values_has(list->groups[i], "match"))
            route->matcher = matcher_compile(values_group(list->groups[i], "match"),
                                             &snapshot.arena, &complaints);
        assert_true(route->matcher != NULL || !values_has(list->groups[i], "match"));
    }
    snapshot.route_index = route_index_build(snapshot.routes, snapshot.route_count,
                                             &snapshot.arena);
}

#define ROUTES(...) routes((const char *const[]){ __VA_ARGS__, NULL })

static struct head request(const char *method, const char *host, const char *target)
{
    struct slice whole = slice_text(target);
    size_t mark = slice_find(whole, '?');
    return (struct head){
        .method = slice_text(method),
        .authority = slice_text(host),
        .path = slice_first(whole, mark),
        .query = slice_from(whole, mark < whole.len ? mark + 1 : mark),
        .has_query = mark < whole.len,
    };
}

/* The name of the route that wins, or "none". */
static const char *winner(const char *method, const char *host, const char *target)
{
    struct head head = request(method, host, target);
    const struct route *route = route_find(&snapshot, &head);
    return route == NULL ? "none" : route->name;
}

static void the_first_from_the_top_wins(void **state)
{
    (void)state;
    ROUTES("path = \"/orders/{id}\"; method = \"GET\";", "path = \"/orders/*\";", "-");
    assert_string_equal(winner("GET", "h", "/orders/7"), "r0");
    assert_string_equal(winner("POST", "h", "/orders/7"), "r1");
    assert_string_equal(winner("GET", "h", "/orders/7/items"), "r1");
    assert_string_equal(winner("GET", "h", "/orders"), "r1");
    assert_string_equal(winner("GET", "h", "/ordersx"), "r2");
}

static void hosts_know_no_case_no_port_no_trailing_dot(void **state)
{
    (void)state;
    ROUTES("host = ( \"Inventory\", \"*.svc\", \"[::1]\" );");
    assert_string_equal(winner("GET", "inventory", "/"), "r0");
    assert_string_equal(winner("GET", "INVENTORY:8080", "/"), "r0");
    assert_string_equal(winner("GET", "inventory.:80", "/"), "r0");
    assert_string_equal(winner("GET", "a.svc", "/"), "r0");
    assert_string_equal(winner("GET", "a.b.SVC:1", "/"), "r0");
    assert_string_equal(winner("GET", "[::1]:8080", "/"), "r0");
    assert_string_equal(winner("GET", "svc", "/"), "none");
    assert_string_equal(winner("GET", ".svc", "/"), "none");
    assert_string_equal(winner("GET", "asvc", "/"), "none");
    assert_string_equal(winner("GET", "inventory.evil", "/"), "none");
    assert_string_equal(winner("GET", "", "/"), "none");
    assert_true(route_matches_host(&snapshot, SLICE("inventory:443")));
    assert_false(route_matches_host(&snapshot, SLICE("other:443")));
}

static void methods_know_case(void **state)
{
    (void)state;
    ROUTES("method = [ \"POST\", \"PUT\" ];");
    assert_string_equal(winner("PUT", "h", "/"), "r0");
    assert_string_equal(winner("put", "h", "/"), "none");
    assert_string_equal(winner("GET", "h", "/"), "none");
}

static void paths(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *path;
        bool fits;
    } rows[] = {
        { "/orders", "/orders", true },
        { "/orders", "/orders/", false },
        { "/orders", "/Orders", false },
        { "/orders/", "/orders/", true },
        { "/orders/", "/orders", false },
        { "/", "/", true },
        { "/", "/a", false },
        { "/{id}", "/a", true },
        { "/{id}", "/", false },
        { "/orders/{id}", "/orders/7", true },
        { "/orders/{id}", "/orders/", false },
        { "/orders/{id}", "/orders", false },
        { "/orders/{id}", "/orders/7/", false },
        { "/orders/{id}/items", "/orders/7/items", true },
        { "/orders/{id}/items", "/orders//items", false },
        { "/orders/*", "/orders", true },
        { "/orders/*", "/orders/", true },
        { "/orders/*", "/orders/7/items", true },
        { "/orders/*", "/orders7", false },
        { "/*", "/", true },
        { "/*", "/a/b", true },
        { "/*", "*", false },
        { "/a", "", false },
        { "", "/a", false },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (path_fits(slice_text(rows[i].pattern), slice_text(rows[i].path)) != rows[i].fits)
            fail_msg("%s and %s", rows[i].pattern, rows[i].path);
}

static void patterns_have_the_spelling_of_paths(void **state)
{
    (void)state;
    static const struct {
        const char *written, *pattern; /* NULL: no path can ever fit */
    } rows[] = {
        { "/orders/{id}/*", "/orders/{id}/*" },
        { "/%6frders", "/orders" },
        { "/caf%c3%a9", "/caf%C3%A9" },
        { "/a/", "/a/" },
        { "/", "/" },
        { "", NULL },
        { "orders", NULL },
        { "/a//b", NULL },
        { "/a/../b", NULL },
        { "/a%2fb", NULL },
        { "/a*", NULL },
        { "/*/a", NULL },
        { "/{a}b", NULL },
        { "/{a}{b}", NULL },
        { "/{}", NULL },
    };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *why = NULL;
        struct slice pattern = path_pattern(slice_text(rows[i].written), &arena, &why);
        bool as_it_should = rows[i].pattern == NULL ? pattern.at == NULL && why != NULL
                                                    : slice_is(pattern, rows[i].pattern);
        if (!as_it_should)
            fail_msg("%s became %s", rows[i].written,
                     pattern.at == NULL ? why : (const char *)pattern.at);
    }
    arena_clear(&arena);
}

static void expressions_take_whole_paths(void **state)
{
    (void)state;
    ROUTES("path_regex = \"/orders/[0-9]+\";");
    assert_string_equal(winner("GET", "h", "/orders/77"), "r0");
    assert_string_equal(winner("GET", "h", "/orders/77/x"), "none");
    assert_string_equal(winner("GET", "h", "/x/orders/77"), "none");
    assert_string_equal(winner("GET", "h", "/orders/7a"), "none");
}

static void an_expression_that_explodes_matches_nothing(void **state)
{
    (void)state;
    ROUTES("path_regex = \"/(a+)+\";", "-");
    char path[4096] = "/";
    memset(path + 1, 'a', sizeof(path) - 3);
    path[sizeof(path) - 2] = '!';
    assert_string_equal(winner("GET", "h", path), "r1");
    assert_string_equal(winner("GET", "h", "/aaaa"), "r0");
}

static void headers_by_name_and_value(void **state)
{
    (void)state;
    ROUTES("headers = ( \"X-Tenant: acme\", \"x-any: *\" );");
    struct head head = request("GET", "h", "/");
    assert_null(route_find(&snapshot, &head));
    assert_int_equal(fields_add(&head.fields, &snapshot.arena, SLICE("x-tenant"), SLICE("other")),
                     0);
    assert_int_equal(fields_add(&head.fields, &snapshot.arena, SLICE("x-tenant"), SLICE(" acme ")),
                     0);
    assert_null(route_find(&snapshot, &head));
    assert_int_equal(fields_add(&head.fields, &snapshot.arena, SLICE("X-Any"), SLICE("")), 0);
    assert_non_null(route_find(&snapshot, &head));
}

static void query_parameters_are_decoded(void **state)
{
    (void)state;
    ROUTES("query = ( \"dry=1\" );", "query = ( \"name=a b&c\" );", "query = ( \"flag=*\" );");
    assert_string_equal(winner("GET", "h", "/?dry=1"), "r0");
    assert_string_equal(winner("GET", "h", "/?x=y&dry=1&dry=2"), "r0");
    assert_string_equal(winner("GET", "h", "/?%64r%79=%31"), "r0");
    assert_string_equal(winner("GET", "h", "/?dry=11"), "none");
    assert_string_equal(winner("GET", "h", "/?dry="), "none");
    assert_string_equal(winner("GET", "h", "/"), "none");
    assert_string_equal(winner("GET", "h", "/?name=a+b%26c"), "r1");
    assert_string_equal(winner("GET", "h", "/?flag"), "r2");
    assert_string_equal(winner("GET", "h", "/?flag=x"), "r2");
    assert_string_equal(winner("GET", "h", "/?flags"), "none");
    assert_string_equal(winner("GET", "h", "/?fla%6"), "none");
}

/* The route that a target takes, read as a server reads it; "refused" when nobody may carry it. */
static const char *taken(const char *target)
{
    struct head head = request("GET", "h", target);
    const char *why = NULL;
    if (target_parse(slice_text(target), head.method, &snapshot.arena, &head, &why) != 0)
        return "refused";
    head.authority = SLICE("h");
    const struct route *route = head.oddities == 0
                                    ? route_find(&snapshot, &head)
                                    : route_find_odd(&snapshot, &head, &snapshot.arena);
    return route == NULL ? "refused" : route->name;
}

/* Whatever the routes below it read: the rule is met, or the call is refused. */
static void no_spelling_gets_past_a_rule(void **state)
{
    (void)state;
    static const char *const spellings[] = {
        "/admin/x",        "/%61dmin/x",        "/admin%2Fx",         "//admin/x",
        "/./admin/x",      "/%2e/admin/x",      "/x/../admin/x",      "/x/%2E%2e/admin/x",
        "/x%2f..%2fadmin", "/admin%5cx",        "/admin\\x",          "/admin%00/x",
        "/%2fadmin/x",     "/%2F%2Fadmin%2Fx",  "/admin//x",          "/admin/%2fx",
        "/%c0%afadmin/x",  "/admin%c0%afx",     "/..;/admin/x",       "/x/.%2e;a=b/admin/x",
        "/%2561dmin/x/..", "http://h//admin/x", "http://h/admin%2fx", "/a/b//..//admin/x",
    };
    for (unsigned rules = 0; rules < 9; rules++) {
        ROUTES("path = \"/admin/*\";", "path = \"/*\";");
        snapshot.routes[1].paths = (struct path_rules){ rules / 3, rules % 3 };
        for (size_t i = 0; i < sizeof(spellings) / sizeof(*spellings); i++)
            if (strcmp(taken(spellings[i]), "r1") == 0)
                fail_msg("%s got past the rule under rules %u", spellings[i], rules);
        assert_string_equal(taken("/admin/x"), "r0");
        assert_string_equal(taken("/b%2fc"), rules / 3 == PATH_REFUSE ? "refused" : "r1");
        assert_string_equal(taken("/b//c"), rules % 3 == PATH_REFUSE ? "refused" : "r1");
    }
}

static void an_odd_path_is_matched_as_it_is_forwarded(void **state)
{
    (void)state;
    ROUTES("path = \"/keep/{id}\";", "path = \"/split/{a}/{b}\";", "path = \"/both/{id}\";",
           "path = \"/both/{a}/{b}\";");
    snapshot.routes[0].paths.encoded_slash = PATH_KEEP;
    snapshot.routes[1].paths = (struct path_rules){ PATH_RESOLVE, PATH_RESOLVE };
    snapshot.routes[3].paths.encoded_slash = PATH_RESOLVE;
    assert_string_equal(taken("/keep/a%2fb"), "r0");
    assert_string_equal(taken("/keep/a/b"), "refused"); /* no route */
    assert_string_equal(taken("/split/a%2Fb"), "r1");
    assert_string_equal(taken("/split//a/b"), "r1");
    assert_string_equal(taken("/split/a%2Fb%2Fc"), "refused");
    assert_string_equal(taken("/both/a%2Fb"), "refused"); /* the one above would match it as well */
}

static void explain_says_what_does_not_hold(void **state)
{
    (void)state;
    ROUTES("host = ( \"a\", \"b\" ); method = \"POST\"; path = \"/orders/{id}\"; headers = ( \"x: "
           "y\" ); "
           "query = ( \"q=1\" );",
           "path_regex = \"/x+\";", "-");
    struct head head = request("GET", "c", "/");
    const struct route *route = &snapshot.routes[0];
    assert_string_equal(route_mismatch(route, &head), "the host is none of a, b");
    head.authority = SLICE("b:1");
    assert_string_equal(route_mismatch(route, &head), "the method is not POST");
    head.method = SLICE("POST");
    assert_string_equal(route_mismatch(route, &head), "the path does not fit /orders/{id}");
    head.path = SLICE("/orders/1");
    assert_string_equal(route_mismatch(route, &head), "there is no header x: y");
    assert_int_equal(fields_add(&head.fields, &snapshot.arena, SLICE("x"), SLICE("y")), 0);
    assert_string_equal(route_mismatch(route, &head), "there is no query parameter q=1");
    head.query = SLICE("q=1");
    assert_null(route_mismatch(route, &head));
    assert_string_equal(route_mismatch(&snapshot.routes[1], &head), "the path does not match /x+");
    assert_null(route_mismatch(&snapshot.routes[2], &head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_teardown(name, tear_down)
        TEST(the_first_from_the_top_wins),
        TEST(hosts_know_no_case_no_port_no_trailing_dot),
        TEST(methods_know_case),
        TEST(paths),
        TEST(patterns_have_the_spelling_of_paths),
        TEST(expressions_take_whole_paths),
        TEST(an_expression_that_explodes_matches_nothing),
        TEST(headers_by_name_and_value),
        TEST(query_parameters_are_decoded),
        TEST(no_spelling_gets_past_a_rule),
        TEST(an_odd_path_is_matched_as_it_is_forwarded),
        TEST(explain_says_what_does_not_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

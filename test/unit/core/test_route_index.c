/* Properties, over configurations and requests drawn from small stocks, so that they meet: the
 * index finds what trying each route from the top finds; a route that `check` says can never win
 * never wins, and one that several others cover together is told of. */
#include "core/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "test/unit/config/fake_catalog.h"

enum { CONFIGS = 300, ROUTES_MOST = 24, REQUESTS = 400 };

/* xorshift: the same numbers every time. */
static unsigned draw(uint64_t *seed, unsigned below)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (unsigned)(*seed >> 20) % below;
}

#define PICK(seed, stock) (stock)[draw(seed, sizeof(stock) / sizeof(*(stock)))]

/* Several are written as they stand in a list. */
static const char *const hosts[] = {
    "a",   "b.svc",        "c.b.svc",          "*.svc",      "*.b.svc", "A:80",
    "*.a", "a\", \"*.svc", "*.svc\", \"b.svc", "a\", \"*.a",
};
static const char *const methods[] = { "GET", "POST", "GET\", \"POST", "PUT" };
static const char *const patterns[] = { "/*",           "/",        "/a",     "/a/",    "/a/*",
                                        "/{x}",         "/{x}/*",   "/{x}/b", "/a/{y}", "/a/{y}/*",
                                        "/a/b",         "/{x}/{y}", "/a/b/*", "/b",     "/a/{y}/c",
                                        "/a/{y}/{z}/*", "/a/{y}/" };
static const char *const expressions[] = { "/a/.*", "/[ab]+", "/a/(?<n>b|c)", ".*", "/a/b/[a-z]*" };
static const char *const pairs[] = { "h: 1", "h: *", "H: 2", "g: 1" };
static const char *const queries[] = { "q=1", "q=*", "p=1" };

static void add_match(struct bytes *text, uint64_t *seed)
{
    if (draw(seed, 3) > 0)
        bytes_printf(text, "host = ( \"%s\" ); ", PICK(seed, hosts));
    if (draw(seed, 2) == 0)
        bytes_printf(text, "method = ( \"%s\" ); ", PICK(seed, methods));
    unsigned path = draw(seed, 8);
    if (path == 0)
        bytes_printf(text, "path_regex = \"%s\"; ", PICK(seed, expressions));
    else if (path > 1)
        bytes_printf(text, "path = \"%s\"; ", PICK(seed, patterns));
    if (draw(seed, 5) == 0)
        bytes_printf(text, "headers = ( \"%s\" ); ", PICK(seed, pairs));
    if (draw(seed, 6) == 0)
        bytes_printf(text, "query = ( \"%s\" ); ", PICK(seed, queries));
}

/* A configuration, the route of line 4 + i being the i-th. */
struct drawn {
    struct complaints complaints;
    struct config *config;
    struct snapshot snapshot;
};

static void load(struct drawn *drawn, const char *const *matches, unsigned count)
{
    struct bytes text = { 0 };
    bytes_text(&text, "listeners = ( { name = \"l\"; address = \"127.0.0.1:1\"; } );\n"
                      "upstreams = ( { name = \"u\"; endpoints = ( \"u:80\" ); } );\nroutes = (\n");
    for (unsigned i = 0; i < count; i++)
        bytes_printf(&text,
                     "%s{ name = \"r%u\"; style = \"sync\"; sync = { upstream = \"u\"; };"
                     " match = { %s}; }%s\n",
                     "", i, matches[i], i + 1 < count ? "," : " );");
    *drawn = (struct drawn){ 0 };
    complaints_init(&drawn->complaints);
    drawn->config = config_load_text("t.cfg", bytes_slice(&text), &fake_catalog,
                                     &drawn->complaints);
    bytes_free(&text);
    struct snapshot *snapshot = &drawn->snapshot;
    const struct value *list = values_get(drawn->config->top, "routes");
    assert_int_equal(list->count, count);
    arena_init(&snapshot->arena, 16 << 20);
    snapshot->routes = arena_get(&snapshot->arena, count * sizeof(*snapshot->routes));
    struct complaints none;
    complaints_init(&none);
    for (unsigned i = 0; i < count; i++) {
        snapshot->routes[snapshot->route_count++].matcher = matcher_compile(
            values_group(list->groups[i], "match"), &snapshot->arena, &none);
        assert_non_null(snapshot->routes[i].matcher);
    }
    complaints_clear(&none);
    snapshot->route_index = route_index_build(snapshot->routes, count, &snapshot->arena);
}

static void unload(struct drawn *drawn)
{
    for (unsigned i = 0; i < drawn->snapshot.route_count; i++)
        matcher_free(drawn->snapshot.routes[i].matcher);
    route_index_free(drawn->snapshot.route_index);
    arena_clear(&drawn->snapshot.arena);
    complaints_clear(&drawn->complaints);
    config_release(drawn->config);
}

/* Whether check has told of the i-th route. */
static bool is_told(struct drawn *drawn, unsigned route)
{
    list_each (&drawn->complaints.all, link) {
        const struct complaint *complaint = thing_of(link, struct complaint, link);
        if (complaint->place.line == 4 + route)
            return memmem(complaint->what.at, complaint->what.len, "never win", 9) != NULL;
    }
    return false;
}

static void draw_config(struct drawn *drawn, uint64_t *seed)
{
    struct bytes texts[ROUTES_MOST] = { 0 };
    const char *matches[ROUTES_MOST];
    unsigned count = 1 + draw(seed, ROUTES_MOST);
    for (unsigned i = 0; i < count; i++) {
        add_match(&texts[i], seed);
        bytes_byte(&texts[i], '\0');
        matches[i] = (const char *)texts[i].at;
    }
    load(drawn, matches, count);
    for (unsigned i = 0; i < count; i++)
        bytes_free(&texts[i]);
}

static struct head draw_request(struct arena *arena, uint64_t *seed)
{
    static const char *const authorities[] = {
        "a", "A:80", "b.svc", "c.b.svc", "x.svc.", "d.svc", "q.a:1", "d.c.b.svc", "", "[::1]:80"
    };
    static const char *const paths[] = { "/",      "/a",   "/a/",     "/a/b",  "/b",       "/a/b/c",
                                         "/a/c",   "/c/b", "/a/b/",   "/a//c", "/a/b/c/d", "/bb",
                                         "/a%2Fb", "*",    "/a/b/c/", "/c/" };
    static const char *const asked_methods[] = { "GET", "POST", "PUT", "DELETE" };
    static const char *const asked[] = { "", "q=1", "q=2&p=1", "p=1" };
    struct head head = { .method = slice_text(PICK(seed, asked_methods)),
                         .authority = slice_text(PICK(seed, authorities)),
                         .path = slice_text(PICK(seed, paths)),
                         .query = slice_text(PICK(seed, asked)) };
    if (draw(seed, 2) == 0)
        assert_int_equal(fields_add(&head.fields, arena, draw(seed, 2) ? SLICE("H") : SLICE("g"),
                                    draw(seed, 2) ? SLICE("1") : SLICE("2")),
                         0);
    return head;
}

static const struct route *try_each(const struct snapshot *snapshot, const struct head *request)
{
    for (unsigned i = 0; i < snapshot->route_count; i++)
        if (route_mismatch(&snapshot->routes[i], request) == NULL)
            return &snapshot->routes[i];
    return NULL;
}

static void the_index_finds_what_trying_each_finds(void **state)
{
    (void)state;
    uint64_t seed = 20251126;
    unsigned won = 0, told = 0;
    for (unsigned i = 0; i < CONFIGS; i++) {
        struct drawn drawn;
        draw_config(&drawn, &seed);
        for (unsigned j = 0; j < REQUESTS; j++) {
            struct head request = draw_request(&drawn.snapshot.arena, &seed);
            const struct route *found = route_find(&drawn.snapshot, &request);
            assert_ptr_equal(found, try_each(&drawn.snapshot, &request));
            if (found == NULL)
                continue;
            won++;
            if (is_told(&drawn, (unsigned)(found - drawn.snapshot.routes)))
                fail_msg("configuration %u: route %td wins %.*s", i, found - drawn.snapshot.routes,
                         (int)request.path.len, (const char *)request.path.at);
        }
        for (unsigned j = 0; j < drawn.snapshot.route_count; j++)
            told += is_told(&drawn, j);
        unload(&drawn);
    }
    assert_true(won > CONFIGS * REQUESTS / 4 && told > CONFIGS);
}

/* The last of each is covered by all others together, or not quite. */
static void several_routes_cover_one_together(void **state)
{
    (void)state;
    static const struct {
        const char *matches[5];
        bool told;
    } rows[] = {
        { { "method = \"GET\"; ", "method = \"PUT\"; ", "method = ( \"GET\", \"PUT\" ); " }, true },
        { { "method = \"GET\"; ", "method = \"PUT\"; ", "method = ( \"GET\", \"POST\" ); " },
          false },
        { { "method = \"GET\"; ", "method = \"PUT\"; ", "" }, false },
        { { "host = \"a\"; ", "host = \"*.a\"; ", "host = ( \"a\", \"b.a\" ); " }, true },
        { { "host = \"*.a\"; ", "host = \"*.b.a\"; path = \"/x\"; " }, true },
        { { "host = \"*.b.a\"; ", "host = \"*.a\"; path = \"/x\"; " }, false },
        { { "host = \"a\"; method = \"GET\"; ", "host = \"b\"; ", "method = \"PUT\"; ",
            "host = ( \"a\", \"b\" ); method = ( \"GET\", \"PUT\" ); " },
          true },
        { { "path = \"/a\"; ", "path = \"/a/\"; ", "path = \"/a/{x}/*\"; ", "path = \"/a/*\"; " },
          true },
        { { "path = \"/a\"; ", "path = \"/a/{x}/*\"; ", "path = \"/a/*\"; " }, false },
        { { "path = \"/\"; ", "path = \"/{x}/*\"; ", "path = \"/*\"; " }, true },
        { { "path = \"/\"; ", "path = \"/{x}/*\"; ", "" }, false },
        { { "path = \"/a/*\"; ", "path_regex = \"/a/b/?\"; " }, true },
        { { "path = \"/a/b/*\"; ", "path_regex = \"/a/b/?c\"; " }, false },
        { { "path = \"/a/b/*\"; ", "path_regex = \"/a/b|/c\"; " }, false },
        { { "path = \"/*\"; ", "path_regex = \".*\"; " }, false },
        { { "path_regex = \"/a.*\"; ", "path = \"/ab\"; " }, true },
        { { "path_regex = \"/a.*\"; ", "path = \"/{x}\"; " }, false },
        { { "headers = ( \"a: *\" ); ", "headers = ( \"b: 1\", \"A: x\" ); " }, true },
        { { "headers = ( \"a: x\" ); ", "headers = ( \"a: *\" ); " }, false },
        { { "headers = ( \"a: 1\", \"b: 2\" ); ", "headers = ( \"a: 1\" ); " }, false },
        { { "query = ( \"a=*\" ); path = \"/{x}\"; ", "query = ( \"a=1\" ); path = \"/b\"; " },
          true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned count = 0;
        while (count < 5 && rows[i].matches[count] != NULL)
            count++;
        struct drawn drawn;
        load(&drawn, rows[i].matches, count);
        for (unsigned j = 0; j < count; j++)
            if (is_told(&drawn, j) != (j + 1 == count && rows[i].told))
                fail_msg("row %zu, route %u", i, j);
        unload(&drawn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_index_finds_what_trying_each_finds),
        cmocka_unit_test(several_routes_cover_one_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

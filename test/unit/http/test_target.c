/* Paths and authorities: one spelling each, or none. */
#include "http/target.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct row {
    const char *given;
    const char *becomes; /* NULL: refused */
};

static const struct row path_rows[] = {
    { "/", "/" },
    { "/a/b/", "/a/b/" },
    { "/a.b/..c/.d/e..", "/a.b/..c/.d/e.." },
    { "/!$&'()*+,;=:@-._~", "/!$&'()*+,;=:@-._~" },
    { "/%61%62", "/ab" },
    { "/%7e%2D%2e%5F", "/~-._" },
    { "/%c3%a9", "/%C3%A9" },
    { "/%C3%A9", "/%C3%A9" },
    { "/a%20b%25", "/a%20b%25" },
    { "/%252e%252e/", "/%252e%252e/" },
    { "/%3a%3f%23", "/%3A%3F%23" },
    { "/a|b^{c}`\"<>[]", "/a%7Cb%5E%7Bc%7D%60%22%3C%3E%5B%5D" },
    { "/%7b", "/%7B" },
    { "/%fc", "/%FC" },
    { "/%0a", "/%0A" },
    { "/%41%2fb", NULL },
    { "", NULL },
    { "a", NULL },
    { "*", NULL },
    { "//", NULL },
    { "//a", NULL },
    { "/a//b", NULL },
    { "/a//", NULL },
    { "/.", NULL },
    { "/..", NULL },
    { "/./a", NULL },
    { "/a/..", NULL },
    { "/a/../b", NULL },
    { "/%2e", NULL },
    { "/%2E%2e/b", NULL },
    { "/.%2e/b", NULL },
    { "/a/%2e./b", NULL },
    { "/..;/b", NULL },
    { "/..;x=1/b", NULL },
    { "/.;/b", NULL },
    { "/%2e%2e;/b", NULL },
    { "/a%2Fb", NULL },
    { "/a%2f..%2fb", NULL },
    { "/a%5cb", NULL },
    { "/a%5Cb", NULL },
    { "/a\\b", NULL },
    { "/a%00", NULL },
    { "/%", NULL },
    { "/%2", NULL },
    { "/%zz", NULL },
    { "/%u0041", NULL },
    { "/%c0%af", NULL },
    { "/%C0%AE%C0%AE/", NULL },
    { "/%c1%9c", NULL },
    { "/%e0%80%af", NULL },
    { "/%f0%80%80%af", NULL },
    { "/a b", NULL },
    { "/a\tb", NULL },
    { "/a\x7f", NULL },
    { "/\xc3\xa9", NULL },
    { "/a#b", NULL },
    { "/a?b", NULL },
};

static void paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof path_rows / sizeof *path_rows; i++) {
        struct arena arena;
        arena_init(&arena, 4096);
        const char *why = NULL;
        struct slice path = path_normalise(slice_text(path_rows[i].given), &arena, &why);
        if (path_rows[i].becomes == NULL) {
            if (path.at != NULL)
                print_error("%s was taken\n", path_rows[i].given);
            assert_null(path.at);
            assert_non_null(why);
        } else {
            if (!slice_is(path, path_rows[i].becomes))
                print_error("%s became %.*s (%s)\n", path_rows[i].given, (int)path.len,
                            (const char *)path.at, why != NULL ? why : "");
            assert_true(slice_is(path, path_rows[i].becomes));
        }
        arena_clear(&arena);
    }
}

/* What each pair of rules makes of an odd path: NULL, it is refused. */
static void odd_paths_are_settled_by_rules(void **state)
{
    (void)state;
    static const struct {
        const char *given;
        enum path_rule encoded_slash, double_slash;
        const char *becomes;
    } settled[] = {
        { "/a%2fb", PATH_REFUSE, PATH_KEEP, NULL },
        { "/a%2fb", PATH_KEEP, PATH_REFUSE, "/a%2Fb" },
        { "/a%2fb", PATH_RESOLVE, PATH_REFUSE, "/a/b" },
        { "/a//b", PATH_KEEP, PATH_REFUSE, NULL },
        { "/a//b", PATH_REFUSE, PATH_KEEP, "/a//b" },
        { "/a//b", PATH_REFUSE, PATH_RESOLVE, "/a/b" },
        { "/a////b//", PATH_REFUSE, PATH_RESOLVE, "/a/b/" },
        { "/a/%2Fb", PATH_KEEP, PATH_REFUSE, "/a/%2Fb" },
        { "/a/%2Fb", PATH_RESOLVE, PATH_REFUSE, NULL },
        { "/a/%2Fb", PATH_RESOLVE, PATH_KEEP, "/a//b" },
        { "/a/%2Fb", PATH_RESOLVE, PATH_RESOLVE, "/a/b" },
        { "/a//b%2Fc", PATH_KEEP, PATH_RESOLVE, "/a/b%2Fc" },
        { "/a//b%2Fc", PATH_RESOLVE, PATH_REFUSE, NULL },
        { "//a", PATH_KEEP, PATH_KEEP, NULL },
        { "//a", PATH_KEEP, PATH_RESOLVE, "/a" },
        { "/%2Fa", PATH_KEEP, PATH_KEEP, "/%2Fa" },
        { "/%2Fa", PATH_RESOLVE, PATH_KEEP, NULL },
        { "/%2Fa", PATH_RESOLVE, PATH_RESOLVE, "/a" },
        { "/a%252Fb", PATH_RESOLVE, PATH_RESOLVE, "/a%252Fb" },
        { "/a", PATH_REFUSE, PATH_REFUSE, "/a" },
    };
    static const char *const never[] = { "/a%2f..",  "/..%2fa", "/a%2f.%2fb", "/a%2f%2e%2e/b",
                                         "/a//../b", "/a%5cb",  "/a%2f%00",   "/%2f..;x" };
    struct arena arena;
    arena_init(&arena, 1 << 20);
    unsigned oddities;
    const char *why = NULL;
    for (size_t i = 0; i < sizeof settled / sizeof *settled; i++) {
        struct path_rules rules = { settled[i].encoded_slash, settled[i].double_slash };
        struct slice path = path_read(slice_text(settled[i].given), &arena, &oddities, &why);
        assert_non_null(path.at);
        path = path_settle(path, oddities, &rules, &arena);
        const char *wanted = settled[i].becomes;
        if (wanted == NULL ? path.at != NULL : !slice_is(path, wanted))
            fail_msg("row %zu: %s became %.*s", i, settled[i].given, (int)path.len,
                     (const char *)path.at);
    }
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        assert_null(path_read(slice_text(never[i]), &arena, &oddities, &why).at);
    arena_clear(&arena);
}

static void a_plain_path_is_not_copied(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    const char *why;
    struct slice given = SLICE("/orders/7");
    assert_ptr_equal(path_normalise(given, &arena, &why).at, given.at);
    assert_null(path_normalise(SLICE("/%41"), &arena, &why).at);
}

static void authorities(void **state)
{
    (void)state;
    static const char *const right[] = {
        "a",         "a:80",      "a.b.c:8080", "a.",      "127.0.0.1:1", "[::1]",
        "[::1]:443", "[fe80::1]", "a_b",        "A-b~c:0", "a:",          "a:00080",
    };
    static const char *const wrong[] = {
        "",     ":80",  "a:65536", "a:-1",  "a:8x",  "a b",     "a@b",  "u:p@b", "a/b",
        "a?b",  "a#b",  "[",       "[]",    "[::1",  "[::1]x",  "::1",  "[a]",   "a%2eb",
        "a\\b", "\x80", "a\tb",    "[1]:2", "a:1:2", "[::1%1]", "a[b]", "a,b",
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        assert_true(authority_valid(slice_text(right[i])));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bool taken = authority_valid(slice_text(wrong[i]));
        if (taken)
            print_error("number %zu was taken\n", i);
        assert_false(taken);
    }
    assert_false(authority_valid(slice_of("a\0b", 3)));
}

static void queries(void **state)
{
    (void)state;
    assert_true(query_valid(SLICE("")));
    assert_true(query_valid(SLICE("a=b&c={\"d\":[1]}|%zz\\?/..//")));
    assert_false(query_valid(SLICE("a b")));
    assert_false(query_valid(SLICE("a#b")));
    assert_false(query_valid(SLICE("a\x80")));
    assert_false(query_valid(SLICE("a\x7f")));
    assert_false(query_valid(SLICE("a\r\nb")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(odd_paths_are_settled_by_rules),
        cmocka_unit_test(a_plain_path_is_not_copied),
        cmocka_unit_test(authorities),
        cmocka_unit_test(queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

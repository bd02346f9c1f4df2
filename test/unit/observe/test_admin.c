/* Threat 1: who may ask the admin listener, as a table. */
#include "observe/admin.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct row {
    const char *host, *origin, *type;
    bool allowed;
} rows[] = {
    { "localhost:15000", NULL, NULL, true },
    { "LOCALHOST", NULL, NULL, true },
    { "127.0.0.1:15000", NULL, NULL, true },
    { "127.0.0.1", NULL, NULL, true },
    { "[::1]:15000", NULL, NULL, true },
    { "[::1]", NULL, NULL, true },
    { "shunt.internal", NULL, NULL, true },
    { "shunt.internal:81", NULL, NULL, true },
    { "exact.internal:15000", NULL, NULL, true },

    { "", NULL, NULL, false },
    { "evil.example", NULL, NULL, false },
    { "evil.example:15000", NULL, NULL, false },
    { "localhost:80", NULL, NULL, false },
    { "localhost.", NULL, NULL, false },
    { "localhost.evil.example", NULL, NULL, false },
    { "127.0.0.1.evil.example", NULL, NULL, false },
    { "127.0.0.1@evil.example", NULL, NULL, false },
    { "evil.example@127.0.0.1", NULL, NULL, false },
    { "2130706433", NULL, NULL, false },
    { "0x7f000001", NULL, NULL, false },
    { "0.0.0.0:15000", NULL, NULL, false },
    { "[::ffff:127.0.0.1]", NULL, NULL, false },
    { "10.0.0.1:15000", NULL, NULL, false },
    { "exact.internal:81", NULL, NULL, false },
    { "sub.shunt.internal", NULL, NULL, false },

    { "localhost:15000", "http://localhost:15000", NULL, true },
    { "localhost:15000", "http://localhost", NULL, false },
    { "localhost:15000", "http://localhost:3000", NULL, false },
    { "localhost:15000", "http://127.0.0.1:15000", NULL, false },
    { "localhost:15000", "https://localhost:15000", NULL, false },
    { "localhost:15000", "http://evil.example", NULL, false },
    { "localhost:15000", "null", NULL, false },
    { "localhost:15000", "", NULL, false },

    { "localhost", NULL, "application/json", true },
    { "localhost", NULL, "text/plain", false },
    { "localhost", NULL, "Text/Plain ; charset=utf-8", false },
    { "localhost", NULL, "application/x-www-form-urlencoded", false },
    { "localhost", NULL, "multipart/form-data; boundary=x", false },
};

static const char *const hosts[] = { "shunt.internal", "exact.internal:15000", NULL };

static bool allowed(const struct row *row, const char *listening)
{
    struct address address;
    assert_int_equal(address_parse(slice_text(listening), &address), 0);
    struct arena arena;
    arena_init(&arena, 4096);
    struct head request = { .method = SLICE("GET"),
                            .authority = slice_text(row->host),
                            .path = SLICE("/metrics") };
    if (row->origin != NULL)
        assert_int_equal(
            fields_add(&request.fields, &arena, SLICE("Origin"), slice_text(row->origin)), 0);
    if (row->type != NULL)
        assert_int_equal(
            fields_add(&request.fields, &arena, SLICE("Content-Type"), slice_text(row->type)), 0);
    const char *why = admin_guard(&request, &address, hosts);
    arena_clear(&arena);
    return why == NULL;
}

static void over_tcp(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (allowed(&rows[i], "127.0.0.1:15000") != rows[i].allowed)
            fail_msg("Host '%s', Origin '%s', Content-Type '%s'", rows[i].host, rows[i].origin,
                     rows[i].type);
    }
}

static void over_a_unix_socket_any_host_may_be_named(void **state)
{
    (void)state;
    const struct row any = { .host = "whatever.example" }, none = { .host = "" };
    const struct row page = { .host = "whatever.example", .origin = "http://evil.example" };
    assert_true(allowed(&any, "unix:/run/shunt.sock"));
    assert_true(allowed(&none, "unix:/run/shunt.sock"));
    assert_false(allowed(&page, "unix:/run/shunt.sock"));
}

static void one_foreign_origin_among_several_is_enough(void **state)
{
    (void)state;
    struct address address;
    assert_int_equal(address_parse(SLICE("127.0.0.1:15000"), &address), 0);
    struct arena arena;
    arena_init(&arena, 4096);
    struct head request = { .authority = SLICE("localhost") };
    assert_int_equal(
        fields_add(&request.fields, &arena, SLICE("Origin"), SLICE("http://localhost")), 0);
    assert_null(admin_guard(&request, &address, NULL));
    assert_int_equal(
        fields_add(&request.fields, &arena, SLICE("origin"), SLICE("http://evil.example")), 0);
    assert_non_null(admin_guard(&request, &address, NULL));
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_tcp),
        cmocka_unit_test(over_a_unix_socket_any_host_may_be_named),
        cmocka_unit_test(one_foreign_origin_among_several_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

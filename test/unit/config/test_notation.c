#include "config/notation.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void addresses_that_cannot_both_be_listened_on(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool overlap;
    } rows[] = {
        { "127.0.0.1:80", "127.0.0.1:80", true },
        { "127.0.0.1:80", "127.0.0.1:81", false },
        { "127.0.0.1:80", "127.0.0.2:80", false },
        { "0.0.0.0:80", "127.0.0.2:80", true },
        { "0.0.0.0:80", "[::1]:80", false },
        { "[::]:80", "[::1]:80", true },
        { "[::]:80", "127.0.0.1:80", true },
        { "[::ffff:127.0.0.1]:80", "127.0.0.1:80", true },
        { "[0:0::1]:80", "[::1]:80", true },
        { "unix:/a", "unix:/a", true },
        { "unix:/a", "unix:/b", false },
        { "unix:/a", "127.0.0.1:80", false },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct endpoint a, b;
        assert_int_equal(endpoint_read(rows[i].a, &a), 0);
        assert_int_equal(endpoint_read(rows[i].b, &b), 0);
        assert_int_equal(endpoint_overlaps(&a, &b), rows[i].overlap);
        assert_int_equal(endpoint_overlaps(&b, &a), rows[i].overlap);
    }
}

static void what_is_loopback(void **state)
{
    (void)state;
    static const char *const inside[] = { "127.0.0.1:1", "127.9.9.9:1", "[::1]:1",
                                          "[::ffff:127.0.0.1]:1", "unix:/a" };
    static const char *const outside[] = { "0.0.0.0:1",   "[::]:1",      "10.0.0.1:1",
                                           "128.0.0.1:1", "[fe80::1]:1", "[::2]:1" };
    struct endpoint endpoint;
    for (size_t i = 0; i < sizeof(inside) / sizeof(*inside); i++) {
        assert_int_equal(endpoint_read(inside[i], &endpoint), 0);
        assert_true(endpoint_is_loopback(&endpoint));
    }
    for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++) {
        assert_int_equal(endpoint_read(outside[i], &endpoint), 0);
        assert_false(endpoint_is_loopback(&endpoint));
    }
}

static void what_is_no_address(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        ":",
        "80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.1:80",
        "0177.0.0.1:80",
        "::1:80",
        "[::1]",
        "[::1:80",
        "[127.0.0.1]:80",
        "localhost:80",
        "127.0.0.1:+80",
        "unix:a",
        "unix:",
    };
    struct endpoint endpoint;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_int_equal(endpoint_read(wrong[i], &endpoint), -1);
}

static void hosts(void **state)
{
    (void)state;
    assert_true(host_valid(SLICE("inventory")));
    assert_true(host_valid(SLICE("a_b.c-d.svc.")));
    assert_true(host_valid(SLICE("[::1]")));
    assert_false(host_valid(SLICE("")));
    assert_false(host_valid(SLICE(".a")));
    assert_false(host_valid(SLICE("a..b")));
    assert_false(host_valid(SLICE("-a")));
    assert_false(host_valid(SLICE("a b")));
    assert_false(host_valid(SLICE("a@b")));
    assert_false(host_valid(SLICE("[a]")));
}

static void numbers_are_written_in_their_largest_unit(void **state)
{
    (void)state;
    static const struct {
        enum setting_type type;
        int64_t number;
        const char *text;
    } rows[] = {
        { SETTING_DURATION, 1, "1ms" },    { SETTING_DURATION, 90000, "90s" },
        { SETTING_DURATION, 60000, "1m" }, { SETTING_DURATION, 86400000, "24h" },
        { SETTING_DURATION, 0, "0s" },     { SETTING_SIZE, 0, "0B" },
        { SETTING_SIZE, 1023, "1023B" },   { SETTING_SIZE, 65536, "64KB" },
        { SETTING_SIZE, 1 << 20, "1MB" },  { SETTING_NUMBER, 3600000, "3600000" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct setting row = { "key", rows[i].type, .since = "0.1" };
        char text[32];
        notation_number(&row, rows[i].number, text, sizeof(text));
        assert_string_equal(text, rows[i].text);
        struct flaw flaw;
        int64_t number;
        assert_int_equal(notation_read(&row, text, &number, &flaw), 0);
        assert_true(number == rows[i].number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_that_cannot_both_be_listened_on),
        cmocka_unit_test(what_is_loopback),
        cmocka_unit_test(what_is_no_address),
        cmocka_unit_test(hosts),
        cmocka_unit_test(numbers_are_written_in_their_largest_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

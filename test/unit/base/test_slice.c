#include "base/slice.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void equal_with_and_without_case(void **state)
{
    (void)state;
    assert_true(slice_equal(SLICE("host"), SLICE("host")));
    assert_false(slice_equal(SLICE("host"), SLICE("Host")));
    assert_true(slice_equal(slice_of(NULL, 0), SLICE("")));
    assert_true(slice_equal_nocase(SLICE("Content-Type"), SLICE("content-tYPE")));
    assert_false(slice_equal_nocase(SLICE("[a"), SLICE("{a")));
    assert_false(slice_equal_nocase(SLICE("\xc4"), SLICE("\xe4")));
    assert_true(slice_is(SLICE("POST"), "POST"));
    assert_false(slice_is(SLICE("POST"), "POS"));
    assert_true(slice_is_nocase(SLICE("Close"), "close"));
}

static void starts_finds_and_trims(void **state)
{
    (void)state;
    assert_true(slice_starts(SLICE("/orders/7"), SLICE("/orders")));
    assert_true(slice_starts(SLICE("/orders"), SLICE("")));
    assert_false(slice_starts(SLICE("/or"), SLICE("/orders")));
    assert_int_equal(slice_find(SLICE("a=b"), '='), 1);
    assert_int_equal(slice_find(SLICE("ab"), '='), 2);
    assert_int_equal(slice_find(slice_of(NULL, 0), '='), 0);
    assert_true(slice_is(slice_trim(SLICE(" \t a b\t ")), "a b"));
    assert_true(slice_is(slice_trim(SLICE(" \t")), ""));
    assert_true(slice_is(slice_from(SLICE("name: x"), 6), "x"));
    assert_true(slice_is(slice_first(SLICE("ab"), 9), "ab"));
}

static void only_whole_decimal_numbers_that_fit(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", " 1", "1 ", "+1", "-1", "0x1", "1e3", "18446744073709551616", "99999999999999999999",
    };
    uint64_t number = 5;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_int_equal(slice_number(slice_text(wrong[i]), &number), -1);
    assert_int_equal(number, 5);

    assert_int_equal(slice_number(SLICE("0"), &number), 0);
    assert_int_equal(number, 0);
    assert_int_equal(slice_number(SLICE("007"), &number), 0);
    assert_int_equal(number, 7);
    assert_int_equal(slice_number(SLICE("18446744073709551615"), &number), 0);
    assert_true(number == UINT64_MAX);
}

static void hashes_as_published(void **state)
{
    (void)state;
    assert_true(slice_hash(SLICE("")) == 0xcbf29ce484222325u);
    assert_true(slice_hash(SLICE("foobar")) == 0x85944171f73967e8u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_with_and_without_case),
        cmocka_unit_test(starts_finds_and_trims),
        cmocka_unit_test(only_whole_decimal_numbers_that_fit),
        cmocka_unit_test(hashes_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "delivery/backoff.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t drawn;

static void draw(void *context, void *bytes, size_t len)
{
    (void)context;
    assert_int_equal(len, sizeof(drawn));
    memcpy(bytes, &drawn, len);
}

static void waits_double_and_have_a_most(void **state)
{
    (void)state;
    struct worker worker = { .clock = { .random = draw } };
    static const uint64_t full_ms[] = { 100, 200, 400, 500, 500 };
    for (unsigned i = 0; i < sizeof(full_ms) / sizeof(*full_ms); i++) {
        drawn = 0;
        assert_int_equal(backoff_ms(&worker, 100, 500, i), full_ms[i] / 2);
        drawn = full_ms[i] / 2;
        assert_int_equal(backoff_ms(&worker, 100, 500, i), full_ms[i]);
        drawn = UINT64_MAX;
        assert_in_range(backoff_ms(&worker, 100, 500, i), full_ms[i] / 2, full_ms[i]);
    }
}

static void the_smallest_and_the_largest(void **state)
{
    (void)state;
    struct worker worker = { .clock = { .random = draw } };
    drawn = 0;
    assert_int_equal(backoff_ms(&worker, 1, 1, 1000), 1);
    assert_int_equal(backoff_ms(&worker, 1, 3600000, UINT32_MAX), 1800000);
    assert_int_equal(backoff_ms(&worker, 500, 100, 0), 50); /* the most wins */
}

static void retry_after(void **state)
{
    (void)state;
    static const uint64_t wall_ms = UINT64_C(1700000000500); /* Tue, 14 Nov 2023 22:13:20.5 GMT */
    static const struct {
        const char *value;
        uint64_t ms;
    } rows[] = {
        { "0", 0 },
        { "3", 3000 },
        { "18446744073709551615", UINT64_C(4294967295000) },
        { "18446744073709551616", 0 },
        { "-1", 0 },
        { "1.5", 0 },
        { "", 0 },
        { "soon", 0 },
        { "Tue, 14 Nov 2023 22:13:30 GMT", 9500 },
        { "Tue, 14 Nov 2023 22:13:20 GMT", 0 },
        { "Tue, 14 Nov 2023 22:13:30 GMT and more", 0 },
        { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
        { "Thu, 99 Jan 2970 00:00:00 GMT", 0 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct field field = { .name = SLICE("Retry-After"),
                               .value = slice_text(rows[i].value),
                               .token = FIELD_RETRY_AFTER };
        struct fields fields = { .at = &field, .count = 1, .cap = 1 };
        if (retry_after_ms(&fields, wall_ms) != rows[i].ms)
            fail_msg("%s", rows[i].value);
    }
    assert_int_equal(retry_after_ms(&(struct fields){ 0 }, wall_ms), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_and_have_a_most),
        cmocka_unit_test(the_smallest_and_the_largest),
        cmocka_unit_test(retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* How much nuisance is borne: stores, their refilling, and what excuses it. */
#include "http/h2_nuisance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* How often it may happen at once. */
static unsigned borne(enum h2_nuisance kind, uint32_t by)
{
    struct h2_allowance allowances[H2_NUISANCES];
    nuisance_start(allowances, 5000);
    unsigned times = 0;
    while (times < 1000000 && nuisance_spend(allowances, kind, by, 5000) == NULL)
        times++;
    return times;
}

static void each_store_is_within_what_threats_allow(void **state)
{
    (void)state;
    assert_in_range(borne(H2_RESETS, 1), 100, 499);
    assert_in_range(borne(H2_FORCED_RESETS, 1), 50, 99);
    assert_in_range(borne(H2_SETTINGS, 1), 100, 999);
    assert_in_range(borne(H2_PINGS, 1), 100, 999);
    assert_in_range(borne(H2_PRIORITIES, 1), 1000, 2000);
    assert_in_range(borne(H2_TINY_WINDOWS, 1), 1000, 2000);
    assert_in_range(borne(H2_TINY_DATA, 8), 1000, 10000);
    assert_int_equal(borne(H2_PINGS, 0), 1000000);
}

static void time_refills(void **state)
{
    (void)state;
    struct h2_allowance allowances[H2_NUISANCES];
    nuisance_start(allowances, 5000);
    for (uint64_t second = 0; second < 1000; second++) {
        for (int i = 0; i < 9; i++)
            assert_null(nuisance_spend(allowances, H2_PINGS, 1, 5000 + second * 1000));
    }
    assert_null(nuisance_spend(allowances, H2_PINGS, 898, 2000000));
    assert_string_equal(nuisance_spend(allowances, H2_PINGS, 2, 2000000), "h2_flood_pings");
}

/* As clients of gRPC do with each message that reaches them. */
static void what_answers_our_data_is_none(void **state)
{
    (void)state;
    struct h2_allowance allowances[H2_NUISANCES];
    nuisance_start(allowances, 0);
    for (int i = 0; i < 100000; i++) {
        nuisance_answered(allowances);
        assert_null(nuisance_spend(allowances, H2_PINGS, 1, 0));
        assert_null(nuisance_spend(allowances, H2_TINY_WINDOWS, 1, 0));
        assert_null(nuisance_spend(allowances, H2_TINY_WINDOWS, 1, 0));
    }
    unsigned resets = 0;
    while (nuisance_spend(allowances, H2_RESETS, 1, 0) == NULL) {
        nuisance_answered(allowances);
        resets++;
    }
    assert_in_range(resets, 100, 499);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_store_is_within_what_threats_allow),
        cmocka_unit_test(time_refills),
        cmocka_unit_test(what_answers_our_data_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

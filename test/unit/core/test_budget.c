/* What one body may hold: less with each one more, never nothing, and the sum below the cap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/budget.h"

enum { MIB = 1024 * 1024 };

static void the_share_shrinks_as_it_fills(void **state)
{
    (void)state;
    struct budget budget = { .cap = 4 * MIB, .shift = 4 };
    size_t bodies[1000] = { 0 }, before = BUDGET_MOST;
    assert_int_equal(budget_share(&budget), BUDGET_MOST);
    for (unsigned i = 0; i < 50; i++) {
        budget_count(&budget, &bodies[i], budget_share(&budget));
        assert_in_range(bodies[i], BUDGET_LEAST, before);
        before = bodies[i];
    }
    assert_true(budget.used < budget.cap && !budget_full(&budget));
    for (unsigned i = 50; i < 1000; i++)
        budget_count(&budget, &bodies[i], budget_share(&budget));
    assert_true(budget.used <= budget.cap + 1000 * BUDGET_LEAST);
    assert_int_equal(budget_share(&budget), BUDGET_LEAST);
    for (unsigned i = 0; i < 1000; i++)
        budget_count(&budget, &bodies[i], 0);
    assert_int_equal(budget.used, 0);
    assert_int_equal(budget_share(&budget), BUDGET_MOST);
}

static void it_is_full_at_its_cap(void **state)
{
    (void)state;
    struct budget budget = { .cap = MIB, .shift = 8 };
    size_t held = 0;
    budget_count(&budget, &held, MIB - 1);
    assert_false(budget_full(&budget));
    budget_count(&budget, &held, MIB);
    assert_true(budget_full(&budget));
    budget_count(&budget, &held, 3 * MIB); /* who holds already goes on */
    assert_int_equal(budget_share(&budget), BUDGET_LEAST);
    budget_count(&budget, &held, 1);
    assert_int_equal(budget.used, 1);
}

static void what_counts_below_counts_above(void **state)
{
    (void)state;
    struct budget worker = { .cap = 8 * MIB, .shift = 2 };
    struct budget one = { .above = &worker, .cap = MIB, .shift = 2 }, other = one;
    size_t mine = 0, its = 0;
    budget_count(&one, &mine, MIB / 2);
    assert_int_equal(worker.used, MIB / 2);
    assert_int_equal(budget_share(&one), MIB / 8);
    assert_int_equal(budget_share(&other), BUDGET_MOST);
    budget_count(&other, &its, 7 * MIB);
    assert_int_equal(budget_share(&one), (MIB / 2) / 4);
    budget_count(&other, &its, 7 * MIB + MIB / 2 - 40000);
    assert_int_equal(budget_share(&one), 10000);
    budget_count(&other, &its, 0);
    budget_count(&one, &mine, 0);
    assert_int_equal(worker.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_share_shrinks_as_it_fills),
        cmocka_unit_test(it_is_full_at_its_cap),
        cmocka_unit_test(what_counts_below_counts_above),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

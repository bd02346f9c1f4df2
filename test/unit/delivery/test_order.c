/* A source that keeps order: what waits does so in place, however long, and takes no credit from
 * others. */
#include "test/unit/delivery/stand.h"

static struct stand *stand_in_order(const char *subscription)
{
    struct stand *stand = stand_up(subscription);
    stand->source.keeps_order = true;
    return stand;
}

static void what_waits_takes_no_credit(void **state)
{
    (void)state;
    struct stand *stand = stand_in_order("concurrency = 2; retry = { backoff = \"1s\"; };");
    ARRIVE(stand, .id = "a");
    ARRIVE(stand, .id = "b");
    expect(stand, "call POST / a attempt 1; call POST / b attempt 1");
    answer(stand, 500);
    expect(stand, "credit 3");
    answer(stand, 500);
    expect(stand, "credit 4");
    ARRIVE(stand, .id = "c");
    expect(stand, "call POST / c attempt 1");
    answer(stand, 200);
    expect(stand, "ack c");
    pass(stand, 600);
    expect(stand, "credit 3; call POST / a attempt 2; credit 2; call POST / b attempt 2");
    answer(stand, 200);
    answer(stand, 200);
    expect(stand, "ack a; ack b");
    stand_down(stand);
}

/* Where order does not matter, the second would go back through the broker, and everything at the
 * end of `hold`. */
static void nothing_is_put_off(void **state)
{
    (void)state;
    struct stand *stand = stand_in_order(
        "concurrency = 1; retry = { backoff = \"10m\"; max_backoff = \"10m\"; hold = \"1s\"; };");
    ARRIVE(stand, .id = "a");
    answer(stand, 500);
    expect(stand, "call POST / a attempt 1; credit 2");
    ARRIVE(stand, .id = "b");
    answer(stand, 500);
    expect(stand, "call POST / b attempt 1; credit 3");
    pass(stand, 300 * 1000);
    answer(stand, 200);
    answer(stand, 200);
    stand->trace.len = 0;
    assert_int_equal(stand->unsettled, 0);
    stand_down(stand);
}

static void a_pause_takes_the_credit_back(void **state)
{
    (void)state;
    struct stand *stand = stand_in_order("concurrency = 2; retry = { backoff = \"1s\"; };");
    ARRIVE(stand, .id = "a");
    answer(stand, 500);
    ARRIVE(stand, .id = "b");
    expect(stand, "call POST / a attempt 1; credit 3; call POST / b attempt 1");
    fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_refused);
    expect(stand, "credit 0; back a; back b");
    stand_down(stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_takes_no_credit),
        cmocka_unit_test(nothing_is_put_off),
        cmocka_unit_test(a_pause_takes_the_credit_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

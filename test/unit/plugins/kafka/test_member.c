/* A member of a group: order per key, the low-water mark, back-pressure, letting go. */
#include "test/unit/plugins/kafka/member_stand.h"

static void records_of_a_key_go_up_one_at_a_time(void **state)
{
    (void)state;
    struct stand *stand = stand_up(100, 1 << 20, 8);
    assign(stand, 1);
    expect(stand, "assign 1; ready");
    COME(stand, .offset = 10, .key = "a", .body = "1");
    COME(stand, .offset = 11, .key = "a", .body = "2");
    COME(stand, .offset = 14, .key = "b", .body = "3");
    expect(stand, "up 1; up 3");
    settle(stand, "3", SETTLE_HANDLED);
    expect(stand, "");
    settle(stand, "1", SETTLE_HANDLED);
    expect(stand, "store t/0 11; up 2");
    settle(stand, "2", SETTLE_HANDLED);
    expect(stand, "store t/0 15");
    pass(stand, 500);
    expect(stand, "commit");
    member_events.on_committed(stand->member, NULL);
    stand_down(stand);
}

static void what_is_given_back_stays_first(void **state)
{
    (void)state;
    struct stand *stand = stand_up(100, 1 << 20, 8);
    assign(stand, 1);
    COME(stand, .offset = 10, .key = "a", .body = "1");
    COME(stand, .offset = 11, .key = "a", .body = "2");
    settle(stand, "1", SETTLE_GIVE_BACK);
    expect(stand, "assign 1; ready; up 1");
    pass(stand, 20);
    expect(stand, "up 1 again");
    settle(stand, "1", SETTLE_HANDLED);
    settle(stand, "2", SETTLE_HANDLED);
    expect(stand, "store t/0 11; up 2; store t/0 12");
    stand_down(stand);
}

/* The ID of a record that names none is the same whoever reads it, and whenever. */
static void a_record_has_an_identity(void **state)
{
    (void)state;
    struct stand *stand = stand_up(100, 1 << 20, 8);
    assign(stand, 1);
    COME(stand, .offset = 10, .body = "1");
    assert_true(slice_is(stand->up[0]->identity, "t/0/10/1"));
    settle(stand, "1", SETTLE_HANDLED);
    stand_down(stand);
}

static void revoke(struct stand *stand)
{
    member_events.on_revoked(stand->member);
    turn(stand);
}

/* "Again" is what was here before its partition went and came back, not what another key passed. */
static void what_comes_a_second_time_says_so(void **state)
{
    (void)state;
    struct stand *stand = stand_up(100, 1 << 20, 8);
    assign(stand, 1);
    COME(stand, .offset = 10, .key = "a", .body = "1");
    COME(stand, .offset = 11, .key = "a", .body = "2");
    COME(stand, .offset = 12, .key = "b", .body = "3");
    settle(stand, "1", SETTLE_HANDLED);
    expect(stand, "assign 1; ready; up 1; up 3; store t/0 11; up 2");
    settle(stand, "2", SETTLE_GIVE_BACK);
    settle(stand, "3", SETTLE_HANDLED);
    revoke(stand);
    expect(stand, "lost; commit");
    member_events.on_committed(stand->member, NULL);
    expect(stand, "release");
    assign(stand, 1);
    COME(stand, .offset = 11, .key = "a", .body = "2");
    COME(stand, .offset = 13, .key = "c", .body = "4");
    expect(stand, "assign 1; ready; up 2 again; up 4");
    settle(stand, "2", SETTLE_HANDLED);
    settle(stand, "4", SETTLE_HANDLED);
    stand_down(stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_a_key_go_up_one_at_a_time),
        cmocka_unit_test(what_is_given_back_stays_first),
        cmocka_unit_test(a_record_has_an_identity),
        cmocka_unit_test(what_comes_a_second_time_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

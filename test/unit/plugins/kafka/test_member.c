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
    settle(stand, "3", SETTLE_HANDLED);
    revoke(stand);
    settle(stand, "2", SETTLE_GIVE_BACK);
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

/* The service still works on it when its partition has gone and come back. */
static void a_key_waits_for_what_was_up_before(void **state)
{
    (void)state;
    struct stand *stand = stand_up(100, 1 << 20, 8);
    assign(stand, 1);
    COME(stand, .offset = 10, .key = "a", .body = "1");
    COME(stand, .offset = 11, .key = "a", .body = "2");
    revoke(stand);
    expect(stand, "assign 1; ready; up 1; lost");
    pass(stand, 3000);
    expect(stand, "lost; release");
    assign(stand, 1);
    COME(stand, .offset = 10, .key = "a", .body = "1");
    COME(stand, .offset = 11, .key = "a", .body = "2");
    COME(stand, .offset = 12, .key = "b", .body = "3");
    expect(stand, "assign 1; ready; up 3");
    settle(stand, "1", SETTLE_HANDLED);
    expect(stand, "up 1 again");
    settle(stand, "3", SETTLE_HANDLED);
    settle(stand, "1", SETTLE_HANDLED);
    expect(stand, "store t/0 11; up 2 again");
    settle(stand, "2", SETTLE_HANDLED);
    stand_down(stand);
}

/* Nothing comes twice because others had been faster: the group would go on from "1". */
static void what_was_overtaken_is_caught_up_on(void **state)
{
    (void)state;
    struct stand *stand = stand_up(100, 1 << 20, 2);
    assign(stand, 1);
    COME(stand, .offset = 10, .key = "a", .body = "1");
    COME(stand, .offset = 11, .key = "a", .body = "2");
    COME(stand, .offset = 12, .key = "a", .body = "3");
    COME(stand, .offset = 13, .key = "b", .body = "4");
    COME(stand, .offset = 14, .key = "a", .body = "5");
    COME(stand, .offset = 15, .key = "b", .body = "6");
    settle(stand, "4", SETTLE_HANDLED);
    expect(stand, "assign 1; ready; up 1; up 4; up 6");
    settle(stand, "6", SETTLE_GIVE_BACK);
    member_unsubscribe(stand->member, &stand->left);
    turn(stand);
    expect(stand, "up 6 again, overdue"); /* the last that had come up */
    settle(stand, "6", SETTLE_GIVE_BACK);
    settle(stand, "1", SETTLE_HANDLED);
    expect(stand, "store t/0 11; up 2, overdue");
    settle(stand, "2", SETTLE_HANDLED);
    expect(stand, "store t/0 12; up 3, overdue");
    COME(stand, .offset = 16, .key = "c", .body = "7");
    settle(stand, "3", SETTLE_HANDLED);
    expect(stand, "store t/0 14; up 5, overdue");
    settle(stand, "5", SETTLE_HANDLED);
    expect(stand, "store t/0 15; commit");
    member_events.on_committed(stand->member, NULL);
    expect(stand, "close");
    member_events.on_closed(stand->member);
    turn(stand);
    expect(stand, "left");
    stand_end(stand);
}

/* What it would be done for comes again anyway. */
static void behind_what_fails_nothing_is_overdue(void **state)
{
    (void)state;
    struct stand *stand = stand_up(100, 1 << 20, 2);
    assign(stand, 1);
    COME(stand, .offset = 10, .key = "a", .body = "1");
    COME(stand, .offset = 11, .key = "b", .body = "2");
    COME(stand, .offset = 12, .key = "b", .body = "3");
    COME(stand, .offset = 13, .key = "c", .body = "4");
    settle(stand, "2", SETTLE_HANDLED);
    expect(stand, "assign 1; ready; up 1; up 2; up 4");
    revoke(stand);
    expect(stand, "lost");
    settle(stand, "1", SETTLE_GIVE_BACK);
    settle(stand, "4", SETTLE_HANDLED);
    expect(stand, "release");
    stand_down(stand);
}

/* "4" is done while "1" is up, and "2" and "3" wait for it. */
static void be_overtaken(struct stand *stand)
{
    assign(stand, 1);
    COME(stand, .offset = 10, .key = "a", .body = "1");
    COME(stand, .offset = 11, .key = "a", .body = "2");
    COME(stand, .offset = 12, .key = "a", .body = "3");
    COME(stand, .offset = 13, .key = "b", .body = "4");
    settle(stand, "4", SETTLE_HANDLED);
    expect(stand, "assign 1; ready; up 1; up 4");
}

/* What came up while the partition was being handed over is told that it comes again, too. */
static void catching_up_ends_in_time(void **state)
{
    (void)state;
    struct stand *stand = stand_up(100, 1 << 20, 2);
    be_overtaken(stand);
    revoke(stand);
    settle(stand, "1", SETTLE_HANDLED);
    expect(stand, "lost; store t/0 11; up 2, overdue");
    pass(stand, 3000);
    expect(stand, "lost; commit");
    member_events.on_committed(stand->member, NULL);
    settle(stand, "2", SETTLE_HANDLED);
    expect(stand, "release");
    stand_down(stand);
}

/* What rests is given back as soon as it is told to be lost, in the midst of that. */
static void what_is_given_back_at_once_ends_no_catching_up(void **state)
{
    (void)state;
    struct stand *stand = stand_up(100, 1 << 20, 8);
    assign(stand, 1);
    COME(stand, .offset = 10, .key = "a", .body = "1");
    COME(stand, .offset = 11, .key = "a", .body = "2");
    COME(stand, .offset = 12, .key = "b", .body = "3");
    COME(stand, .offset = 13, .key = "c", .body = "4");
    COME(stand, .offset = 14, .key = "d", .body = "5");
    settle(stand, "3", SETTLE_HANDLED);
    settle(stand, "4", SETTLE_GIVE_BACK);
    settle(stand, "1", SETTLE_HANDLED);
    expect(stand, "assign 1; ready; up 1; up 3; up 4; up 5; store t/0 11");
    stand->rests = "5";
    revoke(stand);
    expect(stand, "lost; up 4 again, overdue; up 2, overdue");
    settle(stand, "4", SETTLE_HANDLED);
    settle(stand, "2", SETTLE_HANDLED);
    expect(stand, "store t/0 14; commit");
    member_events.on_committed(stand->member, NULL);
    expect(stand, "release");
    stand_down(stand);
}

/* Whoever gets the partition next would call the service with the key while that goes on. */
static void what_would_not_end_in_time_is_not_begun(void **state)
{
    (void)state;
    static const struct {
        uint64_t handover_ms, timeout_ms, begin_ms;
    } cases[] = { { 0, 30000, 0 }, { 3000, 30000, 1500 }, { 3000, 2000, 1000 } };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct stand *stand = stand_up(100, 1 << 20, 8);
        stand->member->handover_ms = cases[i].handover_ms;
        stand->member->timeout_ms = cases[i].timeout_ms;
        be_overtaken(stand);
        revoke(stand);
        if (cases[i].begin_ms > 0) {
            pass(stand, cases[i].begin_ms - 1);
            settle(stand, "1", SETTLE_HANDLED);
            expect(stand, "lost; store t/0 11; up 2, overdue");
            pass(stand, 1);
            settle(stand, "2", SETTLE_HANDLED);
            expect(stand, "store t/0 12; commit");
        } else {
            settle(stand, "1", SETTLE_HANDLED);
            expect(stand, "lost; store t/0 11; commit");
        }
        member_events.on_committed(stand->member, NULL);
        expect(stand, "release");
        stand_down(stand);
    }
}

/* Nor what could outlive a drain, whatever the group does meanwhile. */
static void a_drain_has_its_own_end(void **state)
{
    (void)state;
    enum { NEVER, BEFORE, AFTER };
    for (int revoked = NEVER; revoked <= AFTER; revoked++) {
        struct stand *stand = stand_up(100, 1 << 20, 8);
        stand->snapshot.grace_ms = 1500;
        stand->member->timeout_ms = 500;
        be_overtaken(stand);
        if (revoked == BEFORE)
            revoke(stand);
        member_unsubscribe(stand->member, &stand->left);
        pass(stand, 900);
        if (revoked == AFTER)
            revoke(stand);
        stand->trace.len = 0;
        pass(stand, 99);
        settle(stand, "1", SETTLE_HANDLED);
        expect(stand, "store t/0 11; up 2, overdue");
        pass(stand, 1);
        settle(stand, "2", SETTLE_HANDLED);
        expect(stand, "store t/0 12; commit");
        member_events.on_committed(stand->member, NULL);
        expect(stand, revoked == NEVER ? "close" : "release; close");
        member_events.on_closed(stand->member);
        turn(stand);
        expect(stand, "left");
        stand_end(stand);
    }
}

/* It leaves its group only after what was up before, too. */
static void what_is_up_is_waited_for_at_the_end(void **state)
{
    (void)state;
    struct stand *stand = stand_up(100, 1 << 20, 8);
    assign(stand, 1);
    COME(stand, .offset = 10, .body = "1");
    member_events.on_taken(stand->member);
    turn(stand);
    expect(stand, "assign 1; ready; up 1; says: g: its partitions were given to others; lost; "
                  "release");
    member_unsubscribe(stand->member, &stand->left);
    turn(stand);
    expect(stand, "");
    settle(stand, "1", SETTLE_HANDLED);
    expect(stand, "close");
    member_events.on_closed(stand->member);
    turn(stand);
    expect(stand, "left");
    stand_end(stand);
}

static void commits_that_go_on_failing_are_said(void **state)
{
    (void)state;
    struct stand *stand = stand_up(100, 1 << 20, 8);
    assign(stand, 1);
    COME(stand, .offset = 10, .body = "1");
    settle(stand, "1", SETTLE_HANDLED);
    expect(stand, "assign 1; ready; up 1; store t/0 11");
    for (int i = 0; i < 4; i++) {
        pass(stand, 500);
        expect(stand, "commit");
        member_events.on_committed(stand->member, "no right");
    }
    expect(stand, "");
    pass(stand, 500);
    member_events.on_committed(stand->member, "no right");
    expect(stand, "commit; says: g: what is handled cannot be committed, and would come again: no "
                  "right");
    pass(stand, 500);
    member_events.on_committed(stand->member, NULL);
    pass(stand, 500);
    expect(stand, "commit");
    stand_down(stand);
}

/* What is handled would come again to the next one: a last commit that is refused is tried again,
 * for a while. */
static void a_last_commit_that_is_refused_is_tried_again(void **state)
{
    (void)state;
    for (int succeeds = 0; succeeds < 2; succeeds++) {
        struct stand *stand = stand_up(100, 1 << 20, 8);
        assign(stand, 1);
        COME(stand, .offset = 10, .body = "1");
        settle(stand, "1", SETTLE_HANDLED);
        member_unsubscribe(stand->member, &stand->left);
        turn(stand);
        expect(stand, "assign 1; ready; up 1; store t/0 11; commit");
        member_events.on_committed(stand->member, "rebalance in progress");
        expect(stand, "");
        pass(stand, 500);
        expect(stand, "commit");
        if (succeeds)
            member_events.on_committed(stand->member, NULL);
        else
            pass(stand, 3000);
        expect(stand, "close");
        member_events.on_closed(stand->member);
        turn(stand);
        expect(stand, "left");
        stand_end(stand);
    }
}

/* Nothing is committed for partitions that are no longer ours. */
static void what_was_taken_is_not_committed(void **state)
{
    (void)state;
    struct stand *stand = stand_up(100, 1 << 20, 8);
    assign(stand, 1);
    COME(stand, .offset = 10, .body = "1");
    settle(stand, "1", SETTLE_HANDLED);
    stand->trace.len = 0;
    member_events.on_taken(stand->member);
    pass(stand, 2000);
    expect(stand, "says: g: its partitions were given to others; lost; release");
    COME(stand, .offset = 11, .body = "2");
    expect(stand, "");
    stand_down(stand);
}

static void a_partition_pauses_at_its_span(void **state)
{
    (void)state;
    struct stand *stand = stand_up(4, 1 << 20, 1);
    assign(stand, 2);
    for (int64_t i = 0; i < 4; i++)
        COME(stand, .offset = 10 + i, .key = "a", .body = "a");
    COME(stand, .partition = 1, .offset = 10, .key = "b", .body = "b");
    expect(stand, "assign 2; ready; up a; pause t/0");
    settle(stand, "a", SETTLE_HANDLED);
    settle(stand, "b", SETTLE_HANDLED);
    settle(stand, "a", SETTLE_HANDLED);
    expect(stand, "store t/0 11; up b; store t/1 11; up a; store t/0 12; resume t/0; up a");
    settle(stand, "a", SETTLE_HANDLED);
    settle(stand, "a", SETTLE_HANDLED);
    stand_down(stand);
}

/* Partition 0 is full of a key that is stuck; partition 1 goes on as if nothing were. */
static void a_full_partition_takes_no_room_from_others(void **state)
{
    (void)state;
    struct stand *stand = stand_up(100, 64 * 1024, 8);
    assign(stand, 2);
    COME(stand, .offset = 10, .key = "a", .body = "stuck", .padding = 20000);
    COME(stand, .offset = 11, .key = "a", .body = "2", .padding = 20000);
    expect(stand, "assign 2; ready; up stuck; pause t/0");
    for (int64_t i = 0; i < 20; i++) {
        COME(stand, .partition = 1, .offset = 10 + i, .body = "b", .padding = 10000);
        stand->trace.len = 0;
        settle(stand, "b", SETTLE_HANDLED);
    }
    expect(stand, "store t/1 30");
    settle(stand, "stuck", SETTLE_HANDLED);
    expect(stand, "store t/0 11; up 2");
    settle(stand, "2", SETTLE_HANDLED);
    expect(stand, "store t/0 12; resume t/0");
    stand_down(stand);
}

/* Records of a few bytes take more memory than that. */
static void small_records_count_as_what_they_take(void **state)
{
    (void)state;
    struct stand *stand = stand_up(1000, 64 * 1024, 1);
    assign(stand, 1);
    int64_t offset = 10;
    const struct partition *partition = thing_of(list_first(&stand->member->partitions),
                                                 struct partition, link);
    while (!partition->paused)
        COME(stand, .offset = offset++, .key = "a", .body = "a");
    assert_true(offset - 10 < 64);
    for (; offset > 10; offset--)
        settle(stand, "a", SETTLE_HANDLED);
    stand_down(stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_a_key_go_up_one_at_a_time),
        cmocka_unit_test(what_is_given_back_stays_first),
        cmocka_unit_test(a_record_has_an_identity),
        cmocka_unit_test(what_comes_a_second_time_says_so),
        cmocka_unit_test(a_key_waits_for_what_was_up_before),
        cmocka_unit_test(what_was_overtaken_is_caught_up_on),
        cmocka_unit_test(behind_what_fails_nothing_is_overdue),
        cmocka_unit_test(catching_up_ends_in_time),
        cmocka_unit_test(what_is_given_back_at_once_ends_no_catching_up),
        cmocka_unit_test(what_would_not_end_in_time_is_not_begun),
        cmocka_unit_test(a_drain_has_its_own_end),
        cmocka_unit_test(what_is_up_is_waited_for_at_the_end),
        cmocka_unit_test(commits_that_go_on_failing_are_said),
        cmocka_unit_test(a_last_commit_that_is_refused_is_tried_again),
        cmocka_unit_test(what_was_taken_is_not_committed),
        cmocka_unit_test(a_partition_pauses_at_its_span),
        cmocka_unit_test(a_full_partition_takes_no_room_from_others),
        cmocka_unit_test(small_records_count_as_what_they_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

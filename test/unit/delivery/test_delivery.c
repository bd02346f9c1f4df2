/* A subscription's life: credit, a service that goes down and comes back, readiness, workers
 * that share. */
#include "test/unit/delivery/stand.h"

static void the_service_goes_down_and_comes_back(void **state)
{
    (void)state;
    struct stand *stand = stand_up("concurrency = 4;");
    ARRIVE(stand, .id = "m1");
    answer(stand, 500); /* waits to be tried again */
    ARRIVE(stand, .id = "m2");
    ARRIVE(stand, .id = "m3");
    stand->trace.len = 0;
    assert_true(subscription_ready(stand->subscription));

    fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_refused);
    expect(stand, "credit 0; back m1; back m2");
    assert_false(subscription_ready(stand->subscription));
    ARRIVE(stand, .id = "m4"); /* was on its way */
    expect(stand, "back m4");
    fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_refused);
    expect(stand, "back m3");

    pass(stand, 50);
    expect(stand, "resolve 127.0.0.1:8080");
    resolved(stand, "127.0.0.1:8080");
    connected(stand, false);
    expect(stand, "dial 8080");
    pass(stand, 100);
    expect(stand, "resolve 127.0.0.1:8080");
    resolved(stand, NULL);
    pass(stand, 200);
    expect(stand, "resolve 127.0.0.1:8080");
    resolved(stand, "127.0.0.1:8080");
    connected(stand, true);
    expect(stand, "dial 8080; credit 4");
    assert_true(subscription_ready(stand->subscription));

    ARRIVE(stand, .id = "m2", .redelivered = true); /* nothing was burnt */
    ARRIVE(stand, .id = "m1", .redelivered = true);
    expect(stand, "call POST / m2 attempt 1; call POST / m1 attempt 2");
    answer(stand, 200);
    answer(stand, 200);
    expect(stand, "ack m2; ack m1");
    stand_down(stand);
}

static void the_probe_never_asks_in_a_tight_circle(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    static const unsigned waits_ms[] = { 50, 100, 200, 400, 800, 1000, 1000 };
    for (size_t i = 0; i < sizeof(waits_ms) / sizeof(*waits_ms); i++) {
        ARRIVE(stand, .id = "m1");
        fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_refused);
        stand->trace.len = 0;
        pass(stand, waits_ms[i] - 1);
        expect(stand, "");
        pass(stand, 1);
        expect(stand, "resolve 127.0.0.1:8080");
        resolved(stand, "127.0.0.1:8080");
        connected(stand, true); /* accepts, and refuses again */
        expect(stand, "dial 8080; credit 16");
    }
    ARRIVE(stand, .id = "m1");
    answer(stand, 200);
    ARRIVE(stand, .id = "m1");
    fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_refused);
    stand->trace.len = 0;
    pass(stand, 50);
    expect(stand, "resolve 127.0.0.1:8080");
    resolved(stand, "127.0.0.1:8080");
    connected(stand, true);
    stand_down(stand);
}

static void a_connection_that_hangs_is_given_up(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "m1");
    fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_timeout);
    pass(stand, 50);
    resolved(stand, "127.0.0.1:8080");
    stand->trace.len = 0;
    pass(stand, 1000);
    pass(stand, 100);
    expect(stand, "resolve 127.0.0.1:8080");
    resolved(stand, "127.0.0.1:8080");
    connected(stand, true);
    stand_down(stand);
}

static void requests_are_answered_while_events_wait(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "m1");
    fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_refused);
    ARRIVE(stand, .id = "r2", .reply_to = "reply.a");
    expect(stand,
           "call POST / m1 attempt 1; credit 0; back m1; credit 16; call POST / r2 attempt 1");
    fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_refused);
    stand->trace.at[20] = '\0';
    assert_string_equal((const char *)stand->trace.at, "retire r2; reply 503");
    stand->trace.len = 0;
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack r2");
    subscription_stop(stand->subscription);
    stand_down(stand);
}

/* A queue of both: no event stands before a request whose caller is to be told. */
static void events_are_put_off_where_requests_come_as_well(void **state)
{
    (void)state;
    struct stand *stand = stand_up("concurrency = 1;");
    ARRIVE(stand, .id = "r1", .reply_to = "reply.a");
    answer(stand, 200);
    confirm(stand, OUTCOME_STORED);
    stand->trace.len = 0;

    ARRIVE(stand, .id = "m0");
    answer(stand, 500); /* waits to be tried again */
    ARRIVE(stand, .id = "m1");
    ARRIVE(stand, .id = "m2"); /* waits for a place */
    fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_refused);
    expect(stand, "call POST / m0 attempt 1; call POST / m1 attempt 1; delay m0 by 10000 after 1; "
                  "delay m2 by 10000 after 0; delay m1 by 10000 after 0");
    ARRIVE(stand, .id = "m3", .attempts = 2);
    pass(stand, 200);
    expect(stand, "delay m3 by 10000 after 2; resolve 127.0.0.1:8080");
    for (int i = 0; i < 4; i++)
        confirm(stand, OUTCOME_STORED);
    expect(stand, "ack m0; ack m2; ack m1; ack m3");
    assert_false(subscription_ready(stand->subscription));
    ARRIVE(stand, .id = "r2", .reply_to = "reply.a");
    fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_refused);
    stand->trace.at[51] = '\0';
    assert_string_equal((const char *)stand->trace.at,
                        "call POST / r2 attempt 1; retire r2; reply 503 to r");
    stand->trace.len = 0;
    confirm(stand, OUTCOME_STORED);

    resolved(stand, "127.0.0.1:8080");
    connected(stand, true);
    expect(stand, "ack r2; dial 8080; credit 1");
    ARRIVE(stand, .id = "m3", .attempts = 2);
    answer(stand, 200);
    expect(stand, "call POST / m3 attempt 3; ack m3");
    stand_down(stand);
}

static void a_request_alone_pauses_nothing(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "r1", .reply_to = "reply.a");
    fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_refused);
    assert_true(subscription_ready(stand->subscription));
    confirm(stand, OUTCOME_STORED);
    stand_down(stand);
}

/* Stops at each point of the probe's way. */
static void a_stop_ends_the_probe(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct stand *stand = stand_up("");
        ARRIVE(stand, .id = "m1");
        fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_refused);
        if (i >= 1)
            pass(stand, 50);
        if (i >= 2)
            resolved(stand, "127.0.0.1:8080");
        stand->trace.len = 0;
        subscription_stop(stand->subscription);
        expect(stand, i == 1 ? "forget; unsubscribe" : "unsubscribe");
        turn(stand);
        stand_down(stand);
    }
}

static void a_lost_connection_is_not_ready(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    lose_connection(stand);
    assert_false(subscription_ready(stand->subscription));
    stand->intake->on_ready(stand->intake);
    assert_true(subscription_ready(stand->subscription));
    subscription_stop(stand->subscription);
    assert_false(subscription_ready(stand->subscription));
    stand_down(stand);
}

static void workers_divide_the_concurrency(void **state)
{
    (void)state;
    static const struct {
        unsigned worker, workers;
        const char *credit;
    } rows[] = { { 0, 2, "credit 3" },
                 { 1, 2, "credit 2" },
                 { 0, 8, "credit 1" },
                 { 4, 8, "credit 1" },
                 { 5, 8, "" } };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct stand *stand = calloc(1, sizeof(*stand));
        assert_non_null(stand);
        stand_wire(stand);
        stand_load(stand, "concurrency = 5;");
        stand->worker.index = rows[i].worker;
        stand->snapshot.workers = rows[i].workers;
        stand->subscription = subscription_start(&stand->worker, &stand->snapshot,
                                                 &stand->settings);
        assert_non_null(stand->subscription);
        expect(stand, rows[i].credit);
        if (stand->intake == NULL) { /* no share: nothing to consume, and nothing missing */
            assert_true(subscription_ready(stand->subscription));
            subscription_stop(stand->subscription);
            turn(stand);
        }
        stand_down(stand);
    }
}

static void without_a_lane_there_is_no_subscription(void **state)
{
    (void)state;
    struct stand *stand = calloc(1, sizeof(*stand));
    assert_non_null(stand);
    stand_wire(stand);
    stand_load(stand, "");
    stand->worker.lanes[1] = NULL;
    assert_null(subscription_start(&stand->worker, &stand->snapshot, &stand->settings));
    stand_down(stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_service_goes_down_and_comes_back),
        cmocka_unit_test(the_probe_never_asks_in_a_tight_circle),
        cmocka_unit_test(a_connection_that_hangs_is_given_up),
        cmocka_unit_test(requests_are_answered_while_events_wait),
        cmocka_unit_test(events_are_put_off_where_requests_come_as_well),
        cmocka_unit_test(a_request_alone_pauses_nothing),
        cmocka_unit_test(a_stop_ends_the_probe),
        cmocka_unit_test(a_lost_connection_is_not_ready),
        cmocka_unit_test(workers_divide_the_concurrency),
        cmocka_unit_test(without_a_lane_there_is_no_subscription),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Events and their calls: success, another try, the end of tries. */
#include "test/unit/delivery/stand.h"

static void an_event_is_called_and_acked(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "m1", .body = "hello");
    expect(stand, "call POST / m1 attempt 1");
    const struct call *call = stand->attempts[0]->call;
    char text[256];
    assert_string_equal(header_of(&call->request.fields, "idempotency-key", text), "m1");
    assert_true(slice_is(call->request.authority, "127.0.0.1:8080"));
    assert_true(slice_is(call->message_id, "m1"));
    answer(stand, 204);
    expect(stand, "ack m1");
    assert_true(slice_is(bytes_slice(&stand->sent), "hello"));
    stand_down(stand);
}

static void a_key_of_the_callers_own_stays(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "m1", .headers = "idempotency-key: 7\nshunt-hops: 3\nvia: 1.1 shunt\n");
    char text[256];
    const struct head *request = &stand->attempts[0]->call->request;
    assert_string_equal(header_of(&request->fields, "idempotency-key", text), "7");
    assert_string_equal(header_of(&request->fields, "shunt-hops", text), "3");
    assert_int_equal(fields_times(&request->fields, FIELD_SHUNT_HOPS), 1);
    assert_string_equal(header_of(&request->fields, "via", text), "1.1 shunt");
    assert_int_equal(stand->attempts[0]->call->hops, 3);
    answer(stand, 200);
    stand_down(stand);
}

/* A grpc-status is judged as the HTTP status that says the same. */
static void an_answer_of_grpc_is_what_its_status_says(void **state)
{
    (void)state;
    static const struct {
        const char *line, *told;
    } rows[] = {
        { "grpc-status: 0", "ack m1" },
        { "grpc-status: 5", "dead m1: service_failed 404 after 1" },
        { "grpc-status: 12", "dead m1: service_failed 501 after 1" },
    };
    struct stand *stand = stand_up("result = { dead = \"501\"; };");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        ARRIVE(stand, .id = "m1", .headers = "content-type: application/grpc\n");
        assert_true(stand->attempts[0]->call->request.trailers_welcome);
        stand->trace.len = 0;
        answer_with(stand, 200, rows[i].line, "");
        expect(stand, rows[i].told);
        if (i > 0)
            confirm(stand, OUTCOME_STORED);
        stand->trace.len = 0;
    }
    static const char *const retried[] = { "grpc-status: 14", "grpc-status: 99", "x: y" };
    for (size_t i = 0; i < sizeof(retried) / sizeof(*retried); i++) {
        ARRIVE(stand, .id = "m2", .headers = "content-type: application/grpc\n");
        answer_with(stand, 200, retried[i], "");
        stand->trace.len = 0;
        pass(stand, 1000);
        expect(stand, "call POST / m2 attempt 2");
        answer_with(stand, 200, "grpc-status: 0", "");
        stand->trace.len = 0;
    }
    stand_down(stand);
}

static void failures_wait_longer_each_time_until_they_are_dead(void **state)
{
    (void)state;
    struct stand *stand = stand_up(
        "retry = { attempts = 4; backoff = \"200ms\"; max_backoff = \"400ms\"; };");
    ARRIVE(stand, .id = "m1");
    answer(stand, 503);
    expect(stand, "call POST / m1 attempt 1");
    pass(stand, 99);
    expect(stand, "");
    pass(stand, 1);
    expect(stand, "call POST / m1 attempt 2");
    answer(stand, 500);
    pass(stand, 200);
    expect(stand, "call POST / m1 attempt 3");
    fail_call(stand, OUTCOME_MAYBE_SENT, REASON_connection_lost);
    pass(stand, 200);
    expect(stand, "call POST / m1 attempt 4");
    answer(stand, 408);
    expect(stand, "dead m1: attempts_exhausted 408 after 4");
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack m1");
    stand_down(stand);
}

static void a_service_that_hangs_is_timed_out_and_tried_again(void **state)
{
    (void)state;
    struct stand *stand = stand_up("timeout = \"2s\"; retry = { attempts = 2; };");
    ARRIVE(stand, .id = "m1");
    expect(stand, "call POST / m1 attempt 1");
    pass(stand, 2000);
    expect(stand, "cancel");
    pass(stand, 125);
    expect(stand, "call POST / m1 attempt 2");
    pass(stand, 2000);
    expect(stand, "cancel; dead m1: attempts_exhausted - after 2");
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack m1");
    stand_down(stand);
}

static void what_the_service_refuses_is_dead_at_once(void **state)
{
    (void)state;
    static const int statuses[] = { 301, 302, 400, 404, 409, 422 };
    struct stand *stand = stand_up("");
    for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
        ARRIVE(stand, .id = "m1");
        stand->trace.len = 0;
        answer(stand, statuses[i]);
        char expected[64];
        snprintf(expected, sizeof(expected), "dead m1: service_failed %d after 1", statuses[i]);
        expect(stand, expected);
        confirm(stand, OUTCOME_STORED);
        expect(stand, "ack m1");
    }
    stand_down(stand);
}

static void the_subscription_says_what_success_is(void **state)
{
    (void)state;
    struct stand *stand = stand_up("result = { ok = ( \"2xx\", \"404\" ); retry = \"json:/again\"; "
                                   "dead = \"json:/errors\"; };");
    ARRIVE(stand, .id = "m1");
    answer(stand, 404);
    expect(stand, "call POST / m1 attempt 1; ack m1");
    ARRIVE(stand, .id = "m2");
    answer_with(stand, 200, NULL, "{\"errors\":[{\"message\":\"no\"}]}");
    expect(stand, "call POST / m2 attempt 1; dead m2: service_failed 200 after 1");
    confirm(stand, OUTCOME_STORED);
    ARRIVE(stand, .id = "m3");
    answer_with(stand, 200, NULL, "{\"errors\":[]}");
    expect(stand, "ack m2; call POST / m3 attempt 1; ack m3");
    ARRIVE(stand, .id = "m4");
    answer_with(stand, 200, NULL, "{\"again\":true}");
    pass(stand, 125);
    expect(stand, "call POST / m4 attempt 1; call POST / m4 attempt 2");
    answer_with(stand, 200, NULL, "no JSON");
    expect(stand, "ack m4");
    stand_down(stand);
}

static void retry_after_is_honoured_up_to_the_longest_wait(void **state)
{
    (void)state;
    struct stand *stand = stand_up("retry = { backoff = \"100ms\"; max_backoff = \"10s\"; };");
    ARRIVE(stand, .id = "m1");
    answer_with(stand, 503, "Retry-After: 3", "");
    pass(stand, 2999);
    expect(stand, "call POST / m1 attempt 1");
    pass(stand, 1);
    expect(stand, "call POST / m1 attempt 2");
    answer_with(stand, 429, "retry-after: 999999999999", "");
    pass(stand, 9999);
    expect(stand, "");
    pass(stand, 1);
    expect(stand, "call POST / m1 attempt 3");
    answer(stand, 200);
    stand_down(stand);
}

static void what_would_be_held_too_long_goes_through_the_broker(void **state)
{
    (void)state;
    struct stand *stand = stand_up("retry = { backoff = \"400ms\"; hold = \"300ms\"; };");
    ARRIVE(stand, .id = "m1");
    answer(stand, 500);
    expect(stand, "call POST / m1 attempt 1");
    pass(stand, 200);
    answer(stand, 500);
    expect(stand, "call POST / m1 attempt 2; delay m1 by 400 after 2");
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack m1");
    ARRIVE(stand, .id = "m1", .attempts = 2,
           .headers = "shunt-attempt: 2\nshunt-first-seen: 1000001\n");
    expect(stand, "call POST / m1 attempt 3");
    answer(stand, 200);
    stand_down(stand);
}

static void those_that_wait_leave_room_for_others(void **state)
{
    (void)state;
    struct stand *stand = stand_up("concurrency = 4;");
    for (unsigned i = 0; i < 3; i++) {
        char id[8];
        snprintf(id, sizeof(id), "m%u", i);
        ARRIVE(stand, .id = id);
        answer(stand, 500);
    }
    expect(stand, "call POST / m0 attempt 1; call POST / m1 attempt 1; call POST / m2 attempt 1; "
                  "delay m2 by 125 after 1");
    confirm(stand, OUTCOME_STORED);
    pass(stand, 125);
    expect(stand, "ack m2; call POST / m0 attempt 2; call POST / m1 attempt 2");
    answer(stand, 200);
    answer(stand, 200);
    stand_down(stand);
}

static void an_old_message_is_tried_once_and_not_again(void **state)
{
    (void)state;
    struct stand *stand = stand_up("retry = { max_age = \"1m\"; };");
    ARRIVE(stand, .id = "m1", .age_ms = 60000);
    answer(stand, 500);
    expect(stand, "call POST / m1 attempt 1; dead m1: too_old 500 after 1");
    confirm(stand, OUTCOME_STORED);

    ARRIVE(stand, .id = "m2", .headers = "shunt-first-seen: 900000\n"); /* 105 s ago */
    answer(stand, 500);
    expect(stand, "ack m1; call POST / m2 attempt 1; dead m2: too_old 500 after 1");
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack m2");
    stand_down(stand);
}

static void what_never_left_is_no_attempt(void **state)
{
    (void)state;
    struct stand *stand = stand_up("retry = { attempts = 1; };");
    ARRIVE(stand, .id = "m1");
    fail_call(stand, OUTCOME_NOT_SENT, REASON_connections_full);
    expect(stand, "call POST / m1 attempt 1");
    pass(stand, 125);
    expect(stand, "call POST / m1 attempt 1");
    answer(stand, 200);
    expect(stand, "ack m1");
    stand_down(stand);
}

static void no_more_calls_at_once_than_the_share(void **state)
{
    (void)state;
    struct stand *stand = stand_up("concurrency = 1;");
    ARRIVE(stand, .id = "m1");
    ARRIVE(stand, .id = "m2"); /* more than its credit: a lost connection can cause that */
    expect(stand, "call POST / m1 attempt 1");
    answer(stand, 200);
    expect(stand, "ack m1; call POST / m2 attempt 1");
    answer(stand, 200);
    expect(stand, "ack m2");
    stand_down(stand);
}

static void what_may_have_killed_the_service_is_tried_alone(void **state)
{
    (void)state;
    struct stand *stand = stand_up("concurrency = 8;");
    ARRIVE(stand, .id = "poison");
    ARRIVE(stand, .id = "m1");
    fail_call(stand, OUTCOME_MAYBE_SENT, REASON_connection_lost);
    fail_call(stand, OUTCOME_MAYBE_SENT, REASON_connection_lost);
    stand->trace.len = 0;
    pass(stand, 125);
    expect(stand, "call POST / poison attempt 2");
    ARRIVE(stand, .id = "m2"); /* under no suspicion */
    expect(stand, "call POST / m2 attempt 1");
    fail_call(stand, OUTCOME_MAYBE_SENT, REASON_connection_lost);
    expect(stand, "call POST / m1 attempt 2");
    fail_call(stand, OUTCOME_MAYBE_SENT, REASON_connection_lost); /* m2, together with poison */
    answer(stand, 200);
    expect(stand, "ack m1");

    pass(stand, 125);
    expect(stand, "call POST / m2 attempt 2");
    lose_connection(stand); /* suspicion outlives it */
    answer(stand, 200);
    ARRIVE(stand, .id = "poison", .redelivered = true);
    ARRIVE(stand, .id = "m2", .redelivered = true);
    expect(stand, "back poison; ack m2; call POST / poison attempt 3");
    answer(stand, 200);
    expect(stand, "ack poison; call POST / m2 attempt 3");
    answer(stand, 200);
    stand_down(stand);
}

static void a_body_goes_as_the_call_wants_it(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "m1", .body = "0123456789");
    attempt_want(stand->attempts[0], 4);
    assert_true(slice_is(bytes_slice(&stand->sent), "0123"));
    attempt_want(stand->attempts[0], 4);
    assert_true(slice_is(bytes_slice(&stand->sent), "01234567"));
    attempt_want(stand->attempts[0], 4);
    assert_true(slice_is(bytes_slice(&stand->sent), "0123456789"));
    answer(stand, 200);
    stand_down(stand);
}

/* --- requests --------------------------------------------------------------------------------- */

static void any_answer_is_the_reply(void **state)
{
    (void)state;
    static const int statuses[] = { 200, 302, 404, 422, 500, 503 };
    struct stand *stand = stand_up("allow = ( { method = \"GET\"; path = \"/stock/{id}\"; } );");
    for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
        ARRIVE(stand, .id = "r1", .reply_to = "reply.a",
               .headers = ":method: GET\n:path: /stock/7\n");
        expect(stand, "call GET /stock/7 r1 attempt 1");
        answer_with(stand, statuses[i], "X-A: b", "as it is");
        char expected[64];
        snprintf(expected, sizeof(expected), "reply %d to reply.a: as it is", statuses[i]);
        expect(stand, expected);
        confirm(stand, OUTCOME_STORED);
        expect(stand, "ack r1");
    }
    stand_down(stand);
}

#define PROBLEM(status, title, detail, reason, executed)                                           \
    "{\"type\":\"about:blank\",\"title\":\"" title "\",\"status\":" status ",\"detail\":\"" detail \
    "\",\"reason\":\"" reason "\",\"message_id\":\"r1\",\"executed\":\"" executed "\"}\n"

static void a_request_is_never_tried_twice(void **state)
{
    (void)state;
    struct stand *stand = stand_up("timeout = \"1s\";");
    ARRIVE(stand, .id = "r1", .reply_to = "reply.a");
    fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_refused);
    expect(stand, "call POST / r1 attempt 1; retire r1; reply 503 to reply.a: " PROBLEM(
                      "503", "the service cannot be reached", "the upstream refused the connection",
                      "service_down", "no"));
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack r1");

    ARRIVE(stand, .id = "r1", .reply_to = "reply.a");
    pass(stand, 1000);
    expect(stand, "call POST / r1 attempt 1; cancel; reply 504 to reply.a: " PROBLEM(
                      "504", "no answer came within the call's timeout",
                      "no answer came within the call's timeout", "timeout", "unknown"));
    confirm(stand, OUTCOME_STORED);

    ARRIVE(stand, .id = "r1", .reply_to = "reply.a");
    fail_call(stand, OUTCOME_MAYBE_SENT, REASON_connection_lost);
    expect(stand, "ack r1; call POST / r1 attempt 1; reply 502 to reply.a: " PROBLEM(
                      "502", "the upstream closed the connection before it answered",
                      "the upstream closed the connection before it answered", "connection_lost",
                      "unknown"));
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack r1");
    stand_down(stand);
}

/* Promise 2: another delivery may have been carried out, or may yet. */
static void a_refusal_says_no_only_when_nobody_else_can_run_it(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "r1", .reply_to = "reply.a", .redelivered = true);
    fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_refused);
    expect(stand,
           "call POST / r1 attempt 1; reply 504 to reply.a: " PROBLEM(
               "504",
               "the service cannot be reached, and an earlier delivery may have been carried out",
               "the upstream refused the connection", "maybe_executed", "unknown"));
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack r1");

    stand->retire_result = -1;
    ARRIVE(stand, .id = "r1", .reply_to = "reply.a");
    fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_refused);
    expect(stand, "call POST / r1 attempt 1; retire r1; ack r1");
    stand_down(stand);
}

static void a_reply_that_is_too_large_becomes_a_small_one(void **state)
{
    (void)state;
    struct stand *stand = stand_up("max_reply = \"8B\";");
    ARRIVE(stand, .id = "r1", .reply_to = "reply.a");
    answer_with(stand, 200, NULL, "12345678");
    expect(stand, "call POST / r1 attempt 1; reply 200 to reply.a: 12345678");
    confirm(stand, OUTCOME_STORED);
    ARRIVE(stand, .id = "r2", .reply_to = "reply.a");
    answer_with(stand, 200, NULL, "123456789");
    expect(
        stand,
        "ack r1; call POST / r2 attempt 1; cancel; reply 502 to reply.a: "
        "{\"type\":\"about:blank\",\"title\":\"the reply is larger than the limit\",\"status\":502,"
        "\"reason\":\"reply_too_large\",\"message_id\":\"r2\",\"executed\":\"unknown\"}\n");
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack r2");
    stand_down(stand);
}

static void the_callers_deadline_bounds_the_call(void **state)
{
    (void)state;
    struct stand *stand = stand_up("timeout = \"30s\";");
    ARRIVE(stand, .id = "r1", .reply_to = "reply.a", .expires_in_ms = 700);
    pass(stand, 699);
    expect(stand, "call POST / r1 attempt 1");
    pass(stand, 1);
    assert_int_equal(stand->attempt_count, 0);
    expect(stand, "cancel; ack r1");
    stand_down(stand);
}

static void an_answer_after_the_deadline_is_dropped(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "r1", .reply_to = "reply.a", .expires_in_ms = 700);
    stand->clock.now_ms += 700; /* the wall clock is there before the timer is */
    answer(stand, 200);
    expect(stand, "call POST / r1 attempt 1; ack r1");
    stand_down(stand);
}

/* So is one of our own, whose time passes while the broker drops the request. */
static void a_refusal_after_the_deadline_is_dropped(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    stand->retire_ms = 700;
    ARRIVE(stand, .id = "r1", .reply_to = "reply.a", .expires_in_ms = 700);
    fail_call(stand, OUTCOME_NOT_SENT, REASON_connection_refused);
    expect(stand, "call POST / r1 attempt 1; retire r1; ack r1");
    stand_down(stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_called_and_acked),
        cmocka_unit_test(a_key_of_the_callers_own_stays),
        cmocka_unit_test(an_answer_of_grpc_is_what_its_status_says),
        cmocka_unit_test(failures_wait_longer_each_time_until_they_are_dead),
        cmocka_unit_test(a_service_that_hangs_is_timed_out_and_tried_again),
        cmocka_unit_test(what_the_service_refuses_is_dead_at_once),
        cmocka_unit_test(the_subscription_says_what_success_is),
        cmocka_unit_test(retry_after_is_honoured_up_to_the_longest_wait),
        cmocka_unit_test(what_would_be_held_too_long_goes_through_the_broker),
        cmocka_unit_test(those_that_wait_leave_room_for_others),
        cmocka_unit_test(an_old_message_is_tried_once_and_not_again),
        cmocka_unit_test(what_never_left_is_no_attempt),
        cmocka_unit_test(no_more_calls_at_once_than_the_share),
        cmocka_unit_test(what_may_have_killed_the_service_is_tried_alone),
        cmocka_unit_test(a_body_goes_as_the_call_wants_it),
        cmocka_unit_test(any_answer_is_the_reply),
        cmocka_unit_test(a_request_is_never_tried_twice),
        cmocka_unit_test(a_reply_that_is_too_large_becomes_a_small_one),
        cmocka_unit_test(a_refusal_says_no_only_when_nobody_else_can_run_it),
        cmocka_unit_test(the_callers_deadline_bounds_the_call),
        cmocka_unit_test(an_answer_after_the_deadline_is_dropped),
        cmocka_unit_test(a_refusal_after_the_deadline_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

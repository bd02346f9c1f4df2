/* What may become a call, what comes back after a lost connection, and what a stop leaves
 * behind. */
#include "test/unit/delivery/stand.h"

/* What becomes of an event with these headers: the transcript up to its settlement. */
static void event_ends(struct stand *stand, const char *headers, const char *expected)
{
    ARRIVE(stand, .id = "m1", .headers = headers);
    expect(stand, expected);
    if (stand->attempt_count > 0)
        answer(stand, 200);
    else
        confirm(stand, OUTCOME_STORED);
    expect(stand, "ack m1");
}

static void without_allow_only_the_deliver_url_itself(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    event_ends(stand, NULL, "call POST / m1 attempt 1");
    event_ends(stand, ":method: POST\n:path: /\n", "call POST / m1 attempt 1");
    event_ends(stand, ":method: POST\n:path: /x\n", "dead m1: not_allowed - after 0");
    event_ends(stand, ":method: POST\n:path: /?x\n", "dead m1: not_allowed - after 0");
    event_ends(stand, ":method: GET\n", "dead m1: not_allowed - after 0");
    stand_down(stand);
}

static void what_is_allowed_is_called(void **state)
{
    (void)state;
    struct stand *stand = stand_up(
        "allow = ( { method = \"POST\"; path = \"/orders/{id}\"; },"
        " { method = [ \"GET\", \"PUT\" ]; }, { path = \"/open/*\"; } );");
    event_ends(stand, ":path: /orders/7\n", "call POST /orders/7 m1 attempt 1");
    event_ends(stand, ":path: /orders/7/x\n", "dead m1: not_allowed - after 0");
    event_ends(stand, ":path: /orders/%37\n", "call POST /orders/7 m1 attempt 1");
    event_ends(stand, ":method: GET\n:path: /any\n", "call GET /any m1 attempt 1");
    event_ends(stand, ":method: DELETE\n:path: /open/x?y=z\n", "call DELETE /open/x m1 attempt 1");
    event_ends(stand, ":method: DELETE\n:path: /any\n", "dead m1: not_allowed - after 0");
    event_ends(stand, ":method: get\n:path: /any\n", "dead m1: not_allowed - after 0");
    event_ends(stand, ":path: /open/../admin\n", "dead m1: bad_message - after 0");
    event_ends(stand, ":path: /open/a%2fb\n", "dead m1: bad_message - after 0");
    event_ends(stand, ":path: /open//b\n", "dead m1: bad_message - after 0");
    stand_down(stand);
}

static void what_an_allowance_reads_is_called(void **state)
{
    (void)state;
    struct stand *stand = stand_up(
        "allow = ( { path = \"/keep/{id}\"; encoded_slash = \"keep\"; },"
        " { path = \"/split/*\"; encoded_slash = \"decode\"; double_slash = \"merge\"; } );");
    event_ends(stand, ":path: /keep/a%2fb\n", "call POST /keep/a%2Fb m1 attempt 1");
    event_ends(stand, ":path: /keep/a/b\n", "dead m1: not_allowed - after 0");
    event_ends(stand, ":path: /keep//b\n", "dead m1: bad_message - after 0");
    event_ends(stand, ":path: /split/a%2fb\n", "call POST /split/a/b m1 attempt 1");
    event_ends(stand, ":path: //split/%2Fb\n", "call POST /split/b m1 attempt 1");
    event_ends(stand, ":path: /split/..%2fkeep\n", "dead m1: bad_message - after 0");
    stand_down(stand);
}

static void paths_stand_below_the_deliver_url(void **state)
{
    (void)state;
    struct stand *stand = stand_up("allow = ( { path = \"/orders/*\"; } );");
    stand->settings.prefix = SLICE("/api/v1");
    event_ends(stand, NULL, "call POST /api/v1 m1 attempt 1");
    event_ends(stand, ":path: /\n", "call POST /api/v1 m1 attempt 1");
    event_ends(stand, ":path: /orders/7\n", "call POST /api/v1/orders/7 m1 attempt 1");
    event_ends(stand, ":path: /api/v1/orders/7\n", "dead m1: not_allowed - after 0");
    stand_down(stand);
}

static void what_cannot_be_http_is_dead(void **state)
{
    (void)state;
    struct stand *stand = stand_up("max_body = \"4B\";");
    event_ends(stand, "a b: c\n", "dead m1: bad_message - after 0");
    event_ends(stand, ":strange: c\n", "dead m1: bad_message - after 0");
    event_ends(stand, "shunt-hops: 17\n", "dead m1: loop - after 0");
    event_ends(stand, "shunt-hops: 99999999999\n", "dead m1: loop - after 0");
    event_ends(stand, "shunt-hops: 16\n", "call POST / m1 attempt 1");
    ARRIVE(stand, .id = "m1", .malformed = "headers are nested too deeply");
    expect(stand, "dead m1: bad_message - after 0");
    confirm(stand, OUTCOME_STORED);
    ARRIVE(stand, .id = "m1", .body = "12345");
    expect(stand, "ack m1; dead m1: body_too_large - after 0");
    confirm(stand, OUTCOME_STORED);
    ARRIVE(stand, .id = "m1", .attempts = 8);
    expect(stand, "ack m1; dead m1: attempts_exhausted - after 8");
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack m1");
    stand_down(stand);
}

static void a_request_that_cannot_be_called_is_answered(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    static const struct {
        const char *headers, *malformed, *reply;
    } rows[] = {
        { ":method: GET\n", NULL, "retire r1; reply 403" },
        { "a b: c\n", NULL, "retire r1; reply 502" },
        { "shunt-hops: 17\n", NULL, "retire r1; reply 508" },
        { NULL, "no table", "retire r1; reply 502" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        ARRIVE(stand, .id = "r1", .headers = rows[i].headers, .malformed = rows[i].malformed,
               .reply_to = "reply.a");
        stand->trace.at[strlen(rows[i].reply)] = '\0';
        assert_string_equal((const char *)stand->trace.at, rows[i].reply);
        stand->trace.len = 0;
        confirm(stand, OUTCOME_STORED);
        expect(stand, "ack r1");
    }
    stand_down(stand);
}

static void a_reply_address_that_is_not_ours_is_never_used(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "r1", .reply_to = "inventory.reserve");
    expect(stand, "dead r1: reply_refused - after 0");
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack r1");
    stand_down(stand);
}

static void what_nobody_waits_for_is_dropped(void **state)
{
    (void)state;
    struct stand *stand = stand_up("concurrency = 1;");
    ARRIVE(stand, .id = "r1", .reply_to = "reply.a", .expires_in_ms = -1);
    ARRIVE(stand, .id = "m1", .expires_in_ms = -1);
    expect(stand, "ack r1; ack m1");
    ARRIVE(stand, .id = "m2");
    ARRIVE(stand, .id = "r3", .reply_to = "reply.a",
           .expires_in_ms = 100); /* expires while it is parked */
    pass(stand, 100);
    answer(stand, 200);
    expect(stand, "call POST / m2 attempt 1; ack m2; ack r3");
    ARRIVE(stand, .id = "m4", .expires_in_ms = 100); /* expires while it waits to be tried again */
    answer(stand, 500);
    pass(stand, 125);
    expect(stand, "call POST / m4 attempt 1; ack m4");
    stand_down(stand);
}

static void a_message_without_a_usable_id_gets_one(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .body = "x");
    expect(stand, "call POST / 00000000000000000000000000000000 attempt 1");
    answer(stand, 500);
    pass(stand, 125);
    expect(stand, "call POST / 00000000000000000000000000000000 attempt 2");
    answer(stand, 200);
    expect(stand, "ack nameless");
    ARRIVE(stand, .id = "a\r\nb: c");
    expect(stand, "call POST / 00000000000000000000000000000000 attempt 1");
    answer(stand, 200);
    stand_down(stand);
}

static void the_broker_s_own_name_for_it_serves_as_an_id(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .identity = "t/0/7/1");
    answer(stand, 200);
    ARRIVE(stand, .id = "a b", .identity = "t/0/8/1");
    answer(stand, 200);
    ARRIVE(stand, .id = "m1", .identity = "t/0/9/1");
    answer(stand, 200);
    expect(stand, "call POST / t/0/7/1 attempt 1; ack nameless; call POST / t/0/8/1 attempt 1; "
                  "ack a b; call POST / m1 attempt 1; ack m1");
    stand_down(stand);
}

/* --- lost connections ------------------------------------------------------------------------- */

static void what_was_being_called_is_counted_when_it_comes_again(void **state)
{
    (void)state;
    struct stand *stand = stand_up("retry = { attempts = 3; };");
    ARRIVE(stand, .id = "m1");
    lose_connection(stand);
    expect(stand, "call POST / m1 attempt 1");
    fail_call(stand, OUTCOME_MAYBE_SENT, REASON_connection_lost);
    expect(stand, "back m1");
    ARRIVE(stand, .id = "m1", .redelivered = true);
    expect(stand, "call POST / m1 attempt 2");
    lose_connection(stand);
    answer(stand, 200); /* too late to be acked */
    expect(stand, "ack m1");
    ARRIVE(stand, .id = "m1", .redelivered = true);
    expect(stand, "call POST / m1 attempt 3");
    lose_connection(stand);
    answer(stand, 500);
    expect(stand, "back m1");
    ARRIVE(stand, .id = "m1", .redelivered = true);
    expect(stand, "dead m1: attempts_exhausted 500 after 3");
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack m1");
    stand_down(stand);
}

static void what_comes_for_the_first_time_is_not_mistaken(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "m1");
    lose_connection(stand);
    answer(stand, 500);
    ARRIVE(stand, .id = "m1");
    expect(stand, "call POST / m1 attempt 1; back m1; call POST / m1 attempt 1");
    answer(stand, 200);
    stand_down(stand);
}

static void what_waited_or_was_parked_is_let_go(void **state)
{
    (void)state;
    struct stand *stand = stand_up("concurrency = 1;");
    ARRIVE(stand, .id = "m1");
    answer(stand, 500);
    ARRIVE(stand, .id = "m2");
    ARRIVE(stand, .id = "m3");
    ARRIVE(stand, .id = "r4", .reply_to = "reply.a");
    expect(stand, "call POST / m1 attempt 1; call POST / m2 attempt 1");
    lose_connection(stand);
    expect(stand, "back m1; back m3; back r4");
    answer(stand, 200);
    ARRIVE(stand, .id = "m1", .redelivered = true);
    expect(stand, "ack m2; call POST / m1 attempt 2");
    answer(stand, 200);
    stand_down(stand);
}

static void a_request_still_gets_its_reply(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "r1", .reply_to = "reply.a");
    lose_connection(stand);
    answer_with(stand, 200, NULL, "ok");
    expect(stand, "call POST / r1 attempt 1; reply 200 to reply.a: ok");
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack r1");
    stand_down(stand);
}

static void a_body_that_kills_the_service_is_bounded_without_an_id(void **state)
{
    (void)state;
    struct stand *stand = stand_up("retry = { attempts = 2; };");
    ARRIVE(stand, .body = "poison");
    lose_connection(stand);
    fail_call(stand, OUTCOME_MAYBE_SENT, REASON_connection_lost);
    ARRIVE(stand, .body = "other", .redelivered = true);
    answer(stand, 200);
    stand->trace.len = 0;
    ARRIVE(stand, .body = "poison", .redelivered = true);
    expect(stand, "call POST / 00000000000000000000000000000000 attempt 2");
    fail_call(stand, OUTCOME_MAYBE_SENT, REASON_connection_lost);
    expect(stand, "dead 00000000000000000000000000000000: attempts_exhausted - after 2");
    confirm(stand, OUTCOME_STORED);
    stand_down(stand);
}

/* Several programs may publish to one queue, and give the same ID to two things. */
static void a_request_has_no_part_in_an_event_with_its_id(void **state)
{
    (void)state;
    struct stand *stand = stand_up("concurrency = 1; retry = { attempts = 2; };");
    ARRIVE(stand, .id = "1");
    answer(stand, 500);
    ARRIVE(stand, .id = "m2");
    ARRIVE(stand, .id = "1", .reply_to = "reply.a", .attempts = 7);
    lose_connection(stand);
    answer(stand, 200);
    expect(stand, "call POST / 1 attempt 1; call POST / m2 attempt 1; back 1; back 1; ack m2");
    ARRIVE(stand, .id = "m2", .redelivered = true);
    ARRIVE(stand, .id = "1", .reply_to = "reply.a", .redelivered = true);
    ARRIVE(stand, .id = "1", .redelivered = true);
    expect(stand, "call POST / m2 attempt 2");
    subscription_stop(stand->subscription);
    expect(stand, "unsubscribe; back 1; delay 1 by 1 after 1");
    confirm(stand, OUTCOME_STORED);
    answer(stand, 200);
    expect(stand, "ack 1; ack m2");
    left(stand);
    stand_down(stand);
}

/* --- stopping --------------------------------------------------------------------------------- */

/* What was tried says so when it comes again: we shall not know it by then (promise 15). */
static void a_stop_lets_calls_finish_and_gives_the_rest_back(void **state)
{
    (void)state;
    struct stand *stand = stand_up("concurrency = 3;");
    ARRIVE(stand, .id = "m1");
    answer(stand, 500); /* waits */
    ARRIVE(stand, .id = "m2");
    ARRIVE(stand, .id = "r3", .reply_to = "reply.a");
    ARRIVE(stand, .id = "m4");
    ARRIVE(stand, .id = "r5", .reply_to = "reply.a"); /* parked */
    stand->trace.len = 0;
    subscription_stop(stand->subscription);
    expect(stand, "unsubscribe; delay m1 by 125 after 1; back r5");
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack m1");
    ARRIVE(stand, .id = "m6");
    expect(stand, "back m6");
    answer(stand, 200);
    expect(stand, "ack m2");
    answer(stand, 200);
    expect(stand, "reply 200 to reply.a: ");
    confirm(stand, OUTCOME_STORED);
    answer(stand, 500);
    expect(stand, "ack r3; delay m4 by 125 after 1");
    confirm(stand, OUTCOME_NOT_SENT);
    expect(stand, "back m4");
    assert_false(list_empty(&stand->worker.subscriptions));
    left(stand);
    assert_true(list_empty(&stand->worker.subscriptions));
    stand_down(stand);
}

/* It has waited for its time, and only a place is missing. */
static void what_is_due_at_a_stop_is_not_put_off_for_long(void **state)
{
    (void)state;
    struct stand *stand = stand_up("concurrency = 1;");
    ARRIVE(stand, .id = "m1");
    answer(stand, 500);
    ARRIVE(stand, .id = "m2");
    pass(stand, 125);
    stand->trace.len = 0;
    subscription_stop(stand->subscription);
    expect(stand, "unsubscribe; delay m1 by 1 after 1");
    confirm(stand, OUTCOME_STORED);
    answer(stand, 200);
    expect(stand, "ack m1; ack m2");
    left(stand);
    stand_down(stand);
}

/* Others behind it are done, and would come again if it were not. */
static void what_is_overdue_is_called_after_a_stop(void **state)
{
    (void)state;
    struct stand *stand = stand_up("concurrency = 1;");
    stand->source.keeps_order = true;
    ARRIVE(stand, .id = "m1");
    stand->trace.len = 0;
    subscription_stop(stand->subscription);
    ARRIVE(stand, .id = "m2");
    ARRIVE(stand, .id = "m3", .overdue = true);
    expect(stand, "unsubscribe; back m2");
    answer(stand, 200);
    expect(stand, "ack m1; call POST / m3 attempt 1");
    answer(stand, 200);
    expect(stand, "ack m3");
    ARRIVE(stand, .id = "m4", .overdue = true);
    answer(stand, 500);
    expect(stand, "call POST / m4 attempt 1; back m4");
    left(stand);
    stand_down(stand);
}

/* Who gets it next is waited for already. */
static void what_is_overdue_is_tried_once(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "m1", .overdue = true);
    answer(stand, 500);
    expect(stand, "call POST / m1 attempt 1; back m1");
    ARRIVE(stand, .id = "m1", .redelivered = true, .overdue = true);
    answer(stand, 404);
    confirm(stand, OUTCOME_MAYBE_SENT);
    expect(stand, "call POST / m1 attempt 2; dead m1: service_failed 404 after 2; back m1");
    stand_down(stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_allow_only_the_deliver_url_itself),
        cmocka_unit_test(what_is_allowed_is_called),
        cmocka_unit_test(what_an_allowance_reads_is_called),
        cmocka_unit_test(paths_stand_below_the_deliver_url),
        cmocka_unit_test(what_cannot_be_http_is_dead),
        cmocka_unit_test(a_request_that_cannot_be_called_is_answered),
        cmocka_unit_test(a_reply_address_that_is_not_ours_is_never_used),
        cmocka_unit_test(what_nobody_waits_for_is_dropped),
        cmocka_unit_test(a_message_without_a_usable_id_gets_one),
        cmocka_unit_test(the_broker_s_own_name_for_it_serves_as_an_id),
        cmocka_unit_test(what_was_being_called_is_counted_when_it_comes_again),
        cmocka_unit_test(what_comes_for_the_first_time_is_not_mistaken),
        cmocka_unit_test(what_waited_or_was_parked_is_let_go),
        cmocka_unit_test(a_request_still_gets_its_reply),
        cmocka_unit_test(a_body_that_kills_the_service_is_bounded_without_an_id),
        cmocka_unit_test(a_request_has_no_part_in_an_event_with_its_id),
        cmocka_unit_test(a_stop_lets_calls_finish_and_gives_the_rest_back),
        cmocka_unit_test(what_is_due_at_a_stop_is_not_put_off_for_long),
        cmocka_unit_test(what_is_overdue_is_called_after_a_stop),
        cmocka_unit_test(what_is_overdue_is_tried_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

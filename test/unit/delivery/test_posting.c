/* Letters that the broker does not take at once. */
#include "test/unit/delivery/stand.h"

static void a_dead_letter_is_posted_until_it_is_stored(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "m1");
    answer(stand, 404);
    expect(stand, "call POST / m1 attempt 1; dead m1: service_failed 404 after 1");
    confirm(stand, OUTCOME_REFUSED_WHOLE); /* the queue is missing, or full */
    pass(stand, 49);
    expect(stand, "");
    pass(stand, 1);
    expect(stand, "dead m1: service_failed 404 after 1");
    confirm(stand, OUTCOME_MAYBE_SENT);
    pass(stand, 100);
    expect(stand, "dead m1: service_failed 404 after 1");
    stand->refuse_publish = REASON_broker_down;
    confirm(stand, OUTCOME_NOT_SENT);
    pass(stand, 200);
    expect(stand, "refused");
    stand->refuse_publish = REASON_none;
    pass(stand, 400);
    expect(stand, "dead m1: service_failed 404 after 1");
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack m1");
    stand_down(stand);
}

static void what_nobody_stores_is_given_back_and_never_called_again(void **state)
{
    (void)state;
    struct stand *stand = stand_up("retry = { hold = \"30s\"; };");
    stand->refuse_publish = REASON_broker_refused;
    ARRIVE(stand, .id = "m1");
    answer(stand, 404);
    pass(stand, 30000);
    unsigned tries = 0;
    bytes_byte(&stand->trace, '\0');
    for (const char *at = (const char *)stand->trace.at; (at = strstr(at, "refused")) != NULL; at++)
        tries++;
    assert_in_range(tries, 8, 20); /* neither a busy loop nor once only */
    assert_non_null(strstr((const char *)stand->trace.at, "back m1"));
    stand->trace.len = 0;

    stand->refuse_publish = REASON_none;
    ARRIVE(stand, .id = "m1", .redelivered = true);
    expect(stand, "dead m1: service_failed 404 after 1");
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack m1");
    stand_down(stand);
}

static void a_letter_that_is_too_large_sheds_its_headers(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    stand->refuse_publish = REASON_fields_too_large;
    ARRIVE(stand, .id = "m1", .headers = "x-a: b\n");
    answer(stand, 404);
    expect(stand, "call POST / m1 attempt 1; refused; refused");
    stand->refuse_publish = REASON_none;
    pass(stand, 50);
    expect(stand, "dead m1: service_failed 404 after 1");
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack m1");
    stand_down(stand);
}

/* What the broker keeps by itself is not in the way for ever for being too large to be a letter. */
static void a_letter_that_is_still_too_large_sheds_its_body(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "m1", .body = "much", .identity = "t/0/1/1");
    answer(stand, 404);
    for (int i = 0; i < 2; i++)
        confirm(stand, -REASON_message_too_large);
    expect(stand, "call POST / m1 attempt 1; dead m1: service_failed 404 after 1; "
                  "dead m1: service_failed 404 after 1; "
                  "dead m1: service_failed 404 after 1 without 4 bytes");
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack m1");

    ARRIVE(stand, .id = "m2", .body = "much");
    answer(stand, 404);
    for (int i = 0; i < 2; i++)
        confirm(stand, -REASON_message_too_large);
    expect(stand, "call POST / m2 attempt 1; dead m2: service_failed 404 after 1; "
                  "dead m2: service_failed 404 after 1");
    pass(stand, 50);
    confirm(stand, OUTCOME_STORED);
    expect(stand, "dead m2: service_failed 404 after 1; ack m2");
    stand_down(stand);
}

static void a_reply_without_a_taker_is_acked(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "r1", .reply_to = "reply.gone");
    answer(stand, 200);
    confirm(stand, OUTCOME_REFUSED_WHOLE);
    expect(stand, "call POST / r1 attempt 1; reply 200 to reply.gone: ; ack r1");
    stand_down(stand);
}

static void a_reply_is_posted_again_until_its_deadline(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    stand->refuse_publish = REASON_broker_down;
    ARRIVE(stand, .id = "r1", .reply_to = "reply.a", .expires_in_ms = 1000);
    answer(stand, 200);
    expect(stand, "call POST / r1 attempt 1; refused");
    stand->refuse_publish = REASON_none;
    pass(stand, 50);
    expect(stand, "reply 200 to reply.a: ");
    stand->refuse_publish = REASON_broker_down;
    confirm(stand, OUTCOME_NOT_SENT);
    pass(stand, 1000);
    expect(stand, "refused; refused; refused; ack r1");
    stand_down(stand);
}

static void a_reply_that_no_message_can_hold_becomes_a_small_one(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    stand->refuse_publish = REASON_message_too_large;
    ARRIVE(stand, .id = "r1", .reply_to = "reply.a");
    answer(stand, 200);
    expect(stand, "call POST / r1 attempt 1; refused; refused; ack r1");

    char name[300];
    memset(name, 'n', sizeof(name));
    memcpy(name + 256, ": v", 4);
    stand->refuse_publish = REASON_none;
    ARRIVE(stand, .id = "r2", .reply_to = "reply.a");
    stand->trace.len = 0;
    answer_with(stand, 200, name, "");
    stand->trace.at[9] = '\0';
    assert_string_equal((const char *)stand->trace.at, "reply 502");
    stand->trace.len = 0;
    confirm(stand, OUTCOME_STORED);
    expect(stand, "ack r2");
    stand_down(stand);
}

static void a_lost_letter_is_let_go(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "m1");
    answer(stand, 404);
    lose_connection(stand);
    confirm(stand, OUTCOME_MAYBE_SENT);
    expect(stand, "call POST / m1 attempt 1; dead m1: service_failed 404 after 1; back m1");
    ARRIVE(stand, .id = "m1", .redelivered = true);
    expect(stand, "dead m1: service_failed 404 after 1");
    confirm(stand, OUTCOME_NOT_SENT);
    lose_connection(stand); /* while it waits to be posted again */
    expect(stand, "back m1");
    ARRIVE(stand, .id = "m1", .redelivered = true);
    confirm(stand, OUTCOME_STORED);
    expect(stand, "dead m1: service_failed 404 after 1; ack m1");
    stand_down(stand);
}

static void a_stop_waits_for_confirms_and_not_for_more(void **state)
{
    (void)state;
    struct stand *stand = stand_up("");
    ARRIVE(stand, .id = "m1");
    answer(stand, 404);
    ARRIVE(stand, .id = "m2");
    answer(stand, 404);
    ARRIVE(stand, .id = "m3");
    answer(stand, 404);
    ARRIVE(stand, .id = "m4");
    answer(stand, 404);
    confirm(stand, OUTCOME_NOT_SENT); /* m1 waits to be posted again */
    confirm(stand, OUTCOME_NOT_SENT); /* and m2 */
    stand->trace.len = 0;
    subscription_stop(stand->subscription);
    expect(stand, "unsubscribe; dead m1: service_failed 404 after 1; "
                  "dead m2: service_failed 404 after 1");
    confirm(stand, OUTCOME_STORED);
    confirm(stand, OUTCOME_NOT_SENT);
    confirm(stand, OUTCOME_STORED);
    confirm(stand, OUTCOME_NOT_SENT);
    expect(stand, "ack m3; back m4; ack m1; back m2");
    left(stand);
    stand_down(stand);
}

/* It would have been tried again in its place: that we go is no reason to give it up. */
static void what_a_stop_cannot_put_off_is_given_back(void **state)
{
    (void)state;
    struct stand *stand = stand_up("concurrency = 1;");
    ARRIVE(stand, .id = "m1");
    answer(stand, 500);
    ARRIVE(stand, .id = "m2");
    stand->refuse_publish = REASON_message_too_large;
    stand->trace.len = 0;
    subscription_stop(stand->subscription);
    expect(stand, "unsubscribe; refused; back m1");
    stand->refuse_publish = REASON_none;
    answer(stand, 500);
    confirm(stand, -REASON_fields_too_large);
    expect(stand, "delay m2 by 125 after 1; back m2");
    left(stand);
    stand_down(stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_letter_is_posted_until_it_is_stored),
        cmocka_unit_test(what_nobody_stores_is_given_back_and_never_called_again),
        cmocka_unit_test(a_letter_that_is_too_large_sheds_its_headers),
        cmocka_unit_test(a_letter_that_is_still_too_large_sheds_its_body),
        cmocka_unit_test(a_reply_without_a_taker_is_acked),
        cmocka_unit_test(a_reply_is_posted_again_until_its_deadline),
        cmocka_unit_test(a_reply_that_no_message_can_hold_becomes_a_small_one),
        cmocka_unit_test(a_lost_letter_is_let_go),
        cmocka_unit_test(a_stop_waits_for_confirms_and_not_for_more),
        cmocka_unit_test(what_a_stop_cannot_put_off_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

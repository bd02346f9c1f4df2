/* Calls over a lane, as transcripts: what the application asked, what the broker said, what came
 * of it. */
#include "test/unit/plugins/amqp/stand.h"

static const struct route_settings to_queue = { .exchange = SLICE(""),
                                                .routing_key = SLICE("q"),
                                                .confirmed = true };
static const struct route_settings to_other = { .exchange = SLICE(""),
                                                .routing_key = SLICE("o"),
                                                .confirmed = true };
static const struct route_settings to_topic = { .exchange = SLICE("x"),
                                                .routing_key = SLICE("k"),
                                                .confirmed = true };
static const struct route_settings unacked = { .exchange = SLICE(""), .routing_key = SLICE("q") };

static struct stand *up(bool awaits)
{
    struct stand *stand = stand_new();
    stand->settings.awaits = awaits;
    stand_attach(stand);
    expect(stand, awaits ? "connecting; qos 512; consume; up" : "connecting; up");
    return stand;
}

static void tell(struct stand *stand, char name, const struct route_settings *route)
{
    assert_int_equal(begin_call(stand, name, route, false), 0);
    settle(stand);
}

static void ask(struct stand *stand, char name)
{
    assert_int_equal(begin_call(stand, name, &to_queue, true), 0);
    settle(stand);
}

/* The receiver of the last request answers it. */
static void answer_last(struct stand *stand, uint64_t tag, const char *body)
{
    struct message reply = { .correlation_id = stand->last.correlation_id,
                             .body = slice_text(body) };
    say_deliver(stand, 1, tag, &reply);
    settle(stand);
}

static void an_event_is_stored_once_it_is_confirmed(void **state)
{
    (void)state;
    struct stand *stand = up(false);
    tell(stand, 'a', &to_queue);
    tell(stand, 'b', &to_queue);
    expect(stand, "q:a; q:b");
    assert_int_equal(stand->last.correlation_id.len, TOKEN_DIGITS);
    assert_int_equal(stand->last.ttl_ms, 0);
    assert_true(stand->last.durable);
    say_ack(stand, 1, 2, true);
    expect(stand, "stored a; stored b");
    stand_free(stand);
}

static void without_ack_it_is_stored_at_the_end_of_the_turn(void **state)
{
    (void)state;
    struct stand *stand = up(false);
    assert_int_equal(begin_call(stand, 'a', &unacked, false), 0);
    expect(stand, "");
    settle(stand);
    expect(stand, "stored a; q:a");
    say_ack(stand, 1, 1, false);
    expect(stand, "");
    stand_free(stand);
}

static void refusals_say_whether_it_happened(void **state)
{
    (void)state;
    struct stand *stand = up(false);
    tell(stand, 'a', &to_queue);
    say_return(stand, 1, "q");
    expect(stand, "q:a; fail a: unroutable, no");
    say_ack(stand, 1, 1, false); /* unroutable messages are confirmed, too */
    expect(stand, "");

    tell(stand, 'b', &to_queue);
    say_nack(stand, 1, 2);
    expect(stand, "q:b; fail b: broker_refused, no");

    tell(stand, 'c', &to_topic);
    say_nack(stand, 2, 1);
    expect(stand, "k:c; fail c: broker_unsure, unknown");
    stand_free(stand);
}

static void a_return_hits_its_own_message(void **state)
{
    (void)state;
    struct stand *stand = up(false);
    tell(stand, 'a', &to_queue);
    struct message a = stand->last;
    tell(stand, 'b', &to_queue);
    stand->last = a;
    say_return(stand, 1, "q");
    say_ack(stand, 1, 2, true);
    expect(stand, "q:a; q:b; fail a: unroutable, no; stored b");
    stand_free(stand);
}

static void a_reply_finds_its_call(void **state)
{
    (void)state;
    struct stand *stand = up(true);
    ask(stand, 'a');
    struct message first = stand->last;
    assert_true(slice_starts(first.reply_to, SLICE("shunt.reply.orders.")));
    assert_int_equal(first.ttl_ms, 5000);
    assert_false(first.durable);
    const struct field *deadline = fields_find_name(&first.headers, SLICE("shunt-deadline"));
    assert_true(slice_is(deadline->value, "1006000"));
    ask(stand, 'b');
    answer_last(stand, 1, "B");
    stand->last = first;
    answer_last(stand, 2, "A");
    expect(stand, "q:a; q:b; reply b: B; ack 1 and before; reply a: A; ack 2 and before");
    say_ack(stand, 1, 2, true);
    expect(stand, "");
    stand_free(stand);
}

static void replies_that_nobody_waits_for_are_dropped(void **state)
{
    (void)state;
    struct stand *stand = up(true);
    ask(stand, 'a');
    struct message asked = stand->last;
    answer_last(stand, 1, "A");
    answer_last(stand, 2, "again");
    stand->last.correlation_id = SLICE("00000000000000000000000000000000");
    answer_last(stand, 3, "forged");
    stand->last.correlation_id = SLICE("nonsense");
    answer_last(stand, 4, "nonsense");
    expect(stand, "q:a; reply a: A; ack 1 and before; dropped; ack 2 and before; dropped; ack 3 "
                  "and before; dropped; "
                  "ack 4 and before");
    ask(stand, 'b');
    assert_int_equal(cancel_call(stand, 'b'), OUTCOME_MAYBE_SENT);
    answer_last(stand, 5, "late");
    expect(stand, "q:b; dropped; ack 5 and before");
    assert_false(slice_equal(asked.correlation_id, stand->last.correlation_id));
    say_ack(stand, 1, 2, true);
    stand_free(stand);
}

static void a_reply_that_is_too_large_is_never_held(void **state)
{
    (void)state;
    struct stand *stand = up(true);
    static char large[102];
    memset(large, 'x', 101);
    ask(stand, 'a');
    answer_last(stand, 1, large);
    expect(stand, "q:a; fail a: reply_too_large, unknown; ack 1 and before");
    say_ack(stand, 1, 1, false);
    stand_free(stand);
}

static void an_unroutable_request_ends_at_once(void **state)
{
    (void)state;
    struct stand *stand = up(true);
    ask(stand, 'a');
    say_return(stand, 1, "q");
    expect(stand, "q:a; fail a: unroutable, no");
    answer_last(stand, 1, "impossible");
    expect(stand, "dropped; ack 1 and before");
    stand_free(stand);
}

static void a_lost_connection_fails_events_and_keeps_awaits(void **state)
{
    (void)state;
    struct stand *stand = up(true);
    ask(stand, 'a');
    struct message asked = stand->last;
    tell(stand, 'b', &to_queue);
    expect(stand, "q:a; q:b");
    lose(stand, publishing(stand));
    expect(stand, "down; fail b: confirm_lost, unknown");
    assert_int_equal(begin_call(stand, 'c', &to_queue, false), -REASON_broker_down);
    assert_int_equal(begin_call(stand, 'd', &to_queue, true), -REASON_broker_down);
    advance(stand, 1000);
    expect(stand, "connecting; qos 512; consume; up");
    stand->last = asked;
    answer_last(stand, 1, "A"); /* it waited in the queue */
    expect(stand, "reply a: A; ack 1 and before");
    stand_free(stand);
}

/* Two connections: whatever killed the one may have gone unnoticed on the other. */
static void a_dead_publisher_cuts_the_consumer(void **state)
{
    (void)state;
    struct stand *stand = up(true);
    struct peer *consumer = consuming(stand);
    lose(stand, publishing(stand));
    settle(stand);
    assert_true(consumer->gone);
    advance(stand, 1000);
    expect(stand, "down; connecting; qos 512; consume; up");
    stand_free(stand);
}

static void a_dead_consumer_leaves_events_alone(void **state)
{
    (void)state;
    struct stand *stand = up(true);
    lose(stand, consuming(stand));
    tell(stand, 'a', &to_queue);
    say_ack(stand, 1, 1, false);
    assert_int_equal(begin_call(stand, 'b', &to_queue, true), -REASON_broker_down);
    expect(stand, "q:a; stored a");
    advance(stand, 1000);
    expect(stand, "qos 512; consume");
    stand_free(stand);
}

static void a_channel_that_the_broker_closes_takes_only_its_own_along(void **state)
{
    (void)state;
    struct stand *stand = up(false);
    tell(stand, 'a', &to_queue);
    tell(stand, 'b', &to_topic);
    say_channel_close(publishing(stand), 2, AMQP_NOT_FOUND, "NOT_FOUND - no exchange 'x'");
    expect(stand, "q:a; k:b; fail b: confirm_lost, unknown");
    assert_int_equal(begin_call(stand, 'c', &to_topic, false), -REASON_broker_down);
    say_ack(stand, 1, 1, false);
    expect(stand, "stored a");
    advance(stand, 300);
    tell(stand, 'd', &to_topic);
    say_ack(stand, 2, 1, false); /* numbers begin again */
    expect(stand, "k:d; stored d");
    stand_free(stand);
}

/* A channel works in order: what came before the refused message may be stored, what came behind
 * it is not. So the newest one is surely not, whichever was refused. */
static void the_newest_of_a_refused_channel_was_not_stored(void **state)
{
    (void)state;
    static const struct route_settings to_missing = { .exchange = SLICE("y"),
                                                      .routing_key = SLICE("k"),
                                                      .confirmed = true };
    struct stand *stand = up(false);
    tell(stand, 'a', &to_topic);
    tell(stand, 'b', &to_topic);
    say_channel_close_publish(publishing(stand), 2, AMQP_NOT_FOUND,
                              "NOT_FOUND - no exchange 'x' in vhost '/'");
    expect(stand, "k:a; k:b; fail b: unroutable, no; fail a: confirm_lost, unknown");
    advance(stand, MISSING_MS);

    tell(stand, 'c', &to_missing);
    tell(stand, 'd', &to_topic);
    say_channel_close_publish(publishing(stand), 2, AMQP_NOT_FOUND,
                              "NOT_FOUND - no exchange 'y' in vhost '/'");
    expect(stand, "k:c; k:d; fail d: broker_refused, no; fail c: confirm_lost, unknown");
    advance(stand, 300);

    tell(stand, 'e', &to_topic);
    say_channel_close_publish(publishing(stand), 2, AMQP_INTERNAL_ERROR, "INTERNAL_ERROR");
    expect(stand, "k:e; fail e: confirm_lost, unknown");
    stand_free(stand);
}

/* A typing error in one route is no outage of the others. */
static void a_missing_exchange_is_not_asked_for_again_at_once(void **state)
{
    (void)state;
    static const struct route_settings to_missing = { .exchange = SLICE("y"),
                                                      .routing_key = SLICE("k"),
                                                      .confirmed = true };
    struct stand *stand = up(false);
    tell(stand, 'a', &to_missing);
    say_channel_close_publish(publishing(stand), 2, AMQP_NOT_FOUND,
                              "NOT_FOUND - no exchange 'y' in vhost '/'");
    settle(stand);
    assert_int_equal(begin_call(stand, 'b', &to_missing, false), -REASON_unroutable);
    tell(stand, 'c', &to_topic);
    say_ack(stand, 2, 1, false);
    expect(stand, "k:a; fail a: unroutable, no; k:c; stored c");
    advance(stand, MISSING_MS);
    tell(stand, 'd', &to_missing); /* somebody has declared it */
    say_ack(stand, 2, 2, false);
    expect(stand, "k:d; stored d");
    stand_free(stand);
}

static void a_blocked_broker_refuses_at_once(void **state)
{
    (void)state;
    struct stand *stand = up(true);
    tell(stand, 'a', &to_queue);
    amqp_connection_blocked_t blocked = { .reason = amqp_cstring_bytes("low on memory") };
    say(publishing(stand), 0, AMQP_CONNECTION_BLOCKED_METHOD, &blocked);
    expect(stand, "q:a; blocked");
    assert_int_equal(begin_call(stand, 'b', &to_queue, false), -REASON_broker_blocked);
    assert_int_equal(begin_call(stand, 'c', &to_queue, true), -REASON_broker_blocked);
    say(publishing(stand), 0, AMQP_CONNECTION_UNBLOCKED_METHOD,
        &(amqp_connection_unblocked_t){ 0 });
    say_ack(stand, 1, 1, false);
    expect(stand, "up; stored a");
    stand_free(stand);
}

static void a_broker_that_stands_still_is_known_within_two_seconds(void **state)
{
    (void)state;
    struct stand *stand = up(false);
    stand->silent = true;
    advance(stand, 1900);
    expect(stand, "blocked");
    assert_int_equal(begin_call(stand, 'a', &to_queue, false), -REASON_broker_blocked);
    stand->silent = false;
    say_ack(stand, 5, publishing(stand)->published[5], false);
    expect(stand, "up");
    stand->silent = true;
    advance(stand, 1900);
    expect(stand, "blocked");
    advance(stand, 8000); /* two heartbeats without a sign of life */
    expect(stand, "down");
    stand->silent = false;
    advance(stand, 5000);
    expect(stand, "connecting; up");
    stand_free(stand);
}

/* One queue that cannot confirm (a quorum that has lost its majority) is no reason to refuse the
 * others. */
static void a_destination_that_does_not_confirm_is_refused_alone(void **state)
{
    (void)state;
    struct stand *stand = up(false);
    tell(stand, 'a', &to_queue);
    advance(stand, 1000);
    assert_int_equal(begin_call(stand, 'b', &to_queue, false), -REASON_broker_blocked);
    tell(stand, 'c', &to_other);
    say_ack(stand, 1, 1, true);
    expect(stand, "q:a; o:c; stored a");
    tell(stand, 'd', &to_queue);
    say_ack(stand, 1, 3, true);
    expect(stand, "q:d; stored c; stored d");
    stand_free(stand);
}

static void a_full_window_refuses_at_once(void **state)
{
    (void)state;
    struct stand *stand = up(false);
    for (int i = 0; i < 8; i++)
        tell(stand, (char)('a' + i), &to_queue);
    assert_int_equal(begin_call(stand, 'x', &to_queue, false), -REASON_broker_full);
    stand->trace.len = 0;
    say_ack(stand, 1, 1, false);
    tell(stand, 'y', &to_queue);
    expect(stand, "stored a; q:y");
    assert_int_equal(cancel_call(stand, 'b'), OUTCOME_MAYBE_SENT);
    say_ack(stand, 1, 9, true);
    expect(stand, "stored c; stored d; stored e; stored f; stored g; stored h; stored y");
    stand_free(stand);
}

static void no_time_left_is_told_before_anything_is_sent(void **state)
{
    (void)state;
    struct stand *stand = up(true);
    stand->clock.now_ms += 4000;
    turn(stand);
    struct call_on *on = &stand->calls[0];
    assert_int_equal(begin_call(stand, 'a', &to_queue, true), 0);
    cancel_call(stand, 'a');
    on->call.deadline_ms = stand->clock.now_ms;
    assert_int_equal(carry_begin(&on->attempt), -REASON_deadline_passed);
    stand_free(stand);
}

/* The first route that awaits came with a reload: the reply queue is made while the call waits
 * for it. */
static void a_request_is_held_until_its_reply_has_somewhere_to_go(void **state)
{
    (void)state;
    struct stand *stand = up(false);
    stand->settings.awaits = true;
    assert_int_equal(begin_call(stand, 'a', &to_queue, true), 0);
    assert_int_equal(begin_call(stand, 'b', &to_queue, true), 0);
    assert_int_equal(cancel_call(stand, 'b'), OUTCOME_NOT_SENT);
    settle(stand);
    expect(stand, "qos 512; consume; q:a");
    answer_last(stand, 1, "A");
    expect(stand, "reply a: A; ack 1 and before");
    stand_free(stand);
}

static void a_confirm_for_nothing_ends_the_connection(void **state)
{
    (void)state;
    struct stand *stand = up(false);
    tell(stand, 'a', &to_queue);
    say_ack(stand, 1, 2, false);
    expect(stand, "q:a; down; fail a: confirm_lost, unknown");
    advance(stand, 1000);
    expect(stand, "connecting; up");
    stand_free(stand);
}

static void leaving_waits_for_confirms_and_says_good_bye(void **state)
{
    (void)state;
    static struct done done = { on_detached };
    struct stand *stand = up(true);
    tell(stand, 'a', &unacked);
    lane_detach(stand->lane, &done);
    assert_int_equal(begin_call(stand, 'b', &to_queue, false), -REASON_draining);
    advance(stand, 500);
    expect(stand, "stored a; q:a");
    say_ack(stand, 1, 1, false);
    advance(stand, 100);
    expect(stand, "good-bye; delete the reply queue; good-bye");
    assert_true(stand->detached);
    for (unsigned i = 0; i < stand->peer_count; i++)
        free(stand->peers[i]);
    for (unsigned i = 0; i < stand->call_count; i++)
        arena_clear(&stand->calls[i].call.arena);
    timers_clear(&stand->worker.timers);
    arena_clear(&stand->arena);
    bytes_free(&stand->trace);
    free(stand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_stored_once_it_is_confirmed),
        cmocka_unit_test(without_ack_it_is_stored_at_the_end_of_the_turn),
        cmocka_unit_test(refusals_say_whether_it_happened),
        cmocka_unit_test(a_return_hits_its_own_message),
        cmocka_unit_test(a_reply_finds_its_call),
        cmocka_unit_test(replies_that_nobody_waits_for_are_dropped),
        cmocka_unit_test(a_reply_that_is_too_large_is_never_held),
        cmocka_unit_test(an_unroutable_request_ends_at_once),
        cmocka_unit_test(a_lost_connection_fails_events_and_keeps_awaits),
        cmocka_unit_test(a_dead_publisher_cuts_the_consumer),
        cmocka_unit_test(a_dead_consumer_leaves_events_alone),
        cmocka_unit_test(a_channel_that_the_broker_closes_takes_only_its_own_along),
        cmocka_unit_test(the_newest_of_a_refused_channel_was_not_stored),
        cmocka_unit_test(a_missing_exchange_is_not_asked_for_again_at_once),
        cmocka_unit_test(a_blocked_broker_refuses_at_once),
        cmocka_unit_test(a_broker_that_stands_still_is_known_within_two_seconds),
        cmocka_unit_test(a_destination_that_does_not_confirm_is_refused_alone),
        cmocka_unit_test(a_full_window_refuses_at_once),
        cmocka_unit_test(no_time_left_is_told_before_anything_is_sent),
        cmocka_unit_test(a_request_is_held_until_its_reply_has_somewhere_to_go),
        cmocka_unit_test(a_confirm_for_nothing_ends_the_connection),
        cmocka_unit_test(leaving_waits_for_confirms_and_says_good_bye),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

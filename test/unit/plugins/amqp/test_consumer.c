/* A subscription as a transcript: what the broker is asked, what arrives, what is settled. Its
 * channel is the first of the consuming connection, since no route awaits. */
#include "plugins/amqp/arrival.h"
#include "plugins/amqp/post.h"
#include "test/unit/plugins/amqp/stand.h"

#include <stdio.h>

enum { MOST_ARRIVALS = 8 };

struct tester {
    struct stand *stand;
    struct intake intake;
    void *subscription;
    struct arrival *arrivals[MOST_ARRIVALS];
    unsigned count;
    struct done left, posted;
};

static void on_arrival(struct intake *intake, struct arrival *arrival)
{
    struct tester *tester = thing_of(intake, struct tester, intake);
    struct slice body = arrival->message.body;
    note("got %.*s%s%s", (int)body.len, (const char *)body.at,
         arrival->malformed ? ", malformed: " : "", arrival->malformed ? arrival->why : "");
    tester->arrivals[tester->count++] = arrival;
}

static void on_lost(struct intake *intake)
{
    (void)intake;
    note("lost");
}

static void on_ready(struct intake *intake)
{
    (void)intake;
    note("ready");
}

static void on_left(struct done *done, int result)
{
    (void)done;
    (void)result;
    note("left");
}

static void on_posted(struct done *done, int result)
{
    (void)done;
    static const char *const words[] = { [OUTCOME_MAYBE_SENT] = "unknown",
                                         [OUTCOME_REFUSED_WHOLE] = "refused",
                                         [OUTCOME_STORED] = "stored" };
    note("%s", words[result]);
}

/* The subscription's block, by hand. */
static const char *patterns[] = { "shunt.reply.*", "exact", NULL };
static struct value values_of[] = {
    { .setting = &(struct setting){ .key = "queue", .type = SETTING_TEXT }, .text = "w" },
    { .setting = &(struct setting){ .key = "dead_letter", .type = SETTING_TEXT } },
    { .setting = &(struct setting){ .key = "declare", .type = SETTING_FLAG }, .number = 1 },
    { .setting = &(struct setting){ .key = "queue_type", .type = SETTING_CHOICE },
      .text = "classic" },
    { .setting = &(struct setting){ .key = "reply_to", .type = SETTING_TEXTS },
      .texts = patterns,
      .count = 2 },
    { .setting = &(struct setting){ .key = "max_body", .type = SETTING_SIZE }, .number = 20 },
};
static const struct values block = { .at = values_of,
                                     .count = sizeof values_of / sizeof *values_of };

static void subscribe(struct tester *tester, unsigned credit)
{
    tester->intake = (struct intake){ on_arrival, on_lost, on_ready };
    tester->left.on_done = on_left;
    tester->posted.on_done = on_posted;
    assert_int_equal(
        consumer_subscribe(tester->stand->lane, &block, &tester->intake, &tester->subscription), 0);
    consumer_credit(tester->subscription, credit);
    settle(tester->stand);
}

static struct tester consuming_w(void)
{
    struct tester tester = { .stand = stand_new() };
    tester.stand->settings.max_message = 20;
    stand_attach(tester.stand);
    expect(tester.stand, "connecting; up");
    return tester;
}

static void leave(struct tester *tester)
{
    settle(tester->stand);
    tester->stand->trace.len = 0;
    consumer_unsubscribe(tester->subscription, &tester->left);
    settle(tester->stand);
    expect(tester->stand, "left");
    stand_free(tester->stand);
}

static void deliver(struct tester *tester, uint64_t tag, const char *body)
{
    struct message message = { .body = slice_text(body) };
    say_deliver(tester->stand, 1, tag, &message);
}

static void queues_that_are_there_are_left_as_they_are(void **state)
{
    (void)state;
    struct tester tester = consuming_w();
    subscribe(&tester, 4);
    expect(tester.stand, "look for w; look for w.dead; qos 4; consume; ready");
    deliver(&tester, 1, "a");
    deliver(&tester, 2, "b");
    consumer_settle(tester.subscription, tester.arrivals[1], SETTLE_GIVE_BACK);
    consumer_settle(tester.subscription, tester.arrivals[0], SETTLE_HANDLED);
    settle(tester.stand);
    expect(tester.stand, "got a; got b; give back 2; ack 1");
    leave(&tester);
}

static void on_retired(struct done *done, int result)
{
    (void)done;
    note(result == 0 ? "dropped" : "may come again");
}

static void a_message_is_surely_dropped_once_the_channel_has_answered(void **state)
{
    (void)state;
    struct tester tester = consuming_w();
    struct done retired = { on_retired };
    subscribe(&tester, 4);
    deliver(&tester, 1, "a");
    deliver(&tester, 2, "b");
    deliver(&tester, 3, "c");
    tester.stand->trace.len = 0;
    consumer_retire(tester.subscription, tester.arrivals[0], &retired);
    expect(tester.stand, "");
    settle(tester.stand);
    expect(tester.stand, "ack 1; flow; dropped");
    consumer_settle(tester.subscription, tester.arrivals[0], SETTLE_HANDLED);

    tester.stand->flow_waits = true;
    consumer_retire(tester.subscription, tester.arrivals[1], &retired);
    settle(tester.stand);
    expect(tester.stand, "ack 2; flow");
    lose(tester.stand, consuming(tester.stand));
    expect(tester.stand, "lost; may come again");
    consumer_settle(tester.subscription, tester.arrivals[1], SETTLE_HANDLED);

    consumer_retire(tester.subscription, tester.arrivals[2], &retired);
    expect(tester.stand, "");
    settle(tester.stand);
    expect(tester.stand, "may come again");
    consumer_settle(tester.subscription, tester.arrivals[2], SETTLE_HANDLED);
    advance(tester.stand, 500);
    leave(&tester);
}

static void queues_that_are_missing_are_declared(void **state)
{
    (void)state;
    struct tester tester = consuming_w();
    tester.stand->missing = "w";
    subscribe(&tester, 4);
    expect(tester.stand, "look for w; declare w; look for w.dead; qos 4; consume; ready");
    lose(tester.stand, consuming(tester.stand));
    tester.stand->missing = "w.dead";
    advance(tester.stand, 500);
    expect(tester.stand,
           "lost; look for w; look for w.dead; look for w; declare w.dead; qos 4; consume; ready");
    leave(&tester);
}

static void without_declare_a_missing_queue_is_waited_for(void **state)
{
    (void)state;
    struct tester tester = consuming_w();
    values_of[2].number = 0;
    tester.stand->missing = "w";
    subscribe(&tester, 4);
    expect(tester.stand, "look for w");
    advance(tester.stand, 200);
    expect(tester.stand, "look for w");
    tester.stand->missing = NULL;
    advance(tester.stand, 200);
    expect(tester.stand, "look for w; qos 4; consume; ready");
    values_of[2].number = 1;
    leave(&tester);
}

static void a_deleted_queue_is_declared_and_consumed_again(void **state)
{
    (void)state;
    struct tester tester = consuming_w();
    subscribe(&tester, 4);
    deliver(&tester, 1, "a");
    amqp_basic_cancel_t cancel = { .consumer_tag = amqp_cstring_bytes("shunt"), .nowait = 1 };
    say(consuming(tester.stand), 1, AMQP_BASIC_CANCEL_METHOD, &cancel);
    tester.stand->trace.len = 0;
    advance(tester.stand, 200);
    expect(tester.stand, "declare w; look for w.dead; qos 4; consume");
    consumer_settle(tester.subscription, tester.arrivals[0],
                    SETTLE_HANDLED); /* its channel lives */
    settle(tester.stand);
    expect(tester.stand, "ack 1");
    leave(&tester);
}

static void what_a_lost_channel_had_is_settled_without_a_word(void **state)
{
    (void)state;
    struct tester tester = consuming_w();
    subscribe(&tester, 4);
    deliver(&tester, 1, "a");
    lose(tester.stand, consuming(tester.stand));
    advance(tester.stand, 500);
    deliver(&tester, 1, "a");
    tester.stand->trace.len = 0;
    consumer_settle(tester.subscription, tester.arrivals[0],
                    SETTLE_HANDLED); /* a stale tag would kill the channel */
    settle(tester.stand);
    expect(tester.stand, "");
    consumer_settle(tester.subscription, tester.arrivals[1], SETTLE_HANDLED);
    settle(tester.stand);
    expect(tester.stand, "ack 1");
    leave(&tester);
}

/* A broker that does not keep to the protocol is left, and nothing of what it sent counts. */
static void a_return_to_a_consumer_ends_the_connection(void **state)
{
    (void)state;
    struct tester tester = consuming_w();
    subscribe(&tester, 4);
    tester.stand->trace.len = 0;
    struct message message = { .body = SLICE("a") };
    amqp_basic_return_t returned = { .reply_code = 312, .routing_key = amqp_cstring_bytes("w") };
    say_content(consuming(tester.stand), 1, AMQP_BASIC_RETURN_METHOD, &returned, &message);
    settle(tester.stand);
    assert_int_equal(tester.count, 0);
    advance(tester.stand, 500);
    tester.stand->trace.len = 0;
    deliver(&tester, 1, "b");
    consumer_settle(tester.subscription, tester.arrivals[0], SETTLE_HANDLED);
    settle(tester.stand);
    expect(tester.stand, "got b; ack 1");
    leave(&tester);
}

static void no_credit_stops_and_gives_back(void **state)
{
    (void)state;
    struct tester tester = consuming_w();
    subscribe(&tester, 4);
    tester.stand->trace.len = 0;
    consumer_credit(tester.subscription, 0);
    deliver(&tester, 1, "a"); /* was on its way */
    settle(tester.stand);
    expect(tester.stand, "cancel; give back 1");
    consumer_credit(tester.subscription, 2);
    settle(tester.stand);
    expect(tester.stand, "qos 2; consume");
    consumer_credit(tester.subscription, 9); /* prefetch counts for new consumers only */
    settle(tester.stand);
    expect(tester.stand, "cancel; qos 9; consume");
    leave(&tester);
}

static void leaving_waits_for_what_is_unsettled(void **state)
{
    (void)state;
    struct tester tester = consuming_w();
    subscribe(&tester, 4);
    deliver(&tester, 1, "a");
    tester.stand->trace.len = 0;
    consumer_unsubscribe(tester.subscription, &tester.left);
    deliver(&tester, 2, "b");
    settle(tester.stand);
    expect(tester.stand, "cancel; give back 2");
    consumer_settle(tester.subscription, tester.arrivals[0], SETTLE_HANDLED);
    expect(tester.stand, "");
    settle(tester.stand);
    expect(tester.stand, "ack 1; left");
    stand_free(tester.stand);
}

static void leaving_without_a_connection_is_possible(void **state)
{
    (void)state;
    struct tester tester = consuming_w();
    subscribe(&tester, 4);
    deliver(&tester, 1, "a");
    tester.stand->trace.len = 0;
    lose(tester.stand, consuming(tester.stand));
    consumer_unsubscribe(tester.subscription, &tester.left);
    expect(tester.stand, "lost");
    consumer_settle(tester.subscription, tester.arrivals[0], SETTLE_HANDLED);
    settle(tester.stand);
    expect(tester.stand, "left");
    stand_free(tester.stand);
}

static void what_cannot_be_read_is_marked_and_kept(void **state)
{
    (void)state;
    struct tester tester = consuming_w();
    subscribe(&tester, 4);
    tester.stand->trace.len = 0;
    deliver(&tester, 1, "a body of twenty-two b.");
    assert_int_equal(tester.arrivals[0]->message.body.len, 0);
    expect(tester.stand, "got , malformed: the body is larger than the subscription takes");
    consumer_settle(tester.subscription, tester.arrivals[0], SETTLE_HANDLED);
    leave(&tester);
}

static void an_arrival_says_what_its_message_says(void **state)
{
    (void)state;
    struct tester tester = consuming_w();
    subscribe(&tester, 4);
    struct message message = { .reply_to = SLICE("shunt.reply.x"),
                               .ttl_ms = 5000,
                               .timestamp_ms = 7000 };
    say_deliver(tester.stand, 1, 1, &message);
    assert_true(tester.arrivals[0]->wants_reply);
    assert_int_equal(tester.arrivals[0]->expires_ms, 12999);
    assert_true(slice_is(tester.arrivals[0]->origin, "w"));

    struct arena *arena = &tester.stand->arena;
    assert_int_equal(fields_add(&message.headers, arena, SLICE("shunt-deadline"), SLICE("123456")),
                     0);
    assert_int_equal(fields_add(&message.headers, arena, SLICE("shunt-attempt"), SLICE("3")), 0);
    say_deliver(tester.stand, 1, 2, &message);
    assert_int_equal(tester.arrivals[1]->expires_ms, 123456);
    assert_int_equal(tester.arrivals[1]->attempts, 3);
    for (int i = 0; i < 2; i++)
        consumer_settle(tester.subscription, tester.arrivals[i], SETTLE_HANDLED);
    leave(&tester);
}

static void replies_go_where_the_patterns_say(void **state)
{
    (void)state;
    static const struct {
        struct slice reply_to;
        bool may;
    } rows[] = {
        { SLICE("shunt.reply.orders.123"), true },
        { SLICE("exact"), true },
        { SLICE("exactly"), false },
        { SLICE("shunt.reply"), false },
        { SLICE(""), false },
        { SLICE("w"), false },
        { SLICE("w.dead"), false },
    };
    struct tester tester = consuming_w();
    subscribe(&tester, 4);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(consumer_may_reply(tester.subscription, rows[i].reply_to), rows[i].may);
    patterns[0] = "*"; /* even then never into a queue of our own */
    assert_true(consumer_may_reply(tester.subscription, SLICE("anything")));
    assert_false(consumer_may_reply(tester.subscription, SLICE("w")));
    assert_false(consumer_may_reply(tester.subscription, SLICE("w.delay.100"))); /* ends in w */
    assert_true(consumer_may_reply(tester.subscription, SLICE("w.delayed")));

    /* Another worker's: this one has no share in it. */
    assert_true(consumer_may_reply(tester.subscription, SLICE("other")));
    struct value texts[] = { values_of[0], values_of[1] };
    texts[0].text = "other";
    texts[1].text = "grave";
    const struct values other_block = { .at = texts, .count = 2 };
    const struct transport transport = { .name = "amqp" };
    struct broker broker = { .transport = &transport };
    struct subscription_settings other = { .values = &other_block, .broker = &broker };
    tester.stand->settings.broker = &broker;
    tester.stand->snapshot.subscriptions = &other;
    tester.stand->snapshot.subscription_count = 1;
    assert_false(consumer_may_reply(tester.subscription, SLICE("other")));
    assert_false(consumer_may_reply(tester.subscription, SLICE("other.delay.100")));
    assert_false(consumer_may_reply(tester.subscription, SLICE("grave")));
    tester.stand->snapshot.subscription_count = 0;
    patterns[0] = "shunt.reply.*";
    leave(&tester);
}

static int post(struct tester *tester, enum letter_kind kind, const struct message *message,
                uint64_t delay_ms)
{
    struct letter letter = { .kind = kind, .message = message, .delay_ms = delay_ms };
    int refused = post_publish(tester->subscription, &letter, &tester->posted);
    settle(tester->stand);
    return refused;
}

static void letters_are_confirmed_or_said_not_to_be(void **state)
{
    (void)state;
    struct tester tester = consuming_w();
    subscribe(&tester, 4);
    tester.stand->trace.len = 0;
    struct message message = { .body = SLICE("L"),
                               .reply_to = SLICE("r"),
                               .correlation_id = SLICE("theirs") };
    assert_int_equal(post(&tester, LETTER_REPLY, &message, 0), 0);
    assert_true(slice_is(tester.stand->last.correlation_id, "theirs"));
    assert_null(fields_find_name(&tester.stand->last.headers, token_header));
    say_ack(tester.stand, 3, 1, false);
    expect(tester.stand, "r:L; stored");
    assert_int_equal(post(&tester, LETTER_REPLY, &message, 0), 0);
    say_return(tester.stand, 3, "r");
    expect(tester.stand, "r:L; refused");

    assert_int_equal(post(&tester, LETTER_DEAD, &message, 0), 0);
    struct message first = tester.stand->last;
    assert_int_equal(post(&tester, LETTER_DEAD, &message, 0),
                     0); /* the same again: told apart by its token */
    tester.stand->last = first;
    say_return(tester.stand, 3, "w.dead");
    say_ack(tester.stand, 3, 4, true);
    settle(tester.stand); /* what was returned had no queue: it is declared again */
    expect(tester.stand, "w.dead:L; w.dead:L; refused; stored; declare w.dead");
    assert_int_equal(post(&tester, LETTER_DEAD, &message, 0), 0);
    lose(tester.stand, publishing(tester.stand));
    settle(tester.stand);
    expect(tester.stand, "w.dead:L; down; unknown; lost");
    assert_int_equal(post(&tester, LETTER_DEAD, &message, 0), -REASON_broker_down);
    leave(&tester);
}

static void a_letter_beyond_the_limits_is_refused(void **state)
{
    (void)state;
    static char long_text[256];
    memset(long_text, 'x', sizeof long_text);
    struct tester tester = consuming_w();
    subscribe(&tester, 4);
    struct message message = { .body = slice_of(long_text, 21) };
    assert_int_equal(post(&tester, LETTER_DEAD, &message, 0), -REASON_message_too_large);
    message = (struct message){ .content_type = slice_of(long_text, 256) };
    assert_int_equal(post(&tester, LETTER_DEAD, &message, 0), -REASON_fields_too_large);
    leave(&tester);
}

static void a_delayed_message_waits_in_a_queue_of_its_own(void **state)
{
    (void)state;
    struct tester tester = consuming_w();
    subscribe(&tester, 4);
    tester.stand->trace.len = 0;
    struct message message = { .body = SLICE("D") };
    assert_int_equal(post(&tester, LETTER_DELAYED, &message, 1200), 0);
    assert_int_equal(post(&tester, LETTER_DELAYED, &message, 1300), 0);
    assert_int_equal(post(&tester, LETTER_DELAYED, &message, 250), 0);
    expect(
        tester.stand,
        "declare w.delay.1500; w.delay.1500:D; w.delay.1500:D; declare w.delay.300; w.delay.300:D");
    say_ack(tester.stand, 4, 3, true);
    expect(tester.stand, "stored; stored; stored");
    advance(tester.stand, 61000); /* its lease is renewed long before it ends */
    tester.stand->trace.len = 0;
    assert_int_equal(post(&tester, LETTER_DELAYED, &message, 1500), 0);
    expect(tester.stand, "declare w.delay.1500; w.delay.1500:D");
    say_ack(tester.stand, 4, 4, true);
    leave(&tester);
}

static void delays_come_in_few_steps_and_are_never_shorter(void **state)
{
    (void)state;
    uint64_t before = 0;
    unsigned steps = 0;
    for (uint64_t ms = 0; ms <= 86400000; ms += 1 + ms / 100) {
        uint64_t step = post_delay_step(ms);
        assert_true(step >= ms && step <= 10 + ms + ms * 3 / 5);
        steps += step != before;
        before = step;
    }
    assert_in_range(steps, 30, 45);
    assert_int_equal(post_delay_step(UINT64_MAX), 3000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queues_that_are_there_are_left_as_they_are),
        cmocka_unit_test(queues_that_are_missing_are_declared),
        cmocka_unit_test(without_declare_a_missing_queue_is_waited_for),
        cmocka_unit_test(a_deleted_queue_is_declared_and_consumed_again),
        cmocka_unit_test(what_a_lost_channel_had_is_settled_without_a_word),
        cmocka_unit_test(a_return_to_a_consumer_ends_the_connection),
        cmocka_unit_test(no_credit_stops_and_gives_back),
        cmocka_unit_test(leaving_waits_for_what_is_unsettled),
        cmocka_unit_test(leaving_without_a_connection_is_possible),
        cmocka_unit_test(what_cannot_be_read_is_marked_and_kept),
        cmocka_unit_test(an_arrival_says_what_its_message_says),
        cmocka_unit_test(a_message_is_surely_dropped_once_the_channel_has_answered),
        cmocka_unit_test(replies_go_where_the_patterns_say),
        cmocka_unit_test(letters_are_confirmed_or_said_not_to_be),
        cmocka_unit_test(a_letter_beyond_the_limits_is_refused),
        cmocka_unit_test(a_delayed_message_waits_in_a_queue_of_its_own),
        cmocka_unit_test(delays_come_in_few_steps_and_are_never_shorter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

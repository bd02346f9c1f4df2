/* What stands in replies, dead letters and messages that are put off. */
#include "delivery/letters.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;
static struct arrival arrival;

static void header(const char *name, const char *value)
{
    assert_int_equal(
        fields_add(&arrival.message.headers, &arena, slice_text(name), slice_text(value)), 0);
}

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    arrival = (struct arrival){
        .message = { .content_type = SLICE("text/plain"),
                     .correlation_id = SLICE("c-1"),
                     .reply_to = SLICE("reply.a"),
                     .app_id = SLICE("orders"),
                     .body = SLICE("body"),
                     .timestamp_ms = 900,
                     .ttl_ms = 5000 },
        .origin = SLICE("inventory.reserve"),
        .expires_ms = 6000,
    };
    header(":method", "POST");
    header("x-a", "1");
    header("X-A", "2");
    header("authorization", "marker");
    header("Cookie", "marker");
    header(":trailer.set-cookie", "marker");
    header(":trailer.x-sum", "9");
    header("shunt-hops", "2");
    header("shunt-attempt", "1");
    header("shunt-reason", "forged");
    header("x-death", "1");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static const char *told(const struct message *message)
{
    struct bytes text = { 0 };
    for (uint32_t i = 0; i < message->headers.count; i++) {
        bytes_add(&text, message->headers.at[i].name);
        bytes_byte(&text, '=');
        bytes_add(&text, message->headers.at[i].value);
        bytes_byte(&text, '\n');
    }
    const char *copy = (const char *)arena_copy(&arena, bytes_slice(&text)).at;
    bytes_free(&text);
    return copy;
}

static const struct postmark mark = {
    .message_id = { .at = (const uint8_t *)"m1", .len = 2 },
    .reason = REASON_service_failed,
    .detail = { .at = (const uint8_t *)"why", .len = 3 },
    .status = 404,
    .attempts = 3,
    .first_seen_ms = 1000,
    .now_ms = 2000,
};

static void a_dead_letter_is_the_message_and_what_became_of_it(void **state)
{
    (void)state;
    struct message message;
    assert_int_equal(letter_dead(&arrival, &mark, LETTER_WHOLE, &arena, &message), 0);
    assert_string_equal(told(&message),
                        ":method=POST\nx-a=1\nX-A=2\n:trailer.x-sum=9\nshunt-hops=2\n"
                        "shunt-reason=service_failed\nshunt-detail=why\nshunt-status=404\n"
                        "shunt-attempts=3\nshunt-first-seen=1000\nshunt-dead-at=2000\n"
                        "shunt-origin=inventory.reserve\nshunt-deadline=6000\n");
    assert_true(message.durable);
    assert_int_equal(message.ttl_ms, 0);
    assert_true(slice_is(message.message_id, "m1"));
    assert_true(slice_is(message.content_type, "text/plain"));
    assert_true(slice_is(message.body, "body"));
    assert_int_equal(message.timestamp_ms, 900);
}

static void a_bare_one_has_nothing_of_a_strangers(void **state)
{
    (void)state;
    arrival.expires_ms = 0;
    struct postmark few = mark;
    few.status = 0;
    few.detail = slice_of(NULL, 0);
    struct message message;
    assert_int_equal(letter_dead(&arrival, &few, LETTER_BARE, &arena, &message), 0);
    assert_string_equal(told(&message),
                        "shunt-reason=service_failed\nshunt-attempts=3\nshunt-first-seen=1000\n"
                        "shunt-dead-at=2000\nshunt-origin=inventory.reserve\n");
    assert_true(slice_is(message.body, "body"));
}

static void a_message_put_off_is_itself_and_its_attempts(void **state)
{
    (void)state;
    struct message message;
    assert_int_equal(letter_delayed(&arrival, &mark, &arena, &message), 0);
    assert_string_equal(told(&message),
                        ":method=POST\nx-a=1\nX-A=2\nauthorization=marker\nCookie=marker\n"
                        ":trailer.set-cookie=marker\n:trailer.x-sum=9\nshunt-hops=2\n"
                        "shunt-attempt=3\nshunt-first-seen=1000\nshunt-deadline=6000\n");
    assert_true(message.durable);
    assert_int_equal(message.ttl_ms, 0);
}

static void a_reply_goes_back_as_the_request_came(void **state)
{
    (void)state;
    arrival.wants_reply = true;
    struct head answer = { .status = 201 };
    struct message message;
    assert_int_equal(
        letter_reply(&arrival, &mark, &answer, NULL, SLICE("answer"), &arena, &message), 0);
    assert_string_equal(told(&message), ":status=201\n");
    assert_true(slice_is(message.correlation_id, "c-1"));
    assert_true(slice_is(message.reply_to, "reply.a"));
    assert_true(slice_is(message.body, "answer"));
    assert_false(message.durable);
    assert_int_equal(message.ttl_ms, 4000); /* what is left of the caller's time */

    arrival.message.durable = true;
    arrival.expires_ms = 0;
    assert_int_equal(letter_reply(&arrival, &mark, &answer, NULL, SLICE(""), &arena, &message), 0);
    assert_true(message.durable);
    assert_int_equal(message.ttl_ms, 0);
}

static void without_memory_there_is_no_letter(void **state)
{
    (void)state;
    struct arena small;
    arena_init(&small, 64);
    struct message message;
    assert_int_equal(letter_dead(&arrival, &mark, LETTER_WHOLE, &small, &message),
                     -REASON_fields_too_large);
    assert_int_equal(letter_delayed(&arrival, &mark, &small, &message), -REASON_fields_too_large);
    arena_clear(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_dead_letter_is_the_message_and_what_became_of_it),
        TEST(a_bare_one_has_nothing_of_a_strangers),
        TEST(a_message_put_off_is_itself_and_its_attempts),
        TEST(a_reply_goes_back_as_the_request_came),
        TEST(without_memory_there_is_no_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

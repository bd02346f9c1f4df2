/* Messages are named by letters; what becomes of each is noted in a transcript such as "a+ b-
 * c!". */
#include "plugins/amqp/confirms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"

struct message {
    struct ticket ticket;
    char name;
};

static char transcript[256];

static void on_verdict(struct ticket *ticket, enum verdict verdict, const char *why)
{
    (void)why;
    static const char signs[VERDICTS] = {
        [VERDICT_CONFIRMED] = '+', [VERDICT_RETURNED] = '<', [VERDICT_REFUSED] = '-',
        [VERDICT_UNSTORED] = '0',  [VERDICT_LOST] = '!',
    };
    size_t used = strlen(transcript);
    snprintf(transcript + used, sizeof transcript - used, "%c%c ",
             thing_of(ticket, struct message, ticket)->name, signs[verdict]);
}

static void expect(const char *expected)
{
    assert_string_equal(transcript, expected);
    transcript[0] = '\0';
}

static void add(struct confirms *confirms, struct message *message, char name, uint64_t now_ms)
{
    *message = (struct message){ .ticket = { .on_verdict = on_verdict, .bytes = 10 },
                                 .name = name };
    message->ticket.token[0] = (uint8_t)name;
    message->ticket.destination = (uint32_t)name;
    assert_true(confirms_fits(confirms, 10));
    confirms_add(confirms, &message->ticket, now_ms);
}

static void confirms_come_in_any_order(void **state)
{
    (void)state;
    struct confirms confirms;
    struct message messages[5];
    confirms_init(&confirms, 10, 1000);
    for (int i = 0; i < 5; i++)
        add(&confirms, &messages[i], (char)('a' + i), 0);
    assert_int_equal(confirms_settle(&confirms, 3, false, VERDICT_CONFIRMED), 1);
    assert_int_equal(confirms_settle(&confirms, 2, false, VERDICT_REFUSED), 1);
    assert_int_equal(confirms_settle(&confirms, 4, true, VERDICT_CONFIRMED), 2);
    assert_int_equal(confirms_settle(&confirms, 4, true, VERDICT_CONFIRMED), 0);
    assert_int_equal(confirms_settle(&confirms, 2, false, VERDICT_CONFIRMED), 0);
    expect("c+ b- a+ d+ ");
    assert_int_equal(confirms_settle(&confirms, 0, true, VERDICT_CONFIRMED), 1);
    expect("e+ ");
    assert_int_equal(confirms.count, 0);
    assert_int_equal(confirms.bytes, 0);
    confirms_free(&confirms);
}

static void a_tag_that_was_never_given_is_told(void **state)
{
    (void)state;
    struct confirms confirms;
    struct message message;
    confirms_init(&confirms, 10, 1000);
    assert_int_equal(confirms_settle(&confirms, 1, false, VERDICT_CONFIRMED), -1);
    add(&confirms, &message, 'a', 0);
    assert_int_equal(confirms_settle(&confirms, 2, true, VERDICT_CONFIRMED), -1);
    assert_int_equal(confirms_settle(&confirms, 0, false, VERDICT_CONFIRMED), -1);
    assert_int_equal(confirms_settle(&confirms, UINT64_MAX, false, VERDICT_REFUSED), -1);
    expect("");
    confirms_lose(&confirms, NULL);
    expect("a! ");
    confirms_free(&confirms);
}

static void a_return_comes_before_its_confirm(void **state)
{
    (void)state;
    struct confirms confirms;
    struct message a, b;
    const uint8_t token_a[TOKEN_BYTES] = { 'a' }, token_x[TOKEN_BYTES] = { 'x' };
    confirms_init(&confirms, 10, 1000);
    add(&confirms, &a, 'a', 0);
    add(&confirms, &b, 'b', 0);
    assert_false(confirms_return(&confirms, token_x));
    assert_true(confirms_return(&confirms, token_a));
    assert_false(confirms_return(&confirms, token_a));
    expect("a< ");
    assert_int_equal(confirms_settle(&confirms, 2, true, VERDICT_CONFIRMED), 1);
    expect("b+ ");
    confirms_free(&confirms);
}

static void the_window_is_bounded_by_messages_and_bytes(void **state)
{
    (void)state;
    struct confirms confirms;
    struct message messages[4];
    confirms_init(&confirms, 3, 35);
    for (int i = 0; i < 3; i++)
        add(&confirms, &messages[i], (char)('a' + i), 0);
    assert_false(confirms_fits(&confirms, 1));
    confirms_settle(&confirms, 2, false, VERDICT_CONFIRMED);
    assert_true(confirms_fits(&confirms, 15));
    assert_false(confirms_fits(&confirms, 16));
    assert_false(confirms_fits(&confirms, SIZE_MAX));
    confirms_lose(&confirms, NULL);
    expect("b+ a! c! ");
    confirms_free(&confirms);
}

/* One message that is never confirmed, its queue being stuck, while others pass: they go on
 * passing. */
static void a_straggler_takes_one_place_and_no_more(void **state)
{
    (void)state;
    struct confirms confirms;
    struct message straggler, other;
    confirms_init(&confirms, 50, 100000);
    add(&confirms, &straggler, 's', 0);
    for (int passed = 0; passed < 10000; passed++) {
        add(&confirms, &other, 'o', 1);
        assert_int_equal(confirms_settle(&confirms, other.ticket.tag, false, VERDICT_CONFIRMED), 1);
        transcript[0] = '\0';
    }
    assert_true(confirms.room <= 200);
    assert_true(confirms_stuck(&confirms, 's', 0));
    assert_int_equal(confirms_settle(&confirms, 1, false, VERDICT_CONFIRMED), 1);
    expect("s+ ");
    assert_true(confirms_fits(&confirms, 10));
    confirms_free(&confirms);
}

static void numbers_begin_again_on_a_new_channel(void **state)
{
    (void)state;
    struct confirms confirms;
    struct message a, b;
    confirms_init(&confirms, 10, 1000);
    add(&confirms, &a, 'a', 0);
    confirms_lose(&confirms, NULL);
    add(&confirms, &b, 'b', 0);
    assert_int_equal(b.ticket.tag, 1);
    assert_int_equal(confirms_settle(&confirms, 1, false, VERDICT_CONFIRMED), 1);
    expect("a! b+ ");
    confirms_free(&confirms);
}

static void a_destination_that_does_not_confirm_shows(void **state)
{
    (void)state;
    struct confirms confirms;
    struct message a, b, c;
    confirms_init(&confirms, 10, 1000);
    add(&confirms, &a, 'a', 1000);
    add(&confirms, &b, 'b', 1500);
    add(&confirms, &c, 'c', 2500);
    assert_false(confirms_stuck(&confirms, 'a', 999));
    assert_true(confirms_stuck(&confirms, 'a', 1000));
    assert_false(confirms_stuck(&confirms, 'b', 1499));
    assert_true(confirms_stuck(&confirms, 'b', 2000));
    assert_false(confirms_stuck(&confirms, 'c', 2000));
    confirms_settle(&confirms, 1, false, VERDICT_CONFIRMED);
    assert_false(confirms_stuck(&confirms, 'a', 5000));
    confirms_lose(&confirms, NULL);
    expect("a+ b! c! ");
    confirms_free(&confirms);
}

/* Against a model: an array that says of each message what was last said of it. */
static void it_agrees_with_a_simple_model(void **state)
{
    (void)state;
    enum { MESSAGES = 400 };
    static struct message messages[MESSAGES];
    uint32_t seed = 12345;
    for (int round = 0; round < 50; round++) {
        struct confirms confirms;
        bool open[MESSAGES + 1] = { false };
        size_t count = 0;
        confirms_init(&confirms, 40, 100000);
        for (int i = 0; i < MESSAGES; i++) {
            seed = seed * 1664525 + 1013904223;
            if (confirms_fits(&confirms, 10)) {
                add(&confirms, &messages[i], 'm', 0);
                open[messages[i].ticket.tag] = true;
                count++;
            }
            uint64_t tag = seed % confirms.next;
            bool multiple = seed % 7 == 0;
            int expected = 0;
            for (uint64_t at = multiple ? 1 : tag; at <= tag; at++) {
                expected += at > 0 && open[at];
                open[at] = false;
            }
            if (tag == 0)
                continue;
            assert_int_equal(confirms_settle(&confirms, tag, multiple, VERDICT_CONFIRMED),
                             expected);
            transcript[0] = '\0';
            count -= (size_t)expected;
            assert_int_equal(confirms.count, count);
        }
        while (confirms.count > 0) {
            confirms_settle(&confirms, confirms.row[confirms.begin].tag, false, VERDICT_REFUSED);
            transcript[0] = '\0';
        }
        confirms_free(&confirms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(confirms_come_in_any_order),
        cmocka_unit_test(a_tag_that_was_never_given_is_told),
        cmocka_unit_test(a_return_comes_before_its_confirm),
        cmocka_unit_test(the_window_is_bounded_by_messages_and_bytes),
        cmocka_unit_test(a_straggler_takes_one_place_and_no_more),
        cmocka_unit_test(numbers_begin_again_on_a_new_channel),
        cmocka_unit_test(a_destination_that_does_not_confirm_shows),
        cmocka_unit_test(it_agrees_with_a_simple_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

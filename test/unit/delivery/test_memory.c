#include "delivery/memory.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void what_is_noted_is_taken_once(void **state)
{
    (void)state;
    struct memory memory;
    memory_init(&memory);
    struct remembered known = { .attempts = 1, .first_seen_ms = 7 };
    memory_note(&memory, 1, &known);
    known.attempts = 2;
    known.reason = REASON_service_failed;
    memory_note(&memory, 1, &known);
    memory_note(&memory, 2, &known);
    assert_int_equal(memory.count, 2);

    struct remembered got = { 0 };
    assert_true(memory_take(&memory, 1, &got));
    assert_int_equal(got.attempts, 2);
    assert_int_equal(got.first_seen_ms, 7);
    assert_int_equal(got.reason, REASON_service_failed);
    assert_false(memory_take(&memory, 1, &got));
    memory_clear(&memory);
    assert_false(memory_take(&memory, 2, &got));
}

static void the_oldest_goes_when_there_are_too_many(void **state)
{
    (void)state;
    struct memory memory;
    memory_init(&memory);
    const struct remembered known = { .attempts = 1 };
    for (uint64_t key = 0; key < MEMORY_MAX; key++)
        memory_note(&memory, key, &known);
    memory_note(&memory, 0, &known); /* is young again */
    memory_note(&memory, MEMORY_MAX, &known);
    assert_int_equal(memory.count, MEMORY_MAX);
    struct remembered got;
    assert_true(memory_take(&memory, 0, &got));
    assert_false(memory_take(&memory, 1, &got));
    assert_true(memory_take(&memory, 2, &got));
    assert_true(memory_take(&memory, MEMORY_MAX, &got));
    memory_clear(&memory);
}

static void a_message_is_known_by_its_id_or_by_what_it_says(void **state)
{
    (void)state;
    struct field fields[] = { { .name = SLICE("a"), .value = SLICE("b") },
                              { .name = SLICE("b"), .value = SLICE("a") } };
    const struct arrival first = { .message = { .message_id = SLICE("m1"), .body = SLICE("x") } };
    const struct arrival same = { .message = { .message_id = SLICE("m1"), .body = SLICE("y") } };
    assert_true(memory_key(&first) == memory_key(&same));

    const struct arrival nameless = {
        .message = { .body = SLICE("x"), .headers = { .at = fields, .count = 1, .cap = 2 } }
    };
    const struct arrival longer = {
        .message = { .body = SLICE("x"), .headers = { .at = fields, .count = 2, .cap = 2 } }
    };
    const struct arrival other = {
        .message = { .body = SLICE("x"), .headers = { .at = fields + 1, .count = 1, .cap = 1 } }
    };
    assert_true(memory_key(&nameless) != memory_key(&longer));
    assert_true(memory_key(&nameless) != memory_key(&other));
    assert_true(memory_key(&nameless) == memory_key(&nameless));
}

/* Two messages that say the same are two, where the broker tells them apart. */
static void what_its_broker_calls_it_comes_first(void **state)
{
    (void)state;
    const struct arrival first = { .message = { .body = SLICE("x") }, .identity = SLICE("t/0/1") };
    const struct arrival next = { .message = { .body = SLICE("x") }, .identity = SLICE("t/0/2") };
    const struct arrival again = { .message = { .body = SLICE("y") }, .identity = SLICE("t/0/1") };
    assert_true(memory_key(&first) != memory_key(&next));
    assert_true(memory_key(&first) == memory_key(&again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_noted_is_taken_once),
        cmocka_unit_test(the_oldest_goes_when_there_are_too_many),
        cmocka_unit_test(a_message_is_known_by_its_id_or_by_what_it_says),
        cmocka_unit_test(what_its_broker_calls_it_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

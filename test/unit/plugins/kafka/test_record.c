/* A message to a record and back: what is there in between, and that nothing is lost on the way. */
#include "plugins/kafka/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static void header(struct fields *fields, const char *name, const char *value)
{
    assert_int_equal(fields_add(fields, &arena, slice_text(name), slice_text(value)), 0);
}

static void expect_header(const struct fields *fields, uint32_t at, const char *name,
                          const char *value)
{
    assert_true(at < fields->count);
    assert_true(slice_is(fields->at[at].name, name));
    assert_true(slice_is(fields->at[at].value, value));
}

static void a_message_there_and_back(void **state)
{
    (void)state;
    struct message message = { .content_type = SLICE("text/plain"),
                               .message_id = SLICE("m-1"),
                               .app_id = SLICE("orders"),
                               .body = SLICE("hello"),
                               .timestamp_ms = 5 };
    header(&message.headers, ":method", "POST");
    header(&message.headers, "x", "1");
    header(&message.headers, "x", "2");
    struct record record = { .topic = "t" };
    assert_int_equal(record_write(&message, &arena, &record), 0);
    assert_int_equal(record.headers.count, 6);
    expect_header(&record.headers, 0, "content-type", "text/plain");
    expect_header(&record.headers, 1, "shunt-message-id", "m-1");
    expect_header(&record.headers, 2, "shunt-app-id", "orders");
    expect_header(&record.headers, 3, ":method", "POST");
    expect_header(&record.headers, 5, "x", "2");

    struct message back;
    const char *why;
    assert_int_equal(record_read(&record, &arena, &back, &why), 0);
    assert_int_equal(back.headers.count, 3);
    assert_true(slice_is(back.message_id, "m-1") && slice_is(back.app_id, "orders"));
    assert_true(slice_is(back.content_type, "text/plain") && slice_is(back.body, "hello"));
    assert_int_equal(back.timestamp_ms, 5);
}

static void an_empty_body_is_no_tombstone(void **state)
{
    (void)state;
    struct message message = { .message_id = SLICE("m") }, back;
    struct record record = { .topic = "t" };
    const char *why;
    assert_int_equal(record_write(&message, &arena, &record), 0);
    assert_non_null(record.value.at);
    assert_int_equal(record.value.len, 0);
    assert_int_equal(record_read(&record, &arena, &back, &why), 0);
    assert_int_equal(back.headers.count, 0);
}

static void a_null_value_is_an_empty_body(void **state)
{
    (void)state;
    struct message back;
    const char *why;
    struct record tombstone = { .value = slice_of(NULL, 0) };
    assert_int_equal(record_read(&tombstone, &arena, &back, &why), 0);
    assert_int_equal(back.headers.count, 0);
    assert_non_null(back.body.at);
    assert_int_equal(back.body.len, 0);
}

static void a_second_claim_stays_a_header(void **state)
{
    (void)state;
    struct record record = { .value = SLICE("v") };
    header(&record.headers, "content-type", "a/b");
    header(&record.headers, "content-type", "c/d");
    struct message back;
    const char *why;
    assert_int_equal(record_read(&record, &arena, &back, &why), 0);
    assert_int_equal(back.headers.count, 1);
    assert_true(slice_is(back.content_type, "a/b"));
    expect_header(&back.headers, 0, "content-type", "c/d");
}

static void the_size_counts_everything(void **state)
{
    (void)state;
    struct record record = { .key = SLICE("key"), .value = SLICE("value") };
    header(&record.headers, "name", "text");
    assert_true(record_size(&record) >= 3 + 5 + 8);
    assert_true(record_size(&record) <= 3 + 5 + 8 + 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_there_and_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_body_is_no_tombstone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_null_value_is_an_empty_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_claim_stays_a_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_size_counts_everything, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

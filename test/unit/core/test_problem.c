/* Our own answers, as the caller and the next proxy read them. */
#include "core/problem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <jansson.h>

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

static const char *field(const struct head *head, const char *name)
{
    const struct field *found = fields_find_name(&head->fields, slice_text(name));
    return found == NULL ? NULL : (const char *)arena_copy(&arena, found->value).at;
}

static void everything_is_said(void **state)
{
    (void)state;
    struct head head;
    struct slice body = problem_render(&arena, "orders", REASON_broker_down, OUTCOME_NOT_SENT,
                                       SLICE("id-1"), "connection refused", &head);
    assert_string_equal(
        (const char *)body.at,
        "{\"type\":\"about:blank\",\"title\":\"the broker cannot be reached\",\"status\":503,"
        "\"detail\":\"connection refused\",\"reason\":\"broker_down\",\"message_id\":\"id-1\","
        "\"executed\":\"no\"}\n");
    assert_int_equal(head.status, 503);
    assert_int_equal(head.framing, FRAMING_LENGTH);
    assert_int_equal(head.length, body.len);
    assert_string_equal(field(&head, "content-type"), "application/problem+json");
    assert_string_equal(field(&head, "proxy-status"),
                        "orders; error=destination_unavailable; details=\"connection refused\"");
    assert_string_equal(field(&head, "retry-after"), "1");
    assert_null(field(&head, "allow"));
}

static void a_retry_is_offered_only_where_it_doubles_nothing(void **state)
{
    (void)state;
    struct head head;
    problem_render(&arena, "orders", REASON_broker_down, OUTCOME_MAYBE_SENT, SLICE(""), NULL,
                   &head);
    assert_null(field(&head, "retry-after"));
    problem_render(&arena, "orders", REASON_timeout, OUTCOME_NOT_SENT, SLICE(""), NULL, &head);
    assert_null(field(&head, "retry-after"));
}

static void executed_is_no_or_unknown(void **state)
{
    (void)state;
    assert_string_equal(outcome_executed(OUTCOME_NOT_SENT), "no");
    assert_string_equal(outcome_executed(OUTCOME_REFUSED_WHOLE), "no");
    assert_string_equal(outcome_executed(OUTCOME_MAYBE_SENT), "unknown");
    assert_string_equal(outcome_executed(OUTCOME_PARTLY_STORED), "unknown");
    assert_string_equal(outcome_executed(OUTCOME_STORED), "unknown");
    assert_string_equal(outcome_executed(OUTCOME_ANSWERED), "unknown");
}

static void nothing_from_outside_breaks_the_texts(void **state)
{
    (void)state;
    struct head head;
    struct slice id = SLICE("a\"b\\c\x01\xff");
    struct slice body = problem_render(&arena, "my orders", REASON_bad_reply, OUTCOME_ANSWERED, id,
                                       "a \"quote\", a \\, a \r\n line, gr\xc3\xbc\xc3\x9f", &head);
    json_t *document = json_loadb((const char *)body.at, body.len, 0, NULL);
    assert_non_null(document);
    assert_string_equal(json_string_value(json_object_get(document, "executed")), "unknown");
    json_decref(document);
    assert_string_equal(field(&head, "proxy-status"),
                        "\"my orders\"; error=http_protocol_error; "
                        "details=\"a \\\"quote\\\", a \\\\, a ?? line, gr????\"");
    for (uint32_t i = 0; i < head.fields.count; i++)
        assert_true(field_value_valid(head.fields.at[i].value));
}

static void a_refused_method_names_those_that_are_taken(void **state)
{
    (void)state;
    struct head head;
    problem_render(&arena, "orders", REASON_method_not_allowed, OUTCOME_NOT_SENT, SLICE("x"), NULL,
                   &head);
    assert_int_equal(head.status, 405);
    assert_string_equal(field(&head, "allow"), "POST, PUT, PATCH, DELETE");
}

static void a_full_arena_leaves_the_status(void **state)
{
    (void)state;
    struct arena small;
    arena_init(&small, 8);
    struct head head;
    struct slice body = problem_render(&small, "orders", REASON_overloaded, OUTCOME_NOT_SENT,
                                       SLICE("x"), NULL, &head);
    assert_int_equal(head.status, 503);
    assert_int_equal(body.len, 0);
    assert_int_equal(head.length, 0);
    arena_clear(&small);
}

static void every_reason_is_whole(void **state)
{
    (void)state;
    for (int i = 1; i < REASONS; i++) {
        struct head head;
        problem_render(&arena, "orders", (enum reason)i, OUTCOME_NOT_SENT, SLICE("x"), NULL, &head);
        assert_in_range(head.status, 400, 599);
        assert_true(reasons[i].text[0] != '\0' && reasons[i].proxy_status[0] != '\0');
        assert_true(!reasons[i].retry || head.status == 502 || head.status == 503);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(everything_is_said),
        TEST(a_retry_is_offered_only_where_it_doubles_nothing),
        TEST(executed_is_no_or_unknown),
        TEST(nothing_from_outside_breaks_the_texts),
        TEST(a_refused_method_names_those_that_are_taken),
        TEST(a_full_arena_leaves_the_status),
        TEST(every_reason_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

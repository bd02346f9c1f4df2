/* What gRPC adds to HTTP, field by field. */
#include "core/grpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct fields one(struct arena *arena, const char *name, const char *value)
{
    struct fields fields = { 0 };
    assert_int_equal(fields_add(&fields, arena, slice_text(name), slice_text(value)), 0);
    return fields;
}

static void calls_are_known_by_their_type(void **state)
{
    (void)state;
    static const struct {
        const char *method, *type;
        bool is;
    } rows[] = {
        { "POST", "application/grpc", true },
        { "POST", "application/grpc+proto", true },
        { "POST", "Application/GRPC;charset=x", true },
        { "GET", "application/grpc", false },
        { "POST", "application/grpc-web", false },
        { "POST", "application/grpcx", false },
        { "POST", "application/gr", false },
        { "POST", "", false },
    };
    struct arena arena;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct head head = { .method = slice_text(rows[i].method) };
        head.fields = one(&arena, "Content-Type", rows[i].type);
        if (grpc_is_call(&head) != rows[i].is)
            fail_msg("%s %s", rows[i].method, rows[i].type);
    }
    assert_false(grpc_is_call(&(struct head){ .method = SLICE("POST") }));
    arena_clear(&arena);
}

static void timeouts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } rows[] = {
        { "1S", 1000 },        { "250m", 250 },
        { "2M", 120000 },      { "1H", 3600000 },
        { "1500u", 1 },        { "1n", 1 },
        { "0S", 1 },           { "99999999H", UINT64_C(99999999) * 3600000 },
        { "1", UINT64_MAX },   { "S", UINT64_MAX },
        { "1s", UINT64_MAX },  { "-1S", UINT64_MAX },
        { "", UINT64_MAX },    { "123456789S", UINT64_MAX },
        { "1 S", UINT64_MAX }, { "1.5S", UINT64_MAX },
    };
    struct arena arena;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fields fields = one(&arena, "grpc-timeout", rows[i].text);
        uint64_t ms = grpc_timeout_ms(&fields);
        if (ms != rows[i].ms)
            fail_msg("%s became %llu", rows[i].text, (unsigned long long)ms);
    }
    assert_true(grpc_timeout_ms(&(struct fields){ 0 }) == UINT64_MAX);
    arena_clear(&arena);
}

static void statuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status, http;
    } rows[] = {
        { "0", 0, 200 },   { "1", 1, 499 },           { "5", 5, 404 },   { "14", 14, 503 },
        { "16", 16, 401 }, { "17", -1, 500 },         { "-1", -1, 500 }, { "", -1, 500 },
        { "x", -1, 500 },  { "4294967296", -1, 500 },
    };
    struct arena arena;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fields fields = one(&arena, "Grpc-Status", rows[i].text);
        assert_int_equal(grpc_status(&fields), rows[i].status);
        assert_int_equal(grpc_http_status(rows[i].status), rows[i].http);
    }
    assert_int_equal(grpc_status(&(struct fields){ 0 }), GRPC_STATUS_NONE);
    arena_clear(&arena);
}

/* UNAVAILABLE is tried again by clients: said only when nothing was done. */
static void failures(void **state)
{
    (void)state;
    for (enum reason reason = REASON_none + 1; reason < REASONS; reason++) {
        static const enum outcome uncertain[] = { OUTCOME_MAYBE_SENT, OUTCOME_ANSWERED };
        for (size_t i = 0; i < 2; i++)
            assert_int_not_equal(grpc_status_of(reason, uncertain[i]), 14);
        assert_in_range(grpc_status_of(reason, OUTCOME_NOT_SENT), 1, 16);
    }
    assert_int_equal(grpc_status_of(REASON_connection_refused, OUTCOME_NOT_SENT), 14);
    assert_int_equal(grpc_status_of(REASON_connection_lost, OUTCOME_MAYBE_SENT), 2);
    assert_int_equal(grpc_status_of(REASON_timeout, OUTCOME_MAYBE_SENT), 4);
    assert_int_equal(grpc_status_of(REASON_body_too_large, OUTCOME_NOT_SENT), 8);
}

static const char *value(const struct fields *fields, const char *name)
{
    static char text[256];
    const struct field *field = fields_find_name(fields, slice_text(name));
    snprintf(text, sizeof text, "%.*s", field == NULL ? 0 : (int)field->value.len,
             field == NULL ? "" : (const char *)field->value.at);
    return text;
}

static void a_problem_is_trailers_alone(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct head head = { .status = 503, .framing = FRAMING_LENGTH, .length = 99 };
    head.fields = one(&arena, "Content-Type", "application/problem+json");
    assert_int_equal(fields_add(&head.fields, &arena, SLICE("Retry-After"), SLICE("1")), 0);
    grpc_problem(&arena, REASON_connection_refused, OUTCOME_NOT_SENT, "100% \xc3\xbc\n", &head);
    assert_int_equal(head.status, 200);
    assert_true(head.framing == FRAMING_NONE && head.length == 0);
    assert_string_equal(value(&head.fields, "content-type"), "application/grpc");
    assert_string_equal(value(&head.fields, "retry-after"), "");
    assert_string_equal(value(&head.fields, "grpc-status"), "14");
    assert_non_null(strstr(value(&head.fields, "grpc-message"), ": 100%25 %C3%BC%0A"));
    arena_clear(&arena);
}

static void an_event_is_answered_by_an_empty_message(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct head head;
    struct fields trailers = { 0 };
    struct slice body = grpc_stored(&arena, &head, &trailers);
    assert_int_equal(body.len, 5);
    assert_memory_equal(body.at, "\0\0\0\0\0", 5);
    assert_int_equal(head.status, 200);
    assert_string_equal(value(&trailers, "grpc-status"), "0");
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_known_by_their_type),
        cmocka_unit_test(timeouts),
        cmocka_unit_test(statuses),
        cmocka_unit_test(failures),
        cmocka_unit_test(a_problem_is_trailers_alone),
        cmocka_unit_test(an_event_is_answered_by_an_empty_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

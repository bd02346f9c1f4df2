/* Whatever a peer sends, a JSON line parses and says what was sent, and no line holds a control
 * character. */
#include "observe/access_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "fixture.h"

static struct bytes render(const struct call *call, bool json)
{
    struct bytes out = { .cap = LINE_CAP };
    access_log_render(&out, json, call, NULL, FIXTURE_WALL, FIXTURE_TOOK_MS);
    assert_false(out.full);
    assert_int_equal(out.at[out.len - 1], '\n');
    assert_int_equal(slice_find(bytes_slice(&out), '\n'), out.len - 1);
    return out;
}

static json_t *parse(const struct call *call)
{
    struct bytes out = render(call, true);
    json_error_t error;
    json_t *line = json_loadb((const char *)out.at, out.len, JSON_REJECT_DUPLICATES, &error);
    if (line == NULL)
        fail_msg("%s: %.*s", error.text, (int)out.len, (const char *)out.at);
    bytes_free(&out);
    return line;
}

/* Neither C0 nor DEL, nor C1 (which in UTF-8 begin with C2), but the newline at the end. */
static void assert_no_control(const struct bytes *out)
{
    for (size_t i = 0; i + 1 < out->len; i++) {
        assert_true(out->at[i] >= 0x20 && out->at[i] != 0x7f);
        assert_false(out->at[i] == 0xc2 && out->at[i + 1] < 0xa0);
    }
}

static void assert_text(const json_t *line, const char *key, const char *expected)
{
    const char *text = json_string_value(json_object_get(line, key));
    if (text == NULL)
        fail_msg("%s is missing", key);
    assert_string_equal(text, expected);
}

static void a_call_in_both_formats(void **state)
{
    (void)state;
    struct route route = { .name = "reserve" };
    struct call call = fixture_call(&route, NULL);

    struct bytes text = render(&call, false);
    bytes_byte(&text, '\0');
    assert_string_equal((const char *)text.at, FIXTURE_WALL
                        " info http listener=outbound route=reserve style=sync method=POST "
                        "host=inventory:8080 path=/reservations status=200 reason=none bytes_in=17 "
                        "bytes_out=4 duration_ms=12 "
                        "attempts=1 upstream=inventory message_id=0123456789abcdef0123456789abcdef "
                        "traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 "
                        "peer=127.0.0.1:40000\n");
    bytes_free(&text);

    json_t *line = parse(&call);
    assert_text(line, "time", FIXTURE_WALL);
    assert_text(line, "level", "info");
    assert_text(line, "kind", "http");
    assert_text(line, "route", "reserve");
    assert_int_equal(json_integer_value(json_object_get(line, "status")), 200);
    assert_int_equal(json_integer_value(json_object_get(line, "duration_ms")), 12);
    assert_text(line, "reason", "none");
    assert_null(json_object_get(line, "executed"));
    json_decref(line);
}

static void a_call_of_grpc(void **state)
{
    (void)state;
    struct route route = { .name = "reserve" };
    struct call call = fixture_call(&route, NULL);
    json_t *line = parse(&call);
    assert_null(json_object_get(line, "protocol"));
    assert_null(json_object_get(line, "grpc_status"));
    json_decref(line);
    call.request.h2 = call.grpc = true;
    call.grpc_status = 5;
    line = parse(&call);
    assert_text(line, "protocol", "h2");
    assert_int_equal(json_integer_value(json_object_get(line, "grpc_status")), 5);
    json_decref(line);
}

static void a_failure_says_why_and_whether_it_happened(void **state)
{
    (void)state;
    struct call call = fixture_call(NULL, NULL);
    struct values settings = { 0 };
    struct broker broker = { .name = (char *)"rabbit", .values = &settings };
    call.plan.upstream = NULL;
    call.plan.broker = &broker;
    call.plan.message.correlation_id = SLICE("cafe");
    call.style = STYLE_REQUEST_REPLY;
    call.status = 504;
    call.reason = REASON_timeout;
    call.outcome = OUTCOME_MAYBE_SENT;
    call.detail = SLICE("no reply\r\nwithin 5 s");

    json_t *line = parse(&call);
    assert_text(line, "level", "warning");
    assert_text(line, "style", "request_reply");
    assert_text(line, "reason", "timeout");
    assert_text(line, "executed", "unknown");
    assert_text(line, "detail", "no reply\r\nwithin 5 s");
    assert_text(line, "broker", "rabbit");
    assert_text(line, "correlation_id", "cafe");
    json_decref(line);
}

static void a_call_of_which_nothing_is_known(void **state)
{
    (void)state;
    struct call call = { .caller = &fixture_http, .reason = REASON_bad_request, .status = 400 };
    json_t *line = parse(&call);
    assert_text(line, "level", "info");
    assert_text(line, "reason", "bad_request");
    assert_text(line, "executed", "no");
    assert_null(json_object_get(line, "path"));
    json_decref(line);
}

static void a_bug_of_ours_is_loud(void **state)
{
    (void)state;
    struct call call = { .caller = &fixture_http, .reason = REASON_internal, .status = 500 };
    assert_int_equal(access_log_level(&call), LEVEL_ERROR);
    call.reason = REASON_client_gone;
    assert_int_equal(access_log_level(&call), LEVEL_INFO);
}

static void every_byte_everywhere(void **state)
{
    (void)state;
    uint8_t all[1 + 256 * 2];
    all[0] = '/';
    for (unsigned i = 0; i < 512; i++)
        all[1 + i] = (uint8_t)(i < 256 ? i : 511 - i);
    struct slice hostile = slice_of(all, sizeof all);

    struct call call = fixture_call(NULL, NULL);
    call.request.method = call.request.authority = call.request.path = hostile;
    call.peer = call.message_id = call.traceparent = call.detail =
        call.plan.message.correlation_id = hostile;
    call.reason = REASON_bad_request;
    for (int json = 0; json < 2; json++) {
        struct bytes out = render(&call, json);
        assert_no_control(&out);
        bytes_free(&out);
    }
    json_decref(parse(&call));
}

static void what_would_forge_a_line_stays_in_its_value(void **state)
{
    (void)state;
    struct call call = fixture_call(NULL, NULL);
    call.request.path = SLICE(
        "/a status=200\" x=\"\n2025-01-01T00:00:00.000Z info http\x1b[2J\xc2\x9b\xff");
    struct bytes out = render(&call, false);
    assert_no_control(&out);
    const char forged[] = "path=\"/a status=200\\\" x=\\\"\\n2025";
    assert_non_null(memmem(out.at, out.len, forged, sizeof forged - 1));
    bytes_free(&out);
}

static void a_long_path_is_cut(void **state)
{
    (void)state;
    size_t len = 1024 * 1024;
    uint8_t *path = malloc(len);
    assert_non_null(path);
    memset(path, '\x01', len);
    path[0] = '/';
    struct call call = fixture_call(NULL, NULL);
    call.request.path = slice_of(path, len);
    json_t *line = parse(&call);
    assert_int_equal(json_string_length(json_object_get(line, "path")), 1024 + sizeof "…" - 1);
    json_decref(line);
    free(path);
}

/* Threat 9: whatever may hold a secret is left out. */
static void secrets_stay_out(void **state)
{
    (void)state;
    static const struct {
        struct slice authority, path, query;
    } rows[] = {
        { SLICE("user:hunter2@inventory"), SLICE("/a"), SLICE("token=hunter2") },
        { SLICE("a@hunter2@inventory"), SLICE("/a?token=hunter2"), { 0 } },
        { SLICE("inventory"), SLICE("http://user:hunter2@inventory/"), { 0 } },
        { SLICE("inventory"), SLICE("user:hunter2@inventory"), { 0 } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct call call = fixture_call(NULL, NULL);
        call.request.authority = rows[i].authority;
        call.request.path = rows[i].path;
        call.request.query = rows[i].query;
        call.request.has_query = rows[i].query.len != 0;
        for (int json = 0; json < 2; json++) {
            struct bytes out = render(&call, json);
            assert_null(memmem(out.at, out.len, "hunter2", 7));
            assert_non_null(memmem(out.at, out.len, "inventory", 9));
            bytes_free(&out);
        }
    }
}

static void times_of_any_year(void **state)
{
    (void)state;
    struct stamp stamp = { 0 };
    assert_string_equal(stamp_text(&stamp, 0), "1970-01-01T00:00:00.000Z");
    assert_string_equal(stamp_text(&stamp, FIXTURE_WALL_MS), FIXTURE_WALL);
    assert_string_equal(stamp_text(&stamp, FIXTURE_WALL_MS + 1), "2025-11-25T21:52:00.124Z");
    assert_string_equal(stamp_text(&stamp, UINT64_C(1709164799999)), "2024-02-28T23:59:59.999Z");
    assert_string_equal(stamp_text(&stamp, UINT64_MAX), "1970-01-01T00:00:00.000Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_in_both_formats),
        cmocka_unit_test(a_call_of_grpc),
        cmocka_unit_test(a_failure_says_why_and_whether_it_happened),
        cmocka_unit_test(a_call_of_which_nothing_is_known),
        cmocka_unit_test(a_bug_of_ours_is_loud),
        cmocka_unit_test(every_byte_everywhere),
        cmocka_unit_test(what_would_forge_a_line_stays_in_its_value),
        cmocka_unit_test(a_long_path_is_cut),
        cmocka_unit_test(secrets_stay_out),
        cmocka_unit_test(times_of_any_year),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

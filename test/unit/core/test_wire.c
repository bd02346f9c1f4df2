/* HTTP to message and back, row by row. A message is written here as its lines: "name: value". */
#include "core/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct wire_rules plain = { 0 };

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 8 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

/* --- writing things down ---------------------------------------------------------------------- */

static void add_line(struct fields *fields, const char *line)
{
    /* A pseudo-header's own colon is not the one that ends the name. */
    const char *colon = strstr(line[0] == ':' ? line + 1 : line, ":");
    assert_non_null(colon);
    struct slice value = slice_text(colon[1] == ' ' ? colon + 2 : colon + 1);
    assert_int_equal(fields_add(fields, &arena, slice_of(line, (size_t)(colon - line)), value), 0);
}

#define FIELDS(...) fields_of((const char *const[]){ __VA_ARGS__, NULL })

static struct fields fields_of(const char *const *lines)
{
    struct fields fields = { 0 };
    for (; *lines != NULL; lines++)
        add_line(&fields, *lines);
    return fields;
}

/* "name: value\n" for each, names as they stand. */
static const char *told(const struct fields *fields)
{
    struct bytes text = { 0 };
    for (uint32_t i = 0; i < fields->count; i++) {
        bytes_add(&text, fields->at[i].name);
        bytes_text(&text, ": ");
        bytes_add(&text, fields->at[i].value);
        bytes_byte(&text, '\n');
    }
    const char *copy = (const char *)arena_copy(&arena, bytes_slice(&text)).at;
    bytes_free(&text);
    return copy;
}

static struct call *call_of(const char *method, const char *path, const char *query,
                            struct fields fields)
{
    struct call *call = calloc(1, sizeof(*call));
    assert_non_null(call);
    arena_init(&call->arena, 1 << 20);
    call->request = (struct head){
        .method = slice_text(method),
        .scheme = SLICE("http"),
        .authority = SLICE("inventory:8080"),
        .path = slice_text(path),
        .query = slice_text(query),
        .has_query = query != NULL,
        .fields = fields,
    };
    return call;
}

static void call_free(struct call *call)
{
    arena_clear(&call->arena);
    free(call);
}

/* --- HTTP to message -------------------------------------------------------------------------- */

static void a_request_becomes_pseudo_headers_and_lower_case_fields(void **state)
{
    (void)state;
    struct call *call = call_of("POST", "/reservations", "dry=1&x=%20",
                                FIELDS("Content-Type: application/json", "X-Tenant: acme",
                                       "Accept: a", "accept: b", "Content-Encoding: gzip",
                                       "X-Empty:", "traceparent: 00-1", "baggage: k=v",
                                       "Idempotency-Key: 7"));
    call->hops = 2;
    call->request_trailers = FIELDS("X-Sum: 9");
    struct message message = { 0 };
    assert_int_equal(wire_from_request(call, &plain, &message), 0);
    assert_string_equal(told(&message.headers), ":method: POST\n"
                                                ":path: /reservations?dry=1&x=%20\n"
                                                ":authority: inventory:8080\n"
                                                ":scheme: http\n"
                                                "x-tenant: acme\n"
                                                "accept: a\n"
                                                "accept: b\n"
                                                "x-empty: \n"
                                                "traceparent: 00-1\n"
                                                "baggage: k=v\n"
                                                "idempotency-key: 7\n"
                                                "shunt-hops: 3\n"
                                                ":trailer.x-sum: 9\n");
    assert_true(slice_is(message.content_type, "application/json"));
    assert_true(slice_is(message.content_encoding, "gzip"));
    call_free(call);
}

static void a_question_mark_without_a_query_is_kept(void **state)
{
    (void)state;
    struct call *call = call_of("GET", "/a", "", (struct fields){ 0 });
    struct message message = { 0 };
    assert_int_equal(wire_from_request(call, &plain, &message), 0);
    assert_true(slice_is(fields_find_name(&message.headers, SLICE(":path"))->value, "/a?"));
    call_free(call);
}

static const char *crossing(struct fields fields, const struct wire_rules *rules)
{
    struct call *call = call_of("POST", "/", NULL, fields);
    struct message message = { 0 };
    assert_int_equal(wire_from_request(call, rules, &message), 0);
    assert_true(message.headers.count >= 5); /* the pseudo-headers and shunt-hops */
    message.headers.at += 4;
    message.headers.count -= 5;
    const char *lines = told(&message.headers);
    call_free(call);
    return lines;
}

static void what_ends_here_or_is_ours_stays_behind(void **state)
{
    (void)state;
    struct fields fields = FIELDS(
        "Connection: x", "Keep-Alive: 5", "Proxy-Connection: x", "TE: trailers",
        "Transfer-Encoding: chunked", "Upgrade: h2c", "Host: evil", "Content-Length: 5",
        "Expect: 100-continue", "Trailer: x", "Shunt-Attempt: 9", "SHUNT-ANYTHING: 1",
        "shunt_hops: 1", "x-death: 1", "X-Delay: 5", "x-delivery-count: 3",
        "x-first-death-queue: q", "x-last-death-reason: r", "ce-id: 1", "CE-Type: t",
        "x-deathly: stays", "cease: stays");
    assert_string_equal(crossing(fields, &plain), "x-deathly: stays\ncease: stays\n");
}

static void secrets_cross_only_when_they_may(void **state)
{
    (void)state;
    struct fields fields = FIELDS("Authorization: Bearer s", "Cookie: s", "Set-Cookie: s",
                                  "Proxy-Authorization: s", "X-Other: o");
    assert_string_equal(crossing(fields, &plain), "x-other: o\n");

    const struct wire_rules carry = { .carry = (const char *const[]){ "cookie", NULL } };
    assert_string_equal(crossing(fields, &carry), "cookie: s\nx-other: o\n");

    const struct wire_rules transient = { .secrets = true };
    assert_string_equal(crossing(fields, &transient),
                        "authorization: Bearer s\ncookie: s\nset-cookie: s\nx-other: o\n");
}

static void long_and_repeated_content_types_stay_headers(void **state)
{
    (void)state;
    char value[400] = "Content-Type: ";
    memset(value + strlen(value), 'x', 300);
    struct call *call = call_of("POST", "/", NULL,
                                FIELDS(value, "content-type: b", "content-type: c"));
    struct message message = { 0 };
    assert_int_equal(wire_from_request(call, &plain, &message), 0);
    assert_true(slice_is(message.content_type, "b"));
    assert_int_equal(fields_times(&message.headers, FIELD_CONTENT_TYPE), 2);
    call_free(call);
}

static void names_that_no_broker_takes_are_refused(void **state)
{
    (void)state;
    char line[300];
    memset(line, 'n', sizeof(line));
    memcpy(line + 255, ": v", 4);
    struct call *call = call_of("POST", "/", NULL, FIELDS(line));
    struct message message = { 0 };
    assert_int_equal(wire_from_request(call, &plain, &message), 0);
    call_free(call);

    memcpy(line + 256, ": v", 4);
    line[255] = 'n';
    call = call_of("POST", "/", NULL, FIELDS(line));
    message = (struct message){ 0 };
    assert_int_equal(wire_from_request(call, &plain, &message), -REASON_fields_too_large);
    call_free(call);

    memcpy(line + 247, ": v", 4); /* 247 and ":trailer." are 256 */
    call = call_of("POST", "/", NULL, (struct fields){ 0 });
    call->request_trailers = FIELDS(line);
    message = (struct message){ 0 };
    assert_int_equal(wire_from_request(call, &plain, &message), -REASON_fields_too_large);
    call_free(call);
}

static void a_full_arena_refuses(void **state)
{
    (void)state;
    struct call *call = call_of("POST", "/", NULL, FIELDS("X-A: b"));
    call->arena.cap = 16;
    struct message message = { 0 };
    assert_int_equal(wire_from_request(call, &plain, &message), -REASON_fields_too_large);
    call_free(call);
}

static void an_answer_becomes_a_reply(void **state)
{
    (void)state;
    struct head answer = {
        .status = 404,
        .fields = FIELDS("Content-Type: text/plain", "Set-Cookie: a", "Set-Cookie: b",
                         "Connection: close", "Content-Length: 9", "Shunt-Message-Id: forged"),
    };
    struct fields trailers = FIELDS("Grpc-Status: 5");
    struct message message = { 0 };
    assert_int_equal(wire_from_response(&answer, &trailers, &arena, &message), 0);
    assert_string_equal(told(&message.headers),
                        ":status: 404\nset-cookie: a\nset-cookie: b\n:trailer.grpc-status: 5\n");
    assert_true(slice_is(message.content_type, "text/plain"));
}

/* --- message to HTTP -------------------------------------------------------------------------- */

static const char *request_of(struct message *message, const struct wire_rules *rules,
                              struct head *request)
{
    struct fields trailers = { 0 };
    unsigned ignored;
    const char *why = NULL;
    int refused = wire_to_request(message, rules, SLICE("127.0.0.1:8080"), &arena, request,
                                  &trailers, &ignored, &why);
    assert_int_equal(refused, why == NULL ? 0 : -1);
    return why;
}

static void a_message_that_says_nothing_is_a_post(void **state)
{
    (void)state;
    struct message message = { .body = SLICE("hello") };
    struct head request;
    assert_null(request_of(&message, &plain, &request));
    assert_true(slice_is(request.method, "POST"));
    assert_true(slice_is(request.path, "/"));
    assert_false(request.has_query);
    assert_true(slice_is(request.authority, "127.0.0.1:8080"));
    assert_int_equal(request.framing, FRAMING_LENGTH);
    assert_int_equal(request.length, 5);
}

static void a_request_comes_out_as_it_went_in(void **state)
{
    (void)state;
    struct call *call = call_of(
        "PUT", "/orders/7", "a=1&a=2",
        FIELDS("X-Multi: 1", "x-multi: 2", "Content-Type: a/b", "X-Utf: gr\xc3\xbc\xc3\x9f"));
    call->request_trailers = FIELDS("Sum: 1");
    struct message message = { 0 };
    assert_int_equal(wire_from_request(call, &plain, &message), 0);

    struct head request;
    struct fields trailers = { 0 };
    unsigned ignored;
    const char *why;
    assert_int_equal(wire_to_request(&message, &plain, SLICE("s:1"), &arena, &request, &trailers,
                                     &ignored, &why),
                     0);
    assert_int_equal(ignored, 0);
    assert_true(slice_is(request.method, "PUT"));
    assert_true(slice_is(request.path, "/orders/7"));
    assert_true(request.has_query && slice_is(request.query, "a=1&a=2"));
    assert_string_equal(told(&request.fields),
                        "content-type: a/b\nx-multi: 1\nx-multi: 2\nx-utf: gr\xc3\xbc\xc3\x9f\n");
    assert_string_equal(told(&trailers), "sum: 1\n");
    assert_int_equal(request.framing, FRAMING_CHUNKED); /* trailers need chunks */
    call_free(call);
}

static void what_a_message_may_not_say_is_ignored_and_counted(void **state)
{
    (void)state;
    struct message message = {
        .headers = FIELDS(
            "connection: close, x-kept", "transfer-encoding: chunked", "content-length: 999",
            "Host: evil", "expect: 100-continue", "x-kept: yes", "X-Forwarded-For: 1.2.3.4",
            "x_real_ip: 1.2.3.4", "forwarded: for=x", "shunt-attempt: 5", "x-death: n",
            ":trailer.transfer-encoding: chunked", ":authority: evil", ":scheme: https"),
    };
    struct head request;
    struct fields trailers = { 0 };
    unsigned ignored;
    const char *why;
    assert_int_equal(wire_to_request(&message, &plain, SLICE("s:1"), &arena, &request, &trailers,
                                     &ignored, &why),
                     0);
    assert_string_equal(told(&request.fields), "x-kept: yes\n");
    assert_int_equal(trailers.count, 0);
    assert_int_equal(ignored, 9);
    assert_true(slice_is(request.authority, "s:1"));
    assert_true(slice_is(request.scheme, "http"));
}

static void identities_count_as_far_as_they_are_trusted(void **state)
{
    (void)state;
    struct message message = { .headers = FIELDS("x-forwarded-for: 1.2.3.4", "x-forwarded-host: h",
                                                 "forwarded: f") };
    const struct wire_rules rules = { .trust = (const char *const[]){ "X-Forwarded-For", NULL } };
    struct head request;
    assert_null(request_of(&message, &rules, &request));
    assert_string_equal(told(&request.fields), "x-forwarded-for: 1.2.3.4\n");
}

static void what_is_illegal_in_http_refuses_the_message(void **state)
{
    (void)state;
    static const struct {
        struct slice name, value;
    } rows[] = {
        { SLICE("x"), SLICE("a\r\nTransfer-Encoding: chunked") },
        { SLICE("x"), SLICE("a\nb") },
        { SLICE("x"), SLICE("a\rb") },
        { SLICE("x"), SLICE("a\0b") },
        { SLICE("x"), SLICE("\x7f") },
        { SLICE(""), SLICE("nameless") },
        { SLICE("a:b"), SLICE("colon") },
        { SLICE("a b"), SLICE("space") },
        { SLICE("a\r\nb"), SLICE("line") },
        { SLICE("gr\xc3\xbc\xc3\x9f"), SLICE("no ASCII") },
        { SLICE(":status"), SLICE("200") },
        { SLICE(":unknown"), SLICE("x") },
        { SLICE(":"), SLICE("x") },
        { SLICE(":Method"), SLICE("GET") },
        { SLICE(":trailer."), SLICE("nameless") },
        { SLICE(":trailer.x"), SLICE("a\r\nb") },
        { SLICE(":trailer.:path"), SLICE("/") },
        { SLICE(":method"), SLICE("") },
        { SLICE(":method"), SLICE("GET /x HTTP/1.1\r\n") },
        { SLICE(":method"), SLICE("AMETHODTHATISLONGERTHANANYTHATIS1") },
        { SLICE(":method"), SLICE("CONNECT") },
        { SLICE(":path"), SLICE("") },
        { SLICE(":path"), SLICE("*") },
        { SLICE(":path"), SLICE("http://evil/x") },
        { SLICE(":path"), SLICE("@evil/x") },
        { SLICE(":path"), SLICE("/a/../b") },
        { SLICE(":path"), SLICE("/a/%2e%2e/b") },
        { SLICE(":path"), SLICE("/a%2f..") },
        { SLICE(":path"), SLICE("/a\\b") },
        { SLICE(":path"), SLICE("/a%00b") },
        { SLICE(":path"), SLICE("/a b") },
        { SLICE(":path"), SLICE("/a\r\nx: y") },
        { SLICE(":path"), SLICE("/a#b") },
        { SLICE(":path"), SLICE("/a?b c") },
        { SLICE(":path"), SLICE("/a?b#c") },
        { SLICE(":path"), SLICE("/a?b\r\nx: y") },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct message message = { 0 };
        assert_int_equal(fields_add(&message.headers, &arena, rows[i].name, rows[i].value), 0);
        struct head request;
        const char *why = request_of(&message, &plain, &request);
        if (why == NULL)
            fail_msg("row %zu was taken: %s", i, (const char *)rows[i].value.at);
    }
    struct message message = { .content_type = SLICE("a\r\nb: c") };
    struct head request;
    assert_non_null(request_of(&message, &plain, &request));
}

static void what_can_be_read_in_several_ways_is_noted(void **state)
{
    (void)state;
    static const char *const odd[] = { ":path: //evil/x", ":path: /a%2fb" };
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        struct message message = { 0 };
        add_line(&message.headers, odd[i]);
        struct head request;
        assert_null(request_of(&message, &plain, &request));
        assert_int_not_equal(request.oddities, 0); /* for the policy to refuse */
    }
}

static void pseudo_headers_stand_once(void **state)
{
    (void)state;
    struct message message = { .headers = FIELDS(":method: GET", ":method: GET") };
    struct head request;
    assert_string_equal(request_of(&message, &plain, &request), "a pseudo-header stands twice");
}

static void too_many_and_too_large_headers_are_refused(void **state)
{
    (void)state;
    struct message message = { 0 };
    for (unsigned i = 0; i < 1000; i++)
        add_line(&message.headers, "x: y");
    struct head request;
    assert_null(request_of(&message, &plain, &request));
    add_line(&message.headers, "x: y");
    assert_non_null(request_of(&message, &plain, &request));

    uint8_t *value = malloc(1 << 20);
    assert_non_null(value);
    memset(value, 'v', 1 << 20);
    struct message large = { 0 };
    assert_int_equal(fields_add(&large.headers, &arena, SLICE("x"), slice_of(value, 1 << 20)), 0);
    assert_non_null(request_of(&large, &plain, &request));
    free(value);
}

static void a_method_without_a_body_has_no_framing(void **state)
{
    (void)state;
    struct message message = { .headers = FIELDS(":method: GET") };
    struct head request;
    assert_null(request_of(&message, &plain, &request));
    assert_int_equal(request.framing, FRAMING_NONE);
    message.body = SLICE("x");
    assert_null(request_of(&message, &plain, &request));
    assert_int_equal(request.framing, FRAMING_LENGTH);
    message = (struct message){ .headers = FIELDS(":method: PUT") };
    assert_null(request_of(&message, &plain, &request));
    assert_int_equal(request.framing, FRAMING_LENGTH);
    assert_int_equal(request.length, 0);
}

static void replies(void **state)
{
    (void)state;
    static const struct {
        const char *status; /* NULL: none */
        const char *body;
        int is; /* 0: refused */
        enum framing framing;
    } rows[] = {
        { NULL, "x", 200, FRAMING_LENGTH },  { "200", "", 200, FRAMING_LENGTH },
        { "404", "x", 404, FRAMING_LENGTH }, { "204", "", 204, FRAMING_NONE },
        { "304", "", 304, FRAMING_NONE },    { "204", "x", 0, FRAMING_NONE },
        { "100", "", 0, FRAMING_NONE },      { "101", "", 0, FRAMING_NONE },
        { "099", "", 0, FRAMING_NONE },      { "2", "", 0, FRAMING_NONE },
        { "2000", "", 0, FRAMING_NONE },     { "", "", 0, FRAMING_NONE },
        { "+20", "", 0, FRAMING_NONE },      { "abc", "", 0, FRAMING_NONE },
        { "599", "", 599, FRAMING_LENGTH },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct message message = { .body = slice_text(rows[i].body) };
        if (rows[i].status != NULL)
            assert_int_equal(
                fields_add(&message.headers, &arena, SLICE(":status"), slice_text(rows[i].status)),
                0);
        struct head response;
        struct fields trailers = { 0 };
        const char *why = NULL;
        int refused = wire_to_response(&message, &arena, &response, &trailers, &why);
        assert_int_equal(refused, rows[i].is == 0 ? -1 : 0);
        if (rows[i].is == 0)
            continue;
        assert_int_equal(response.status, rows[i].is);
        assert_int_equal(response.framing, rows[i].framing);
    }
}

static void a_reply_says_no_more_than_an_answer_may(void **state)
{
    (void)state;
    struct message message = {
        .headers = FIELDS(":status: 200", "content-length: 5", "transfer-encoding: chunked",
                          "set-cookie: a", "set-cookie: b", "x-forwarded-for: mine",
                          ":trailer.grpc-status: 0"),
        .content_type = SLICE("text/plain"),
    };
    struct head response;
    struct fields trailers = { 0 };
    const char *why;
    assert_int_equal(wire_to_response(&message, &arena, &response, &trailers, &why), 0);
    assert_string_equal(
        told(&response.fields),
        "content-type: text/plain\nset-cookie: a\nset-cookie: b\nx-forwarded-for: mine\n");
    assert_string_equal(told(&trailers), "grpc-status: 0\n");
    assert_int_equal(response.framing, FRAMING_CHUNKED);

    static const char *const wrong[] = { ":method: GET", "x: a\r\nb", "a b: c", ":status: 200" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        message.headers = FIELDS(":status: 200", wrong[i]);
        trailers = (struct fields){ 0 };
        assert_int_equal(wire_to_response(&message, &arena, &response, &trailers, &why), -1);
        assert_non_null(why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_request_becomes_pseudo_headers_and_lower_case_fields),
        TEST(a_question_mark_without_a_query_is_kept),
        TEST(what_ends_here_or_is_ours_stays_behind),
        TEST(secrets_cross_only_when_they_may),
        TEST(long_and_repeated_content_types_stay_headers),
        TEST(names_that_no_broker_takes_are_refused),
        TEST(a_full_arena_refuses),
        TEST(an_answer_becomes_a_reply),
        TEST(a_message_that_says_nothing_is_a_post),
        TEST(a_request_comes_out_as_it_went_in),
        TEST(what_a_message_may_not_say_is_ignored_and_counted),
        TEST(identities_count_as_far_as_they_are_trusted),
        TEST(what_is_illegal_in_http_refuses_the_message),
        TEST(what_can_be_read_in_several_ways_is_noted),
        TEST(pseudo_headers_stand_once),
        TEST(too_many_and_too_large_headers_are_refused),
        TEST(a_method_without_a_body_has_no_framing),
        TEST(replies),
        TEST(a_reply_says_no_more_than_an_answer_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

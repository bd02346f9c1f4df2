/* Heads and dates as they are written. What goes out for whole calls is in test_connection.c. */
#include "http/writing.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "http/date.h"

static const char *text_of(struct bytes *bytes)
{
    bytes_byte(bytes, '\0');
    return (const char *)bytes->at;
}

static void add(struct head *head, struct arena *arena, const char *name, const char *value)
{
    assert_int_equal(fields_add(&head->fields, arena, slice_text(name), slice_text(value)), 0);
}

static void a_request_in_full(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    struct head request = {
        .method = SLICE("POST"),
        .path = SLICE("/orders"),
        .query = SLICE("a=b"),
        .has_query = true,
        .minor = 1,
        .expects = true,
        .trailers_welcome = true,
        .framing = FRAMING_LENGTH,
        .length = 18446744073709551615u,
    };
    add(&request, &arena, "X-One", "1");
    add(&request, &arena, "x-empty", "");
    struct bytes out = { 0 };
    request_write(&request, SLICE("inventory:8080"), &out);
    assert_string_equal(text_of(&out), "POST /orders?a=b HTTP/1.1\r\n"
                                       "Host: inventory:8080\r\n"
                                       "X-One: 1\r\n"
                                       "x-empty: \r\n"
                                       "Via: 1.1 shunt\r\n"
                                       "Connection: TE\r\n"
                                       "TE: trailers\r\n"
                                       "Expect: 100-continue\r\n"
                                       "Content-Length: 18446744073709551615\r\n\r\n");
    bytes_free(&out);
    arena_clear(&arena);
}

static void an_answer_that_has_everything_gets_nothing_twice(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    struct head response = { .status = 404, .minor = 1 };
    add(&response, &arena, "date", "x");
    add(&response, &arena, "shunt-message-id", "y");
    const struct answer_terms terms = {
        .has_body = true,
        .chunks = true,
        .date = SLICE("now"),
        .message_id = SLICE("z"),
    };
    struct bytes out = { 0 };
    response_write(&response, &terms, &out);
    assert_string_equal(text_of(&out),
                        "HTTP/1.1 404 Not Found\r\ndate: x\r\nshunt-message-id: y\r\n"
                        "Content-Length: 0\r\n\r\n");
    bytes_free(&out);
    arena_clear(&arena);
}

static void what_a_body_needs(void **state)
{
    (void)state;
    static const struct {
        struct head response;
        struct answer_terms terms;
        const char *lines;
    } rows[] = {
        { { .status = 200, .framing = FRAMING_CHUNKED },
          { .has_body = true, .chunks = true },
          "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" },
        { { .status = 200, .framing = FRAMING_CHUNKED },
          { .has_body = true, .close = true },
          "200 OK\r\nConnection: close\r\n\r\n" },
        { { .status = 200, .framing = FRAMING_LENGTH, .length = 7 },
          { .keep_alive = true },
          "200 OK\r\nConnection: keep-alive\r\nContent-Length: 7\r\n\r\n" },
        { { .status = 204 }, { .chunks = true }, "204 No Content\r\n\r\n" },
        { { .status = 200, .framing = FRAMING_TUNNEL }, { .chunks = true }, "200 OK\r\n\r\n" },
        { { .status = 742 }, { .has_body = true }, "742 \r\nContent-Length: 0\r\n\r\n" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes out = { 0 };
        struct answer_terms terms = rows[i].terms;
        terms.date = SLICE("d");
        response_write(&rows[i].response, &terms, &out);
        char *text = (char *)(uintptr_t)text_of(&out);
        char *date = strstr(text, "Date: d\r\n");
        assert_non_null(date);
        memmove(date, date + 9, strlen(date + 9) + 1);
        assert_string_equal(text + 9, rows[i].lines);
        bytes_free(&out);
    }
}

static void trailers_follow_the_last_chunk(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    struct head head = { 0 };
    struct bytes out = { 0 };
    last_chunk_write(NULL, &out);
    add(&head, &arena, "X-T", "v");
    last_chunk_write(&head.fields, &out);
    assert_string_equal(text_of(&out), "0\r\n\r\n0\r\nX-T: v\r\n\r\n");
    bytes_free(&out);
    arena_clear(&arena);
}

static void dates(void **state)
{
    (void)state;
    struct date date = { 0 };
    assert_true(slice_is(date_text(&date, 0), "Thu, 01 Jan 1970 00:00:00 GMT"));
    assert_true(slice_is(date_text(&date, 784111777999), "Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_true(slice_is(date_text(&date, 784111778000), "Sun, 06 Nov 1994 08:49:38 GMT"));
    assert_true(slice_is(date_text(&date, 1709164800000), "Thu, 29 Feb 2024 00:00:00 GMT"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_in_full),
        cmocka_unit_test(an_answer_that_has_everything_gets_nothing_twice),
        cmocka_unit_test(what_a_body_needs),
        cmocka_unit_test(trailers_follow_the_last_chunk),
        cmocka_unit_test(dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

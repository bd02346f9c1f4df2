/* Raw answers of upstreams: passed on, normalised, or refused (RFC 9112 §4, §6.3). One row is
 * one answer. */
#include "heads.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct row {
    const char *method;
    const char *raw;
    size_t len;
    const char *words; /* NULL: refused */
};

#define ROW(method, text, is)                \
    {                                        \
        method, text, sizeof(text) - 1, (is) \
    }
#define GET(line, fields, is) ROW("GET", line "\r\n" fields "\r\n", is)
#define OK(fields, is)        GET("HTTP/1.1 200 OK", fields, is)

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct bytes words = { 0 };
        response_in_words(rows[i].method, slice_of(rows[i].raw, rows[i].len), &words);
        const char *got = (const char *)words.at;
        bool same = rows[i].words != NULL ? strcmp(got, rows[i].words) == 0
                                          : strncmp(got, "bad (", 5) == 0;
        if (!same)
            print_error("%s\nbecame %s\n", rows[i].raw, got);
        assert_true(same);
        bytes_free(&words);
    }
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

static void status_lines(void **state)
{
    (void)state;
    static const struct row rows[] = {
        GET("HTTP/1.1 200 OK", "Content-Length: 2\r\n", "1.1 200 OK length:2"),
        GET("HTTP/1.1 200 ", "Content-Length: 2\r\n", "1.1 200  length:2"),
        GET("HTTP/1.1 200 O\tK \xff", "Content-Length: 2\r\n", "1.1 200 O\tK \xff length:2"),
        GET("HTTP/1.1 200 O\x01K", "Content-Length: 2\r\n", NULL),
        GET("HTTP/1.1 200 OK\x7f", "Content-Length: 2\r\n", NULL),
        GET("HTTP/1.1 200", "Content-Length: 2\r\n", "1.1 200  length:2"),
        GET("HTTP/1.1 404 Not  Found\t!", "Content-Length: 0\r\n",
            "1.1 404 Not  Found\t! length:0"),
        GET("HTTP/1.1 200 \xc3\xa9", "Content-Length: 0\r\n", "1.1 200 \xc3\xa9 length:0"),
        GET("HTTP/1.0 200 OK", "Content-Length: 2\r\n", "1.0 200 OK length:2 close"),
        GET("HTTP/1.0 200 OK", "Content-Length: 2\r\nConnection: keep-alive\r\n",
            "1.0 200 OK length:2 keep-alive"),
        GET("HTTP/1.1 599 X", "Content-Length: 2\r\n", "1.1 599 X length:2"),
        GET("HTTP/1.1 099 X", "", NULL),
        GET("HTTP/1.1 000 X", "", NULL),
        GET("HTTP/1.1 20 X", "", NULL),
        GET("HTTP/1.1 2000 X", "", NULL),
        GET("HTTP/1.1 +20 X", "", NULL),
        GET("HTTP/1.1 2 0 X", "", NULL),
        GET("HTTP/1.1  200 OK", "", NULL),
        GET("HTTP/1.1\t200 OK", "", NULL),
        GET("HTTP/2.0 200 OK", "", NULL),
        GET("HTTP/1.2 200 OK", "", NULL),
        GET("HTTP/1 200 OK", "", NULL),
        GET("http/1.1 200 OK", "", NULL),
        GET("ICY 200 OK", "", NULL),
        GET(" HTTP/1.1 200 OK", "", NULL),
        GET("GET / HTTP/1.1", "", NULL),
        GET("", "", NULL),
        GET("HTTP/1.1 200 O\rK", "", NULL),
        GET("HTTP/1.1 200 O\0K", "", NULL),
    };
    CHECK(rows);
}

static void lengths(void **state)
{
    (void)state;
    static const struct row rows[] = {
        OK("", "1.1 200 OK chunked close until-close"),
        OK("Transfer-Encoding: chunked\r\n", "1.1 200 OK chunked"),
        OK("Content-Length: 0\r\n", "1.1 200 OK length:0"),
        OK("Content-Length: 5\r\nContent-Length: 5\r\n", NULL),
        OK("Content-Length: 5\r\nContent-Length: 6\r\n", NULL),
        OK("Content-Length: 5, 5\r\n", NULL),
        OK("Content-Length: -1\r\n", NULL),
        OK("Content-Length: 18446744073709551616\r\n", NULL),
        OK("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", NULL),
        OK("Transfer-Encoding: gzip\r\n", NULL),
        OK("Transfer-Encoding: gzip, chunked\r\n", NULL),
        OK("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", NULL),
        OK("Transfer-Encoding: identity\r\n", NULL),
        GET("HTTP/1.0 200 OK", "Transfer-Encoding: chunked\r\n", NULL),
        GET("HTTP/1.0 200 OK", "", "1.0 200 OK chunked close until-close"),
        GET("HTTP/1.1 204 No Content", "", "1.1 204 No Content none"),
        GET("HTTP/1.1 204 No Content", "Content-Length: 5\r\n", "1.1 204 No Content none"),
        GET("HTTP/1.1 204 X", "Transfer-Encoding: chunked\r\n", "1.1 204 X none"),
        GET("HTTP/1.1 304 Not Modified", "", "1.1 304 Not Modified none"),
        GET("HTTP/1.1 304 X", "Content-Length: 5\r\n", "1.1 304 X length:5"),
        GET("HTTP/1.1 100 Continue", "", "1.1 100 Continue none"),
        GET("HTTP/1.1 103 Early Hints", "Link: </a>\r\n", "1.1 103 Early Hints none | Link: </a>"),
        GET("HTTP/1.1 101 X", "Upgrade: websocket\r\nConnection: Upgrade\r\n",
            "1.1 101 X none upgrade:websocket"),
        ROW("HEAD", "HTTP/1.1 200 OK\r\n\r\n", "1.1 200 OK none"),
        ROW("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "1.1 200 OK length:9"),
        ROW("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1.1 200 OK chunked"),
    };
    CHECK(rows);
}

static void fields(void **state)
{
    (void)state;
    static const struct row rows[] = {
        OK("Content-Length: 0\r\nServer: x\r\nset-cookie: a\r\nSet-Cookie: b\r\n",
           "1.1 200 OK length:0 | Server: x | set-cookie: a | Set-Cookie: b"),
        OK("Content-Length: 0\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX: 2\r\n",
           "1.1 200 OK length:0 close | X: 2"),
        OK("Content-Length: 0\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n",
           "1.1 200 OK length:0"),
        OK("Content-Length: 0\r\nX: a\r\n b\r\n", NULL),
        OK("Content-Length: 0\nX: a\r\n", NULL),
        OK("Content-Length: 0\r\nX: a\rb\r\n", NULL),
        OK("Content-Length: 0\r\nX: a\0b\r\n", NULL),
        OK("Content-Length: 0\r\nX : a\r\n", NULL),
        OK("Content-Length : 0\r\n", NULL),
        OK("Content-Length: 0\r\n: a\r\n", NULL),
        OK("Content-Length: 0\r\nX\r\n", NULL),
        OK("Content-Length: 0\r\n X: a\r\n", NULL),
        OK("Content-Length: 0\r\nX: \x01\r\n", NULL),
    };
    CHECK(rows);
}

static void who_has_a_body(void **state)
{
    (void)state;
    assert_true(response_has_body(SLICE("GET"), 200));
    assert_true(response_has_body(SLICE("POST"), 500));
    assert_false(response_has_body(SLICE("HEAD"), 200));
    assert_false(response_has_body(SLICE("GET"), 204));
    assert_false(response_has_body(SLICE("GET"), 304));
    assert_false(response_has_body(SLICE("GET"), 103));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_lines),
        cmocka_unit_test(lengths),
        cmocka_unit_test(fields),
        cmocka_unit_test(who_has_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

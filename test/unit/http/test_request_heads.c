/* Raw requests and what becomes of them: accepted as written, normalised, or refused (RFC 9112,
 * RFC 9110; pitfalls of llhttp; request smuggling in all the forms that we know of). One row is
 * one request. */
#include "heads.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct row {
    const char *raw;
    size_t len;
    const char *words; /* what follows the verdict in brackets need not be written */
};

#define ROW(text, is)                \
    {                                \
        text, sizeof(text) - 1, (is) \
    }
/* A request line alone, and fields alone. */
#define LINE(line, is)     ROW(line "\r\nHost: a\r\n\r\n", is)
#define FIELDS(fields, is) ROW("POST / HTTP/1.1\r\nHost: a\r\n" fields "\r\n", is)

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct bytes words = { 0 };
        request_in_words(slice_of(rows[i].raw, rows[i].len), 200, &words);
        size_t wanted = strlen(rows[i].words);
        bool exact = strchr(rows[i].words, '/') != NULL || strchr(rows[i].words, '*') != NULL ||
                     strchr(rows[i].words, ':') != NULL;
        const char *got = (const char *)words.at;
        bool same = exact ? strcmp(got, rows[i].words) == 0
                          : strncmp(got, rows[i].words, wanted) == 0 && got[wanted] == ' ' &&
                                got[wanted + 1] == '(';
        if (!same)
            print_error("%s\nbecame %s\ninstead of %s\n", rows[i].raw, got, rows[i].words);
        assert_true(same);
        bytes_free(&words);
    }
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

static void ordinary_requests(void **state)
{
    (void)state;
    static const struct row rows[] = {
        LINE("GET / HTTP/1.1", "GET a / none"),
        LINE("GET /a/b?c=d&e HTTP/1.1", "GET a /a/b?c=d&e none"),
        LINE("GET /a? HTTP/1.1", "GET a /a? none"),
        LINE("OPTIONS * HTTP/1.1", "OPTIONS a * none"),
        LINE("PATCH / HTTP/1.1", "PATCH a / none"),
        LINE("PROPFIND / HTTP/1.1", "PROPFIND a / none"),
        LINE("TRACE / HTTP/1.1", "TRACE a / none"),
        LINE("TRACE / HTTP/1.1\r\nContent-Length: 0", "TRACE a / length:0"),
        LINE("TRACE / HTTP/1.1\r\nContent-Length: 1", "bad"),
        LINE("TRACE / HTTP/1.1\r\nTransfer-Encoding: chunked", "bad"),
        LINE("TRACE / HTTP/1.1\r\nMax-Forwards: 010", "TRACE a / none | Max-Forwards: 9"),
        LINE("OPTIONS * HTTP/1.1\r\nMax-Forwards: 1", "OPTIONS a * none | Max-Forwards: 0"),
        LINE("OPTIONS / HTTP/1.1\r\nMax-Forwards: 0", "501"),
        LINE("OPTIONS / HTTP/1.1\r\nMax-Forwards: x", "bad"),
        LINE("OPTIONS / HTTP/1.1\r\nMax-Forwards:", "bad"),
        LINE("TRACE / HTTP/1.1\r\nMax-Forwards: 5\r\nmax-forwards: 5", "bad"),
        LINE("TRACE / HTTP/1.1\r\nMax-Forwards: 5, 5", "bad"),
        LINE("TRACE / HTTP/1.1\r\nMax-Forwards: 18446744073709551617",
             "TRACE a / none | Max-Forwards: 18446744073709551614"),
        LINE("GET / HTTP/1.1\r\nMax-Forwards: x", "GET a / none | Max-Forwards: x"),
        LINE("GET / HTTP/1.1\r\nMax-Forwards: 0", "GET a / none | Max-Forwards: 0"),
        ROW("GET http://b:8080/x HTTP/1.1\r\nHost: b:8080\r\n\r\n", "GET b:8080 /x none"),
        ROW("GET HTTP://b HTTP/1.1\r\nHost: B:80\r\n\r\n", "GET b / none"),
        ROW("GET http://b?q HTTP/1.1\r\nHost: b\r\n\r\n", "GET b /?q none"),
        ROW("OPTIONS http://b HTTP/1.1\r\nHost: b\r\n\r\n", "OPTIONS b * none"),
        ROW("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n", "CONNECT b:443  tunnel"),
        ROW("CONNECT B:443 HTTP/1.1\r\nHost: b\r\n\r\n", "CONNECT B:443  tunnel"),
        ROW("CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]\r\n\r\n", "CONNECT [::1]:443  tunnel"),
        ROW("GET / HTTP/1.0\r\n\r\n", "GET  / none close"),
        ROW("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET  / none keep-alive"),
        ROW("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "GET [::1]:80 / none"),
        ROW("GET / HTTP/1.1\r\nHost: a:\r\n\r\n", "GET a / none"),
        ROW("GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET  / none"),
        ROW("GET / HTTP/1.1\r\nHost:a\r\n\r\n", "GET a / none"),
        ROW("GET / HTTP/1.1\r\nHost: \t a \t\r\n\r\n", "GET a / none"),
        FIELDS("X-Empty:\r\n", "POST a / none | X-Empty: "),
        FIELDS("X-Case: A\r\nx-case: b\r\n", "POST a / none | X-Case: A | x-case: b"),
        FIELDS("X: tab\tinside\r\n", "POST a / none | X: tab\tinside"),
        FIELDS("X: \xc3\xa9\xff\r\n", "POST a / none | X: \xc3\xa9\xff"),
        FIELDS("!#$%&'*+-.^_`|~9: x\r\n", "POST a / none | !#$%&'*+-.^_`|~9: x"),
        FIELDS("Set-Cookie: a, b\r\nCookie: c\r\n", "POST a / none | Set-Cookie: a, b | Cookie: c"),
    };
    CHECK(rows);
}

static void bodies_have_one_length(void **state)
{
    (void)state;
    static const struct row rows[] = {
        FIELDS("Content-Length: 5\r\n", "POST a / length:5"),
        FIELDS("Content-Length: 0\r\n", "POST a / length:0"),
        FIELDS("Content-Length: 00005\r\n", "POST a / length:5"),
        FIELDS("Content-Length: 9223372036854775807\r\n", "POST a / length:9223372036854775807"),
        FIELDS("Transfer-Encoding: chunked\r\n", "POST a / chunked"),
        FIELDS("transfer-encoding: CHUNKED\r\n", "POST a / chunked"),
        FIELDS("Transfer-Encoding: \t chunked \r\n", "POST a / chunked"),
        FIELDS("Content-Length: 9223372036854775808\r\n", "bad"),
        FIELDS("Content-Length: 18446744073709551616\r\n", "bad"),
        FIELDS("Content-Length: 18446744073709551621\r\n", "bad"),
        FIELDS("Content-Length: -5\r\n", "bad"),
        FIELDS("Content-Length: +5\r\n", "bad"),
        FIELDS("Content-Length: 0x5\r\n", "bad"),
        FIELDS("Content-Length: 5 5\r\n", "bad"),
        FIELDS("Content-Length: 5, 5\r\n", "bad"),
        FIELDS("Content-Length: 5,\r\n", "bad"),
        FIELDS("Content-Length: 5.0\r\n", "bad"),
        FIELDS("Content-Length: 5e1\r\n", "bad"),
        FIELDS("Content-Length: \r\n", "bad"),
        FIELDS("Content-Length: 5\r\nContent-Length: 5\r\n", "bad"),
        FIELDS("Content-Length: 5\r\nContent-Length: 6\r\n", "bad"),
        FIELDS("Content-Length: 5\r\ncontent-length: 5\r\n", "bad"),
        FIELDS("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "bad"),
        FIELDS("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "bad"),
        FIELDS("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "bad"),
        FIELDS("Transfer-Encoding: chunked, chunked\r\n", "bad"),
        FIELDS("Transfer-Encoding: chunked, gzip\r\n", "bad"),
        FIELDS("Transfer-Encoding: gzip\r\n", "bad"),
        FIELDS("Transfer-Encoding: identity\r\n", "bad"),
        FIELDS("Transfer-Encoding: xchunked\r\n", "bad"),
        FIELDS("Transfer-Encoding: chunked;q=1\r\n", "bad"),
        FIELDS("Transfer-Encoding: \"chunked\"\r\n", "bad"),
        FIELDS("Transfer-Encoding: \x0b"
               "chunked\r\n",
               "bad"),
        FIELDS("Transfer-Encoding:\r\n", "bad"),
        FIELDS("Transfer-Encoding: identity, chunked\r\n", "501"),
        FIELDS("Transfer-Encoding: gzip, chunked\r\n", "501"),
        FIELDS("Transfer-Encoding: chunked,\r\n", "bad"),
        FIELDS("Transfer-Encoding : chunked\r\n", "bad"),
        FIELDS("Transfer-Encoding\t: chunked\r\n", "bad"),
        FIELDS(" Transfer-Encoding: chunked\r\n", "bad"),
        FIELDS("\tContent-Length: 5\r\n", "bad"),
        FIELDS("Content_Length: 5\r\n", "POST a / none | Content_Length: 5"),
        FIELDS("Transfer_Encoding: chunked\r\n", "POST a / none | Transfer_Encoding: chunked"),
        ROW("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "bad"),
        ROW("POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n", "POST  / length:3 close"),
        ROW("CONNECT b:443 HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\n", "bad"),
        ROW("CONNECT b:443 HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n", "bad"),
    };
    CHECK(rows);
}

static void lines_end_in_one_way(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW("GET / HTTP/1.1\nHost: a\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\nHost: a\n\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\nHost: a\r\nX: b\n\nGET /admin HTTP/1.1\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "bad"),
        FIELDS("x:\rTransfer-Encoding: chunked\r\n", "bad"),
        FIELDS("X: a\rb\r\n", "bad"),
        FIELDS("X: a\r\r\n", "bad"),
        FIELDS("X: a\0b\r\n", "bad"),
        FIELDS("X\0Y: a\r\n", "bad"),
        FIELDS("X: a\x01"
               "b\r\n",
               "bad"),
        FIELDS("X: a\x7f"
               "b\r\n",
               "bad"),
        FIELDS("X: a\x0b\r\n", "bad"),
        FIELDS("X: a\r\n folded\r\n", "bad"),
        FIELDS("X: a\r\n\tfolded\r\n", "bad"),
        FIELDS("X: a\r\n \r\n", "bad"),
        FIELDS("X: a\r\n Content-Length: 5\r\n", "bad"),
        FIELDS(": empty\r\n", "bad"),
        FIELDS(":\r\n", "bad"),
        FIELDS("X\r\n", "bad"),
        FIELDS("X Y: a\r\n", "bad"),
        FIELDS("X : a\r\n", "bad"),
        FIELDS("X(: a\r\n", "bad"),
        FIELDS("X\xc3\xa9: a\r\n", "bad"),
        FIELDS("X/: a\r\n", "bad"),
        FIELDS("\"X\": a\r\n", "bad"),
        FIELDS("X@: a\r\n", "bad"),
    };
    CHECK(rows);
}

static void request_lines(void **state)
{
    (void)state;
    static const struct row rows[] = {
        LINE("GET  / HTTP/1.1", "bad"),
        LINE("GET /  HTTP/1.1", "bad"),
        LINE("GET\t/ HTTP/1.1", "bad"),
        LINE(" GET / HTTP/1.1", "bad"),
        LINE("GET / HTTP/1.1 ", "bad"),
        LINE("GET / HTTP/1.1\t", "bad"),
        LINE("GET /a b HTTP/1.1", "bad"),
        LINE("GET / http/1.1", "bad"),
        LINE("GET / HTTP/1", "bad"),
        LINE("GET / HTTP/11", "bad"),
        LINE("GET / HTTP/01.1", "bad"),
        LINE("GET / HTTP/1.10", "bad"),
        LINE("GET / HTTP/1,1", "bad"),
        LINE("GET / HTTP /1.1", "bad"),
        LINE("GET / XTTP/1.1", "bad"),
        LINE("GET / RTSP/1.0", "bad"),
        LINE("SOURCE / ICE/1.0", "bad"),
        LINE("GET /", "bad"),
        LINE("GET", "bad"),
        LINE("GET HTTP/1.1", "bad"),
        LINE("", "bad"),
        LINE("G(T / HTTP/1.1", "bad"),
        LINE("GET/ HTTP/1.1", "bad"),
        LINE("GET / HTTP/1.2", "version"),
        LINE("GET / HTTP/0.9", "version"),
        LINE("GET / HTTP/2.0", "version"),
        LINE("GET / HTTP/9.9", "version"),
        ROW("PRI * HTTP/2.0\r\n\r\n", "version"),
        LINE("PRI * HTTP/1.1", "501"),
        LINE("get / HTTP/1.1", "501"),
        LINE("Get / HTTP/1.1", "501"),
        LINE("GETX / HTTP/1.1", "501"),
        LINE("BREW / HTTP/1.1", "501"),
        LINE("DESCRIBE / HTTP/1.1", "501"),
        LINE("PLAY / HTTP/1.1", "501"),
        LINE("SOURCE / HTTP/1.1", "501"),
    };
    CHECK(rows);
}

static void hosts(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW("GET / HTTP/1.1\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\nHost: a%2fb\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", "bad"),
        ROW("GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", "bad"),
        ROW("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "bad"),
        ROW("GET http://b/ HTTP/1.1\r\nHost: b:8080\r\n\r\n", "bad"),
        ROW("GET http://b/ HTTP/1.1\r\nHost:\r\n\r\n", "bad"),
        ROW("GET http://b/ HTTP/1.1\r\n\r\n", "bad"),
        ROW("GET http://u@b/ HTTP/1.1\r\nHost: b\r\n\r\n", "bad"),
        ROW("GET http:///x HTTP/1.1\r\nHost: b\r\n\r\n", "bad"),
        ROW("GET https://b/ HTTP/1.1\r\nHost: b\r\n\r\n", "bad"),
        ROW("GET ftp://b/ HTTP/1.1\r\nHost: b\r\n\r\n", "bad"),
        ROW("GET b/ HTTP/1.1\r\nHost: b\r\n\r\n", "bad"),
        ROW("GET * HTTP/1.1\r\nHost: b\r\n\r\n", "bad"),
        ROW("CONNECT b HTTP/1.1\r\nHost: b\r\n\r\n", "bad"),
        ROW("CONNECT b:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n", "bad"),
        ROW("CONNECT b:443 HTTP/1.1\r\nHost: b:444\r\n\r\n", "bad"),
        ROW("CONNECT b:443 HTTP/1.1\r\nHost:\r\n\r\n", "bad"),
        ROW("CONNECT b: HTTP/1.1\r\nHost: b\r\n\r\n", "bad"),
        ROW("CONNECT http://b:443 HTTP/1.1\r\nHost: b\r\n\r\n", "bad"),
        ROW("CONNECT b:443/x HTTP/1.1\r\nHost: b\r\n\r\n", "bad"),
        ROW("CONNECT / HTTP/1.1\r\nHost: b\r\n\r\n", "bad"),
    };
    CHECK(rows);
}

static void paths_mean_one_thing(void **state)
{
    (void)state;
    static const struct row rows[] = {
        LINE("GET /a/../admin HTTP/1.1", "bad"),
        LINE("GET /%2e%2e/admin HTTP/1.1", "bad"),
        LINE("GET /a%2f../b HTTP/1.1", "bad"),
        LINE("GET /a%00 HTTP/1.1", "bad"),
        LINE("GET /a\\b HTTP/1.1", "bad"),
        LINE("GET /a#b HTTP/1.1", "bad"),
        LINE("GET /\x80 HTTP/1.1", "bad"),
        LINE("GET /a?b#c HTTP/1.1", "bad"),
        LINE("GET /a?b\xff HTTP/1.1", "bad"),
        LINE("GET /%61dmin HTTP/1.1", "GET a /admin none"),
        /* a route may settle what these mean; else they are refused before one is tried */
        LINE("GET /a//admin HTTP/1.1", "GET a /a//admin odd none"),
        LINE("GET //evil/ HTTP/1.1", "GET a //evil/ odd none"),
        LINE("GET /a%2fb HTTP/1.1", "GET a /a%2Fb odd none"),
    };
    CHECK(rows);
}

static void what_stays_with_the_connection(void **state)
{
    (void)state;
    static const struct row rows[] = {
        FIELDS("Connection: close\r\n", "POST a / none close"),
        FIELDS("Connection: close, keep-alive\r\n", "POST a / none close keep-alive"),
        FIELDS("Connection: X-Secret\r\nX-Secret: 1\r\nX: 2\r\n", "POST a / none | X: 2"),
        FIELDS("x-secret: 1\r\nConnection: a, , X-SECRET ,\r\n", "POST a / none"),
        FIELDS("Connection: a\r\nConnection: b\r\nA: 1\r\nB: 2\r\nC: 3\r\n",
               "POST a / none | C: 3"),
        FIELDS("Connection: Host, Content-Length\r\nContent-Length: 2\r\n", "POST a / length:2"),
        FIELDS("Keep-Alive: 5\r\nProxy-Connection: close\r\nTE: gzip\r\n", "POST a / none"),
        FIELDS("TE: trailers\r\n", "POST a / none trailers"),
        FIELDS("TE: gzip, Trailers\r\n", "POST a / none trailers"),
        FIELDS("Trailer: X\r\n", "POST a / none | Trailer: X"),
        FIELDS("Upgrade: websocket\r\n", "POST a / none"),
        FIELDS("Upgrade: websocket\r\nConnection: Upgrade\r\n", "POST a / none upgrade:websocket"),
        FIELDS("Upgrade: h2c\r\nConnection: upgrade, HTTP2-Settings\r\nHTTP2-Settings: x\r\n",
               "POST a / none"),
        FIELDS("Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n", "POST a / none"),
        FIELDS("Upgrade: tcp\r\nConnection: Upgrade\r\nContent-Length: 0\r\n",
               "POST a / length:0 upgrade:tcp"),
        FIELDS("Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 1\r\n",
               "POST a / length:1"),
        ROW("GET / HTTP/1.0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "GET  / none close"),
        FIELDS("Connection: a\r\nConnection: a\r\nConnection: a\r\nConnection: a\r\n"
               "Connection: a\r\n",
               "bad"),
        FIELDS("Expect: 100-continue\r\nContent-Length: 1\r\n", "POST a / length:1 expects"),
        FIELDS("Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n",
               "POST a / chunked expects"),
        FIELDS("Expect: 100-continue\r\n", "POST a / none"),
        FIELDS("Expect: 200-ok\r\n", "expectation"),
        FIELDS("Expect: 100-continue, x\r\n", "expectation"),
        FIELDS("Expect:\r\n", "expectation"),
        ROW("POST / HTTP/1.0\r\nExpect: x\r\n\r\n", "POST  / none close"),
    };
    CHECK(rows);
}

static void too_many_fields(void **state)
{
    (void)state;
    struct bytes raw = { 0 }, words = { 0 };
    bytes_text(&raw, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 9; i++)
        bytes_text(&raw, "X: y\r\n");
    bytes_text(&raw, "\r\n");
    request_in_words(bytes_slice(&raw), 10, &words);
    assert_int_equal(strncmp((const char *)words.at, "GET a / none | X: y", 19), 0);
    words.len = 0;
    request_in_words(bytes_slice(&raw), 9, &words);
    assert_string_equal((const char *)words.at, "too large (there are too many fields)");
    bytes_free(&raw);
    bytes_free(&words);
}

static void connection_names_have_a_bound(void **state)
{
    (void)state;
    struct bytes raw = { 0 }, words = { 0 };
    bytes_text(&raw, "GET / HTTP/1.1\r\nHost: a\r\nConnection: ");
    for (int i = 0; i < 65; i++)
        bytes_text(&raw, "x,");
    bytes_text(&raw, "\r\n\r\n");
    request_in_words(bytes_slice(&raw), 10, &words);
    assert_string_equal((const char *)words.at, "bad (Connection names too many fields)");
    bytes_free(&raw);
    bytes_free(&words);
}

static void a_head_is_found_whatever_its_pieces(void **state)
{
    (void)state;
    const struct slice head = SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\nrest");
    for (size_t i = 0; i < head.len - 4; i++) {
        assert_int_equal(head_length(slice_first(head, i), 0), 0);
        assert_int_equal(head_length(head, i), head.len - 4);
        assert_null(head_scan(slice_first(head, i)));
    }
    assert_non_null(head_scan(SLICE("GET / HTTP/1.1\nHo")));
    assert_non_null(head_scan(SLICE("GET / HTTP/1.1\rH")));
}

static void hops_are_counted(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        unsigned hops;
    } rows[] = {
        { "", 0 },
        { "Via: 1.1 shunt\r\n", 1 },
        { "Via: 1.1 nginx, 1.0 Shunt (x, y)\r\nvia: 1.1 shunt\r\n", 2 },
        { "Via: 1.1 shunted\r\n", 0 },
        { "Via: shunt\r\n", 0 },
        { "Shunt-Hops: 3\r\nVia: 1.1 shunt\r\n", 4 },
        { "Shunt-Hops: x\r\n", 0 },
        { "Shunt-Hops: 99999999999999999999\r\n", 0 },
        { "Shunt-Hops: 4294967296\r\n", 1000 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        arena_init(&arena, 4096);
        struct head head;
        struct head_notes notes;
        struct slice raw = arena_printf(&arena, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n",
                                        rows[i].fields);
        assert_int_equal(request_parse(raw, 20, &arena, &head, &notes), HEAD_OK);
        assert_int_equal(head_hops(&head.fields), rows[i].hops);
        arena_clear(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_requests),
        cmocka_unit_test(bodies_have_one_length),
        cmocka_unit_test(lines_end_in_one_way),
        cmocka_unit_test(request_lines),
        cmocka_unit_test(hosts),
        cmocka_unit_test(paths_mean_one_thing),
        cmocka_unit_test(what_stays_with_the_connection),
        cmocka_unit_test(too_many_fields),
        cmocka_unit_test(connection_names_have_a_bound),
        cmocka_unit_test(a_head_is_found_whatever_its_pieces),
        cmocka_unit_test(hops_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

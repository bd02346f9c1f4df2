/* Blocks of HTTP/2 as heads: each row is one block, in lines "name: value", and what it becomes.
 * nghttp2, which looks at them first, is not here: some rows it would have refused before. */
#include "http/h2_block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void gather(struct h2_block *block, struct arena *arena, const char *lines)
{
    h2_block_start(block, arena, 8, 400);
    while (*lines != '\0') {
        size_t end = strcspn(lines, "\n"), colon = 1 + strcspn(lines + 1, ":");
        h2_block_add(block, slice_of(lines, colon), slice_of(lines + colon + 2, end - colon - 2),
                     false);
        lines += end + (lines[end] == '\n');
    }
}

static void put_head(char *text, size_t room, const struct head *head)
{
    static const char *const framings[] = { "none", "length", "chunked", "tunnel" };
    int used = snprintf(text, room, "%s", framings[head->framing]);
    if (head->framing == FRAMING_LENGTH)
        used += snprintf(text + used, room - (size_t)used, ":%llu",
                         (unsigned long long)head->length);
    for (uint32_t i = 0; i < head->fields.count; i++)
        used += snprintf(text + used, room - (size_t)used, " %.*s=%.*s",
                         (int)head->fields.at[i].name.len, (const char *)head->fields.at[i].name.at,
                         (int)head->fields.at[i].value.len,
                         (const char *)head->fields.at[i].value.at);
}

struct row {
    const char *lines;
    bool ends;
    const char *words; /* or "bad", "large", "expectation", "501" */
};

static const char *const verdicts[] = {
    [HEAD_BAD] = "bad",
    [HEAD_TOO_LARGE] = "large",
    [HEAD_EXPECTATION] = "expectation",
    [HEAD_NOT_IMPLEMENTED] = "501",
};

static void check_requests(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct arena arena;
        arena_init(&arena, 1 << 16);
        struct h2_block block;
        gather(&block, &arena, rows[i].lines);
        struct head head;
        char text[600], tail[400];
        enum head_verdict verdict = h2_block_request(&block, rows[i].ends, &head);
        put_head(tail, sizeof tail, &head);
        snprintf(text, sizeof text, "%.*s %.*s %.*s%s%.*s%s%s %s", (int)head.method.len,
                 (const char *)head.method.at, (int)head.authority.len,
                 (const char *)head.authority.at, (int)head.path.len, (const char *)head.path.at,
                 head.has_query ? "?" : "", (int)head.query.len, (const char *)head.query.at,
                 head.expects ? " expects" : "", head.trailers_welcome ? " trailers" : "", tail);
        const char *got = verdict == HEAD_OK ? text : verdicts[verdict];
        if (strcmp(got, rows[i].words) != 0)
            fail_msg("%s\nbecame %s\nand not %s", rows[i].lines, got, rows[i].words);
        assert_true(verdict == HEAD_OK || block.why != NULL);
        arena_clear(&arena);
    }
}

#define CHECK(rows)           check_requests(rows, sizeof(rows) / sizeof *(rows))
#define REQUEST(method, path) ":method: " method "\n:scheme: http\n:authority: a\n:path: " path "\n"
#define GET                   REQUEST("GET", "/")

static void targets(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { GET, true, "GET a / none" },
        { REQUEST("GET", "/x?y=z"), true, "GET a /x?y=z none" },
        { REQUEST("GET", "/x?"), true, "GET a /x? none" },
        { REQUEST("OPTIONS", "*"), true, "OPTIONS a * none" },
        { REQUEST("GET", "*"), true, "bad" },
        { REQUEST("GET", "x"), true, "bad" },
        { REQUEST("GET", "http://b/"), true, "bad" },
        { REQUEST("GET", "/a b"), true, "bad" },
        { REQUEST("GET", "/a#b"), true, "bad" },
        { REQUEST("GET", "/a\x7f"), true, "bad" },
        { REQUEST("GET", "/%00"), true, "bad" },
        { REQUEST("G T", "/"), true, "bad" },
        { REQUEST("", "/"), true, "bad" },
        { ":method: GET\n:scheme: http\n:authority: a\n", true, "bad" },
        { ":method: GET\n:scheme: ftp\n:authority: a\n:path: /\n", true, "bad" },
        { ":method: GET\n:authority: a\n:path: /\n", true, "bad" },
        { ":method: GET\n:scheme: http\n:path: /\n", true, "bad" },
        { ":method: GET\n:scheme: http\n:authority: \n:path: /\n", true, "bad" },
        { ":method: GET\n:scheme: http\n:authority: a b\n:path: /\n", true, "bad" },
        { ":method: GET\n:scheme: http\n:authority: u@a\n:path: /\n", true, "bad" },
        { ":scheme: http\n:authority: a\n:path: /\n", true, "bad" },
        { GET ":path: /b\n", true, "bad" },
        { GET ":protocol: websocket\n", true, "bad" },
        { ":method: GET\n:scheme: http\n:path: /\nhost: b\n", true, "GET b / none" },
        { GET "host: a\n", true, "GET a / none" },
        { GET "host: A:80\n", true, "GET a / none" },
        { GET "host: b\n", true, "bad" },
        { GET "host: a\nhost: a\n", true, "bad" },
        { ":method: CONNECT\n:authority: a:443\n", false, "CONNECT a:443  tunnel" },
        { ":method: CONNECT\n:authority: a:443\n:path: /\n", false, "bad" },
        { ":method: CONNECT\n:authority: a\n", false, "bad" },
        { ":method: CONNECT\n:authority: a:443\ncontent-length: 3\n", false, "bad" },
    };
    CHECK(rows);
}

static void framing(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { REQUEST("POST", "/"), false, "POST a / chunked" },
        { REQUEST("POST", "/"), true, "POST a / none" },
        { REQUEST("POST", "/") "content-length: 5\n", false, "POST a / length:5" },
        { REQUEST("POST", "/") "content-length: 0\n", true, "POST a / length:0" },
        { REQUEST("POST", "/") "content-length: +5\n", false, "bad" },
        { REQUEST("POST", "/") "content-length: 5, 5\n", false, "bad" },
        { REQUEST("POST", "/") "content-length: 5\ncontent-length: 5\n", false, "bad" },
        { REQUEST("POST", "/") "content-length: 18446744073709551615\n", false, "bad" },
        { REQUEST("POST", "/") "transfer-encoding: chunked\n", false, "bad" },
        { REQUEST("POST", "/") "expect: 100-continue\n", false, "POST a / expects chunked" },
        { REQUEST("POST", "/") "expect: 100-continue\n", true, "POST a / none" },
        { REQUEST("POST", "/") "expect: 100-continue\ncontent-length: 0\n", false,
          "POST a / length:0" },
        { REQUEST("POST", "/") "expect: 200-ok\n", false, "expectation" },
    };
    CHECK(rows);
}

static void fields(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { GET "x-a: 1\nx-a: 2\n", true, "GET a / none x-a=1 x-a=2" },
        { GET "te: trailers\n", true, "GET a / trailers none" },
        { GET "connection: close\n", true, "bad" },
        { REQUEST("TRACE", "/") "max-forwards: 2\n", true, "TRACE a / none max-forwards=1" },
        { REQUEST("OPTIONS", "*") "max-forwards: 0\n", true, "501" },
        { REQUEST("OPTIONS", "*") "max-forwards: 2\nmax-forwards: 1\n", true, "bad" },
        { REQUEST("TRACE", "/") "max-forwards: +2\n", true, "bad" },
        { REQUEST("TRACE", "/"), false, "bad" },
        { GET "upgrade: h2c\n", true, "bad" },
        { GET "keep-alive: 5\n", true, "GET a / none" },
        { GET "cookie: a=1\nx: y\ncookie: b=2\n", true, "GET a / none cookie=a=1; b=2 x=y" },
        { GET "cookie: a=1\n", true, "GET a / none cookie=a=1" },
        { GET "a: 1\nb: 2\nc: 3\nd: 4\n", true, "GET a / none a=1 b=2 c=3 d=4" },
        { GET "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\n", true, "large" },
    };
    CHECK(rows);
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct h2_block block;
    gather(&block, &arena, GET);
    static const uint8_t much[400] = { 0 };
    h2_block_add(&block, SLICE("x"), slice_of(much, sizeof much), false);
    struct head head;
    assert_int_equal(h2_block_request(&block, true, &head), HEAD_TOO_LARGE);
    assert_true(block.bytes > 400);
    arena_clear(&arena);
}

static void answers(void **state)
{
    (void)state;
    static const struct {
        const char *method, *lines;
        bool ends;
        const char *words;
    } rows[] = {
        { "GET", ":status: 200\nx: y\n", false, "200 chunked x=y" },
        { "GET", ":status: 200\n", true, "200 none" },
        { "GET", ":status: 200\ncontent-length: 3\n", false, "200 length:3" },
        { "HEAD", ":status: 200\ncontent-length: 3\n", true, "200 length:3" },
        { "HEAD", ":status: 200\ncontent-length: 3\n", false, "200 length:3" },
        { "HEAD", ":status: 200\n", false, "200 none" },
        { "GET", ":status: 304\ncontent-length: 3\n", true, "304 length:3" },
        { "GET", ":status: 304\n", false, "304 none" },
        { "GET", ":status: 204\ncontent-length: 0\n", true, "204 none" },
        { "GET", ":status: 103\nlink: x\n", false, "103 none link=x" },
        { "GET", ":status: 101\n", false, "bad" },
        { "GET", ":status: 099\n", true, "bad" },
        { "GET", ":status: 20\n", true, "bad" },
        { "GET", ":status: 2000\n", true, "bad" },
        { "GET", ":status: 2x0\n", true, "bad" },
        { "GET", "x: y\n", true, "bad" },
        { "GET", ":status: 200\n:status: 200\n", true, "bad" },
        { "GET", ":status: 200\ncontent-length: x\n", true, "bad" },
        { "GET", ":status: 200\nconnection: close\n", true, "bad" },
        { "GET", ":status: 200\na: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\ng: 1\nh: 1\n", true, "large" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        arena_init(&arena, 1 << 16);
        struct h2_block block;
        gather(&block, &arena, rows[i].lines);
        struct head head;
        char text[600], tail[400];
        enum head_verdict verdict = h2_block_response(&block, rows[i].ends,
                                                      slice_text(rows[i].method), &head);
        put_head(tail, sizeof tail, &head);
        snprintf(text, sizeof text, "%d %s", head.status, tail);
        const char *got = verdict == HEAD_OK ? text : verdicts[verdict];
        if (strcmp(got, rows[i].words) != 0)
            fail_msg("%s %s\nbecame %s", rows[i].method, rows[i].lines, got);
        arena_clear(&arena);
    }
}

static void trailers(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        enum head_verdict verdict;
        uint32_t count;
    } rows[] = {
        { "x: y\ngrpc-status: 0\n", HEAD_OK, 2 },  { "authorization: x\nx: y\n", HEAD_OK, 1 },
        { "content-length: 5\n", HEAD_BAD, 0 },    { "host: a\n", HEAD_BAD, 0 },
        { "transfer-encoding: x\n", HEAD_BAD, 0 }, { "connection: x\n", HEAD_BAD, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        arena_init(&arena, 1 << 16);
        struct h2_block block;
        gather(&block, &arena, rows[i].lines);
        struct fields kept;
        assert_int_equal(h2_block_trailers(&block, &kept), rows[i].verdict);
        assert_int_equal(kept.count, rows[i].count);
        arena_clear(&arena);
    }
}

/* RFC 7541 §7.1.3: what its sender calls secret stays so; and what is new with each call would only
 * fill the tables. */
static void what_goes_into_no_table(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool secret, indexed;
    } rows[] = {
        { "authorization", true, false },   { "authorization", false, true },
        { "x-token", true, false },         { "traceparent", false, false },
        { "shunt-deadline", false, false }, { "accept", false, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        arena_init(&arena, 1 << 16);
        struct h2_block block;
        gather(&block, &arena, ":method: GET\n:scheme: http\n:path: /\n:authority: a\n");
        h2_block_add(&block, slice_text(rows[i].name), SLICE("v"), rows[i].secret);
        struct head head;
        assert_int_equal(h2_block_request(&block, true, &head), HEAD_OK);
        struct h2_lines lines = { 0 };
        h2_lines_request(&lines, &head, SLICE("a"));
        unsigned found = 0;
        for (size_t at = 0; at < lines.count; at++) {
            const nghttp2_nv *line = &lines.at[at];
            if (!slice_is(slice_of(line->name, line->namelen), rows[i].name))
                continue;
            found++;
            assert_int_equal((line->flags & NGHTTP2_NV_FLAG_NO_INDEX) == 0, rows[i].indexed);
        }
        assert_int_equal(found, 1);
        h2_lines_free(&lines);
        arena_clear(&arena);
    }
}

/* One piece of a cookie that is secret makes the whole of it so, and trailers are no exception. */
static void what_stays_secret(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct h2_block block;
    gather(&block, &arena, ":method: GET\n:scheme: http\n:path: /\n:authority: a\ncookie: a\n");
    h2_block_add(&block, SLICE("cookie"), SLICE("b"), true);
    struct head head;
    assert_int_equal(h2_block_request(&block, true, &head), HEAD_OK);
    assert_int_equal(head.fields.count, 1);
    assert_true(head.fields.at[0].secret);

    gather(&block, &arena, "x-open: a\n");
    h2_block_add(&block, SLICE("x-secret"), SLICE("b"), true);
    struct fields kept;
    assert_int_equal(h2_block_trailers(&block, &kept), HEAD_OK);
    assert_int_equal(kept.count, 2);
    assert_true(!kept.at[0].secret && kept.at[1].secret);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets),
        cmocka_unit_test(framing),
        cmocka_unit_test(fields),
        cmocka_unit_test(answers),
        cmocka_unit_test(trailers),
        cmocka_unit_test(what_goes_into_no_table),
        cmocka_unit_test(what_stays_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Bodies, whole and in every two pieces: the result must not depend on where a read ended. */
#include "http/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct row {
    const char *raw;
    size_t len;
    /* content, then " + name: value" for trailers, then " then " and the rest; NULL: refused */
    const char *words;
};

#define ROW(text, is)                \
    {                                \
        text, sizeof(text) - 1, (is) \
    }

struct listener {
    struct body_sink sink;
    struct bytes heard;
    size_t most; /* refuse more than so many calls; 0: all */
    size_t calls;
};

static bool on_content(struct body_sink *sink, struct slice bytes)
{
    struct listener *listener = (struct listener *)(void *)sink;
    bytes_add(&listener->heard, bytes);
    return listener->most == 0 || ++listener->calls < listener->most;
}

/* Reads `raw` cut at `cut`, and says what came of it. */
static void read_cut(struct slice raw, size_t cut, enum framing framing, uint64_t length,
                     struct bytes *out)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct listener listener = { .sink = { on_content } };
    struct body_reader reader;
    body_start(&reader, framing, length, false, &arena);
    size_t taken = body_read(&reader, slice_first(raw, cut), &listener.sink);
    if (taken == cut)
        taken += body_read(&reader, slice_from(raw, cut), &listener.sink);
    bytes_add(out, bytes_slice(&listener.heard));
    for (uint32_t i = 0; i < reader.trailers.count; i++)
        bytes_printf(out, " + %.*s: %.*s", (int)reader.trailers.at[i].name.len,
                     (const char *)reader.trailers.at[i].name.at,
                     (int)reader.trailers.at[i].value.len,
                     (const char *)reader.trailers.at[i].value.at);
    if (reader.state == BODY_BAD)
        bytes_text(out, " refused");
    else if (reader.state != BODY_DONE)
        bytes_text(out, " unfinished");
    else if (taken < raw.len)
        bytes_printf(out, " then %.*s", (int)(raw.len - taken), (const char *)raw.at + taken);
    bytes_byte(out, '\0');
    bytes_free(&listener.heard);
    arena_clear(&arena);
}

static void check(const struct row *rows, size_t count, enum framing framing, uint64_t length)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t cut = 0; cut <= rows[i].len; cut++) {
            struct bytes words = { 0 };
            read_cut(slice_of(rows[i].raw, rows[i].len), cut, framing, length, &words);
            const char *got = (const char *)words.at;
            bool same = rows[i].words != NULL ? strcmp(got, rows[i].words) == 0
                                              : strstr(got, " refused") != NULL;
            if (!same)
                print_error("%s\ncut at %zu became %s\n", rows[i].raw, cut, got);
            assert_true(same);
            bytes_free(&words);
        }
    }
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows), FRAMING_CHUNKED, 0)

static void chunks_that_are_right(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW("0\r\n\r\n", ""),
        ROW("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ROW("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"),
        ROW("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ROW("a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ROW("0005\r\nhello\r\n000\r\n\r\n", "hello"),
        ROW("5;ext\r\nhello\r\n0\r\n\r\n", "hello"),
        ROW("5;ext=1\r\nhello\r\n0\r\n\r\n", "hello"),
        ROW("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
        ROW("0\r\n\r\nGET / HTTP/1.1\r\n\r\n", " then GET / HTTP/1.1\r\n\r\n"),
        ROW("0\r\nX: y\r\n\r\n", " + X: y"),
        ROW("1\r\na\r\n0\r\nX: y\r\nx-Y:\tz \r\n\r\nrest", "a + X: y + x-Y: z then rest"),
        ROW("0\r\nX:\r\n\r\n", " + X: "),
        ROW("0\r\nHost: evil\r\nConnection: close\r\nX: y\r\nAuthorization: z\r\n\r\n", " + X: y"),
        ROW("0\r\nIf-Match: a\r\nX-Forwarded-Host: b\r\nVia: c\r\nX: y\r\n\r\n", " + X: y"),
        ROW("0\r\nI: a\r\nX-Forwarded: b\r\nVias: c\r\n\r\n", " + I: a + X-Forwarded: b + Vias: c"),
        ROW("5\r\nhel", "hel unfinished"),
        ROW("0\r\nX: y\r\n", " unfinished"),
    };
    CHECK(rows);
}

static void what_is_there_is_foreseen(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    assert_null(body_foresee(FRAMING_CHUNKED, SLICE("5\r\nhel"), &arena));
    assert_null(body_foresee(FRAMING_CHUNKED, SLICE("0\r\n\r\nnext"), &arena));
    assert_null(body_foresee(FRAMING_CHUNKED, SLICE(""), &arena));
    assert_null(body_foresee(FRAMING_LENGTH, SLICE("x"), &arena));
    assert_non_null(body_foresee(FRAMING_CHUNKED, SLICE("5\r\nhelloX"), &arena));
    assert_non_null(body_foresee(FRAMING_CHUNKED, SLICE("0\r\nX : y\r\n\r\n"), &arena));
    arena_clear(&arena);
}

static void chunks_that_are_wrong(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW("\r\n", NULL),
        ROW("5\nhello\r\n0\r\n\r\n", NULL),
        ROW("5\r\nhello\n0\r\n\r\n", NULL),
        ROW("5\rZhello\r\n0\r\n\r\n", NULL),
        ROW("5\r\nhelloX0\r\n\r\n", NULL),
        ROW("5\r\nhelloXY0\r\n\r\n", NULL),
        ROW("5\r\nhello0\r\n\r\n", NULL),
        ROW("0x5\r\nhello\r\n0\r\n\r\n", NULL),
        ROW("-5\r\nhello\r\n0\r\n\r\n", NULL),
        ROW("+5\r\nhello\r\n0\r\n\r\n", NULL),
        ROW(" 5\r\nhello\r\n0\r\n\r\n", NULL),
        ROW("5 \r\nhello\r\n0\r\n\r\n", NULL),
        ROW("5\t\r\nhello\r\n0\r\n\r\n", NULL),
        ROW("g\r\n", NULL),
        ROW("5_\r\nhello\r\n0\r\n\r\n", NULL),
        ROW("10000000000000005\r\nhello\r\n0\r\n\r\n", NULL),
        ROW("FFFFFFFFFFFFFFFFF\r\nhello\r\n", NULL),
        ROW("8000000000000000\r\nhello\r\n", NULL),
        ROW("0\r\n\n", NULL),
        ROW("0\r\nX: y\n", NULL),
        ROW("5;a\nb\r\nhello\r\n0\r\n\r\n", NULL),
        ROW("5;a\rb\r\nhello\r\n0\r\n\r\n", NULL),
        ROW("5;a\0b\r\nhello\r\n0\r\n\r\n", NULL),
        ROW("0\r\nContent-Length: 5\r\n\r\n", NULL),
        ROW("0\r\ntransfer-encoding: chunked\r\n\r\n", NULL),
        ROW("0\r\nX: y\r\n z\r\n\r\n", NULL),
        ROW("0\r\n X: y\r\n\r\n", NULL),
        ROW("0\r\n: y\r\n\r\n", NULL),
        ROW("0\r\nX : y\r\n\r\n", NULL),
        ROW("0\r\nX: y\nZ: a\r\n\r\n", NULL),
        ROW("0\r\nX: y\rZ: a\r\n\r\n", NULL),
        ROW("0\r\nX: y\0\r\n\r\n", NULL),
        ROW("0\r\nGET / HTTP/1.1\r\n\r\n", NULL),
    };
    CHECK(rows);
}

static void a_length_is_counted(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW("hello", "hello"),
        ROW("hello world", "hello then  world"),
        ROW("hell", "hell unfinished"),
    };
    check(rows, 3, FRAMING_LENGTH, 5);
    static const struct row none[] = { ROW("GET", " then GET"), ROW("", "") };
    check(none, 2, FRAMING_NONE, 0);
    check(none, 2, FRAMING_LENGTH, 0);
}

static void only_the_end_ends_what_is_endless(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    struct listener listener = { .sink = { on_content } };
    struct body_reader reader;
    body_start(&reader, FRAMING_CHUNKED, 0, true, &arena);
    assert_int_equal(body_read(&reader, SLICE("0\r\n\r\nmore"), &listener.sink), 9);
    assert_int_equal(reader.state, BODY_ENDLESS);
    assert_true(body_eof(&reader));
    assert_true(slice_is(bytes_slice(&listener.heard), "0\r\n\r\nmore"));
    bytes_free(&listener.heard);

    body_start(&reader, FRAMING_LENGTH, 3, false, &arena);
    assert_false(body_eof(&reader));
    body_start(&reader, FRAMING_CHUNKED, 0, false, &arena);
    assert_false(body_eof(&reader));
    body_start(&reader, FRAMING_NONE, 0, false, &arena);
    assert_true(body_eof(&reader));
    arena_clear(&arena);
}

static void a_sink_that_has_enough_is_left_alone(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    struct listener listener = { .sink = { on_content }, .most = 1 };
    struct body_reader reader;
    body_start(&reader, FRAMING_CHUNKED, 0, false, &arena);
    body_read(&reader, SLICE("1\r\na\r\n1\r\nb\r\n0\r\n\r\n"), &listener.sink);
    assert_true(slice_is(bytes_slice(&listener.heard), "a"));
    assert_int_equal(reader.state, BODY_BAD);
    bytes_free(&listener.heard);
    arena_clear(&arena);
}

/* How many bytes of `unit`, again and again, are taken until it is too much; 0: all of 4 MiB. */
static size_t taken_of(const char *first, const char *unit)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct listener listener = { .sink = { on_content } };
    struct body_reader reader;
    body_start(&reader, FRAMING_CHUNKED, 0, false, &arena);
    body_read(&reader, slice_text(first), &listener.sink);
    size_t taken = 0;
    struct bytes block = { 0 };
    while (block.len < 1000)
        bytes_text(&block, unit);
    while (taken < (4 << 20) && reader.state != BODY_BAD) {
        body_read(&reader, bytes_slice(&block), &listener.sink);
        taken += block.len;
    }
    bytes_free(&block);
    bytes_free(&listener.heard);
    arena_clear(&arena);
    return reader.state == BODY_BAD ? taken : 0;
}

static void framing_has_a_price(void **state)
{
    (void)state;
    size_t extension = taken_of("1;", "abcdefgh");
    assert_true(extension > 8 * 1024 && extension < 20 * 1024);
    size_t extensions = taken_of("", "1;abcdefghijklmnopqrstuvwxyz\r\na\r\n");
    assert_true(extensions > 8 * 1024 && extensions < 64 * 1024);
    size_t zeros = taken_of("", "0000000000");
    assert_true(zeros > 8 * 1024 && zeros < 20 * 1024);
    assert_int_equal(taken_of("", "1\r\na\r\n"), 0);
    size_t trailer = taken_of("0\r\nX: ", "aaaaaaaa");
    assert_true(trailer > 4 * 1024 && trailer < 12 * 1024);
    size_t trailers = taken_of("0\r\n", "X: y\r\n");
    assert_true(trailers < 12 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_that_are_right),
        cmocka_unit_test(chunks_that_are_wrong),
        cmocka_unit_test(what_is_there_is_foreseen),
        cmocka_unit_test(a_length_is_counted),
        cmocka_unit_test(only_the_end_ends_what_is_endless),
        cmocka_unit_test(a_sink_that_has_enough_is_left_alone),
        cmocka_unit_test(framing_has_a_price),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

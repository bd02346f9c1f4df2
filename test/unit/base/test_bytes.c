#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void grows_as_it_is_written(void **state)
{
    (void)state;
    struct bytes bytes = { 0 };
    for (unsigned i = 0; i < 1000; i++)
        bytes_printf(&bytes, "%03u,", i);
    assert_int_equal(bytes.len, 4000);
    assert_false(bytes.full);
    assert_memory_equal(bytes.at + 3992, "998,999,", 8);
    bytes_free(&bytes);
    assert_null(bytes.at);
}

static void what_does_not_fit_is_dropped_and_told(void **state)
{
    (void)state;
    struct bytes bytes = { .cap = 10 };
    bytes_text(&bytes, "12345678");
    bytes_text(&bytes, "9ab");
    assert_true(bytes.full);
    bytes_byte(&bytes, 'c'); /* would fit, but would follow a hole */
    assert_true(slice_is(bytes_slice(&bytes), "12345678"));
    bytes_free(&bytes);

    assert_false(bytes.full);
    bytes_text(&bytes, "0123456789");
    assert_false(bytes.full);
    assert_null(bytes_reserve(&bytes, SIZE_MAX));
    assert_true(bytes.full);
    bytes_free(&bytes);
}

static void a_long_format_may_fill_it_exactly(void **state)
{
    (void)state;
    struct bytes bytes = { .cap = 1000 };
    bytes_printf(&bytes, "%01000d", 7);
    assert_false(bytes.full);
    assert_int_equal(bytes.len, 1000);
    bytes_free(&bytes);
}

static void reserved_room_is_written_by_its_writer(void **state)
{
    (void)state;
    struct bytes bytes = { 0 };
    uint8_t *to = bytes_reserve(&bytes, 5000);
    assert_non_null(to);
    memset(to, 'x', 5000);
    bytes.len += 3;
    assert_true(slice_is(bytes_slice(&bytes), "xxx"));
    bytes_free(&bytes);
}

static void numbers(void **state)
{
    (void)state;
    struct bytes bytes = { 0 };
    bytes_number(&bytes, 0);
    bytes_byte(&bytes, ' ');
    bytes_number(&bytes, UINT64_MAX);
    assert_true(slice_is(bytes_slice(&bytes), "0 18446744073709551615"));
    bytes_free(&bytes);
}

static void json_strings_escape_what_they_must(void **state)
{
    (void)state;
    static const struct {
        struct slice text;
        const char *json;
    } rows[] = {
        { SLICE(""), "\"\"" },
        { SLICE("plain"), "\"plain\"" },
        { SLICE("a\"b\\c"), "\"a\\\"b\\\\c\"" },
        { SLICE("\r\n\t"), "\"\\r\\n\\t\"" },
        { SLICE("\0\x1b\x7f"), "\"\\u0000\\u001b\\u007f\"" },
        { SLICE("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\"" },
        { SLICE("\xe2\x82\xac \xf0\x9f\x9a\x82"), "\"\xe2\x82\xac \xf0\x9f\x9a\x82\"" },
        { SLICE("\xff\xc0\x80"), "\"\\u00ff\\u00c0\\u0080\"" },            /* overlong NUL */
        { SLICE("\xed\xa0\x80"), "\"\\u00ed\\u00a0\\u0080\"" },            /* a surrogate */
        { SLICE("\xe2\x82"), "\"\\u00e2\\u0082\"" },                       /* cut off */
        { SLICE("\xf4\x90\x80\x80"), "\"\\u00f4\\u0090\\u0080\\u0080\"" }, /* past U+10FFFF */
        { SLICE("\xc2\x9b"), "\"\\u009b\"" }, /* CSI in one character */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct bytes bytes = { 0 };
        bytes_json(&bytes, rows[i].text);
        bytes_byte(&bytes, 0);
        assert_string_equal((const char *)bytes.at, rows[i].json);
        bytes_free(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_as_it_is_written),
        cmocka_unit_test(what_does_not_fit_is_dropped_and_told),
        cmocka_unit_test(a_long_format_may_fill_it_exactly),
        cmocka_unit_test(reserved_room_is_written_by_its_writer),
        cmocka_unit_test(numbers),
        cmocka_unit_test(json_strings_escape_what_they_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

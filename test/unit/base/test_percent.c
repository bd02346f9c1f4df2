/* Escapes, and what forms make of them. */
#include "base/percent.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void escapes_have_two_digits(void **state)
{
    (void)state;
    assert_int_equal(percent_value(SLICE("%2f")), '/');
    assert_int_equal(percent_value(SLICE("%fFx")), 0xff);
    static const char *const none[] = { "", "%", "%2", "2f", "%g0", "%0g", "%%2f" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(percent_value(slice_text(none[i])), -1);
}

static void forms_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *written, *meant;
    } rows[] = {
        { "", "" },       { "a+b%20c", "a b c" }, { "%2B", "+" },   { "100%", "100%" },
        { "%zz", "%zz" }, { "%4", "%4" },         { "%%41", "%A" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        arena_init(&arena, 100);
        struct slice got = form_decode(slice_text(rows[i].written), &arena);
        assert_true(slice_is(got, rows[i].meant));
        arena_clear(&arena);
    }
    struct arena full;
    arena_init(&full, 2);
    assert_null(form_decode(SLICE("abcdef"), &full).at);
    arena_clear(&full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_have_two_digits),
        cmocka_unit_test(forms_are_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

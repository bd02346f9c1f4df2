/* The low-water mark: in the order of delivery, over gaps in the offsets. */
#include "plugins/kafka/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void it_moves_with_each_record_in_order(void **state)
{
    (void)state;
    struct span span;
    span_begin(&span, 10);
    struct mark *a = span_add(&span, 10), *b = span_add(&span, 11);
    assert_true(span_handled(&span, a));
    assert_int_equal(span.next, 11);
    assert_true(span_handled(&span, b));
    assert_int_equal(span.next, 12);
    assert_int_equal(span.count, 0);
}

static void it_waits_for_the_first_that_is_not_handled(void **state)
{
    (void)state;
    struct span span;
    span_begin(&span, 0);
    struct mark *a = span_add(&span, 0), *b = span_add(&span, 1), *c = span_add(&span, 2);
    assert_false(span_handled(&span, c));
    assert_false(span_handled(&span, b));
    assert_int_equal(span.next, 0);
    assert_int_equal(span.count, 3);
    assert_true(span_handled(&span, a));
    assert_int_equal(span.next, 3);
}

/* Offset + 1 never comes where a transaction's marker stands: "contiguous" would wait for it for
 * ever. */
static void it_passes_over_gaps(void **state)
{
    (void)state;
    struct span span;
    span_begin(&span, 5);
    struct mark *a = span_add(&span, 7), *b = span_add(&span, 90);
    assert_true(span_handled(&span, a));
    assert_int_equal(span.next, 8);
    assert_true(span_handled(&span, b));
    assert_int_equal(span.next, 91);
}

static void what_came_before_is_not_taken_again(void **state)
{
    (void)state;
    struct span span;
    span_begin(&span, 5);
    assert_null(span_add(&span, 4));
    assert_non_null(span_add(&span, 6));
    assert_null(span_add(&span, 6));
    span_clear(&span);
    assert_int_equal(span.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_moves_with_each_record_in_order),
        cmocka_unit_test(it_waits_for_the_first_that_is_not_handled),
        cmocka_unit_test(it_passes_over_gaps),
        cmocka_unit_test(what_came_before_is_not_taken_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

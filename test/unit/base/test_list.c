#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct thing {
    int number;
    struct link link;
};

static int sum_of(const struct list *list)
{
    int sum = 0;
    list_each (list, at)
        sum = sum * 10 + thing_of(at, struct thing, link)->number;
    return sum;
}

static void things_join_and_leave_in_order(void **state)
{
    (void)state;
    struct list list = LIST_INIT(list);
    struct thing things[4] = { { 1, { 0 } }, { 2, { 0 } }, { 3, { 0 } }, { 4, { 0 } } };
    assert_true(list_empty(&list));
    assert_null(list_first(&list));
    list_append(&list, &things[1].link);
    list_append(&list, &things[2].link);
    list_prepend(&list, &things[0].link);
    list_append(&list, &things[3].link);
    assert_int_equal(sum_of(&list), 1234);

    list_leave(&things[2].link);
    list_leave(&things[2].link);
    assert_false(link_joined(&things[2].link));
    assert_int_equal(sum_of(&list), 124);
    assert_ptr_equal(list_take(&list), &things[0].link);
    assert_false(link_joined(&things[0].link));
    assert_ptr_equal(list_first(&list), &things[1].link);
    assert_ptr_equal(list_take(&list), &things[1].link);
    assert_ptr_equal(list_take(&list), &things[3].link);
    assert_null(list_take(&list));
    assert_true(list_empty(&list));
}

static void the_current_one_may_leave_a_walk(void **state)
{
    (void)state;
    struct list list;
    struct thing things[5];
    list_init(&list);
    for (int i = 0; i < 5; i++) {
        things[i] = (struct thing){ .number = i + 1 };
        list_append(&list, &things[i].link);
    }
    list_each_leaving (&list, at) {
        if (thing_of(at, struct thing, link)->number % 2 == 1)
            list_leave(at);
    }
    assert_int_equal(sum_of(&list), 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(things_join_and_leave_in_order),
        cmocka_unit_test(the_current_one_may_leave_a_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

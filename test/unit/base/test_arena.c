#include "base/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void memory_is_aligned_zeroed_and_apart(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    uint8_t *before = NULL;
    for (size_t size = 1; size < 3000; size += 7) {
        uint8_t *at = arena_try(&arena, size);
        assert_non_null(at);
        assert_int_equal((uintptr_t)at % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(at[i], 0);
        memset(at, 0xff, size);
        assert_ptr_not_equal(at, before);
        before = at;
    }
    arena_clear(&arena);
    assert_int_equal(arena.used, 0);
}

static void the_cap_holds_to_the_byte(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 100);
    assert_null(arena_try(&arena, 101));
    assert_non_null(arena_try(&arena, 60));
    assert_null(arena_try(&arena, 41));
    assert_non_null(arena_try(&arena, 40));
    assert_null(arena_try(&arena, 1));
    assert_null(arena_try(&arena, SIZE_MAX));
    assert_null(arena_copy(&arena, SLICE("x")).at);
    assert_null(arena_printf(&arena, "%s", "x").at);

    arena_clear(&arena);
    assert_non_null(arena_try(&arena, 100));
    arena_clear(&arena);
}

static void a_cleared_arena_allocates_nothing(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 10);
    assert_null(arena.blocks);
    arena_clear(&arena);
    assert_null(arena.blocks);
}

static void copies_end_with_a_nul_that_does_not_count(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct slice copy = arena_copy(&arena, slice_first(SLICE("inventory"), 3));
    assert_int_equal(copy.len, 3);
    assert_string_equal((const char *)copy.at, "inv");

    copy = arena_copy(&arena, slice_of(NULL, 0));
    assert_int_equal(copy.len, 0);
    assert_string_equal((const char *)copy.at, "");

    struct slice text = arena_printf(&arena, "%s:%d", "inventory", 8080);
    assert_int_equal(text.len, 14);
    assert_string_equal((const char *)text.at, "inventory:8080");
    arena_clear(&arena);
}

static void large_things_get_blocks_of_their_own(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4 << 20);
    uint8_t *large = arena_try(&arena, 3 << 20);
    assert_non_null(large);
    large[(3 << 20) - 1] = 1;
    assert_non_null(arena_get(&arena, 16));
    arena_clear(&arena);
}

static void the_first_blocks_come_from_spares_and_go_back(void **state)
{
    (void)state;
    struct spares spares;
    struct arena arena;
    spares_init(&spares, SPARE_BYTES);
    arena_init(&arena, 1 << 20);
    arena.spares = &spares;
    spare_give(&spares, malloc(SPARE_BYTES));
    spare_give(&spares, malloc(SPARE_BYTES));
    int kept = spares.count;
    memset(arena_get(&arena, 64), 0xff, 64);
    assert_int_equal(spares.count, kept - (kept > 0));
    assert_non_null(arena_get(&arena, SPARE_BYTES - 64)); /* does not fit into the first */
    assert_int_equal(spares.count, 0);
    assert_non_null(arena_get(&arena, 2 * SPARE_BYTES)); /* is no spare */
    arena_clear(&arena);
    assert_int_equal(spares.count, kept);
    uint8_t *again = arena_get(&arena, 64);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(again[i], 0);
    arena_clear(&arena);
    spares_clear(&spares);
    assert_int_equal(spares.count, 0);
}

static void spares_are_bounded(void **state)
{
    (void)state;
    struct spares spares;
    int most = 0;
    spares_init(&spares, SPARE_BYTES);
    for (unsigned i = 0; i < 10000; i++) {
        spare_give(&spares, malloc(SPARE_BYTES));
        most = spares.count > most ? spares.count : most;
    }
    assert_true(most <= 64);
    for (unsigned i = 0; i < 100; i++) {
        void *block = spare_take(&spares);
        assert_non_null(block);
        memset(block, 0xff, SPARE_BYTES);
        free(block);
    }
    assert_int_equal(spares.count, 0);
    spares_clear(&spares);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_blocks_come_from_spares_and_go_back),
        cmocka_unit_test(spares_are_bounded),
        cmocka_unit_test(memory_is_aligned_zeroed_and_apart),
        cmocka_unit_test(the_cap_holds_to_the_byte),
        cmocka_unit_test(a_cleared_arena_allocates_nothing),
        cmocka_unit_test(copies_end_with_a_nul_that_does_not_count),
        cmocka_unit_test(large_things_get_blocks_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

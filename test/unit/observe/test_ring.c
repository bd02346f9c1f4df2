/* What goes into a ring comes out in order, whole lines or nothing, also between two threads. */
#include "observe/ring.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void lines_come_out_in_order_across_the_seam(void **state)
{
    (void)state;
    struct ring *ring = ring_new(16);
    struct iovec parts[2];
    assert_int_equal(ring_put(ring, SLICE("0123456789\n")), RING_AWAKE);
    assert_int_equal(ring_look(ring, parts), 11);
    ring_take(ring, 11);

    assert_int_equal(ring_put(ring, SLICE("abcdefgh\n")), RING_AWAKE);
    assert_int_equal(ring_look(ring, parts), 9);
    assert_int_equal(parts[0].iov_len, 5);
    assert_memory_equal(parts[0].iov_base, "abcde", 5);
    assert_memory_equal(parts[1].iov_base, "fgh\n", 4);
    ring_free(ring);
}

static void what_does_not_fit_is_refused_whole(void **state)
{
    (void)state;
    struct ring *ring = ring_new(16);
    struct iovec parts[2];
    assert_int_equal(ring_put(ring, SLICE("0123456789\n")), RING_AWAKE);
    assert_int_equal(ring_put(ring, SLICE("12345\n")), RING_FULL);
    assert_int_equal(ring_put(ring, SLICE("1234\n")), RING_PUT);
    assert_int_equal(ring_put(ring, SLICE("\n")), RING_FULL);
    assert_int_equal(ring_look(ring, parts), 16);
    ring_free(ring);
}

static void the_reader_is_woken_only_when_it_had_everything(void **state)
{
    (void)state;
    struct ring *ring = ring_new(64);
    assert_int_equal(ring_put(ring, SLICE("a\n")), RING_AWAKE);
    assert_int_equal(ring_put(ring, SLICE("b\n")), RING_PUT);
    ring_take(ring, 2);
    assert_int_equal(ring_put(ring, SLICE("c\n")), RING_PUT);
    ring_take(ring, 4);
    assert_int_equal(ring_put(ring, SLICE("d\n")), RING_AWAKE);
    ring_free(ring);
}

#define NUMBERS 200000

static void *count_up(void *context)
{
    struct ring *ring = context;
    for (unsigned number = 0; number < NUMBERS;) {
        char line[16];
        int len = snprintf(line, sizeof line, "%u\n", number);
        if (ring_put(ring, slice_of(line, (size_t)len)) != RING_FULL)
            number++;
    }
    return NULL;
}

static void two_threads_pass_every_line(void **state)
{
    (void)state;
    struct ring *ring = ring_new(1024);
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, count_up, ring), 0);

    unsigned expected = 0, number = 0;
    while (expected < NUMBERS) {
        struct iovec parts[2];
        size_t len = ring_look(ring, parts);
        for (size_t i = 0; i < len; i++) {
            bool second = i >= parts[0].iov_len;
            uint8_t byte =
                ((const uint8_t *)parts[second].iov_base)[second ? i - parts[0].iov_len : i];
            if (byte == '\n') {
                assert_int_equal(number, expected);
                expected++;
                number = 0;
            } else {
                number = number * 10 + byte - '0';
            }
        }
        ring_take(ring, len);
    }
    pthread_join(writer, NULL);
    ring_free(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_in_order_across_the_seam),
        cmocka_unit_test(what_does_not_fit_is_refused_whole),
        cmocka_unit_test(the_reader_is_woken_only_when_it_had_everything),
        cmocka_unit_test(two_threads_pass_every_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

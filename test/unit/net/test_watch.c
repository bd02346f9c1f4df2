/* Somebody else's descriptor on the loop: an eventfd that another thread may write to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "turning.h"

struct waiting {
    struct watched watched;
    int descriptor;
    unsigned woken;
};

static void on_ready(struct watched *watched)
{
    struct waiting *waiting = thing_of(watched, struct waiting, watched);
    uint64_t token;
    assert_int_equal(read(waiting->descriptor, &token, sizeof token), sizeof token);
    waiting->woken++;
}

static void *knock(void *at)
{
    const uint64_t one = 1;
    assert_int_equal(write(*(int *)at, &one, sizeof one), sizeof one);
    return NULL;
}

static void another_thread_wakes_the_loop(void **state)
{
    (void)state;
    struct turning turning;
    turning_start(&turning);
    struct net *net = turning.worker.net;
    struct waiting waiting = { .watched.on_ready = on_ready,
                               .descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
    assert_int_equal(net->watch(net, &turning.worker, waiting.descriptor, &waiting.watched), 0);
    turn(&turning);
    assert_int_equal(waiting.woken, 0);
    for (unsigned i = 1; i <= 3; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, knock, &waiting.descriptor), 0);
        turn_until(&turning, waiting.woken == i);
        pthread_join(thread, NULL);
    }

    net->unwatch(net, &waiting.watched);
    close(waiting.descriptor); /* at once */
    turn(&turning);
    assert_int_equal(waiting.woken, 3);
    turning_stop(&turning);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_thread_wakes_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

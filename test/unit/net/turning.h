/* A worker on a libuv loop that tests turn by hand: no more of it than streams and lookups need. */
#ifndef TEST_TURNING_H
#define TEST_TURNING_H

#include <assert.h>
#include <stdlib.h>

#include "core/worker.h"
#include "net/uv.h"

struct turning {
    struct worker worker;
    uv_loop_t loop;
    uv_timer_t tick; /* so that waiting never lasts */
};

static inline uint64_t turning_now_ms(void *context)
{
    return uv_now(&((struct turning *)context)->loop);
}

static inline void turning_tick(uv_timer_t *timer)
{
    (void)timer;
}

static inline void turning_start(struct turning *turning)
{
    *turning = (struct turning){ .worker.clock = { .monotonic_ms = turning_now_ms,
                                                   .context = turning } };
    uv_loop_init(&turning->loop);
    uv_timer_init(&turning->loop, &turning->tick);
    uv_timer_start(&turning->tick, turning_tick, 5, 5);
    spares_init(&turning->worker.spares, SPARE_BYTES);
    list_init(&turning->worker.tasks);
    turning->worker.net = net_uv_new(&turning->loop);
}

static inline void turning_finish_turn(struct turning *turning)
{
    struct link *link;
    while ((link = list_first(&turning->worker.tasks)) != NULL) {
        list_leave(link);
        struct task *task = thing_of(link, struct task, link);
        task->run(task);
    }
}

static inline void turn(struct turning *turning)
{
    turning_finish_turn(turning);
    uv_run(&turning->loop, UV_RUN_ONCE);
    timers_run(&turning->worker.timers, turning_now_ms(turning));
    turning_finish_turn(turning);
}

/* Turns until the condition holds; false when it does not within ten seconds. */
#define turn_until(turning, condition)                           \
    do {                                                         \
        uint64_t until_ms = uv_hrtime() / 1000000 + 10 * 1000;   \
        while (!(condition) && uv_hrtime() / 1000000 < until_ms) \
            turn(turning);                                       \
        assert_true(condition);                                  \
    } while (0)

/* Everything of the test's own has been closed. */
static inline void turning_stop(struct turning *turning)
{
    net_uv_free(turning->worker.net);
    turning_finish_turn(turning);
    uv_close((uv_handle_t *)&turning->tick, NULL);
    uv_run(&turning->loop, UV_RUN_DEFAULT);
    int error = uv_loop_close(&turning->loop);
    assert(error == 0);
    timers_clear(&turning->worker.timers);
}

#endif

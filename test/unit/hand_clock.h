/* The time and the chance of a worker under test: time stands still until the test turns it on,
 * and what is random is the same in every run.
 *
 * A stand embeds one, gives it to hand_clock_worker, and turns time on with hand_clock_step and a
 * turn of its own, in steps as a loop would take them: from one timer to the next. */
#ifndef TEST_HAND_CLOCK_H
#define TEST_HAND_CLOCK_H

#include <assert.h>
#include <string.h>

#include "core/worker.h"

struct hand_clock {
    uint64_t now_ms;   /* monotonic */
    uint64_t epoch_ms; /* the wall clock when now_ms was 0 */
    uint8_t byte;      /* what each random byte is; 0 makes jitter as short as it can be */
    uint32_t seed;     /* not 0: random bytes differ, and follow from it */
};

static inline uint64_t hand_clock_now(void *context)
{
    return ((struct hand_clock *)context)->now_ms;
}

static inline uint64_t hand_clock_wall(void *context)
{
    const struct hand_clock *clock = context;
    return clock->epoch_ms + clock->now_ms;
}

static inline void hand_clock_random(void *context, void *bytes, size_t len)
{
    struct hand_clock *clock = context;
    memset(bytes, clock->byte, len);
    for (size_t i = 0; clock->seed != 0 && i < len; i++) {
        clock->seed = clock->seed * 1664525 + 1013904223;
        ((uint8_t *)bytes)[i] = (uint8_t)(clock->seed >> 24);
    }
}

/* Makes `worker` one that lives by this clock, which stays where it is. */
static inline void hand_clock_worker(struct hand_clock *clock, struct worker *worker,
                                     struct net *net)
{
    worker_init(worker, 0,
                (struct clock){ hand_clock_now, hand_clock_wall, hand_clock_random, clock }, net);
}

/* On to the next timer that is due by then, or else to `until_ms`. False: it is that late already,
 * and nothing is due. A turn must follow, or it stays where it is. */
static inline bool hand_clock_step(struct hand_clock *clock, const struct worker *worker,
                                   uint64_t until_ms)
{
    assert(clock->now_ms <= until_ms);
    uint64_t next = timers_next(&worker->timers);
    if (clock->now_ms == until_ms && next > until_ms)
        return false;
    next = next < until_ms ? next : until_ms;
    clock->now_ms = next > clock->now_ms ? next : clock->now_ms;
    return true;
}

#endif

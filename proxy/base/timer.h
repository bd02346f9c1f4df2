/* Timers of one loop, on whatever clock that loop has.
 *
 * A heap of its own beside the loop: the loop asks for the next moment, and tells it how late
 * it is. Thereby a test that owns the clock owns every timeout in the program. Times are
 * milliseconds on a monotonic clock. Owned and called by one worker's thread; starting and
 * stopping are O(log n) and never allocate after growth.
 */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct timer {
    void (*on_timer)(struct timer *timer);
    uint64_t due_ms;
    uint32_t place; /* in the heap, counted from 1; 0: not started */
};

struct timers {
    struct timer **heap; /* heap[0] is due first */
    uint32_t count, cap;
    /* what starting counts from: as of the last timers_run, or moved on by the loop's owner */
    uint64_t now_ms;
};

/* Stops all of them and frees the heap. */
void timers_clear(struct timers *timers);

/* Fires once, `after_ms` from the loop's current time; 0 counts as 1, so that no timer comes
 * twice in one run. A timer that runs already is moved. `on_timer` is set before. */
void timer_start(struct timers *timers, struct timer *timer, uint64_t after_ms);
/* Stopping one that does not run is allowed. */
void timer_stop(struct timers *timers, struct timer *timer);

static inline bool timer_running(const struct timer *timer)
{
    return timer->place != 0;
}

/* When the next timer is due, or UINT64_MAX. */
uint64_t timers_next(const struct timers *timers);
/* Sets the time and fires all that is due. A timer may start and stop timers, itself included. */
void timers_run(struct timers *timers, uint64_t now_ms);

#endif

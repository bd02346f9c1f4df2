/* Timers of one loop, on whatever clock that loop has.
 *
 * A wheel of its own beside the loop: the loop asks for the next moment, and tells it how late
 * it is. Thereby a test that owns the clock owns every timeout in the program. Times are
 * milliseconds on a monotonic clock. Owned and called by one worker's thread; starting and
 * stopping cost the same however many there are, and nothing here allocates.
 */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct timer {
    void (*on_timer)(struct timer *timer);
    uint64_t due_ms;
    struct link link; /* in its slot; joined while it runs */
};

#define TIMER_LEVELS 11 /* of six bits each: all that a moment has */
#define TIMER_SLOTS  64

/* Zeroed: none runs. */
struct timers {
    struct list slots[TIMER_LEVELS][TIMER_SLOTS]; /* of struct timer, as they were started */
    uint64_t used[TIMER_LEVELS]; /* bit by bit the slots that hold timers; others are no lists */
    uint64_t reached_ms;         /* all that was due by then has fired */
    /* what starting counts from: as of the last timers_run, or moved on by the loop's owner */
    uint64_t now_ms;
};

/* Stops all of them. */
void timers_clear(struct timers *timers);

/* Fires once, `after_ms` from the loop's current time; 0 counts as 1, so that no timer comes
 * twice in one run. A timer that runs already is moved. `on_timer` is set before. */
void timer_start(struct timers *timers, struct timer *timer, uint64_t after_ms);
/* Stopping one that does not run is allowed. */
void timer_stop(struct timers *timers, struct timer *timer);

static inline bool timer_running(const struct timer *timer)
{
    return link_joined(&timer->link);
}

/* When timers_run has to be called next, or UINT64_MAX: not after the first timer is due, perhaps
 * a little before. */
uint64_t timers_next(const struct timers *timers);
/* Sets the time and fires all that is due, in the order of their moments, and of their starts
 * within one. A timer may start and
 * stop timers, itself included. */
void timers_run(struct timers *timers, uint64_t now_ms);

#endif

/* A hierarchical wheel: a timer's level is that of the highest of six bits in which its moment
 * differs from the one that was reached, its slot is those six bits of its moment. So whatever is
 * on a lower level comes sooner, and on each level the lowest slot in use comes first.
 *
 * Happy path: start puts a timer behind the others of its slot; most are stopped again. Run goes
 * from slot to slot: those of the lowest level hold one millisecond and fire, those above are
 * dealt out again to lower levels. A start in the middle of run is never due in the same run, so
 * a timer that starts itself again cannot keep the loop from its work. Failure: none.
 */
#include "base/timer.h"

#include <assert.h>

enum { BITS = 6 };

_Static_assert(TIMER_SLOTS == 1 << BITS && TIMER_LEVELS * BITS >= 64, "each moment has its slot");

static unsigned level_of(uint64_t reached_ms, uint64_t due_ms)
{
    uint64_t differs = reached_ms ^ due_ms;
    return differs == 0 ? 0 : (63 - (unsigned)__builtin_clzll(differs)) / BITS;
}

static struct timer *timer_of(struct link *link)
{
    return thing_of(link, struct timer, link);
}

static void put(struct timers *timers, struct timer *timer)
{
    assert(timer->due_ms >= timers->reached_ms);
    unsigned level = level_of(timers->reached_ms, timer->due_ms);
    unsigned slot = (unsigned)(timer->due_ms >> (level * BITS)) % TIMER_SLOTS;
    struct list *list = &timers->slots[level][slot];
    uint64_t bit = (uint64_t)1 << slot;
    if ((timers->used[level] & bit) == 0)
        list_init(list);
    timers->used[level] |= bit;
    list_append(list, &timer->link);
}

/* A slot that has become empty is out of use. */
static void free_slot(struct timers *timers, const struct link *head)
{
    ptrdiff_t number = thing_of(head, struct list, head) - &timers->slots[0][0];
    assert(number >= 0 && number < (ptrdiff_t)TIMER_LEVELS * TIMER_SLOTS);
    timers->used[number / TIMER_SLOTS] &= ~((uint64_t)1 << number % TIMER_SLOTS);
}

void timer_stop(struct timers *timers, struct timer *timer)
{
    if (!timer_running(timer))
        return;
    const struct link *other = timer->link.next;
    bool last = other == timer->link.prev;
    list_leave(&timer->link);
    if (last)
        free_slot(timers, other);
}

void timers_clear(struct timers *timers)
{
    for (unsigned level = 0; level < TIMER_LEVELS; level++) {
        for (unsigned slot = 0; slot < TIMER_SLOTS; slot++) {
            while ((timers->used[level] >> slot & 1) != 0)
                timer_stop(timers, timer_of(list_first(&timers->slots[level][slot])));
        }
        assert(timers->used[level] == 0);
    }
}

void timer_start(struct timers *timers, struct timer *timer, uint64_t after_ms)
{
    assert(timer->on_timer != NULL && timers->now_ms >= timers->reached_ms);
    timer_stop(timers, timer);
    uint64_t after = after_ms == 0 ? 1 : after_ms;
    timer->due_ms = after > UINT64_MAX - 1 - timers->now_ms ? UINT64_MAX - 1
                                                            : timers->now_ms + after;
    put(timers, timer);
}

/* When that slot begins. */
static uint64_t moment_of(const struct timers *timers, unsigned level, unsigned slot)
{
    uint64_t within = level + 1 < TIMER_LEVELS ? ((uint64_t)1 << ((level + 1) * BITS)) - 1
                                               : UINT64_MAX;
    return (timers->reached_ms & ~within) | ((uint64_t)slot << (level * BITS));
}

/* The first slot in use. */
static bool first_slot(const struct timers *timers, unsigned *level, unsigned *slot)
{
    for (*level = 0; *level < TIMER_LEVELS; (*level)++) {
        if (timers->used[*level] != 0) {
            *slot = (unsigned)__builtin_ctzll(timers->used[*level]);
            return true;
        }
    }
    return false;
}

uint64_t timers_next(const struct timers *timers)
{
    unsigned level, slot;
    return first_slot(timers, &level, &slot) ? moment_of(timers, level, slot) : UINT64_MAX;
}

static void fire(struct timers *timers, unsigned slot)
{
    while ((timers->used[0] >> slot & 1) != 0) {
        struct timer *timer = timer_of(list_first(&timers->slots[0][slot]));
        assert(timer->due_ms == timers->reached_ms);
        timer_stop(timers, timer);
        timer->on_timer(timer);
    }
}

static void deal_out(struct timers *timers, unsigned level, unsigned slot)
{
    while ((timers->used[level] >> slot & 1) != 0) {
        struct timer *timer = timer_of(list_first(&timers->slots[level][slot]));
        timer_stop(timers, timer);
        put(timers, timer);
    }
}

void timers_run(struct timers *timers, uint64_t now_ms)
{
    assert(now_ms >= timers->now_ms && timers->now_ms >= timers->reached_ms);
    timers->now_ms = now_ms;
    unsigned level, slot;
    while (first_slot(timers, &level, &slot) && moment_of(timers, level, slot) <= now_ms) {
        timers->reached_ms = moment_of(timers, level, slot);
        if (level == 0)
            fire(timers, slot);
        else
            deal_out(timers, level, slot);
    }
    timers->reached_ms = now_ms;
}

/* A binary heap of pointers, each timer knowing its place, so that moving and stopping one needs
 * no search.
 *
 * Happy path: start puts a timer at the end and lets it rise; run takes the first as long as it
 * is due. A start in the middle of run is never due in the same run, so a timer that starts
 * itself again cannot keep the loop from its work. Failure: only growth allocates, a few bytes
 * per timer, and aborts when memory is out.
 */
#include "base/timer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAP = 64 };

void timers_clear(struct timers *timers)
{
    for (uint32_t i = 0; i < timers->count; i++)
        timers->heap[i]->place = 0;
    free(timers->heap);
    *timers = (struct timers){ .now_ms = timers->now_ms };
}

static void put(struct timers *timers, uint32_t at, struct timer *timer)
{
    assert(at < timers->count);
    timers->heap[at] = timer;
    timer->place = at + 1;
}

static void rise(struct timers *timers, struct timer *timer, uint32_t at)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / 2;
        if (timers->heap[parent]->due_ms <= timer->due_ms)
            break;
        put(timers, at, timers->heap[parent]);
        at = parent;
    }
    put(timers, at, timer);
}

static void sink(struct timers *timers, struct timer *timer, uint32_t at)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= timers->count)
            break;
        if (child + 1 < timers->count &&
            timers->heap[child + 1]->due_ms < timers->heap[child]->due_ms)
            child++;
        if (timers->heap[child]->due_ms >= timer->due_ms)
            break;
        put(timers, at, timers->heap[child]);
        at = child;
    }
    put(timers, at, timer);
}

static void grow(struct timers *timers)
{
    uint32_t cap = timers->cap == 0 ? FIRST_CAP : timers->cap * 2;
    assert(cap > timers->cap);
    struct timer **heap = realloc(timers->heap, cap * sizeof(*heap));
    if (heap == NULL) {
        fprintf(stderr, "shunt: out of memory for %u timers\n", cap);
        abort();
    }
    timers->heap = heap;
    timers->cap = cap;
}

void timer_start(struct timers *timers, struct timer *timer, uint64_t after_ms)
{
    assert(timer->on_timer != NULL);
    timer_stop(timers, timer);

    uint64_t after = after_ms == 0 ? 1 : after_ms;
    timer->due_ms = after > UINT64_MAX - 1 - timers->now_ms ? UINT64_MAX - 1
                                                            : timers->now_ms + after;
    if (timers->count == timers->cap)
        grow(timers);
    timers->count++;
    rise(timers, timer, timers->count - 1);
}

void timer_stop(struct timers *timers, struct timer *timer)
{
    if (!timer_running(timer))
        return;
    uint32_t at = timer->place - 1;
    assert(at < timers->count && timers->heap[at] == timer);

    timer->place = 0;
    struct timer *last = timers->heap[--timers->count];
    if (last == timer)
        return;
    if (at > 0 && timers->heap[(at - 1) / 2]->due_ms > last->due_ms)
        rise(timers, last, at);
    else
        sink(timers, last, at);
}

uint64_t timers_next(const struct timers *timers)
{
    return timers->count == 0 ? UINT64_MAX : timers->heap[0]->due_ms;
}

void timers_run(struct timers *timers, uint64_t now_ms)
{
    assert(now_ms >= timers->now_ms);
    timers->now_ms = now_ms;
    while (timers_next(timers) <= now_ms) {
        struct timer *timer = timers->heap[0];
        timer_stop(timers, timer);
        timer->on_timer(timer);
        assert(timers->now_ms >= now_ms);
    }
}

/* How much memory what is under way may take: heads that are not whole or whose calls go on, and
 * bodies that one side has sent and the other has not taken.
 *
 * A worker has a budget, and so has each HTTP/2 connection of a caller, which counts in the
 * worker's too. Nobody ever waits for it: what one body may hold is a part of what is free
 * (budget_share), so that the more there are, the less each gets and the sum stays below the cap;
 * yet each may always hold BUDGET_LEAST, so that it goes on at the pace of its own reader, and
 * none can stall another for ever. Only what comes new is refused, once the budget is full. What
 * a peer was allowed to send counts like what it has sent.
 * Owned and called by one worker's thread.
 */
#ifndef CORE_BUDGET_H
#define CORE_BUDGET_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#define BUDGET_MOST  ((size_t)256 * 1024) /* what one body holds when there is plenty */
#define BUDGET_LEAST ((size_t)4 * 1024)

struct budget {
    struct budget *above; /* NULL: the worker's own */
    size_t used, cap;     /* bytes */
    unsigned shift;       /* a body may hold a 2^shift-th of what is free */
};

/* What one body may hold from now on: at least BUDGET_LEAST, at most BUDGET_MOST. */
static inline size_t budget_share(const struct budget *budget)
{
    size_t share = BUDGET_MOST;
    for (; budget != NULL; budget = budget->above) {
        size_t left = budget->cap > budget->used ? budget->cap - budget->used : 0;
        if (left >> budget->shift < share)
            share = left >> budget->shift;
    }
    return share > BUDGET_LEAST ? share : BUDGET_LEAST;
}

/* No new work, please. */
static inline bool budget_full(const struct budget *budget)
{
    return budget->used >= budget->cap;
}

/* Something that was counted as `*counted` bytes holds `now`. */
static inline void budget_count(struct budget *budget, size_t *counted, size_t now)
{
    for (; budget != NULL; budget = budget->above) {
        assert(budget->used >= *counted);
        budget->used += now - *counted;
    }
    *counted = now;
}

#endif

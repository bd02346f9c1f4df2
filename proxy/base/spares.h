/* Blocks of one size that go from hand to hand instead of back to malloc: what a call needs is
 * mostly what the call before it has just given up, and still in the cache.
 *
 * One stock for each worker, used on its thread only. A block comes from malloc: whoever got one
 * may as well free or realloc it.
 */
#ifndef BASE_SPARES_H
#define BASE_SPARES_H

#include <stddef.h>

#define SPARE_BYTES ((size_t)4096)

struct spare;

/* Zeroed: none there yet. */
struct spares {
    struct spare *first;
    int count;
};

/* SPARE_BYTES bytes of any content, aligned for any type; NULL when memory is out. */
void *spare_take(struct spares *spares) __attribute__((warn_unused_result));
/* `block` is of SPARE_BYTES and from malloc. It is freed when there are enough. */
void spare_give(struct spares *spares, void *block);
/* Frees all that are there. */
void spares_clear(struct spares *spares);

#endif

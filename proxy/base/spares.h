/* Blocks of one size that go from hand to hand instead of back to malloc: what a call needs is
 * mostly what the call before it has just given up, and still in the cache.
 *
 * Stocks belong to a worker and are used on its thread only. A block comes from malloc: whoever got
 * one may as well free or realloc it.
 */
#ifndef BASE_SPARES_H
#define BASE_SPARES_H

#include <stddef.h>

#define SPARE_BYTES       ((size_t)4096) /* of buffers and arenas */
#define SPARE_SMALL_BYTES ((size_t)1024) /* of what is kept of a stream */

struct spare;

struct spares {
    struct spare *first;
    int count;
    size_t bytes; /* of a block */
};

/* None is there yet. */
void spares_init(struct spares *spares, size_t bytes);
/* `spares->bytes` bytes of any content, aligned for any type; NULL when memory is out. */
void *spare_take(struct spares *spares) __attribute__((warn_unused_result));
/* The same, of which the first `size` bytes are zero. */
void *spare_take_zeroed(struct spares *spares, size_t size) __attribute__((warn_unused_result));
/* `block` is of `spares->bytes` and from malloc, or NULL. It is freed when there are enough. */
void spare_give(struct spares *spares, void *block);
/* Frees all that are there. */
void spares_clear(struct spares *spares);

#endif

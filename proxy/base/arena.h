/* Memory that dies all at once: one arena per call, per connection head, per snapshot.
 *
 * Blocks are chained; the first ones can come from a stock of spares. An arena has a hard cap, so
 * that a peer can never make one call cost more than was decided. Not thread-safe: an arena belongs
 * to whoever owns the thing it serves.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/spares.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used;                /* bytes handed out */
    size_t cap;                 /* the most that may ever be handed out */
    struct spares *spares;      /* where the first ones come from and go to; NULL: malloc */
};

/* An empty arena that will hand out at most `cap` bytes. Allocates nothing. Its owner may set
 * `spares` then: of the same thread, and outliving it. */
void arena_init(struct arena *arena, size_t cap);

/* Frees everything. The arena is empty and usable afterwards. */
void arena_clear(struct arena *arena);

/* `size` bytes aligned for any type, zeroed; NULL at the cap or when memory is out. For what a
 * peer sized. */
void *arena_try(struct arena *arena, size_t size) __attribute__((warn_unused_result));

/* The same for small things of fixed size; aborts instead of returning NULL. */
void *arena_get(struct arena *arena, size_t size) __attribute__((returns_nonnull));

/* A copy of bytes followed by a NUL that the slice does not count; `at` is NULL at the cap. */
struct slice arena_copy(struct arena *arena, struct slice bytes)
    __attribute__((warn_unused_result));

/* A formatted string; `at` is NULL at the cap. */
struct slice arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));

#endif

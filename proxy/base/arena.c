/* Blocks in a chain, each filled from its start; what does not fit opens a new one.
 *
 * Block sizes double up to 32 KiB, so that a small thing costs one allocation and a large one
 * few; with spares the first two are of them, which is enough for most calls. A thing larger than
 * that gets a block of its own size. Failures: the cap, and malloc; both are NULL to the caller.
 */
#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 32 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t used, room;
    alignas(max_align_t) unsigned char bytes[];
};

static size_t aligned(size_t size)
{
    const size_t step = alignof(max_align_t);
    return (size + step - 1) / step * step;
}

void arena_init(struct arena *arena, size_t cap)
{
    *arena = (struct arena){ .cap = cap };
}

void arena_clear(struct arena *arena)
{
    struct arena_block *block = arena->blocks;
    while (block != NULL) {
        struct arena_block *next = block->next;
        if (arena->spares != NULL && sizeof *block + block->room == arena->spares->bytes)
            spare_give(arena->spares, block);
        else
            free(block);
        block = next;
    }
    arena->blocks = NULL;
    arena->used = 0;
}

static struct arena_block *block_add(struct arena *arena, size_t size)
{
    const size_t spare = arena->spares == NULL ? 0
                                               : arena->spares->bytes - sizeof(struct arena_block);
    bool from_spares = arena->spares != NULL && size <= spare &&
                       (arena->blocks == NULL || arena->blocks->next == NULL);
    size_t room = arena->blocks == NULL ? FIRST_BLOCK : arena->blocks->room * 2;
    if (room > LARGEST_BLOCK)
        room = LARGEST_BLOCK;
    if (room < size)
        room = size;
    if (from_spares)
        room = spare;

    struct arena_block *block = from_spares ? spare_take(arena->spares)
                                            : malloc(sizeof(*block) + room);
    if (block == NULL)
        return NULL;
    block->used = 0;
    block->room = room;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

/* As arena_try, of any content. */
static void *take(struct arena *arena, size_t size)
{
    assert(arena->used <= arena->cap);
    if (size > arena->cap - arena->used || size > SIZE_MAX / 2)
        return NULL;

    size_t whole = aligned(size == 0 ? 1 : size);
    struct arena_block *block = arena->blocks;
    if (block == NULL || block->room - block->used < whole)
        block = block_add(arena, whole);
    if (block == NULL)
        return NULL;

    void *at = block->bytes + block->used;
    block->used += whole;
    arena->used += size;
    assert(block->used <= block->room);
    return at;
}

void *arena_try(struct arena *arena, size_t size)
{
    void *at = take(arena, size);
    return at == NULL ? NULL : memset(at, 0, size);
}

void *arena_get(struct arena *arena, size_t size)
{
    void *at = arena_try(arena, size);
    if (at == NULL) {
        fprintf(stderr, "shunt: out of memory: %zu bytes, %zu of %zu in use\n", size, arena->used,
                arena->cap);
        abort();
    }
    return at;
}

struct slice arena_copy(struct arena *arena, struct slice bytes)
{
    if (bytes.len == SIZE_MAX)
        return slice_of(NULL, 0);
    uint8_t *at = take(arena, bytes.len + 1);
    if (at == NULL)
        return slice_of(NULL, 0);
    if (bytes.len > 0)
        memcpy(at, bytes.at, bytes.len);
    at[bytes.len] = '\0';
    return slice_of(at, bytes.len);
}

struct slice arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    assert(len >= 0);

    char *at = take(arena, (size_t)len + 1);
    if (at != NULL)
        vsnprintf(at, (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    return slice_of(at, at == NULL ? 0 : (size_t)len);
}

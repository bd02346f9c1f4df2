/* A stack: the block given last is taken first. It holds as many as a busy turn needs, so an idle
 * worker keeps little. Under AddressSanitizer it holds none, which would hide the use of what was
 * given up. Failure: malloc's.
 */
#include "base/spares.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#define WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif

#ifdef WATCHED
enum { KEPT = 0 };
#else
enum { KEPT = 64 };
#endif

struct spare {
    struct spare *next;
};

void spares_init(struct spares *spares, size_t bytes)
{
    assert(bytes >= sizeof(struct spare));
    *spares = (struct spares){ .bytes = bytes };
}

void *spare_take(struct spares *spares)
{
    assert(spares->bytes > 0);
    struct spare *spare = spares->first;
    if (spare == NULL)
        return malloc(spares->bytes);
    assert(spares->count > 0);
    spares->first = spare->next;
    spares->count--;
    return spare;
}

void *spare_take_zeroed(struct spares *spares, size_t size)
{
    assert(size <= spares->bytes);
    void *block = spare_take(spares);
    return block == NULL ? NULL : memset(block, 0, size);
}

void spare_give(struct spares *spares, void *block)
{
    if (block == NULL || spares->count >= KEPT) {
        free(block);
        return;
    }
    struct spare *spare = block;
    spare->next = spares->first;
    spares->first = spare;
    spares->count++;
}

void spares_clear(struct spares *spares)
{
    while (spares->first != NULL) {
        struct spare *spare = spares->first;
        spares->first = spare->next;
        free(spare);
    }
    spares->count = 0;
}

/* A stack: the block given last is taken first. It holds as many as a busy turn needs, so an idle
 * worker keeps little. Under AddressSanitizer it holds none, which would hide the use of what was
 * given up. Failure: malloc's.
 */
#include "base/spares.h"

#include <assert.h>
#include <stdlib.h>

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

void *spare_take(struct spares *spares)
{
    struct spare *spare = spares->first;
    if (spare == NULL)
        return malloc(SPARE_BYTES);
    assert(spares->count > 0);
    spares->first = spare->next;
    spares->count--;
    return spare;
}

void spare_give(struct spares *spares, void *block)
{
    if (spares->count >= KEPT) {
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

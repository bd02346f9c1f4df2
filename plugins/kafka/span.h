/* How far a partition has been handled, whatever the order in which its records were.
 *
 * Records get a mark each, in the order in which they came. Once a record is handled, its mark says
 * so; the low-water mark moves past all that are handled from the front. "From the front" means in
 * the order of delivery: offsets have gaps (transactions, compaction), so the next one is never the
 * last plus one. No I/O in here.
 */
#ifndef KAFKA_SPAN_H
#define KAFKA_SPAN_H

#include <stdint.h>

#include "base/list.h"

struct mark {
    struct link link; /* in span->marks */
    int64_t offset;
    bool handled;
};

struct span {
    struct list marks; /* from the first that is not handled to the last that came */
    size_t count;
    int64_t next; /* all that came below this is handled */
    int64_t last; /* the offset that came last */
};

/* Nothing has come yet; the first will have `next` or a higher offset. */
void span_begin(struct span *span, int64_t next);
/* Forgets every mark. */
void span_clear(struct span *span);
/* A record has come. NULL: it is not behind all others (it came before), or memory is out. */
struct mark *span_add(struct span *span, int64_t offset);
/* A record is handled; its mark is the span's and may be gone. Whether `next` has moved. */
bool span_handled(struct span *span, struct mark *mark);

#endif

/* What is known of messages that went back to the broker and will come again: how often they were
 * tried, since when, and what was decided about them.
 *
 * A broker's own count is not it: it counts what was never delivered. So whatever is given back or
 * lost with its connection is remembered here under a key of its own, and forgotten when it arrives
 * again. Bounded: the oldest goes when there are too many, and its message then starts anew, which
 * at-least-once allows. One worker's thread.
 */
#ifndef DELIVERY_MEMORY_H
#define DELIVERY_MEMORY_H

#include "base/list.h"
#include "plugin.h"

#define MEMORY_MAX 1024

struct memory {
    struct list entries; /* the newest last */
    unsigned count;
};

struct remembered {
    unsigned attempts;
    bool suspect;           /* its last call was cut off */
    uint64_t first_seen_ms; /* wall clock */
    enum reason reason; /* it shall become a dead letter for this; REASON_none: it shall be tried */
    int status;
};

void memory_init(struct memory *memory);
void memory_clear(struct memory *memory);
/* Replaces what was known under that key. */
void memory_note(struct memory *memory, uint64_t key, const struct remembered *known);
/* Tells and forgets. */
bool memory_take(struct memory *memory, uint64_t key, struct remembered *known);

/* By what its broker or its sender calls it; by its content where neither does. */
uint64_t memory_key(const struct arrival *arrival);

#endif

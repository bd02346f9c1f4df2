/* Order per key, concurrency across keys: records of one partition with one key are a strand, of
 * which only the first is ever up for delivery.
 *
 *   add ──▶ strand: [first][…]   first is READY ──next──▶ UP ──done──▶ the one behind it is READY
 *                                      ▲                  │
 *                                      └──────back────────┘
 *
 * A record without a key is a strand of its own. Strands that are ready take turns. No I/O in here.
 */
#ifndef KAFKA_STRAND_H
#define KAFKA_STRAND_H

#include "base/list.h"
#include "base/slice.h"

struct strand;

/* What is ordered, embedded in a record that is held. */
struct bead {
    struct link link; /* in strand->beads */
    struct strand *strand;
};

struct strands {
    struct strand **buckets; /* by hash of partition and key */
    size_t room, count;      /* buckets, a power of two or 0; strands with a key */
    struct list ready;       /* of struct strand, whose first bead is not up */
};

void strands_init(struct strands *strands);
/* Every bead is gone. */
void strands_free(struct strands *strands);

/* A bead comes last in its strand. `partition`: whatever tells partitions apart. `key.at` NULL: it
 * has none; else it is copied. -1 when memory is out. */
int strands_add(struct strands *strands, const void *partition, struct slice key, struct bead *bead)
    __attribute__((warn_unused_result));
/* The next bead that may go up, or NULL. */
struct bead *strands_next(struct strands *strands);
/* A bead that is up is over. */
void strands_done(struct strands *strands, struct bead *bead);
/* A bead that is up is first in its strand again, and comes up again before others. */
void strands_back(struct strands *strands, struct bead *bead);
/* A bead that may be up or not leaves; those behind it stay in order. */
void strands_drop(struct strands *strands, struct bead *bead);

#endif

/* Strands in a table that grows, as strand.h says; a strand lives as long as it has beads. */
#include "plugins/kafka/strand.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_ROOM = 64 };

struct strand {
    struct strand *next; /* in its bucket */
    struct link ready;   /* in strands->ready */
    struct list beads;
    const void *partition;
    uint64_t hash;
    bool up;    /* its first bead is */
    bool keyed; /* it is in the table */
    size_t len;
    uint8_t key[];
};

void strands_init(struct strands *strands)
{
    *strands = (struct strands){ 0 };
    list_init(&strands->ready);
}

void strands_free(struct strands *strands)
{
    assert(strands->count == 0 && list_empty(&strands->ready));
    free(strands->buckets);
}

/* --- the table -------------------------------------------------------------------------------- */

static struct strand **bucket(const struct strands *strands, uint64_t hash)
{
    return &strands->buckets[hash & (strands->room - 1)];
}

static int grow(struct strands *strands)
{
    size_t before = strands->room, room = before == 0 ? FIRST_ROOM : before * 2;
    struct strand **old = strands->buckets, **buckets = calloc(room, sizeof *buckets);
    if (buckets == NULL)
        return before == 0 ? -1 : 0; /* a fuller table serves, too */
    strands->buckets = buckets;
    strands->room = room;
    for (size_t i = 0; i < before; i++) {
        for (struct strand *strand = old[i], *next; strand != NULL; strand = next) {
            next = strand->next;
            strand->next = *bucket(strands, strand->hash);
            *bucket(strands, strand->hash) = strand;
        }
    }
    free(old);
    return 0;
}

static uint64_t hash_of(const void *partition, struct slice key)
{
    return slice_hash(key) * 31 + slice_hash(slice_of(&partition, sizeof partition));
}

static struct strand *find(const struct strands *strands, const void *partition, struct slice key,
                           uint64_t hash)
{
    if (strands->room == 0)
        return NULL;
    struct strand *strand = *bucket(strands, hash);
    while (strand != NULL && !(strand->partition == partition && strand->hash == hash &&
                               slice_equal(slice_of(strand->key, strand->len), key)))
        strand = strand->next;
    return strand;
}

static struct strand *make(struct strands *strands, const void *partition, struct slice key,
                           uint64_t hash)
{
    bool keyed = key.at != NULL;
    if (keyed && strands->count >= strands->room && grow(strands) < 0)
        return NULL;
    struct strand *strand = calloc(1, sizeof *strand + key.len);
    if (strand == NULL)
        return NULL;
    list_init(&strand->beads);
    strand->keyed = keyed;
    strand->partition = partition;
    if (!keyed)
        return strand;
    strand->hash = hash;
    strand->len = key.len;
    if (key.len > 0)
        memcpy(strand->key, key.at, key.len);
    strand->next = *bucket(strands, hash);
    *bucket(strands, hash) = strand;
    strands->count++;
    return strand;
}

static void end(struct strands *strands, struct strand *strand)
{
    assert(list_empty(&strand->beads));
    list_leave(&strand->ready);
    if (strand->keyed) {
        struct strand **at = bucket(strands, strand->hash);
        while (*at != strand)
            at = &(*at)->next;
        *at = strand->next;
        strands->count--;
    }
    free(strand);
}

/* --- beads ------------------------------------------------------------------------------------ */

int strands_add(struct strands *strands, const void *partition, struct slice key, struct bead *bead)
{
    assert(bead->strand == NULL && !link_joined(&bead->link));
    uint64_t hash = key.at != NULL ? hash_of(partition, key) : 0;
    struct strand *strand = key.at != NULL ? find(strands, partition, key, hash) : NULL;
    if (strand == NULL)
        strand = make(strands, partition, key, hash);
    if (strand == NULL)
        return -1;
    if (list_empty(&strand->beads))
        list_append(&strands->ready, &strand->ready);
    list_append(&strand->beads, &bead->link);
    bead->strand = strand;
    return 0;
}

struct bead *strands_next(struct strands *strands)
{
    struct link *link = list_first(&strands->ready);
    if (link == NULL)
        return NULL;
    struct strand *strand = thing_of(link, struct strand, ready);
    list_leave(link);
    assert(!strand->up && !list_empty(&strand->beads));
    strand->up = true;
    return thing_of(list_first(&strand->beads), struct bead, link);
}

static bool is_first(const struct bead *bead)
{
    return list_first(&bead->strand->beads) == &bead->link;
}

void strands_drop(struct strands *strands, struct bead *bead)
{
    struct strand *strand = bead->strand;
    bool was_up = is_first(bead) && strand->up;
    list_leave(&bead->link);
    bead->strand = NULL;
    if (was_up)
        strand->up = false;
    if (list_empty(&strand->beads))
        end(strands, strand);
    else if (was_up)
        list_append(&strands->ready, &strand->ready);
}

void strands_done(struct strands *strands, struct bead *bead)
{
    assert(is_first(bead) && bead->strand->up);
    strands_drop(strands, bead);
}

void strands_back(struct strands *strands, struct bead *bead)
{
    assert(is_first(bead) && bead->strand->up);
    bead->strand->up = false;
    list_prepend(&strands->ready, &bead->strand->ready);
}

/* Held records, as held.h says. Copied, so that one that waits long does not keep the client's
 * whole fetch in memory. Headers that we know are read leniently: what is no number counts as
 * absent, since the record is somebody else's. */
#include "plugins/kafka/held.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

/* What even an empty record takes: itself and the first block of its arena. */
enum { HELD_BYTES = sizeof(struct held) + 1024 };

static uint64_t number_in(const struct fields *headers, enum field_name name)
{
    const struct field *field = fields_find(headers, name);
    uint64_t number = 0;
    if (field == NULL || slice_number(field->value, &number) < 0)
        return 0;
    return number;
}

/* A null stays null: key and value mean something by it. */
static bool copy(struct arena *arena, struct slice from, struct slice *to)
{
    if (from.at == NULL) {
        *to = from;
        return true;
    }
    *to = from.len > 0 ? arena_copy(arena, from) : SLICE("");
    return to->at != NULL;
}

static bool copy_record(struct held *held, const struct record *record)
{
    struct record *own = &held->record;
    *own = *record;
    own->headers = (struct fields){ 0 };
    bool fits = copy(&held->arena, record->key, &own->key) &&
                copy(&held->arena, record->value, &own->value);
    for (uint32_t i = 0; i < record->headers.count && fits; i++)
        fits = fields_add_copy(&own->headers, &held->arena, record->headers.at[i].name,
                               record->headers.at[i].value) == 0;
    return fits;
}

struct held *held_make(const struct record *record)
{
    struct held *held = calloc(1, sizeof *held);
    if (held == NULL)
        return NULL;
    arena_init(&held->arena, SIZE_MAX); /* the client bounds what one record can be */
    held->bytes = HELD_BYTES + record_size(record);
    struct arrival *arrival = &held->arrival;
    arrival->own = held;
    arrival->origin = arena_printf(&held->arena, "%s/%" PRId32 "/%" PRId64, record->topic,
                                   record->partition, record->offset);
    /* With its time: a topic that is made anew begins at offset 0 again. */
    struct slice identity = arena_printf(&held->arena, "%.*s/%" PRIu64, (int)arrival->origin.len,
                                         (const char *)arrival->origin.at, record->timestamp_ms);
    arrival->identity = identity.len > MESSAGE_ID_MAX
                            ? slice_from(identity, identity.len - MESSAGE_ID_MAX)
                            : identity;
    if (arrival->origin.at == NULL || identity.at == NULL || !copy_record(held, record)) {
        held_free(held);
        return NULL;
    }
    arrival->tombstone = record->value.at == NULL;
    if (record_read(&held->record, &held->arena, &arrival->message, &arrival->why) < 0)
        arrival->malformed = true;
    uint64_t attempts = number_in(&arrival->message.headers, FIELD_SHUNT_ATTEMPT);
    arrival->attempts = attempts < UINT32_MAX ? (unsigned)attempts : UINT32_MAX;
    arrival->expires_ms = number_in(&arrival->message.headers, FIELD_SHUNT_DEADLINE);
    return held;
}

void held_free(struct held *held)
{
    assert(!link_joined(&held->link) && held->bead.strand == NULL);
    arena_clear(&held->arena);
    free(held);
}

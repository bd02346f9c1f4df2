/* A short list, walked: it is asked only for messages that come a second time. Out of memory
 * means not remembered. */
#include "delivery/memory.h"

#include <assert.h>
#include <stdlib.h>

struct entry {
    struct link link;
    uint64_t key;
    struct remembered known;
};

void memory_init(struct memory *memory)
{
    list_init(&memory->entries);
    memory->count = 0;
}

static void forget(struct memory *memory, struct entry *entry)
{
    assert(memory->count > 0);
    list_leave(&entry->link);
    memory->count--;
    free(entry);
}

void memory_clear(struct memory *memory)
{
    list_each_leaving (&memory->entries, link)
        forget(memory, thing_of(link, struct entry, link));
    assert(memory->count == 0);
}

static struct entry *find(struct memory *memory, uint64_t key)
{
    list_each (&memory->entries, link)
        if (thing_of(link, struct entry, link)->key == key)
            return thing_of(link, struct entry, link);
    return NULL;
}

void memory_note(struct memory *memory, uint64_t key, const struct remembered *known)
{
    struct entry *entry = find(memory, key);
    if (entry != NULL)
        forget(memory, entry);
    else if (memory->count == MEMORY_MAX)
        forget(memory, thing_of(list_first(&memory->entries), struct entry, link));
    assert(memory->count < MEMORY_MAX);
    entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return;
    entry->key = key;
    entry->known = *known;
    list_append(&memory->entries, &entry->link);
    memory->count++;
}

bool memory_take(struct memory *memory, uint64_t key, struct remembered *known)
{
    struct entry *entry = find(memory, key);
    if (entry == NULL)
        return false;
    *known = entry->known;
    forget(memory, entry);
    return true;
}

uint64_t memory_key(const struct arrival *arrival)
{
    const struct message *message = &arrival->message;
    if (arrival->identity.len > 0)
        return slice_hash(arrival->identity);
    if (message->message_id.len > 0)
        return slice_hash(message->message_id);
    uint64_t key = slice_hash(message->body);
    for (uint32_t i = 0; i < message->headers.count; i++) {
        const struct field *field = &message->headers.at[i];
        key = key * 31 + slice_hash(field->name);
        key = key * 31 + slice_hash(field->value);
    }
    return key;
}

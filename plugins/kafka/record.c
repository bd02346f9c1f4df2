/* Records, as record.h says. Names that a message has properties for are headers in a record, and
 * are taken back into the properties, the first of each: ours stand before all others. A second one
 * stays a header, for whoever reads the message to judge. */
#include "plugins/kafka/record.h"

#include <assert.h>

/* A batch of one record: its head (61 bytes), the record's own lengths and deltas, varints at their
 * longest (KIP-98, "Message Format"). */
enum { BATCH_BYTES = 61, RECORD_BYTES = 40, HEADER_BYTES = 10, TEXT_MAX = 32767 };

/* What a message keeps apart from its headers. */
static const struct {
    struct slice name;
    size_t offset;
} properties[] = {
    { SLICE("content-type"), offsetof(struct message, content_type) },
    { SLICE("content-encoding"), offsetof(struct message, content_encoding) },
    { SLICE("shunt-message-id"), offsetof(struct message, message_id) },
    { SLICE("shunt-app-id"), offsetof(struct message, app_id) },
};

enum { PROPERTIES = sizeof properties / sizeof *properties };

static struct slice *property_of(struct message *message, size_t row)
{
    return (struct slice *)(void *)((char *)message + properties[row].offset);
}

int record_write(const struct message *message, struct arena *arena, struct record *record)
{
    assert(record->headers.count == 0);
    struct message copy = *message;
    for (size_t row = 0; row < PROPERTIES; row++) {
        struct slice value = *property_of(&copy, row);
        if (value.len > 0 && fields_add(&record->headers, arena, properties[row].name, value) < 0)
            return -1;
    }
    for (uint32_t i = 0; i < message->headers.count; i++) {
        const struct field *header = &message->headers.at[i];
        if (fields_add(&record->headers, arena, header->name, header->value) < 0)
            return -1;
    }
    record->value = message->body.len > 0 ? message->body : SLICE("");
    record->timestamp_ms = message->timestamp_ms;
    return 0;
}

size_t record_size(const struct record *record)
{
    return BATCH_BYTES + RECORD_BYTES + record->key.len + record->value.len +
           record->headers.bytes + HEADER_BYTES * (size_t)record->headers.count;
}

const char *record_flaw(const struct record *record)
{
    for (uint32_t i = 0; i < record->headers.count; i++)
        if (record->headers.at[i].name.len > TEXT_MAX)
            return "a header's name is too long";
    return NULL;
}

/* The property that a header stands for, or PROPERTIES. */
static size_t property_named(struct slice name)
{
    size_t row = 0;
    while (row < PROPERTIES && !slice_equal(properties[row].name, name))
        row++;
    return row;
}

static bool take(struct message *message, struct arena *arena, const struct field *header)
{
    struct slice value = header->value.at != NULL ? header->value : SLICE("");
    size_t row = property_named(header->name);
    if (row < PROPERTIES && value.len > 0 && property_of(message, row)->len == 0) {
        *property_of(message, row) = value;
        return true;
    }
    return fields_add(&message->headers, arena, header->name, value) == 0;
}

int record_read(const struct record *record, struct arena *arena, struct message *message,
                const char **why)
{
    *message = (struct message){ .durable = true, .timestamp_ms = record->timestamp_ms };
    bool fits = true;
    for (uint32_t i = 0; i < record->headers.count && fits; i++)
        fits = take(message, arena, &record->headers.at[i]);
    message->body = record->value.len > 0 ? record->value : SLICE("");
    *why = fits ? NULL : "no memory for the headers";
    return fits ? 0 : -1;
}

/* Arrivals, as arrival.h says. Headers that we know are read leniently: what is no number counts
 * as absent, since the message is somebody else's. */
#include "plugins/amqp/arrival.h"

#include <assert.h>
#include <stdlib.h>

static uint64_t number_in(const struct fields *headers, enum field_name name)
{
    const struct field *field = fields_find(headers, name);
    uint64_t number = 0;
    if (field == NULL || slice_number(field->value, &number) < 0)
        return 0;
    return number;
}

/* Our own header; or the expiration that a plain AMQP client set beside a timestamp, which has
 * whole seconds only. */
static uint64_t expires_ms(const struct message *message)
{
    uint64_t deadline = number_in(&message->headers, FIELD_SHUNT_DEADLINE);
    if (deadline > 0 || message->ttl_ms == 0 || message->timestamp_ms == 0)
        return deadline;
    if (message->ttl_ms > UINT32_MAX || message->timestamp_ms > UINT64_MAX / 2)
        return 0;
    return message->timestamp_ms + 999 + message->ttl_ms;
}

static void read_content(struct arrival *arrival, const struct content *content)
{
    arrival->message = content->message;
    arrival->redelivered = content->redelivered;
    arrival->wants_reply = content->message.reply_to.len > 0;
    uint64_t attempts = number_in(&content->message.headers, FIELD_SHUNT_ATTEMPT);
    arrival->attempts = attempts < UINT32_MAX ? (unsigned)attempts : UINT32_MAX;
    arrival->expires_ms = expires_ms(&content->message);
    arrival->why = content->malformed;
    if (arrival->why == NULL && !content->keeps && content->size > 0)
        arrival->why = "the body is larger than the subscription takes";
    arrival->malformed = arrival->why != NULL;
}

struct parcel *parcel_make(struct content *content, unsigned generation, struct slice origin)
{
    assert(content->method == AMQP_BASIC_DELIVER_METHOD && content->got == content->size);
    struct parcel *parcel = calloc(1, sizeof *parcel);
    if (parcel == NULL)
        return NULL;
    read_content(&parcel->arrival, content);
    struct slice body = content->message.body;
    if (body.len > 0 && content->body == NULL) {
        parcel->arrival.message.body = arena_copy(&content->arena, body);
        if (parcel->arrival.message.body.at == NULL) {
            free(parcel);
            return NULL;
        }
    }
    parcel->arrival.origin = origin;
    parcel->arrival.own = parcel;
    parcel->tag = content->tag;
    parcel->generation = generation;
    parcel->arena = content->arena;
    content->arena = (struct arena){ 0 };
    return parcel;
}

void parcel_free(struct parcel *parcel)
{
    arena_clear(&parcel->arena);
    free(parcel);
}

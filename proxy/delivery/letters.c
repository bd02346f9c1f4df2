/* Headers of the original are taken over by reference; what Shunt said of it before is said
 * anew. The arena's cap is the only failure. */
#include "delivery/letters.h"

#include <assert.h>

#include "core/wire.h"

/* The first failure of a chain of additions. */
struct writing {
    struct arena *arena;
    struct fields *headers;
    bool full;
};

static void add(struct writing *writing, const char *name, struct slice value)
{
    if (writing->full || value.at == NULL ||
        fields_add(writing->headers, writing->arena, slice_text(name), value) < 0)
        writing->full = true;
}

static void add_number(struct writing *writing, const char *name, uint64_t number)
{
    add(writing, name, arena_printf(writing->arena, "%llu", (unsigned long long)number));
}

/* Room for all at once: the headers of a stranger can be many. */
static void begin(struct writing *writing, size_t originals)
{
    enum { OWN_HEADERS = 9 };
    size_t room = originals + OWN_HEADERS;
    writing->headers->at = arena_try(writing->arena, room * sizeof(struct field));
    writing->full = writing->headers->at == NULL;
    writing->headers->cap = writing->full ? 0 : (uint32_t)room;
}

static bool is_secret(struct slice name)
{
    static const struct slice trailer = SLICE(":trailer.");
    return wire_is_secret(
        field_token(slice_starts(name, trailer) ? slice_from(name, trailer.len) : name));
}

/* Hops go on being counted; all else that is Shunt's or the broker's belongs to the delivery
 * that was. */
static void add_original(struct writing *writing, const struct fields *headers, bool secrets)
{
    for (uint32_t i = 0; i < headers->count && !writing->full; i++) {
        const struct field *header = &headers->at[i];
        if (wire_is_own(header->name) && header->token != FIELD_SHUNT_HOPS)
            continue;
        if (!secrets && is_secret(header->name))
            continue;
        writing->full = fields_add(writing->headers, writing->arena, header->name, header->value) <
                        0;
    }
}

/* What a copy has of its original whatever becomes of it. A copy waits for somebody: it never
 * expires by itself, the deadline of the original stands in it. */
static struct message copy_of(const struct arrival *arrival, const struct postmark *mark)
{
    struct message copy = arrival->message;
    copy.headers = (struct fields){ 0 };
    copy.message_id = mark->message_id;
    copy.ttl_ms = 0;
    copy.durable = true;
    return copy;
}

static int finish(const struct writing *writing)
{
    return writing->full ? -REASON_fields_too_large : 0;
}

int letter_reply(const struct arrival *arrival, const struct postmark *mark,
                 const struct head *answer, const struct fields *trailers, struct slice body,
                 struct arena *arena, struct message *message)
{
    assert(arrival->wants_reply && answer->status >= 100);
    *message = (struct message){
        .message_id = mark->message_id,
        .correlation_id = arrival->message.correlation_id,
        .reply_to = arrival->message.reply_to,
        .body = body,
        .timestamp_ms = mark->now_ms,
        .durable = arrival->message.durable,
    };
    if (arrival->expires_ms > mark->now_ms)
        message->ttl_ms = arrival->expires_ms - mark->now_ms;
    return wire_from_response(answer, trailers, arena, message);
}

int letter_dead(const struct arrival *arrival, const struct postmark *mark,
                enum letter_extent extent, struct arena *arena, struct message *message)
{
    assert(mark->reason > REASON_none && mark->reason < REASONS);
    *message = copy_of(arrival, mark);
    struct writing writing = { .arena = arena, .headers = &message->headers };
    begin(&writing, extent != LETTER_WHOLE ? 0 : arrival->message.headers.count);
    if (extent == LETTER_WHOLE)
        add_original(&writing, &arrival->message.headers, false);
    if (extent == LETTER_HOLLOW) {
        message->body = SLICE("");
        add_number(&writing, "shunt-body-bytes", arrival->message.body.len);
    }
    add(&writing, "shunt-reason", slice_text(reasons[mark->reason].name));
    if (mark->detail.len > 0)
        add(&writing, "shunt-detail", mark->detail);
    if (mark->status != 0)
        add_number(&writing, "shunt-status", (uint64_t)mark->status);
    add_number(&writing, "shunt-attempts", mark->attempts);
    add_number(&writing, "shunt-first-seen", mark->first_seen_ms);
    add_number(&writing, "shunt-dead-at", mark->now_ms);
    if (arrival->origin.len > 0)
        add(&writing, "shunt-origin", arrival->origin);
    if (arrival->expires_ms != 0)
        add_number(&writing, "shunt-deadline", arrival->expires_ms);
    return finish(&writing);
}

int letter_delayed(const struct arrival *arrival, const struct postmark *mark, struct arena *arena,
                   struct message *message)
{
    *message = copy_of(arrival, mark);
    struct writing writing = { .arena = arena, .headers = &message->headers };
    begin(&writing, arrival->message.headers.count);
    add_original(&writing, &arrival->message.headers, true);
    add_number(&writing, "shunt-attempt", mark->attempts);
    add_number(&writing, "shunt-first-seen", mark->first_seen_ms);
    if (arrival->expires_ms != 0)
        add_number(&writing, "shunt-deadline", arrival->expires_ms);
    return finish(&writing);
}

/* Any record as an arrival's message: it is read or refused, the request that becomes of it is one,
 * and a message that was read goes into a record and comes back as it was.
 *
 * Input: a byte of flags (1: null key, 2: null value), then headers `name 0x1f value 0x1e`, then
 * the value. A name without 0x1f has a null value.
 *
 * libFuzzer: -max_len=512 */
#include <assert.h>

#include "core/wire.h"
#include "plugins/kafka/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_input(struct slice rest, struct arena *arena, struct record *record)
{
    uint8_t flags = rest.len > 0 ? rest.at[0] : 0;
    rest = slice_from(rest, rest.len > 0 ? 1 : 0);
    for (;;) {
        size_t end = slice_find(rest, 0x1e);
        if (end == rest.len)
            break;
        struct slice line = slice_first(rest, end);
        size_t mark = slice_find(line, 0x1f);
        struct slice value = mark < line.len ? slice_from(line, mark + 1) : slice_of(NULL, 0);
        rest = slice_from(rest, end + 1);
        if (fields_add(&record->headers, arena, slice_first(line, mark), value) < 0)
            break;
    }
    record->key = (flags & 1) != 0 ? slice_of(NULL, 0) : SLICE("key");
    record->value = (flags & 2) != 0 ? slice_of(NULL, 0) : rest;
    if (record->value.at == NULL && (flags & 2) == 0)
        record->value = SLICE("");
}

static void check_again(const struct message *message, struct arena *arena)
{
    struct record record = { .topic = "t" };
    struct message again;
    const char *why;
    if (record_write(message, arena, &record) < 0)
        return;
    assert(record.value.at != NULL && record_size(&record) > record.value.len);
    if (record_read(&record, arena, &again, &why) < 0)
        return;
    assert(slice_equal(again.body, message->body));
    assert(slice_equal(again.message_id, message->message_id) || message->message_id.len == 0);
    assert(again.headers.count <= message->headers.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct record record = { .topic = "t" };
    read_input(slice_of(data, size), &arena, &record);
    struct message message;
    const char *why = NULL;
    if (record_read(&record, &arena, &message, &why) == 0) {
        const struct wire_rules rules = { 0 };
        struct head request;
        struct fields trailers = { 0 };
        unsigned ignored;
        assert(message.body.at != NULL && why == NULL);
        int refused = wire_to_request(&message, &rules, SLICE("service:8080"), &arena, &request,
                                      &trailers, &ignored, &why);
        assert((refused == 0) == (why == NULL));
        check_again(&message, &arena);
    }
    arena_clear(&arena);
    return 0;
}

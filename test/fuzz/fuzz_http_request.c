/* Any bytes as what a client sends: a request that is taken is written anew as one that our own
 * parser reads as the very same, and its body comes out alike however it was cut.
 *
 * Input: a head and what follows it, as on a connection.
 *
 * libFuzzer: -max_len=1024 */
#include <assert.h>

#include "http/body.h"
#include "http/framing.h"
#include "http/writing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct listener {
    struct body_sink sink;
    struct bytes heard;
};

static bool on_content(struct body_sink *sink, struct slice bytes)
{
    bytes_add(&((struct listener *)(void *)sink)->heard, bytes);
    return true;
}

struct result {
    struct listener listener;
    struct body_reader reader;
    size_t taken;
};

/* Reads in steps; after the end what is left is not the body's. */
static void read_in(struct result *result, const struct head *request, struct slice bytes,
                    size_t step, struct arena *arena)
{
    *result = (struct result){ .listener.sink.content = on_content };
    body_start(&result->reader, request->framing, request->length, false, arena);
    while (result->taken < bytes.len && result->reader.state < BODY_DONE) {
        struct slice rest = slice_first(slice_from(bytes, result->taken), step);
        result->taken += body_read(&result->reader, rest, &result->listener.sink);
    }
}

static void check_body(const struct head *request, struct slice bytes, struct arena *arena)
{
    struct result whole, single;
    read_in(&whole, request, bytes, bytes.len, arena);
    read_in(&single, request, bytes, 1, arena);
    /* What is wrong may be told before or after the content in front of it. */
    assert((whole.reader.state == BODY_BAD) == (single.reader.state == BODY_BAD));
    if (whole.reader.state != BODY_BAD) {
        assert(whole.reader.state == single.reader.state && whole.taken == single.taken);
        assert(
            slice_equal(bytes_slice(&whole.listener.heard), bytes_slice(&single.listener.heard)));
        assert(whole.reader.trailers.count == single.reader.trailers.count);
    }
    for (uint32_t i = 0; i < whole.reader.trailers.count; i++) {
        const struct field *field = &whole.reader.trailers.at[i];
        assert(field_name_valid(field->name) && field_value_valid(field->value));
        assert(field->token != FIELD_CONTENT_LENGTH && !field_is_hop_by_hop(field->token));
    }
    bytes_free(&whole.listener.heard);
    bytes_free(&single.listener.heard);
}

static void check_fields(const struct fields *fields)
{
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->at[i];
        assert(field_name_valid(field->name) && field_value_valid(field->value));
        assert(!field_is_hop_by_hop(field->token));
        assert(field->token != FIELD_HOST && field->token != FIELD_CONTENT_LENGTH &&
               field->token != FIELD_EXPECT);
    }
}

/* As a server behind us reads it. */
static void check_forwarded(const struct head *request, struct arena *arena)
{
    struct bytes out = { 0 };
    request_write(request, request->authority, &out);
    struct slice bytes = bytes_slice(&out);
    assert(head_length(bytes, 0) == bytes.len);
    struct head read;
    struct head_notes notes;
    enum head_verdict verdict = request_parse(bytes, 5000, arena, &read, &notes);
    assert(verdict == HEAD_OK);
    assert(slice_equal(read.method, request->method) && slice_equal(read.path, request->path));
    assert(slice_equal(read.query, request->query) && read.has_query == request->has_query);
    assert(slice_equal(read.authority, request->authority));
    assert(read.framing == request->framing && read.length == request->length);
    assert(slice_equal(read.upgrade, request->upgrade) && read.expects == request->expects);
    assert(read.fields.count == request->fields.count + 1);
    assert(head_hops(&read.fields) == head_hops(&request->fields) + 1);
    bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    size_t length = head_length(bytes, 0);
    assert(length <= size);
    head_scan(bytes);
    if (length == 0)
        return 0;
    struct arena arena;
    arena_init(&arena, 4 << 20);
    struct head request;
    struct head_notes notes;
    struct slice head = arena_copy(&arena, slice_first(bytes, length));
    enum head_verdict verdict = request_parse(head, 1000, &arena, &request, &notes);
    assert((verdict == HEAD_OK) == (notes.why == NULL));
    assert(verdict != HEAD_OK || head_scan(head) == NULL);
    if (verdict == HEAD_OK) {
        check_fields(&request.fields);
        if (request.framing != FRAMING_TUNNEL)
            check_forwarded(&request, &arena);
        check_body(&request, slice_from(bytes, length), &arena);
    }
    arena_clear(&arena);
    return 0;
}

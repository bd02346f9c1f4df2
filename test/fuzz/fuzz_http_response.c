/* Any bytes as what an upstream sends: an answer that is taken is written anew as one that our
 * own parser reads as the very same.
 *
 * Input: a letter for the method (h: HEAD, else GET), then the bytes of the connection: heads of
 * 1xx and a final one.
 *
 * libFuzzer: -max_len=1024 */
#include <assert.h>

#include "http/framing.h"
#include "http/writing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fields(const struct fields *fields)
{
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->at[i];
        assert(field_name_valid(field->name) && field_value_valid(field->value));
        assert(!field_is_hop_by_hop(field->token) && field->token != FIELD_CONTENT_LENGTH);
    }
}

/* As the client reads it: with chunks where the end of the connection was the end. */
static void check_forwarded(const struct head *response, struct slice method, struct arena *arena)
{
    struct bytes out = { 0 };
    const struct answer_terms terms = {
        .has_body = response_has_body(method, response->status),
        .chunks = true,
        .forwarded = true,
        .date = SLICE("Sun, 06 Nov 1994 08:49:37 GMT"),
    };
    response_write(response, &terms, &out);
    struct slice bytes = bytes_slice(&out);
    assert(head_length(bytes, 0) == bytes.len);
    struct head read;
    struct head_notes notes;
    enum head_verdict verdict = response_parse(bytes, 5000, method, arena, &read, &notes);
    assert(verdict == HEAD_OK && !notes.close && !notes.until_close);
    assert(read.status == response->status);
    assert(response->phrase.len == 0 || slice_equal(read.phrase, response->phrase));
    assert(read.framing == response->framing && read.length == response->length);
    assert(read.fields.count >= response->fields.count + 1);
    bytes_free(&out);
}

/* One head; how long it was, 0: none is left. */
static size_t try_head(struct slice bytes, struct slice method, struct arena *arena)
{
    size_t length = head_length(bytes, 0);
    if (length == 0)
        return 0;
    struct head response;
    struct head_notes notes;
    struct slice head = arena_copy(arena, slice_first(bytes, length));
    enum head_verdict verdict = response_parse(head, 1000, method, arena, &response, &notes);
    assert(verdict == HEAD_OK || verdict == HEAD_BAD || verdict == HEAD_TOO_LARGE);
    if (verdict != HEAD_OK) {
        assert(notes.why != NULL);
        return 0;
    }
    assert(response.status >= 100 && response.status <= 999);
    check_fields(&response.fields);
    if (response.status >= 200) {
        check_forwarded(&response, method, arena);
        return 0;
    }
    assert(response.framing == FRAMING_NONE);
    struct bytes out = { 0 };
    if (response.status != 101)
        interim_write(&response, &out);
    bytes_free(&out);
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct arena arena;
    arena_init(&arena, 4 << 20);
    struct slice method = data[0] == 'h' ? SLICE("HEAD") : SLICE("GET");
    struct slice bytes = slice_of(data + 1, size - 1);
    size_t taken;
    while ((taken = try_head(bytes, method, &arena)) > 0)
        bytes = slice_from(bytes, taken);
    arena_clear(&arena);
    return 0;
}

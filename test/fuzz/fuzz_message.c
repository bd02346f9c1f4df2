/* Any bytes as a message from a broker: a request or a reply that is taken must be written as
 * one head of HTTP/1, which our own parser, as strict as it is, reads as the very same; what is
 * not taken has a reason. And what went through HTTP comes out of a second message unchanged.
 *
 * Input: properties and headers, each `name 0x1f value 0x1e`; then the body. Headers named
 * "=type" and "=encoding" are the properties.
 *
 * libFuzzer: -max_len=1024 */
#include <assert.h>
#include <stdlib.h>

#include "core/wire.h"
#include "http/framing.h"
#include "http/target.h"
#include "http/writing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_message(struct slice rest, struct arena *arena, struct message *message)
{
    for (;;) {
        size_t end = slice_find(rest, 0x1e);
        if (end == rest.len)
            break;
        struct slice line = slice_first(rest, end);
        size_t mark = slice_find(line, 0x1f);
        struct slice name = slice_first(line, mark);
        struct slice value = slice_from(line, mark < line.len ? mark + 1 : mark);
        rest = slice_from(rest, end + 1);
        if (slice_is(name, "=type"))
            message->content_type = value;
        else if (slice_is(name, "=encoding"))
            message->content_encoding = value;
        else if (fields_add(&message->headers, arena, name, value) < 0)
            break;
    }
    message->body = rest;
}

static void check_fields(const struct fields *fields)
{
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->at[i];
        assert(field_name_valid(field->name) && field_value_valid(field->value));
        assert(!field_is_hop_by_hop(field->token));
        assert(field->token != FIELD_HOST && field->token != FIELD_CONTENT_LENGTH);
        assert(!wire_is_own(field->name));
    }
}

/* What a reader of HTTP must find: the same names and values in order, but for Via, which is
 * added on the way. */
static void check_same(const struct fields *sent, const struct fields *got)
{
    uint32_t j = 0;
    for (uint32_t i = 0; i < sent->count; i++, j++) {
        assert(j < got->count);
        assert(slice_equal_nocase(sent->at[i].name, got->at[j].name));
        assert(slice_equal(slice_trim(sent->at[i].value), slice_trim(got->at[j].value)));
    }
    for (; j < got->count; j++)
        assert(got->at[j].token == FIELD_VIA || got->at[j].token == FIELD_DATE);
}

static void check_written_request(const struct head *request, struct arena *arena)
{
    struct bytes out = { 0 };
    request_write(request, request->authority, &out);
    struct slice bytes = bytes_slice(&out);
    assert(head_length(bytes, 0) == bytes.len);

    struct head read = { 0 };
    struct head_notes notes = { 0 };
    enum head_verdict verdict = request_parse(bytes, 2000, arena, &read, &notes);
    assert(verdict == HEAD_OK || verdict == HEAD_NOT_IMPLEMENTED || verdict == HEAD_TOO_LARGE);
    if (verdict == HEAD_OK) {
        assert(slice_equal(read.method, request->method) &&
               slice_equal(read.authority, request->authority));
        assert(slice_equal(read.path, request->path) && slice_equal(read.query, request->query));
        assert(read.has_query == request->has_query && !notes.absolute && !notes.upgrade &&
               !notes.close);
        assert(read.framing == request->framing ||
               (request->framing == FRAMING_NONE && read.length == 0 &&
                read.framing == FRAMING_LENGTH));
        assert(read.framing != FRAMING_LENGTH || read.length == request->length);
        check_same(&request->fields, &read.fields);
    }
    bytes_free(&out);
}

/* Through a second message and back. */
static void check_again(const struct head *request, const struct fields *trailers,
                        const struct message *message)
{
    struct call *call = calloc(1, sizeof(*call));
    assert(call != NULL);
    arena_init(&call->arena, 16 << 20);
    call->request = *request;
    call->request_trailers = *trailers;
    const struct wire_rules rules = { .secrets = true };
    struct message again = { .body = message->body };
    struct head second;
    struct fields second_trailers = { 0 };
    unsigned ignored;
    const char *why;
    if (wire_from_request(call, &rules, &again) == 0 && again.headers.count <= 1000 &&
        again.headers.bytes < 128 * 1024) {
        int refused = wire_to_request(&again, &rules, request->authority, &call->arena, &second,
                                      &second_trailers, &ignored, &why);
        assert(refused == 0);
        assert(slice_equal(second.method, request->method) &&
               slice_equal(second.path, request->path));
        assert(slice_equal(second.query, request->query) && second.has_query == request->has_query);
        assert(second_trailers.count <= trailers->count);
    }
    arena_clear(&call->arena);
    free(call);
}

static void try_request(const struct message *message, struct arena *arena)
{
    const struct wire_rules rules = { 0 };
    struct head request;
    struct fields trailers = { 0 };
    unsigned ignored;
    const char *why = NULL;
    int refused = wire_to_request(message, &rules, SLICE("service:8080"), arena, &request,
                                  &trailers, &ignored, &why);
    assert((refused == 0) == (why == NULL));
    if (refused < 0)
        return;
    assert(slice_is(request.authority, "service:8080") && !slice_is(request.method, "CONNECT"));
    static const struct path_rules keep = { PATH_KEEP, PATH_KEEP };
    request.path = path_settle(request.path, request.oddities, &keep, arena);
    if (request.path.at == NULL)
        return;
    assert(request.path.at[0] == '/' && !slice_starts(request.path, SLICE("//")));
    assert(request.framing != FRAMING_LENGTH || request.length == message->body.len);
    check_fields(&request.fields);
    check_fields(&trailers);
    check_written_request(&request, arena);
    check_again(&request, &trailers, message);
}

static void try_response(const struct message *message, struct arena *arena)
{
    struct head response;
    struct fields trailers = { 0 };
    const char *why = NULL;
    int refused = wire_to_response(message, arena, &response, &trailers, &why);
    assert((refused == 0) == (why == NULL));
    if (refused < 0)
        return;
    assert(response.status >= 200 && response.status <= 999);
    check_fields(&response.fields);
    check_fields(&trailers);

    struct bytes out = { 0 };
    const struct answer_terms terms = { .has_body = true, .chunks = true };
    response_write(&response, &terms, &out);
    struct slice bytes = bytes_slice(&out);
    assert(head_length(bytes, 0) == bytes.len);
    struct head read = { 0 };
    struct head_notes notes = { 0 };
    enum head_verdict verdict = response_parse(bytes, 2000, SLICE("GET"), arena, &read, &notes);
    assert(verdict == HEAD_OK || verdict == HEAD_TOO_LARGE || response.status > 599);
    if (verdict == HEAD_OK) {
        assert(read.status == response.status);
        check_same(&response.fields, &read.fields);
    }
    bytes_free(&out);

    struct message again = { 0 };
    if (wire_from_response(&response, &trailers, arena, &again) == 0)
        assert(again.headers.count >= 1 && slice_is(again.headers.at[0].name, ":status"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct message message = { 0 };
    read_message(slice_of(data, size), &arena, &message);
    try_request(&message, &arena);
    try_response(&message, &arena);
    arena_clear(&arena);
    return 0;
}

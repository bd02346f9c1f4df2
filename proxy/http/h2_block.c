/* See h2_block.h. */
#include "http/h2_block.h"

#include <assert.h>
#include <stdlib.h>

#include "http/body.h"
#include "http/reading.h"
#include "http/target.h"
#include "http/websocket.h"

/* --- gathering -------------------------------------------------------------------------------- */

void h2_block_start(struct h2_block *block, struct arena *arena, size_t fields_max,
                    size_t bytes_max)
{
    *block = (struct h2_block){ .arena = arena, .fields_max = fields_max, .bytes_max = bytes_max };
}

static enum head_verdict judge(struct h2_block *block, enum head_verdict verdict, const char *why)
{
    if (block->verdict == HEAD_OK) {
        block->verdict = verdict;
        block->why = why;
    }
    return block->verdict;
}

/* A line that may be said once. */
static void take_once(struct h2_block *block, struct slice *place, struct slice value,
                      const char *twice)
{
    if (place->at != NULL) {
        judge(block, HEAD_BAD, twice);
        return;
    }
    *place = arena_copy(block->arena, value);
    if (place->at == NULL)
        judge(block, HEAD_TOO_LARGE, "the fields are too large");
}

static void take_pseudo(struct h2_block *block, struct slice name, struct slice value)
{
    const struct {
        struct slice name, *place;
    } rows[] = {
        { SLICE(":method"), &block->method }, { SLICE(":scheme"), &block->scheme },
        { SLICE(":path"), &block->path },     { SLICE(":authority"), &block->authority },
        { SLICE(":status"), &block->status }, { SLICE(":protocol"), &block->protocol },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (slice_equal(name, rows[i].name)) {
            take_once(block, rows[i].place, value, "a pseudo-header field is repeated");
            return;
        }
    }
    judge(block, HEAD_BAD, "a pseudo-header field is unknown");
}

static void keep_field(struct h2_block *block, enum field_name token, struct slice name,
                       struct slice value, bool secret)
{
    if (fields_add_known(&block->fields, block->arena, token, name, value) != 0)
        judge(block, HEAD_TOO_LARGE, "the fields are too large");
    else
        block->fields.at[block->fields.count - 1].secret = secret;
}

static void take_field(struct h2_block *block, struct slice name, struct slice value, bool secret)
{
    enum field_name token = field_token(name);
    switch (field_aside(token)) {
    case ASIDE_NONE:
        keep_field(block, token, name, value, secret);
        break;
    case ASIDE_HOST:
        take_once(block, &block->host, value, "there are several Host fields");
        break;
    case ASIDE_LENGTH:
        take_once(block, &block->length, value, "there are several Content-Length fields");
        break;
    case ASIDE_EXPECT:
        take_once(block, &block->expect, value, "only 100-continue can be expected");
        break;
    case ASIDE_TE:
        block->te_trailers |= slice_is_nocase(value, "trailers");
        break;
    case ASIDE_CODING:
    case ASIDE_CONNECTION:
    case ASIDE_UPGRADE:
        judge(block, HEAD_BAD, "a field is about the connection, which HTTP/2 has no field for");
        break;
    default:
        break; /* hop-by-hop, and of no use */
    }
}

void h2_block_add(struct h2_block *block, struct slice name, struct slice value, bool secret)
{
    assert(block->arena != NULL && name.len > 0);
    block->bytes += name.len + value.len;
    block->count++;
    if (block->verdict != HEAD_OK)
        return;
    if (block->count > block->fields_max)
        judge(block, HEAD_TOO_LARGE, "there are too many fields");
    else if (block->bytes > block->bytes_max)
        judge(block, HEAD_TOO_LARGE, "the fields are too large");
    else if (name.at[0] == ':')
        take_pseudo(block, name, value);
    else
        take_field(block, name, value, secret);
}

/* --- judging ---------------------------------------------------------------------------------- */

/* Cookies may come in pieces, which are one field elsewhere (RFC 9113 §8.2.3). */
static void join_cookies(struct h2_block *block)
{
    struct fields *fields = &block->fields;
    size_t len = 0;
    unsigned pieces = 0;
    for (uint32_t i = 0; i < fields->count; i++) {
        if (fields->at[i].token == FIELD_COOKIE) {
            len += fields->at[i].value.len + 2;
            pieces++;
        }
    }
    if (pieces < 2)
        return;
    uint8_t *at = arena_try(block->arena, len);
    if (at == NULL) {
        judge(block, HEAD_TOO_LARGE, "the fields are too large");
        return;
    }
    struct field *first = NULL;
    bool secret = false;
    size_t used = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < fields->count; i++) {
        struct field field = fields->at[i];
        bool is_cookie = field.token == FIELD_COOKIE;
        if (is_cookie) {
            secret |= field.secret;
            memcpy(at + used, field.value.at, field.value.len);
            used += field.value.len;
            at[used++] = ';';
            at[used++] = ' ';
        }
        if (is_cookie && first != NULL)
            continue;
        fields->at[kept] = field;
        if (is_cookie)
            first = &fields->at[kept];
        kept++;
    }
    assert(used == len && first != NULL);
    fields->count = kept;
    first->value = slice_of(at, len - 2);
    first->secret = secret;
}

static void judge_framing(struct h2_block *block, bool ends, struct head *head)
{
    head->framing = ends ? FRAMING_NONE : FRAMING_CHUNKED;
    if (block->length.at == NULL)
        return;
    head->framing = FRAMING_LENGTH;
    if (slice_number(block->length, &head->length) != 0 || head->length > INT64_MAX)
        judge(block, HEAD_BAD, "Content-Length is no length");
}

/* A target that HTTP/1 can say too: origin-form or "*", or with CONNECT an authority. */
static void judge_target(struct h2_block *block, struct head *request)
{
    const char *why = NULL;
    bool connect = slice_is(block->method, "CONNECT") && block->protocol.at == NULL;
    struct slice target = connect ? block->authority : block->path;
    struct slice method = block->protocol.at == NULL ? block->method : SLICE("GET");
    if (!field_name_valid(block->method))
        judge(block, HEAD_BAD, "the method is no token");
    else if (block->protocol.at != NULL && !slice_is(block->method, "CONNECT"))
        judge(block, HEAD_BAD, "only CONNECT has a protocol");
    else if (target.len == 0 || connect != (block->path.at == NULL))
        judge(block, HEAD_BAD, "there is no target");
    else if (!connect && !slice_is(block->scheme, "http") && !slice_is(block->scheme, "https"))
        judge(block, HEAD_BAD, "the scheme is neither http nor https");
    else if (!connect && target.at[0] != '/' && !slice_is(target, "*"))
        judge(block, HEAD_BAD, "the path does not begin with '/'");
    else if (target_parse(target, method, block->arena, request, &why) != 0)
        judge(block, HEAD_BAD, why);
}

/* RFC 9113 §8.3.1: a Host that is there as well says the same. */
static void judge_authority(struct h2_block *block, struct head *request)
{
    struct slice authority = block->authority.at != NULL ? block->authority : block->host;
    if (authority.len == 0 || !authority_valid(authority))
        judge(block, HEAD_BAD, "there is no authority, or it is malformed");
    else if (block->host.at != NULL && !authority_equal(block->host, authority))
        judge(block, HEAD_BAD, "Host is not the authority");
    request->authority = authority;
}

/* An extended CONNECT (RFC 8441 §4) asks for what a GET with an upgrade asks for. */
static void judge_protocol(struct h2_block *block, bool ends, struct head *request)
{
    if (!slice_is_nocase(block->protocol, "websocket"))
        judge(block, HEAD_NOT_IMPLEMENTED, "of protocols only \"websocket\" can be connected to");
    else if (ends || block->length.at != NULL || block->expect.at != NULL)
        judge(block, HEAD_BAD, "a WebSocket begins with a request that has no body");
    request->method = SLICE("GET");
    request->upgrade = SLICE("websocket");
    request->framing = FRAMING_NONE;
    request->expects = false;
}

static void judge_expect(struct h2_block *block, bool ends, struct head *request)
{
    if (block->expect.at == NULL)
        return;
    if (!slice_is_nocase(block->expect, "100-continue"))
        judge(block, HEAD_EXPECTATION, "only 100-continue can be expected");
    request->expects = !ends && (request->framing == FRAMING_CHUNKED || request->length > 0);
}

enum head_verdict h2_block_request(struct h2_block *block, bool ends, struct head *request)
{
    *request = (struct head){ .minor = 1, .h2 = true };
    request->method = block->method;
    if (block->verdict != HEAD_OK)
        return block->verdict;
    judge_target(block, request);
    if (block->verdict == HEAD_OK)
        judge_authority(block, request);
    judge_framing(block, ends, request);
    judge_expect(block, ends, request);
    join_cookies(block);
    if (block->protocol.at != NULL) {
        judge_protocol(block, ends, request);
    } else if (slice_is(block->method, "CONNECT")) {
        if (block->length.at != NULL)
            judge(block, HEAD_BAD, "CONNECT has no body");
        request->framing = FRAMING_TUNNEL;
    }
    request->trailers_welcome = block->te_trailers;
    request->fields = block->fields;
    const char *why = NULL;
    enum head_verdict verdict = method_judge(request, block->arena, &why);
    if (verdict != HEAD_OK)
        judge(block, verdict, why);
    return block->verdict;
}

enum head_verdict h2_block_response(struct h2_block *block, bool ends, struct slice method,
                                    struct head *response)
{
    uint64_t status = 0;
    *response = (struct head){ .minor = 1, .h2 = true };
    if (block->status.len != 3 || slice_number(block->status, &status) != 0 || status < 100 ||
        status == 101)
        judge(block, HEAD_BAD, "the status is malformed");
    judge_framing(block, ends, response);
    response->status = (int)status;
    if (status < 200 || status == 204) {
        response->framing = FRAMING_NONE;
        response->length = 0;
    } else if (!ends && !response_has_body(method, response->status)) {
        response->framing = block->length.at != NULL ? FRAMING_LENGTH : FRAMING_NONE;
    }
    response->fields = block->fields;
    return block->verdict;
}

static bool is_idle(const struct field *field, const void *what)
{
    (void)what;
    return trailer_is_idle(field->name);
}

enum head_verdict h2_block_trailers(struct h2_block *block, struct fields *trailers)
{
    if (block->length.at != NULL || block->host.at != NULL)
        judge(block, HEAD_BAD, "a trailer is about framing");
    fields_remove_where(&block->fields, is_idle, NULL);
    *trailers = block->fields;
    return block->verdict;
}

/* --- writing ---------------------------------------------------------------------------------- */

void h2_lines_free(struct h2_lines *lines)
{
    free(lines->at);
    bytes_free(&lines->target);
    *lines = (struct h2_lines){ 0 };
}

/* Each call has a new value of these: in the tables of a connection they would only push out what
 * comes again. */
static bool is_fresh(enum field_name token)
{
    return token == FIELD_TRACEPARENT || token == FIELD_SHUNT_MESSAGE_ID ||
           token == FIELD_SHUNT_DEADLINE;
}

static void add_line(struct h2_lines *lines, struct slice name, struct slice value, uint8_t flags)
{
    if (lines->count == lines->room) {
        lines->room = lines->room > 0 ? 2 * lines->room : 32;
        lines->at = realloc(lines->at, lines->room * sizeof *lines->at);
        if (lines->at == NULL)
            abort();
    }
    lines->at[lines->count++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.at,
        .namelen = name.len,
        .value = (uint8_t *)(uintptr_t)(value.len > 0 ? value.at : (const uint8_t *)""),
        .valuelen = value.len,
        .flags = flags,
    };
}

/* A name that is a literal of ours: in lower case, and not copied. */
static void add(struct h2_lines *lines, struct slice name, struct slice value)
{
    add_line(lines, name, value, NGHTTP2_NV_FLAG_NO_COPY_NAME);
}

/* Names without a token are put into lower case by nghttp2, which copies them. */
static void add_field(struct h2_lines *lines, const struct field *field)
{
    bool known = field->token != FIELD_OTHER, unindexed = field->secret || is_fresh(field->token);
    add_line(lines, known ? field_name_text(field->token) : field->name, field->value,
             (uint8_t)((known ? NGHTTP2_NV_FLAG_NO_COPY_NAME : 0) |
                       (unindexed ? NGHTTP2_NV_FLAG_NO_INDEX : 0)));
}

static void add_all(struct h2_lines *lines, const struct fields *fields)
{
    for (uint32_t i = 0; i < fields->count; i++)
        add_field(lines, &fields->at[i]);
}

static void add_own(struct h2_lines *lines)
{
    for (unsigned i = 0; i < lines->own.count; i++)
        add_field(lines, &lines->own.at[i]);
}

static void add_status(struct h2_lines *lines, int status)
{
    assert(status >= 100 && status <= 999);
    lines->count = 0;
    lines->status[0] = (char)('0' + status / 100);
    lines->status[1] = (char)('0' + status / 10 % 10);
    lines->status[2] = (char)('0' + status % 10);
    add(lines, SLICE(":status"), slice_of(lines->status, 3));
}

/* A WebSocket, which HTTP/2 asks for by an extended CONNECT (RFC 8441 §5). */
static void add_protocol(struct h2_lines *lines, const struct head *request)
{
    assert(websocket_complete(request));
    add(lines, SLICE(":protocol"), SLICE("websocket"));
}

void h2_lines_request(struct h2_lines *lines, const struct head *request, struct slice authority)
{
    assert(request->framing != FRAMING_TUNNEL && request->path.len > 0);
    bool upgrade = request->upgrade.len > 0;
    lines->count = 0;
    lines->target.len = 0;
    target_write(request, &lines->target);
    add(lines, SLICE(":method"), upgrade ? SLICE("CONNECT") : request->method);
    if (upgrade)
        add_protocol(lines, request);
    add(lines, SLICE(":scheme"), SLICE("http"));
    add(lines, SLICE(":authority"), authority);
    add(lines, SLICE(":path"), bytes_slice(&lines->target));
    for (uint32_t i = 0; i < request->fields.count; i++) {
        if (!upgrade || !websocket_is_handshake(request->fields.at[i].name))
            add_field(lines, &request->fields.at[i]);
    }
    own_fields_of_h2_request(request, &lines->own);
    add_own(lines);
}

void h2_lines_response(struct h2_lines *lines, const struct head *response,
                       const struct answer_terms *terms)
{
    add_status(lines, response->status);
    add_all(lines, &response->fields);
    own_fields_of_h2_response(response, terms, &lines->own);
    add_own(lines);
}

void h2_lines_interim(struct h2_lines *lines, const struct head *interim)
{
    assert(interim->status < 200 && interim->status != 101);
    add_status(lines, interim->status);
    add_all(lines, &interim->fields);
}

void h2_lines_trailers(struct h2_lines *lines, const struct fields *trailers)
{
    lines->count = 0;
    add_all(lines, trailers);
}

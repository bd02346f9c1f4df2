/* llhttp's callbacks for a head that is there in one piece, so that nothing arrives split.
 *
 * Happy path: each field is added to the list that goes on, or set aside by its name; the end of
 * the head is seen, and llhttp is not asked about a body. Failures: llhttp's own, too many
 * fields, the arena's cap.
 */
#include "http/reading.h"

#include <assert.h>

static const uint8_t asides[FIELD_NAMES_COUNT] = {
    [FIELD_HOST] = ASIDE_HOST,
    [FIELD_CONTENT_LENGTH] = ASIDE_LENGTH,
    [FIELD_TRANSFER_ENCODING] = ASIDE_CODING,
    [FIELD_CONNECTION] = ASIDE_CONNECTION,
    [FIELD_EXPECT] = ASIDE_EXPECT,
    [FIELD_UPGRADE] = ASIDE_UPGRADE,
    [FIELD_TE] = ASIDE_TE,
};

static int give_up(struct reading *reading, enum head_verdict verdict, const char *why)
{
    reading->verdict = verdict;
    reading->why = why;
    return HPE_USER;
}

/* The spans of one thing are one, since the head is in one piece; were there two, they would be
 * neighbours. */
static void extend(struct slice *slice, const char *at, size_t len)
{
    if (slice->at == NULL)
        *slice = slice_of(at, len);
    else
        slice->len = (size_t)((const uint8_t *)at + len - slice->at);
}

static int on_target(llhttp_t *parser, const char *at, size_t len)
{
    extend(&((struct reading *)parser->data)->target, at, len);
    return 0;
}

static int on_phrase(llhttp_t *parser, const char *at, size_t len)
{
    extend(&((struct reading *)parser->data)->phrase, at, len);
    return 0;
}

static int on_name(llhttp_t *parser, const char *at, size_t len)
{
    extend(&((struct reading *)parser->data)->name, at, len);
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    extend(&((struct reading *)parser->data)->value, at, len);
    return 0;
}

enum aside field_aside(enum field_name token)
{
    if (asides[token] != ASIDE_NONE)
        return asides[token];
    return field_is_hop_by_hop(token) ? ASIDE_DROPPED : ASIDE_NONE;
}

/* Adds the field to the list, and takes it out again when it is one that does not go on. */
static int on_field(llhttp_t *parser)
{
    struct reading *reading = parser->data;
    struct slice name = reading->name, value = slice_trim(reading->value);
    reading->name = reading->value = slice_of(NULL, 0);
    if (name.len == 0)
        return give_up(reading, HEAD_BAD, "a field has no name");
    if (++reading->count > reading->max_fields)
        return give_up(reading, HEAD_TOO_LARGE, "there are too many fields");
    if (fields_add(reading->fields, reading->arena, name, value) != 0)
        return give_up(reading, HEAD_TOO_LARGE, "the fields are too large");

    struct field *field = &reading->fields->at[reading->fields->count - 1];
    enum aside aside = field_aside(field->token);
    if (aside == ASIDE_NONE)
        return 0;
    reading->fields->count--;
    reading->fields->bytes -= name.len + value.len;
    if (reading->aside[aside].times == ASIDE_VALUES && aside != ASIDE_DROPPED)
        return give_up(reading, HEAD_BAD, "a field of the connection is repeated too often");
    if (reading->aside[aside].times < ASIDE_VALUES)
        reading->aside[aside].values[reading->aside[aside].times++] = value;
    return 0;
}

/* 1: no body follows as far as llhttp is concerned. */
static int on_complete(llhttp_t *parser)
{
    ((struct reading *)parser->data)->complete = true;
    return 1;
}

static const llhttp_settings_t settings = {
    .on_url = on_target,
    .on_status = on_phrase,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_field,
    .on_headers_complete = on_complete,
};

enum head_verdict reading_run(struct reading *reading, llhttp_type_t type, struct slice bytes)
{
    assert(bytes.len >= 4 && memcmp(bytes.at + bytes.len - 4, "\r\n\r\n", 4) == 0);
    assert(reading->fields->count == 0 && !reading->complete);
    llhttp_init(&reading->parser, type, &settings);
    reading->parser.data = reading;
    llhttp_errno_t error = llhttp_execute(&reading->parser, (const char *)bytes.at, bytes.len);
    if (reading->verdict != HEAD_OK || reading->complete)
        return reading->verdict;

    reading->why = llhttp_get_error_reason(&reading->parser);
    if (reading->why == NULL || *reading->why == '\0')
        reading->why = "the head is malformed";
    return error == HPE_INVALID_METHOD ? HEAD_NOT_IMPLEMENTED : HEAD_BAD;
}

struct slice reading_value(const struct reading *reading, enum aside aside)
{
    assert(aside > ASIDE_NONE && aside < ASIDES && reading->aside[aside].times > 0);
    return reading->aside[aside].values[0];
}

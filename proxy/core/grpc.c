/* See grpc.h. */
#include "core/grpc.h"

#include <assert.h>

enum { MESSAGE_MAX = 512, TIMEOUT_DIGITS = 8 };

/* The codes that we say ourselves. */
enum {
    CANCELLED = 1,
    UNKNOWN = 2,
    DEADLINE_EXCEEDED = 4,
    PERMISSION_DENIED = 7,
    RESOURCE_EXHAUSTED = 8,
    ABORTED = 10,
    UNIMPLEMENTED = 12,
    INTERNAL = 13,
    UNAVAILABLE = 14,
};

bool grpc_is_call(const struct head *request)
{
    const struct field *type = fields_find(&request->fields, FIELD_CONTENT_TYPE);
    if (type == NULL || !slice_is(request->method, "POST"))
        return false;
    const struct slice name = SLICE("application/grpc");
    if (!slice_equal_nocase(slice_first(type->value, name.len), name))
        return false;
    struct slice rest = slice_from(type->value, name.len);
    return rest.len == 0 || rest.at[0] == '+' || rest.at[0] == ';' || rest.at[0] == ' ';
}

/* A unit in nanoseconds. */
static uint64_t unit_ns(uint8_t unit)
{
    static const uint64_t units[] = {
        ['H'] = UINT64_C(3600000000000),
        ['M'] = UINT64_C(60000000000),
        ['S'] = 1000000000,
        ['m'] = 1000000,
        ['u'] = 1000,
        ['n'] = 1,
    };
    return unit < sizeof units / sizeof *units ? units[unit] : 0;
}

uint64_t grpc_timeout_ms(const struct fields *fields)
{
    const struct field *field = fields_find_name(fields, SLICE("grpc-timeout"));
    if (field == NULL || field->value.len < 2 || field->value.len > TIMEOUT_DIGITS + 1)
        return UINT64_MAX;
    uint64_t count, unit = unit_ns(field->value.at[field->value.len - 1]);
    if (unit == 0 || slice_number(slice_first(field->value, field->value.len - 1), &count) != 0)
        return UINT64_MAX;
    uint64_t ms = count * (unit / 1000) / 1000; /* 8 digits of hours fit in microseconds */
    return ms > 0 ? ms : 1;
}

int grpc_status(const struct fields *fields)
{
    const struct field *field = fields_find_name(fields, SLICE("grpc-status"));
    uint64_t status;
    if (field == NULL || slice_number(field->value, &status) != 0 || status >= GRPC_STATUSES)
        return GRPC_STATUS_NONE;
    return (int)status;
}

int grpc_status_of(enum reason reason, enum outcome outcome)
{
    static const struct {
        int http, grpc;
    } rows[] = {
        { 400, INTERNAL },           { 403, PERMISSION_DENIED }, { 404, UNIMPLEMENTED },
        { 405, UNIMPLEMENTED },      { 408, CANCELLED },         { 413, RESOURCE_EXHAUSTED },
        { 431, RESOURCE_EXHAUSTED }, { 499, CANCELLED },         { 501, UNIMPLEMENTED },
        { 504, DEADLINE_EXCEEDED },  { 508, ABORTED },           { 500, INTERNAL },
    };
    int http = reasons[reason].status;
    bool nothing_done = outcome == OUTCOME_NOT_SENT || outcome == OUTCOME_REFUSED_WHOLE;
    if (http == 502 || http == 503)
        return nothing_done ? UNAVAILABLE : UNKNOWN;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].http == http)
            return rows[i].grpc;
    }
    return UNKNOWN;
}

int grpc_http_status(int status)
{
    static const int statuses[GRPC_STATUSES] = { 200, 499, 500, 400, 504, 404, 409, 403, 429,
                                                 400, 409, 400, 501, 500, 503, 500, 401 };
    assert(status < GRPC_STATUSES);
    return status < 0 ? 500 : statuses[status];
}

/* Percent-encoded but for printable ASCII. */
static struct slice encoded(struct arena *arena, struct slice text)
{
    static const char digits[] = "0123456789ABCDEF";
    text = slice_first(text, MESSAGE_MAX);
    uint8_t *at = arena_try(arena, 3 * text.len + 1);
    size_t used = 0;
    for (size_t i = 0; at != NULL && i < text.len; i++) {
        uint8_t byte = text.at[i];
        if (byte >= 0x20 && byte <= 0x7e && byte != '%') {
            at[used++] = byte;
            continue;
        }
        at[used++] = '%';
        at[used++] = (uint8_t)digits[byte >> 4];
        at[used++] = (uint8_t)digits[byte & 15];
    }
    return slice_of(at, used);
}

static void add(struct fields *fields, struct arena *arena, struct slice name, struct slice value)
{
    if (value.at != NULL && fields_add(fields, arena, name, value) != 0)
        assert(fields->count <= fields->cap);
}

void grpc_problem(struct arena *arena, enum reason reason, enum outcome outcome, const char *detail,
                  struct head *head)
{
    int status = grpc_status_of(reason, outcome);
    assert(status > 0 && status < GRPC_STATUSES);
    head->status = 200;
    head->framing = FRAMING_NONE;
    head->length = 0;
    fields_remove(&head->fields, FIELD_CONTENT_TYPE);
    fields_remove(&head->fields, FIELD_RETRY_AFTER);
    add(&head->fields, arena, SLICE("content-type"), SLICE("application/grpc"));
    add(&head->fields, arena, SLICE("grpc-status"), arena_printf(arena, "%d", status));
    struct slice text = arena_printf(arena, "%s%s%s", reasons[reason].text,
                                     detail != NULL ? ": " : "", detail != NULL ? detail : "");
    if (text.at != NULL)
        add(&head->fields, arena, SLICE("grpc-message"), encoded(arena, text));
}

struct slice grpc_stored(struct arena *arena, struct head *head, struct fields *trailers)
{
    *head = (struct head){ .status = 200, .minor = 1, .framing = FRAMING_CHUNKED };
    add(&head->fields, arena, SLICE("content-type"), SLICE("application/grpc"));
    add(trailers, arena, SLICE("grpc-status"), SLICE("0"));
    return SLICE("\0\0\0\0\0"); /* not compressed, of length 0 */
}

/* See writing.h. Everything that is written here was checked when it was read: no name or value
 * holds CR, LF or NUL. Failure: none of its own; a buffer that did not get its memory is full,
 * and built_write resets the stream.
 */
#include "http/writing.h"

#include <assert.h>

enum { SCRATCH_KEPT = 8 * 1024 };

static void add(struct bytes *out, struct slice name, struct slice value)
{
    size_t len = name.len + 2 + value.len + 2;
    uint8_t *at = bytes_reserve(out, len);
    if (at == NULL)
        return;
    memcpy(at, name.at, name.len);
    at += name.len;
    *at++ = ':';
    *at++ = ' ';
    if (value.len > 0)
        memcpy(at, value.at, value.len);
    at += value.len;
    *at++ = '\r';
    *at++ = '\n';
    out->len += len;
}

static void add_all(struct bytes *out, const struct fields *fields)
{
    for (uint32_t i = 0; i < fields->count; i++)
        add(out, fields->at[i].name, fields->at[i].value);
}

/* Our own fields, as HTTP/1 writes their names. */
static void own(struct own_fields *fields, enum field_name token, struct slice value)
{
    static const struct slice names[FIELD_NAMES_COUNT] = {
        [FIELD_CONNECTION] = SLICE_ROW("Connection"),
        [FIELD_CONTENT_LENGTH] = SLICE_ROW("Content-Length"),
        [FIELD_DATE] = SLICE_ROW("Date"),
        [FIELD_EXPECT] = SLICE_ROW("Expect"),
        [FIELD_SHUNT_MESSAGE_ID] = SLICE_ROW("Shunt-Message-Id"),
        [FIELD_TE] = SLICE_ROW("TE"),
        [FIELD_TRANSFER_ENCODING] = SLICE_ROW("Transfer-Encoding"),
        [FIELD_UPGRADE] = SLICE_ROW("Upgrade"),
        [FIELD_VIA] = SLICE_ROW("Via"),
    };
    assert(fields->count < OWN_FIELDS && names[token].len > 0);
    fields->at[fields->count++] =
        (struct field){ .name = names[token], .value = value, .token = token };
}

/* RFC 9110 §7.6.3. */
static struct slice via_text(const struct head *head)
{
    if (head->h2)
        return SLICE("2.0 shunt");
    return head->minor == 0 ? SLICE("1.0 shunt") : SLICE("1.1 shunt");
}

/* The digits of a number, at the end of `text`. */
static struct slice digits_of(uint64_t number, unsigned base, char text[NUMBER_TEXT])
{
    size_t start = NUMBER_TEXT;
    do {
        text[--start] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    return slice_of(text + start, NUMBER_TEXT - start);
}

static void own_length(struct own_fields *fields, const struct head *head)
{
    if (head->framing == FRAMING_LENGTH)
        own(fields, FIELD_CONTENT_LENGTH, digits_of(head->length, 10, fields->length));
}

static void own_chunks(struct own_fields *fields)
{
    own(fields, FIELD_TRANSFER_ENCODING, SLICE("chunked"));
}

static void own_framing(struct own_fields *fields, const struct head *head)
{
    own_length(fields, head);
    if (head->framing == FRAMING_CHUNKED)
        own_chunks(fields);
}

bool trailers_need_chunks(const struct head *head)
{
    return head->h2 && head->framing == FRAMING_LENGTH &&
           fields_find(&head->fields, FIELD_TRAILER) != NULL;
}

/* --- requests --------------------------------------------------------------------------------- */

void own_fields_of_request(const struct head *request, struct own_fields *fields)
{
    fields->count = 0;
    if (!request->no_via)
        own(fields, FIELD_VIA, via_text(request));
    if (request->upgrade.len > 0) {
        own(fields, FIELD_CONNECTION, SLICE("Upgrade"));
        own(fields, FIELD_UPGRADE, request->upgrade);
    } else if (request->trailers_welcome) {
        own(fields, FIELD_CONNECTION, SLICE("TE"));
        own(fields, FIELD_TE, SLICE("trailers"));
    }
    if (request->expects)
        own(fields, FIELD_EXPECT, SLICE("100-continue"));
    if (trailers_need_chunks(request))
        own_chunks(fields);
    else
        own_framing(fields, request);
}

void own_fields_of_h2_request(const struct head *request, struct own_fields *fields)
{
    fields->count = 0;
    if (!request->no_via)
        own(fields, FIELD_VIA, via_text(request));
    if (request->trailers_welcome)
        own(fields, FIELD_TE, SLICE("trailers"));
    if (request->expects)
        own(fields, FIELD_EXPECT, SLICE("100-continue"));
    if (request->upgrade.len == 0) /* else DATA is the tunnel's (RFC 8441 §5) */
        own_length(fields, request);
}

void target_write(const struct head *request, struct bytes *out)
{
    bytes_add(out, request->path);
    if (request->has_query) {
        bytes_byte(out, '?');
        bytes_add(out, request->query);
    }
}

void request_write(const struct head *request, struct slice authority, struct bytes *out)
{
    assert(request->framing != FRAMING_TUNNEL && request->path.len > 0);
    bytes_add(out, request->method);
    bytes_byte(out, ' ');
    target_write(request, out);
    bytes_text(out, " HTTP/1.1\r\n");
    add(out, SLICE("Host"), authority);
    add_all(out, &request->fields);

    struct own_fields fields;
    own_fields_of_request(request, &fields);
    for (unsigned i = 0; i < fields.count; i++)
        add(out, fields.at[i].name, fields.at[i].value);
    bytes_text(out, "\r\n");
}

/* --- answers ---------------------------------------------------------------------------------- */

/* For answers that bring no reason phrase of their own: replies from brokers, refusals of ours. */
static const char *phrase_of(int status)
{
    static const struct {
        int status;
        char phrase[36];
    } rows[] = {
        { 101, "Switching Protocols" },
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 206, "Partial Content" },
        { 301, "Moved Permanently" },
        { 302, "Found" },
        { 303, "See Other" },
        { 304, "Not Modified" },
        { 307, "Temporary Redirect" },
        { 308, "Permanent Redirect" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 410, "Gone" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" },
        { 417, "Expectation Failed" },
        { 421, "Misdirected Request" },
        { 422, "Unprocessable Content" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
        { 508, "Loop Detected" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].status == status)
            return rows[i].phrase;
    }
    return "";
}

static void status_line(const struct head *response, struct bytes *out)
{
    assert(response->status >= 100 && response->status <= 999);
    char line[] = "HTTP/1.1 000 ";
    line[9] = (char)('0' + response->status / 100);
    line[10] = (char)('0' + response->status / 10 % 10);
    line[11] = (char)('0' + response->status % 10);
    bytes_add(out, slice_of(line, sizeof line - 1));
    if (response->phrase.len > 0)
        bytes_add(out, response->phrase);
    else
        bytes_text(out, phrase_of(response->status));
    bytes_text(out, "\r\n");
}

static void own_connection(const struct head *response, const struct answer_terms *terms,
                           struct own_fields *fields)
{
    if (response->status == 101) {
        own(fields, FIELD_CONNECTION, SLICE("Upgrade"));
        own(fields, FIELD_UPGRADE, response->upgrade);
    } else if (terms->close) {
        own(fields, FIELD_CONNECTION, SLICE("close"));
    } else if (terms->keep_alive) {
        own(fields, FIELD_CONNECTION, SLICE("keep-alive"));
    }
}

/* What says whose answer it is, whatever the version. */
static void own_origin(const struct head *response, const struct answer_terms *terms,
                       struct own_fields *fields)
{
    const struct fields *given = &response->fields;
    fields->count = 0;
    if (fields_find(given, FIELD_DATE) == NULL)
        own(fields, FIELD_DATE, terms->date);
    if (terms->forwarded)
        own(fields, FIELD_VIA, via_text(response));
    if (terms->message_id.len > 0 && fields_find(given, FIELD_SHUNT_MESSAGE_ID) == NULL)
        own(fields, FIELD_SHUNT_MESSAGE_ID, terms->message_id);
}

static void own_fields_of_response(const struct head *response, const struct answer_terms *terms,
                                   struct own_fields *fields)
{
    own_origin(response, terms, fields);
    own_connection(response, terms, fields);
    if (response->framing == FRAMING_NONE && terms->has_body)
        own(fields, FIELD_CONTENT_LENGTH, SLICE("0"));
    else if (response->framing != FRAMING_CHUNKED || terms->chunks)
        own_framing(fields, response);
}

void own_fields_of_h2_response(const struct head *response, const struct answer_terms *terms,
                               struct own_fields *fields)
{
    own_origin(response, terms, fields);
    own_length(fields, response);
}

void response_write(const struct head *response, const struct answer_terms *terms,
                    struct bytes *out)
{
    status_line(response, out);
    add_all(out, &response->fields);
    struct own_fields fields;
    own_fields_of_response(response, terms, &fields);
    for (unsigned i = 0; i < fields.count; i++)
        add(out, fields.at[i].name, fields.at[i].value);
    bytes_text(out, "\r\n");
}

void interim_write(const struct head *interim, struct bytes *out)
{
    assert(interim->status < 200 && interim->status != 101);
    status_line(interim, out);
    add_all(out, &interim->fields);
    bytes_text(out, "\r\n");
}

/* --- bodies ----------------------------------------------------------------------------------- */

void chunk_write(struct stream *stream, struct slice bytes)
{
    if (bytes.len == 0)
        return;
    char text[NUMBER_TEXT];
    struct slice size = digits_of(bytes.len, 16, text);
    const struct iovec parts[] = {
        { .iov_base = (void *)(uintptr_t)size.at, .iov_len = size.len },
        { .iov_base = (void *)(uintptr_t) "\r\n", .iov_len = 2 },
        { .iov_base = (void *)(uintptr_t)bytes.at, .iov_len = bytes.len },
        { .iov_base = (void *)(uintptr_t) "\r\n", .iov_len = 2 },
    };
    stream_write(stream, parts, 4);
}

void last_chunk_write(const struct fields *trailers, struct bytes *out)
{
    bytes_text(out, "0\r\n");
    if (trailers != NULL)
        add_all(out, trailers);
    bytes_text(out, "\r\n");
}

void built_write(struct stream *stream, struct bytes *built)
{
    if (built->full)
        stream_reset(stream);
    else
        stream_write_slice(stream, bytes_slice(built));
    if (built->full || built->room > SCRATCH_KEPT)
        bytes_free(built);
    built->len = 0;
}

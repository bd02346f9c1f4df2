/* Messages of HTTP/1 as RFC 9112 has them, read by the simplest parser that can be: it shares
 * nothing with the proxy, so that the two can be compared. It takes what the grammar takes and
 * nothing else; framing that two readers could see differently is bad.
 */
#ifndef TEST_FUZZ_STRICT_HTTP_H
#define TEST_FUZZ_STRICT_HTTP_H

#include <assert.h>

#include "base/bytes.h"
#include "base/slice.h"

enum { LINES_MAX = 256 };

enum strictly { STRICTLY_WHOLE, STRICTLY_PART, STRICTLY_BAD };

struct line_of {
    struct slice name, value;
};

struct strict {
    struct slice left; /* behind what was read */
    struct slice method, target;
    unsigned minor, status, hosts, lengths, codings;
    struct line_of lines[LINES_MAX]; /* trailers behind the fields */
    unsigned fields, count;
    struct slice host, length, coding;
    struct bytes body; /* to be freed */
};

static inline bool strict_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i], low = byte | 0x20;
        bool good = (low >= 'a' && low <= 'z') || (byte >= '0' && byte <= '9') ||
                    (byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
        if (!good)
            return false;
    }
    return text.len > 0;
}

static inline bool strict_text(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((text.at[i] < ' ' && text.at[i] != '\t') || text.at[i] == 0x7f)
            return false;
    }
    return true;
}

/* Takes a line, which ends in CRLF and holds no other CR or LF. */
static inline enum strictly strict_line(struct strict *message, struct slice *line)
{
    size_t cr = slice_find(message->left, '\r'), lf = slice_find(message->left, '\n');
    if (lf == message->left.len)
        return cr + 1 < lf ? STRICTLY_BAD : STRICTLY_PART;
    if (cr + 1 != lf)
        return STRICTLY_BAD;
    *line = slice_first(message->left, cr);
    message->left = slice_from(message->left, lf + 1);
    return STRICTLY_WHOLE;
}

static inline enum strictly strict_first_line(struct strict *message)
{
    struct slice line;
    enum strictly read = strict_line(message, &line);
    if (read != STRICTLY_WHOLE)
        return read;
    message->method = slice_first(line, slice_find(line, ' '));
    line = slice_from(line, message->method.len);
    line = slice_from(line, line.len > 0 ? 1 : 0);
    message->target = slice_first(line, slice_find(line, ' '));
    line = slice_from(line, message->target.len);
    bool version = slice_is(line, " HTTP/1.1") || slice_is(line, " HTTP/1.0");
    message->minor = version ? line.at[line.len - 1] - '0' : 0;
    for (size_t i = 0; i < message->target.len; i++)
        version = version && message->target.at[i] > ' ' && message->target.at[i] < 0x7f;
    return version && strict_token(message->method) && message->target.len > 0 ? STRICTLY_WHOLE
                                                                               : STRICTLY_BAD;
}

static inline void strict_note(struct strict *message, struct slice name, struct slice value)
{
    if (slice_is_nocase(name, "host")) {
        message->hosts++;
        message->host = value;
    } else if (slice_is_nocase(name, "content-length")) {
        message->lengths++;
        message->length = value;
    } else if (slice_is_nocase(name, "transfer-encoding")) {
        message->codings++;
        message->coding = value;
    }
}

/* Field lines up to the empty one. */
static inline enum strictly strict_lines(struct strict *message)
{
    for (;;) {
        struct slice line;
        enum strictly read = strict_line(message, &line);
        if (read != STRICTLY_WHOLE || line.len == 0)
            return read;
        size_t colon = slice_find(line, ':');
        struct slice name = slice_first(line, colon);
        struct slice value = slice_trim(slice_from(line, colon < line.len ? colon + 1 : colon));
        if (colon == line.len || !strict_token(name) || !strict_text(value) ||
            message->count == LINES_MAX)
            return STRICTLY_BAD;
        strict_note(message, name, value);
        message->lines[message->count++] = (struct line_of){ name, value };
    }
}

static inline enum strictly strict_take(struct strict *message, uint64_t length)
{
    if (length > message->left.len)
        return STRICTLY_PART;
    bytes_add(&message->body, slice_first(message->left, (size_t)length));
    message->left = slice_from(message->left, (size_t)length);
    return STRICTLY_WHOLE;
}

/* chunk-size, with whatever text behind a ';' (RFC 9112 §7.1.1). */
static inline bool strict_size(struct slice line, uint64_t *size)
{
    size_t digits = 0;
    *size = 0;
    while (digits < line.len && strchr("0123456789abcdefABCDEF", line.at[digits]) != NULL &&
           line.at[digits] != 0) {
        uint8_t byte = line.at[digits++];
        if (*size >> 59 != 0)
            return false;
        *size = *size * 16 + (byte <= '9' ? byte - '0' : (byte | 0x20) - 'a' + 10);
    }
    struct slice rest = slice_trim(slice_from(line, digits));
    return digits > 0 && strict_text(rest) && (rest.len == 0 || rest.at[0] == ';');
}

static inline enum strictly strict_chunks(struct strict *message)
{
    for (;;) {
        struct slice line;
        uint64_t size;
        enum strictly read = strict_line(message, &line);
        if (read != STRICTLY_WHOLE)
            return read;
        if (!strict_size(line, &size))
            return STRICTLY_BAD;
        if (size == 0)
            break;
        read = strict_take(message, size);
        if (read != STRICTLY_WHOLE)
            return read;
        read = strict_line(message, &line);
        if (read != STRICTLY_WHOLE || line.len > 0)
            return read == STRICTLY_PART && message->left.len < 2 ? read : STRICTLY_BAD;
    }
    message->fields = message->count;
    unsigned framing = message->lengths + message->codings;
    enum strictly read = strict_lines(message);
    return message->lengths + message->codings > framing ? STRICTLY_BAD : read;
}

/* The message at the start of the bytes. */
static inline enum strictly strict_read(struct strict *message, struct slice bytes)
{
    *message = (struct strict){ .left = bytes };
    while (slice_starts(message->left, SLICE("\r\n")))
        message->left = slice_from(message->left, 2);
    enum strictly read = strict_first_line(message);
    if (read == STRICTLY_WHOLE)
        read = strict_lines(message);
    message->fields = message->count;
    if (read != STRICTLY_WHOLE)
        return read;
    if (message->hosts > 1 || (message->hosts == 0 && message->minor == 1) ||
        message->lengths + message->codings > 1)
        return STRICTLY_BAD;
    if (message->codings == 1)
        return slice_is_nocase(message->coding, "chunked") && message->minor == 1
                   ? strict_chunks(message)
                   : STRICTLY_BAD;
    uint64_t length = 0;
    if (message->lengths == 1 && slice_number(message->length, &length) != 0)
        return STRICTLY_BAD;
    return strict_take(message, length);
}

/* HTTP-version SP 3DIGIT [ SP reason-phrase ] */
static inline enum strictly strict_status_line(struct strict *message)
{
    struct slice line;
    enum strictly read = strict_line(message, &line);
    if (read != STRICTLY_WHOLE)
        return read;
    struct slice version = slice_first(line, 9);
    bool good = slice_is(version, "HTTP/1.1 ") || slice_is(version, "HTTP/1.0 ");
    good = good && line.len >= 12 && (line.len == 12 || line.at[12] == ' ') && strict_text(line);
    uint64_t status = 0;
    if (!good || slice_number(slice_first(slice_from(line, 9), 3), &status) != 0 || status < 100)
        return STRICTLY_BAD;
    message->minor = line.at[7] - '0';
    message->status = (unsigned)status;
    return STRICTLY_WHOLE;
}

/* The answer at the start of the bytes. `over`: the connection has ended cleanly behind them. */
static inline enum strictly strict_answer(struct strict *message, struct slice bytes, bool head,
                                          bool over)
{
    *message = (struct strict){ .left = bytes };
    enum strictly read = strict_status_line(message);
    if (read == STRICTLY_WHOLE)
        read = strict_lines(message);
    message->fields = message->count;
    if (read != STRICTLY_WHOLE)
        return read;
    uint64_t length = 0;
    if (message->lengths + message->codings > 1 ||
        (message->lengths == 1 && slice_number(message->length, &length) != 0) ||
        (message->codings == 1 &&
         (!slice_is_nocase(message->coding, "chunked") || message->minor == 0)))
        return STRICTLY_BAD;
    if (head || message->status < 200 || message->status == 204 || message->status == 304)
        return STRICTLY_WHOLE;
    if (message->codings == 1)
        return strict_chunks(message);
    if (message->lengths == 1)
        return strict_take(message, length);
    strict_take(message, message->left.len);
    return over ? STRICTLY_WHOLE : STRICTLY_PART;
}

/* Whether each line of `got`, from one to another, is one of `sent`'s, in their order; but for
 * such names as `own` says. */
static inline bool strict_lines_among(const struct strict *got, unsigned from, unsigned to,
                                      const struct strict *sent, unsigned next, unsigned end,
                                      bool (*own)(struct slice name))
{
    for (unsigned i = from; i < to; i++) {
        const struct line_of *line = &got->lines[i];
        if (own(line->name))
            continue;
        while (next < end && !(slice_equal(sent->lines[next].name, line->name) &&
                               slice_equal(sent->lines[next].value, line->value)))
            next++;
        if (next++ == end)
            return false;
    }
    return true;
}

/* Whether a name is one of these, whatever its case. */
static inline bool strict_is_among(struct slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_is_nocase(name, names[i]))
            return true;
    }
    return false;
}

#endif

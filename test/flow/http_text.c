/* See http_text.h. A message is parsed from its start again each time bytes come, so there is no
 * state to get wrong. */
#include "http_text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct slice take_line(struct slice *rest)
{
    size_t end = slice_find(*rest, '\n');
    struct slice line = slice_first(*rest, end);
    *rest = slice_from(*rest, end < rest->len ? end + 1 : end);
    if (line.len > 0 && line.at[line.len - 1] == '\r')
        line.len--;
    return line;
}

static struct slice take_word(struct slice *rest)
{
    size_t end = slice_find(*rest, ' ');
    struct slice word = slice_first(*rest, end);
    *rest = slice_from(*rest, end < rest->len ? end + 1 : end);
    return word;
}

struct slice http_text_field(const struct http_text *text, const char *name)
{
    for (size_t i = 0; i < text->field_count; i++) {
        if (slice_is_nocase(text->fields[i].name, name))
            return text->fields[i].value;
    }
    return slice_of(NULL, 0);
}

static int parse_head(struct http_text *text, struct slice head)
{
    struct slice line = take_line(&head);
    struct slice first = take_word(&line), second = take_word(&line);
    if (text->response) {
        uint64_t status;
        if (!slice_is(first, "HTTP/1.1") || slice_number(second, &status) != 0)
            return -1;
        text->status = (int)status;
    } else if (slice_is(line, "HTTP/1.1")) {
        text->method = first;
        text->target = second;
    } else {
        return -1;
    }
    text->field_count = 0;
    while (head.len > 0 && text->field_count < HTTP_FIELDS) {
        line = take_line(&head);
        size_t colon = slice_find(line, ':');
        if (colon == 0 || colon == line.len)
            return -1;
        text->fields[text->field_count].name = slice_first(line, colon);
        text->fields[text->field_count++].value = slice_trim(slice_from(line, colon + 1));
    }
    return head.len == 0 ? 0 : -1;
}

/* How long the chunked body is, its last chunk and trailers included; 0: not whole; -1: broken. */
static long parse_chunks(struct http_text *text, struct slice bytes)
{
    struct slice rest = bytes;
    for (;;) {
        if (slice_find(rest, '\n') == rest.len)
            return 0;
        struct slice line = take_line(&rest);
        char number[20], *end;
        snprintf(number, sizeof(number), "%.*s", (int)line.len, (const char *)line.at);
        size_t size = strtoul(number, &end, 16);
        if (end == number)
            return -1;
        if (size == 0)
            break;
        if (rest.len < size + 2)
            return 0;
        bytes_add(&text->body, slice_first(rest, size));
        if (rest.at[size] != '\r' || rest.at[size + 1] != '\n')
            return -1;
        rest = slice_from(rest, size + 2);
    }
    for (;;) {
        if (slice_find(rest, '\n') == rest.len)
            return 0;
        if (take_line(&rest).len == 0)
            return (long)(bytes.len - rest.len);
    }
}

/* How much of what follows the head belongs to the message; -2: not whole yet. */
static long parse_body(struct http_text *text, struct slice rest, bool at_end)
{
    bool bodyless = text->response && (text->to_head || text->status == 204 || text->status == 304);
    struct slice coding = http_text_field(text, "transfer-encoding");
    struct slice written = http_text_field(text, "content-length");
    uint64_t length = 0;
    if (bodyless)
        return 0;
    if (coding.at != NULL) {
        long chunks = slice_is_nocase(coding, "chunked") ? parse_chunks(text, rest) : -1;
        return chunks == 0 ? -2 : chunks;
    }
    if (written.at != NULL && slice_number(written, &length) != 0)
        return -1;
    if (written.at == NULL && text->response) {
        if (!at_end)
            return -2;
        length = rest.len;
    }
    if (rest.len < length)
        return -2;
    bytes_add(&text->body, slice_first(rest, length));
    return (long)length;
}

int http_text_parse(struct http_text *text, bool at_end)
{
    struct slice bytes = bytes_slice(&text->bytes);
    const uint8_t *end = bytes.len == 0 ? NULL : memmem(bytes.at, bytes.len, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - bytes.at) + 4;
    if (parse_head(text, slice_first(bytes, head - 2)) != 0)
        return -1;
    if (text->response && text->status < 200) {
        text->length = head;
        http_text_next(text);
        return http_text_parse(text, at_end);
    }
    bytes_free(&text->body);
    long body = parse_body(text, slice_from(bytes, head), at_end);
    if (body < 0)
        return body == -2 ? 0 : -1;
    text->length = head + (size_t)body;
    return 1;
}

void http_text_next(struct http_text *text)
{
    assert(text->length <= text->bytes.len);
    memmove(text->bytes.at, text->bytes.at + text->length, text->bytes.len - text->length);
    text->bytes.len -= text->length;
    text->length = 0;
    bytes_free(&text->body);
}

void http_text_free(struct http_text *text)
{
    bytes_free(&text->bytes);
    bytes_free(&text->body);
}

struct slice http_text_json(struct slice json, const char *member)
{
    char key[64];
    int len = snprintf(key, sizeof(key), "\"%s\"", member);
    const uint8_t *found = json.len == 0 ? NULL : memmem(json.at, json.len, key, (size_t)len);
    if (found == NULL)
        return slice_of(NULL, 0);
    struct slice rest = slice_from(json, (size_t)(found - json.at) + (size_t)len);
    while (rest.len > 0 && (rest.at[0] == ':' || rest.at[0] == ' '))
        rest = slice_from(rest, 1);
    if (rest.len == 0 || rest.at[0] != '"')
        return slice_first(rest, strcspn((const char *)rest.at, ",}"));
    rest = slice_from(rest, 1);
    return slice_first(rest, slice_find(rest, '"'));
}

/* Room doubles as it is needed, up to the cap. Once something did not fit, nothing further is
 * taken, so that what is there is always a true beginning of what was meant; `full` tells. */
#include "base/bytes.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_ROOM = 256 };

void bytes_free(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){ .cap = bytes->cap };
}

static bool grow(struct bytes *bytes, size_t need)
{
    size_t room = bytes->room < FIRST_ROOM ? FIRST_ROOM : bytes->room;
    while (room < need)
        room = room > SIZE_MAX / 2 ? need : room * 2;
    if (bytes->cap != 0 && room > bytes->cap)
        room = bytes->cap;

    uint8_t *at = realloc(bytes->at, room);
    if (at == NULL)
        return false;
    bytes->at = at;
    bytes->room = room;
    return true;
}

uint8_t *bytes_grow(struct bytes *bytes, size_t more)
{
    assert(bytes->len <= bytes->room);
    if (bytes->full)
        return NULL;

    size_t limit = bytes->cap == 0 ? SIZE_MAX / 2 : bytes->cap;
    bool fits = bytes->len <= limit && more <= limit - bytes->len;
    if (fits && (bytes->at == NULL || more > bytes->room - bytes->len))
        fits = grow(bytes, bytes->len + more);
    if (!fits) {
        bytes->full = true;
        return NULL;
    }
    return bytes->at + bytes->len;
}

void bytes_text(struct bytes *bytes, const char *text)
{
    bytes_add(bytes, slice_text(text));
}

void bytes_byte(struct bytes *bytes, uint8_t byte)
{
    uint8_t *to = bytes_reserve(bytes, 1);
    if (to == NULL)
        return;
    *to = byte;
    bytes->len++;
}

void bytes_number(struct bytes *bytes, uint64_t number)
{
    uint8_t digits[20];
    size_t first = sizeof(digits);
    do {
        digits[--first] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    bytes_add(bytes, slice_of(digits + first, sizeof(digits) - first));
}

void bytes_printf(struct bytes *bytes, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bytes_vprintf(bytes, format, args);
    va_end(args);
}

void bytes_vprintf(struct bytes *bytes, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    char small[256];
    int len = vsnprintf(small, sizeof(small), format, args);
    assert(len >= 0);

    if ((size_t)len < sizeof(small)) {
        bytes_add(bytes, slice_of(small, (size_t)len));
    } else {
        char *large = malloc((size_t)len + 1); /* the NUL must not count against the cap */
        if (large == NULL) {
            bytes->full = true;
        } else {
            vsnprintf(large, (size_t)len + 1, format, again);
            bytes_add(bytes, slice_of(large, (size_t)len));
            free(large);
        }
    }
    va_end(again);
}

/* The length of the UTF-8 sequence at the start (RFC 3629 §4: no overlong forms, no surrogates),
 * or 0. */
static size_t utf8_len(struct slice text)
{
    const uint8_t *at = text.at;
    if (at[0] < 0x80)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;

    size_t len = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (text.len < len)
        return 0;
    uint8_t low = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t high = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

static void escape(struct bytes *bytes, uint8_t byte)
{
    static const char short_forms[256] = {
        ['"'] = '"', ['\\'] = '\\', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
    };
    if (short_forms[byte] != 0) {
        bytes_byte(bytes, '\\');
        bytes_byte(bytes, (uint8_t)short_forms[byte]);
    } else {
        bytes_printf(bytes, "\\u%04x", byte);
    }
}

/* How many bytes at the start stand for themselves in JSON and are ASCII, which is most text. */
static size_t plain_len(struct slice text)
{
    size_t len = 0;
    while (len < text.len && text.at[len] >= 0x20 && text.at[len] < 0x7f && text.at[len] != '"' &&
           text.at[len] != '\\')
        len++;
    return len;
}

void bytes_json(struct bytes *bytes, struct slice text)
{
    bytes_byte(bytes, '"');
    for (;;) {
        size_t plain = plain_len(text);
        bytes_add(bytes, slice_first(text, plain));
        if (plain == text.len)
            break;
        text = slice_from(text, plain);
        uint8_t byte = text.at[0];
        size_t len = utf8_len(text);
        if (len <= 1) {
            escape(bytes, byte);
            len = 1;
        } else if (byte == 0xc2 && text.at[1] < 0xa0) {
            escape(bytes, text.at[1]); /* the C1 controls, which terminals obey as well */
        } else {
            bytes_add(bytes, slice_first(text, len));
        }
        text = slice_from(text, len);
    }
    bytes_byte(bytes, '"');
}

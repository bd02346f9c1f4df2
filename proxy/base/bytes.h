/* A growing run of bytes that is written at the end: heads being built, log lines, output that
 * waits.
 *
 * It has a cap; passing it sets `full` and drops what does not fit, so that a chain of appends
 * is checked once, at its end. Owned by one thread.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>

#include "base/slice.h"

struct bytes {
    uint8_t *at;
    size_t len, room;
    size_t cap; /* 0: no cap but memory */
    bool full;  /* something did not fit */
};

void bytes_free(struct bytes *bytes);
/* bytes_reserve where the room is not there yet. */
uint8_t *bytes_grow(struct bytes *bytes, size_t more);
/* Makes room for `more` bytes and returns where they go; NULL when full. The writer adds to
 * `len` what it wrote. */
static inline uint8_t *bytes_reserve(struct bytes *bytes, size_t more)
{
    bool there = bytes->at != NULL && !bytes->full && more <= bytes->room - bytes->len;
    return there ? bytes->at + bytes->len : bytes_grow(bytes, more);
}
static inline void bytes_add(struct bytes *bytes, struct slice slice)
{
    if (slice.len == 0)
        return;
    assert(slice.at != NULL);
    uint8_t *to = bytes_reserve(bytes, slice.len);
    if (to == NULL)
        return;
    memcpy(to, slice.at, slice.len);
    bytes->len += slice.len;
}
void bytes_text(struct bytes *bytes, const char *text);
void bytes_byte(struct bytes *bytes, uint8_t byte);
void bytes_number(struct bytes *bytes, uint64_t number);
void bytes_printf(struct bytes *bytes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void bytes_vprintf(struct bytes *bytes, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* A JSON string with its quotes: controls, quotes and bytes that are no UTF-8 are escaped (RFC
 * 8259 §7). */
void bytes_json(struct bytes *bytes, struct slice text);

static inline struct slice bytes_slice(const struct bytes *bytes)
{
    return slice_of(bytes->at, bytes->len);
}

#endif

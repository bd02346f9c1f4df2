/* A run of bytes that somebody else owns. It is valid during the current call only, unless the
 * place that hands it out says how long (an arena, a string literal).
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *at;
    size_t len;
};

static inline struct slice slice_of(const void *at, size_t len)
{
    return (struct slice){ .at = at, .len = len };
}

static inline struct slice slice_text(const char *text)
{
    return slice_of(text, text == NULL ? 0 : strlen(text));
}

/* For a string literal, without measuring it. */
#define SLICE(literal) \
    ((struct slice){ .at = (const uint8_t *)("" literal), .len = sizeof(literal) - 1 })

/* The same as a row of a table. */
#define SLICE_ROW(literal)                                              \
    {                                                                   \
        .at = (const uint8_t *)("" literal), .len = sizeof(literal) - 1 \
    }

/* Without the first `start` bytes, which are there. (To C, NULL + 0 is not defined.) */
static inline struct slice slice_from(struct slice slice, size_t start)
{
    return (struct slice){ .at = start == 0 ? slice.at : slice.at + start,
                           .len = slice.len - start };
}

static inline struct slice slice_first(struct slice slice, size_t len)
{
    return (struct slice){ .at = slice.at, .len = len < slice.len ? len : slice.len };
}

bool slice_equal(struct slice a, struct slice b);
/* ASCII letters compare without case; every other byte as it is. */
bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_is(struct slice slice, const char *text);
bool slice_is_nocase(struct slice slice, const char *text);
bool slice_starts(struct slice slice, struct slice prefix);
/* Where `byte` first stands, or `slice.len`. */
size_t slice_find(struct slice slice, uint8_t byte);
/* Without spaces and tabs at both ends. */
struct slice slice_trim(struct slice slice);
/* A decimal number and nothing else: 0, or -1 when it is not one or does not fit. */
int slice_number(struct slice slice, uint64_t *number) __attribute__((warn_unused_result));
/* FNV-1a of the bytes, for tables in memory; not for strangers' keys without a bound on their
 * number. */
uint64_t slice_hash(struct slice slice);

#endif

/* Looking at bytes. Nothing here allocates, and nothing fails but what is said to. */
#include "base/slice.h"

#include <assert.h>

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    }
    return true;
}

bool slice_is(struct slice slice, const char *text)
{
    assert(text != NULL);
    return slice_equal(slice, slice_text(text));
}

bool slice_is_nocase(struct slice slice, const char *text)
{
    assert(text != NULL);
    return slice_equal_nocase(slice, slice_text(text));
}

bool slice_starts(struct slice slice, struct slice prefix)
{
    return slice.len >= prefix.len && slice_equal(slice_first(slice, prefix.len), prefix);
}

size_t slice_find(struct slice slice, uint8_t byte)
{
    if (slice.len == 0)
        return 0;
    const uint8_t *found = memchr(slice.at, byte, slice.len);
    return found == NULL ? slice.len : (size_t)(found - slice.at);
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

struct slice slice_trim(struct slice slice)
{
    while (slice.len > 0 && is_blank(slice.at[0]))
        slice = slice_from(slice, 1);
    while (slice.len > 0 && is_blank(slice.at[slice.len - 1]))
        slice.len--;
    return slice;
}

int slice_number(struct slice slice, uint64_t *number)
{
    if (slice.len == 0)
        return -1;
    uint64_t sum = 0;
    for (size_t i = 0; i < slice.len; i++) {
        if (slice.at[i] < '0' || slice.at[i] > '9')
            return -1;
        uint64_t digit = (uint64_t)(slice.at[i] - '0');
        if (sum > (UINT64_MAX - digit) / 10)
            return -1;
        sum = sum * 10 + digit;
    }
    *number = sum;
    return 0;
}

uint64_t slice_hash(struct slice slice)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < slice.len; i++)
        hash = (hash ^ slice.at[i]) * 1099511628211u;
    return hash;
}

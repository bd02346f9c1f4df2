/* See percent.h. Failure: the arena's cap, and no other. */
#include "base/percent.h"

#include <assert.h>

static int hex_value(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    uint8_t lower = byte | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

int percent_value(struct slice text)
{
    if (text.len < 3 || text.at[0] != '%')
        return -1;
    int high = hex_value(text.at[1]), low = hex_value(text.at[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

uint8_t form_take(struct slice *text)
{
    assert(text->len > 0);
    uint8_t byte = text->at[0];
    int value = percent_value(*text);
    *text = slice_from(*text, value >= 0 ? 3 : 1);
    if (value >= 0)
        return (uint8_t)value;
    return byte == '+' ? ' ' : byte;
}

struct slice form_decode(struct slice text, struct arena *arena)
{
    uint8_t *at = arena_try(arena, text.len + 1);
    size_t len = 0;
    if (at == NULL)
        return slice_of(NULL, 0);
    for (struct slice rest = text; rest.len > 0;)
        at[len++] = form_take(&rest);
    assert(len <= text.len);
    return slice_of(at, len);
}

/* One piece at a time, in one pass; what is written wrongly is told by whoever asks. */
#include "config/template.h"

#include <assert.h>
#include <ctype.h>

static bool name_valid(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!isalnum(name.at[i]) && name.at[i] != '_' && name.at[i] != '-')
            return slice_is(name, "*");
    }
    return name.len > 0;
}

/* Up to the next brace. */
static size_t plain_length(struct slice text)
{
    size_t open = slice_find(text, '{'), close = slice_find(text, '}');
    return open < close ? open : close;
}

int template_next(struct slice *rest, struct template_piece *piece, const char **why)
{
    if (rest->len == 0)
        return 0;
    size_t plain = plain_length(*rest);
    bool doubled = plain + 1 < rest->len && rest->at[plain] == rest->at[plain + 1];
    if (plain > 0 || doubled) { /* with the first of two braces, where there are two */
        *piece = (struct template_piece){ .text = slice_first(*rest, plain + doubled) };
        *rest = slice_from(*rest, plain + 2 * doubled);
        return 1;
    }
    struct slice name = slice_from(*rest, 1);
    name = slice_first(name, slice_find(name, '}'));
    if (rest->at[0] == '}' || name.len + 1 == rest->len) {
        *why = "a brace stands alone; \"{{\" and \"}}\" are braces";
        return -1;
    }
    if (!name_valid(name)) {
        *why = "what stands between braces is not a name; \"{{\" and \"}}\" are braces";
        return -1;
    }
    *piece = (struct template_piece){ .text = name, .capture = true };
    *rest = slice_from(*rest, name.len + 2);
    assert(name.len > 0);
    return 1;
}

/* Variables are replaced after libconfig has read a string, so nothing in their values is taken
 * for syntax, and they are not replaced in one another. */
#include "config/variables.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>

#include "base/bytes.h"

enum { LONGEST_TEXT = 64 * 1024, LONGEST_NAME = 255 };

static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!isalnum(name.at[i]) && name.at[i] != '_')
            return false;
    }
    return name.len > 0 && name.len <= LONGEST_NAME && !isdigit(name.at[0]);
}

static const char *lookup(struct slice name)
{
    char text[LONGEST_NAME + 1];
    assert(name.len < sizeof(text));
    memcpy(text, name.at, name.len);
    text[name.len] = '\0';
    return getenv(text);
}

/* Replaces the variable at the start of `rest`; how long its reference is, or 0 with the flaw. */
static size_t expand_one(struct bytes *to, struct slice rest, struct variable_flaw *flaw)
{
    assert(slice_starts(rest, SLICE("${")));
    size_t end = slice_find(rest, '}');
    if (end == rest.len)
        return 0;
    struct slice name = slice_first(slice_from(rest, 2), end - 2);
    size_t colon = slice_find(name, ':');
    struct slice fallback = slice_from(name, colon);
    bool has_fallback = slice_starts(fallback, SLICE(":-"));
    if (has_fallback || colon == name.len)
        name = slice_first(name, colon);
    if (!is_name(name))
        return 0;

    const char *value = lookup(name);
    if (has_fallback && (value == NULL || *value == '\0')) {
        bytes_add(to, slice_from(fallback, 2));
    } else if (value != NULL) {
        bytes_text(to, value);
    } else {
        flaw->name = name;
        return 0;
    }
    return end + 1;
}

const char *variables_expand(struct arena *arena, const char *text, struct variable_flaw *flaw)
{
    *flaw = (struct variable_flaw){ 0 };
    if (strstr(text, "${") == NULL)
        return text;

    struct bytes to = { .cap = LONGEST_TEXT };
    struct slice rest = slice_text(text);
    bool good = true;
    while (rest.len > 0 && good) {
        size_t plain = 0;
        while (plain < rest.len && !slice_starts(slice_from(rest, plain), SLICE("${")))
            plain++;
        bytes_add(&to, slice_first(rest, plain));
        rest = slice_from(rest, plain);
        if (rest.len == 0)
            break;
        size_t used = expand_one(&to, rest, flaw);
        assert(used <= rest.len);
        flaw->offset = strlen(text) - rest.len;
        good = used > 0;
        rest = slice_from(rest, used);
    }
    const char *done = NULL;
    if (good && !to.full)
        done = (const char *)arena_copy(arena, bytes_slice(&to)).at;
    bytes_free(&to);
    return done;
}

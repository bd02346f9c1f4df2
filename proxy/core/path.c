/* Patterns of paths, segment by segment; see path.h.
 *
 * Happy path: a pattern is brought into the spelling that paths have when it is compiled, so that
 * a segment either equals one of the path, byte for byte, or takes whatever stands there.
 * Failure: a pattern that no path can ever fit is refused with a sentence.
 */
#include "core/path.h"

#include <assert.h>

#include "base/bytes.h"
#include "http/target.h"

struct slice path_take_segment(struct slice *path)
{
    assert(path->len > 0 && path->at[0] == '/');
    size_t len = slice_find(slice_from(*path, 1), '/') + 1;
    struct slice segment = slice_first(*path, len);
    *path = slice_from(*path, len);
    return segment;
}

bool segment_is_open(struct slice segment)
{
    return segment.len > 3 && segment.at[1] == '{' && segment.at[segment.len - 1] == '}';
}

struct slice segment_name(struct slice segment)
{
    assert(segment_is_open(segment));
    return slice_of(segment.at + 2, segment.len - 3);
}

bool path_fits(struct slice pattern, struct slice path)
{
    if (path.len == 0 || path.at[0] != '/' || pattern.len == 0 || pattern.at[0] != '/')
        return false;
    while (pattern.len > 0) {
        if (slice_is(pattern, "/*"))
            return true;
        if (path.len == 0)
            return false;
        struct slice wanted = path_take_segment(&pattern), segment = path_take_segment(&path);
        bool fits = segment_is_open(wanted) ? segment.len > 1 : slice_equal(wanted, segment);
        if (!fits)
            return false;
    }
    return path.len == 0;
}

/* One segment of a pattern in the spelling that paths have; `at` NULL with `*why`. */
static struct slice pattern_segment(struct slice segment, bool last, struct arena *arena,
                                    const char **why)
{
    bool one_name = segment_is_open(segment) &&
                    slice_find(slice_from(segment, 2), '{') == segment.len - 2 &&
                    slice_find(segment, '}') == segment.len - 1;
    if (one_name || (last && slice_is(segment, "/*")))
        return segment;
    if (slice_find(segment, '*') < segment.len)
        *why = "'*' stands only at the end, as a whole segment";
    else if (slice_find(segment, '{') < segment.len || slice_find(segment, '}') < segment.len)
        *why = "a name in braces is a whole segment";
    else
        return path_normalise(segment, arena, why);
    return slice_of(NULL, 0);
}

struct slice path_pattern(struct slice written, struct arena *arena, const char **why)
{
    *why = "a path begins with '/'";
    struct slice rest = written, pattern = slice_of(NULL, 0);
    if (rest.len == 0 || rest.at[0] != '/')
        return pattern;

    struct bytes text = { 0 };
    while (rest.len > 0) {
        struct slice segment = path_take_segment(&rest);
        *why = "a path has no empty segments";
        if (segment.len == 1 && rest.len > 0)
            break;
        segment = pattern_segment(segment, rest.len == 0, arena, why);
        if (segment.at == NULL)
            break;
        bytes_add(&text, segment);
        if (rest.len == 0)
            pattern = arena_copy(arena, bytes_slice(&text));
    }
    bytes_free(&text);
    return pattern;
}

struct slice path_capture(struct slice pattern, struct slice path, struct slice name)
{
    assert(path_fits(pattern, path));
    while (pattern.len > 0 && !slice_is(pattern, "/*")) {
        struct slice wanted = path_take_segment(&pattern), segment = path_take_segment(&path);
        if (segment_is_open(wanted) && slice_equal(segment_name(wanted), name))
            return slice_from(segment, 1);
    }
    return slice_is(name, "*") ? path : slice_of(NULL, 0);
}

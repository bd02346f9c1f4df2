/* A route can never win when one above it takes every call that it would: when each condition of the one above is
 * implied by the conditions below. Only certain cases are told; two regular expressions are compared as texts. */
#include <assert.h>
#include <strings.h>

#include "config/checks.h"

/* Whether the condition `earlier` holds wherever the condition `later` does. */
typedef bool (*implies)(const char *earlier, const char *later);

/* Alternatives ("one of"): each of the later ones must be among what the earlier ones take. */
static bool alternatives_covered(const struct value *earlier, const struct value *later,
                                 implies takes)
{
    if (earlier->count == 0)
        return true;
    for (size_t i = 0; i < later->count; i++) {
        bool taken = false;
        for (size_t j = 0; j < earlier->count && !taken; j++)
            taken = takes(earlier->texts[j], later->texts[i]);
        if (!taken)
            return false;
    }
    return later->count > 0;
}

/* Conditions ("all of"): each of the earlier ones must follow from a later one. */
static bool conditions_covered(const struct value *earlier, const struct value *later,
                               implies takes)
{
    for (size_t i = 0; i < earlier->count; i++) {
        bool implied = false;
        for (size_t j = 0; j < later->count && !implied; j++)
            implied = takes(earlier->texts[i], later->texts[j]);
        if (!implied)
            return false;
    }
    return true;
}

static bool same_text(const char *earlier, const char *later)
{
    return strcmp(earlier, later) == 0;
}

/* Without port and trailing dot. */
static struct slice plain_host(const char *text)
{
    struct slice host = slice_text(text);
    const char *colon = strrchr(text, ':');
    const char *bracket = strrchr(text, ']');
    if (colon != NULL && colon > (bracket == NULL ? text : bracket))
        host = slice_first(host, (size_t)(colon - text));
    if (host.len > 0 && host.at[host.len - 1] == '.')
        host.len--;
    return host;
}

static bool host_takes(const char *earlier, const char *later)
{
    struct slice wide = plain_host(earlier), narrow = plain_host(later);
    if (wide.len > 1 && wide.at[0] == '*' && narrow.len > 0) {
        struct slice end = slice_from(wide, 1);
        return narrow.len > end.len &&
               slice_equal_nocase(slice_from(narrow, narrow.len - end.len), end);
    }
    return slice_equal_nocase(wide, narrow);
}

/* "name: value" and "name=value", where the value "*" takes any. */
static bool pair_takes(struct slice earlier, struct slice later, uint8_t mark, bool nocase)
{
    size_t a = slice_find(earlier, mark), b = slice_find(later, mark);
    if (a == earlier.len || b == later.len)
        return false;
    struct slice name = slice_first(earlier, a), other = slice_first(later, b);
    if (!(nocase ? slice_equal_nocase(name, other) : slice_equal(name, other)))
        return false;
    struct slice value = slice_trim(slice_from(earlier, a + 1));
    return slice_is(value, "*") || slice_equal(value, slice_trim(slice_from(later, b + 1)));
}

static bool header_takes(const char *earlier, const char *later)
{
    return pair_takes(slice_text(earlier), slice_text(later), ':', true);
}

static bool query_takes(const char *earlier, const char *later)
{
    return pair_takes(slice_text(earlier), slice_text(later), '=', false);
}

/* One segment against another; "{id}" takes any but an empty one. */
static bool segment_takes(struct slice wide, struct slice narrow)
{
    bool open = wide.len > 0 && wide.at[0] == '{';
    if (slice_is(narrow, "*"))
        return false;
    return open ? narrow.len > 0 : slice_equal(wide, narrow);
}

static bool path_takes(const char *earlier, const char *later)
{
    struct slice wide = slice_text(earlier), narrow = slice_text(later);
    while (wide.len > 0) {
        size_t a = slice_find(slice_from(wide, 1), '/') + 1;
        if (slice_is(slice_first(wide, a), "/*"))
            return true; /* also takes the path above it: "/orders" by "/orders" + "/" + "*" */
        if (narrow.len == 0)
            return false;
        size_t b = slice_find(slice_from(narrow, 1), '/') + 1;
        if (!segment_takes(slice_from(slice_first(wide, a), 1),
                           slice_from(slice_first(narrow, b), 1)))
            return false;
        wide = slice_from(wide, a);
        narrow = slice_from(narrow, b);
    }
    return narrow.len == 0;
}

static bool paths_covered(const struct values *earlier, const struct values *later)
{
    const char *path = values_text(earlier, "path"), *regex = values_text(earlier, "path_regex");
    const char *later_path = values_text(later, "path"),
               *later_regex = values_text(later, "path_regex");
    if (regex != NULL && (later_regex == NULL || strcmp(regex, later_regex) != 0))
        return false;
    return path == NULL || (later_path != NULL && path_takes(path, later_path));
}

bool route_covers(const struct values *earlier, const struct values *later)
{
    const struct values *wide = values_group(earlier, "match"),
                        *narrow = values_group(later, "match");
    assert(wide != NULL && narrow != NULL);
    return alternatives_covered(values_get(wide, "host"), values_get(narrow, "host"), host_takes) &&
           alternatives_covered(values_get(wide, "method"), values_get(narrow, "method"),
                                same_text) &&
           conditions_covered(values_get(wide, "headers"), values_get(narrow, "headers"),
                              header_takes) &&
           conditions_covered(values_get(wide, "query"), values_get(narrow, "query"),
                              query_takes) &&
           paths_covered(wide, narrow);
}

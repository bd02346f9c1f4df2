/* A route can never win when one above it takes every call that it would: when each condition of
 * the one above is implied by the conditions below. Only certain cases are told; two regular
 * expressions are compared as texts. */
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
    assert(mark == ':' || mark == '=');
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

/* Behind the segment that begins at `path`. */
static const char *segment_end(const char *path)
{
    return path + strcspn(path, "/");
}

/* Segment by segment; "{id}" takes any but an empty one, and "*" at the end all that follows,
 * nothing too. */
static bool path_takes(const char *wide, const char *narrow)
{
    while (*wide != '\0') {
        if (strcmp(wide, "/*") == 0)
            return true; /* also takes the path above it: "/orders" by "/orders" + "/" + "*" */
        if (*wide != '/' || *narrow != '/')
            return false; /* one is shorter, or malformed, which is told elsewhere */
        narrow++;
        if (strcmp(narrow, "*") == 0)
            return false;
        const char *open = *++wide == '{' ? segment_end(narrow) : NULL;
        if (open != NULL) {
            if (open == narrow)
                return false;
            wide = segment_end(wide);
            narrow = open;
            continue;
        }
        while (*wide != '\0' && *wide != '/' && *wide == *narrow)
            wide++, narrow++;
        if ((*wide != '\0' && *wide != '/') || (*narrow != '\0' && *narrow != '/'))
            return false;
    }
    return *narrow == '\0';
}

static bool paths_covered(const struct conditions *earlier, const struct conditions *later)
{
    assert(!earlier->literal || earlier->path != NULL);
    if (earlier->regex != NULL &&
        (later->regex == NULL || strcmp(earlier->regex, later->regex) != 0))
        return false;
    if (earlier->path == NULL)
        return true;
    if (later->path == NULL)
        return false;
    return earlier->literal ? strcmp(earlier->path, later->path) == 0
                            : path_takes(earlier->path, later->path);
}

struct conditions route_conditions(const struct values *route)
{
    const struct values *match = values_group(route, "match");
    assert(match != NULL);
    const char *path = values_text(match, "path");
    return (struct conditions){
        .hosts = values_get(match, "host"),
        .methods = values_get(match, "method"),
        .headers = values_get(match, "headers"),
        .query = values_get(match, "query"),
        .path = path,
        .regex = values_text(match, "path_regex"),
        .literal = path != NULL && strpbrk(path, "{*") == NULL,
    };
}

bool route_covers(const struct conditions *earlier, const struct conditions *later)
{
    return paths_covered(earlier, later) &&
           alternatives_covered(earlier->hosts, later->hosts, host_takes) &&
           alternatives_covered(earlier->methods, later->methods, same_text) &&
           conditions_covered(earlier->headers, later->headers, header_takes) &&
           conditions_covered(earlier->query, later->query, query_takes);
}

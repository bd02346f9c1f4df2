/* Texts become numbers (a segment behind its parent, a host, a condition), and three numbers find
 * the routes that have them. Both tables are chains in places that are enough for all routes, so
 * each step costs the same however many there are. Nothing fails but memory.
 */
#include "config/above.h"

#include <assert.h>
#include <ctype.h>

#include "core/path.h"
#include "http/target.h"

enum { DEPTH_MAX = 64 }; /* segments of a path that is compared: looking it up recurses */

/* A text and what it stands behind, known by a number. */
struct name {
    struct name *beside;
    uint32_t from, id;
    struct slice text;
};

/* --- names ------------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t hash, uint64_t more)
{
    hash = (hash ^ more) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

uint32_t name_id(struct table *table, uint32_t from, struct slice text, bool add)
{
    struct name **place = &table->names[mix(slice_hash(text), from) & (table->places - 1)];
    for (struct name *name = *place; name != NULL; name = name->beside)
        if (name->from == from && slice_equal(name->text, text))
            return name->id;
    if (!add)
        return ROOT_NONE;
    struct name *name = arena_get(&table->arena, sizeof(*name));
    *name = (struct name){ .beside = *place, .from = from, .id = table->next_id++, .text = text };
    *place = name;
    return name->id;
}

static struct slice lowered(struct table *table, struct slice text)
{
    uint8_t *at = arena_get(&table->arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        at[i] = (uint8_t)tolower(text.at[i]);
    return slice_of(at, text.len);
}

struct slice spelled_host(struct table *table, const char *text)
{
    struct slice host = slice_text(text);
    const char *colon = strrchr(text, ':');
    const char *bracket = strrchr(text, ']');
    if (colon != NULL && colon > (bracket == NULL ? text : bracket))
        host = slice_first(host, (size_t)(colon - text));
    if (host.len > 0 && host.at[host.len - 1] == '.')
        host.len--;
    return lowered(table, host);
}

uint32_t segment_id(struct table *table, uint32_t from, struct slice segment, bool add)
{
    return name_id(table, from, segment_is_open(segment) ? SLICE("/{}") : segment, add);
}

/* A condition as one text: "h" or "q", the name, the value; the value "*" takes any. */
uint32_t condition_id(struct table *table, const char *text, bool header, bool any, bool add)
{
    struct slice pair = slice_text(text);
    size_t mark = slice_find(pair, header ? ':' : '=');
    struct slice name = slice_trim(slice_first(pair, mark));
    struct slice value = mark == pair.len ? slice_of("", 0)
                                          : slice_trim(slice_from(pair, mark + 1));
    if (header)
        name = lowered(table, name);
    struct slice whole = arena_printf(&table->arena, "%c%.*s\n%.*s", header ? 'h' : 'q',
                                      (int)name.len, (const char *)name.at,
                                      any ? 1 : (int)value.len, any ? "*" : (const char *)value.at);
    assert(whole.at != NULL);
    return name_id(table, ROOT_CONDITIONS, whole, add);
}

/* --- groups ----------------------------------------------------------------------------------- */

/* Routes with the same path, host and first condition. */
struct group {
    struct group *beside;
    uint32_t path, host, condition;
    struct above *first, *last;
};

static struct group **group_place(const struct table *table, uint32_t path, uint32_t host,
                                  uint32_t condition)
{
    uint64_t hash = mix(mix(mix(0, path), host), condition);
    struct group **place = &table->groups[hash & (table->places - 1)];
    while (*place != NULL &&
           ((*place)->path != path || (*place)->host != host || (*place)->condition != condition))
        place = &(*place)->beside;
    return place;
}

const struct above *above_at(const struct table *table, uint32_t path, uint32_t host,
                             uint32_t condition)
{
    const struct group *group = *group_place(table, path, host, condition);
    return group == NULL ? NULL : group->first;
}

/* --- reading routes --------------------------------------------------------------------------- */

/* The plain segments that every path begins with which an expression takes: "/orders/" and '*'
 * for "/orders/[0-9]+". `at` NULL where that cannot be said. */
static struct slice regex_prefix(struct table *table, const char *regex)
{
    size_t len = 0, slash = 0;
    const char *from = regex + (*regex == '^');
    if (*from != '/' || strchr(regex, '|') != NULL)
        return slice_of(NULL, 0);
    while (from[len] != '\0' && strchr("\\^$.[]()?*+{}#", from[len]) == NULL) {
        if (from[len] == '/')
            slash = len;
        len++;
    }
    bool optional = len > 0 && from[len] != '\0' && strchr("?*{", from[len]) != NULL;
    if (optional && slash == len - 1) { /* its last slash need not be there */
        struct slice all = slice_of(from, len - 1);
        slash = 0;
        for (size_t i = 0; i < all.len; i++)
            slash = all.at[i] == '/' ? i : slash;
        if (len == 1)
            return slice_of(NULL, 0);
    }
    const char *why;
    struct slice text = arena_printf(&table->arena, "%.*s/*", (int)slash, from);
    return path_pattern(text, &table->arena, &why);
}

static unsigned count_segments(struct slice path)
{
    unsigned count = 0;
    for (; path.len > 0; count++)
        path_take_segment(&path);
    return count;
}

static bool is_known(const char *key)
{
    static const char *const known[] = { "host",    "method", "path", "path_regex",
                                         "headers", "query",  NULL };
    for (unsigned i = 0; known[i] != NULL; i++)
        if (strcmp(key, known[i]) == 0)
            return true;
    return false;
}

struct pattern pattern_read(struct table *table, const struct values *route)
{
    const struct values *match = values_group(route, "match");
    assert(match != NULL);
    const char *path = values_text(match, "path"), *why;
    struct pattern pattern = {
        .route = route,
        .hosts = values_get(match, "host"),
        .methods = values_get(match, "method"),
        .headers = values_get(match, "headers"),
        .query = values_get(match, "query"),
        .regex = values_text(match, "path_regex"),
        .keeps_empty = values_number(route, "double_slash") == PATH_KEEP,
    };
    if (path != NULL) {
        pattern.path = path_pattern(slice_text(path), &table->arena, &why);
        pattern.apart = pattern.path.at == NULL || pattern.regex != NULL ||
                        count_segments(pattern.path) > DEPTH_MAX;
        pattern.literal = strpbrk(path, "{*") == NULL;
    } else if (pattern.regex != NULL) {
        pattern.path = regex_prefix(table, pattern.regex);
        pattern.apart = count_segments(pattern.path) > DEPTH_MAX;
    }
    for (size_t i = 0; i < match->count; i++)
        pattern.more |= match->at[i].written && !is_known(match->at[i].setting->key);
    return pattern;
}

static uint32_t add_path(struct table *table, const struct pattern *pattern)
{
    uint32_t node = ROOT_PATHS;
    if (pattern->regex != NULL)
        return name_id(table, ROOT_REGEXES, slice_text(pattern->regex), true);
    if (pattern->path.at == NULL)
        return ROOT_NONE;
    for (struct slice rest = pattern->path; rest.len > 0;)
        node = segment_id(table, node, path_take_segment(&rest), true);
    unsigned depth = count_segments(pattern->path);
    table->deepest = depth > table->deepest ? depth : table->deepest;
    return node;
}

static void add_to_group(struct table *table, const struct pattern *pattern, uint32_t path,
                         uint32_t host, uint32_t condition)
{
    struct group **place = group_place(table, path, host, condition), *group = *place;
    if (group == NULL) {
        *place = group = arena_get(&table->arena, sizeof(*group));
        *group = (struct group){ .path = path, .host = host, .condition = condition };
    }
    struct above *above = arena_get(&table->arena, sizeof(*above));
    above->pattern = pattern;
    if (group->last == NULL)
        group->first = above;
    else
        group->last->next = above;
    group->last = above;
}

void table_add(struct table *table, const struct pattern *pattern)
{
    uint32_t path = add_path(table, pattern), condition = ROOT_NONE;
    if (pattern->headers->count > 0)
        condition = condition_id(table, pattern->headers->texts[0], true, false, true);
    else if (pattern->query->count > 0)
        condition = condition_id(table, pattern->query->texts[0], false, false, true);
    for (size_t i = 0; i < pattern->hosts->count || i == 0; i++) {
        uint32_t host = ROOT_NONE;
        if (pattern->hosts->count > 0)
            host = name_id(table, ROOT_HOSTS, spelled_host(table, pattern->hosts->texts[i]), true);
        add_to_group(table, pattern, path, host, condition);
        if (pattern->regex != NULL)
            add_to_group(table, pattern, ROOT_REGEXES, host, condition);
    }
}

void table_init(struct table *table, size_t routes)
{
    *table = (struct table){ .places = 16, .next_id = ROOTS };
    arena_init(&table->arena, SIZE_MAX);
    while (table->places < 4 * routes)
        table->places *= 2;
    table->names = arena_get(&table->arena, table->places * sizeof(*table->names));
    table->groups = arena_get(&table->arena, table->places * sizeof(*table->groups));
}

void table_clear(struct table *table)
{
    arena_clear(&table->arena);
}

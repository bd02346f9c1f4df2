/* Any `match` against any request: what `check` takes compiles, the first route that matches
 * wins and explain agrees, an odd path is no way round it, a pattern without open parts takes
 * itself only, and no expression takes long.
 *
 * Input: what stands between the braces of a match; 0x1e; "METHOD host target"; 0x1e; header
 * lines.
 *
 * libFuzzer: -max_len=384 -entropic=0 */
#include <assert.h>

#include "config/checks.h"
#include "config/reader.h"
#include "core/route.h"
#include "http/target.h"
#include "test/unit/config/fake_catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice take(struct slice *rest, uint8_t mark)
{
    size_t end = slice_find(*rest, mark);
    struct slice part = slice_first(*rest, end);
    *rest = slice_from(*rest, end < rest->len ? end + 1 : end);
    return part;
}

static bool read_request(struct slice rest, struct arena *arena, struct head *request)
{
    struct slice line = take(&rest, 0x1e);
    struct slice method = take(&line, ' '), authority = take(&line, ' ');
    const char *why = NULL;
    *request = (struct head){ .method = method, .authority = authority };
    if (target_parse(line, method, arena, request, &why) < 0)
        return false;
    while (rest.len > 0) {
        struct slice header = take(&rest, '\n');
        struct slice name = take(&header, ':');
        if (fields_add(&request->fields, arena, name, slice_trim(header)) < 0)
            return false;
    }
    return true;
}

/* Patterns by themselves, with or without a file around them. */
static void try_pattern(struct slice written, struct slice path, struct arena *arena)
{
    const char *why = NULL;
    struct slice pattern = path_pattern(written, arena, &why);
    path_fits(written, path);
    if (pattern.at == NULL) {
        assert(why != NULL);
        return;
    }
    bool fits = path_fits(pattern, path);
    bool open = slice_find(pattern, '{') < pattern.len || slice_find(pattern, '*') < pattern.len;
    assert(open || fits == slice_equal(pattern, path));
}

/* Whichever way an odd path is read, no route above the one that takes it would have matched. */
static void try_odd(const struct snapshot *snapshot, struct head request, struct arena *arena)
{
    struct slice given = request.path;
    const struct route *found = request.oddities == 0 ? NULL
                                                      : route_find_odd(snapshot, &request, arena);
    if (found == NULL)
        return;
    assert(request.oddities == 0 && route_mismatch(found, &request) == NULL);
    for (unsigned how = 0; how < PATH_READINGS; how++) {
        request.path = path_reading(given, how, arena);
        for (const struct route *above = snapshot->routes; above < found; above++)
            assert(route_mismatch(above, &request) != NULL);
    }
}

/* Two routes, of which the second may be NULL, against the request. */
static void try_request(struct matcher *first, struct matcher *second, const struct head *request,
                        struct arena *arena)
{
    struct route routes[] = { { .matcher = first, .paths = { PATH_REFUSE, PATH_KEEP } },
                              { .matcher = second, .paths = { PATH_KEEP, PATH_RESOLVE } } };
    struct snapshot snapshot = { .routes = routes, .route_count = second == NULL ? 1 : 2 };
    snapshot.route_index = route_index_build(routes, snapshot.route_count, arena);
    const struct route *found = route_find(&snapshot, request);
    for (unsigned i = 0; i < snapshot.route_count && &routes[i] != found; i++)
        assert(route_mismatch(&routes[i], request) != NULL);
    assert(found == NULL || route_mismatch(found, request) == NULL);
    route_matches_host(&snapshot, request->authority);
    try_odd(&snapshot, *request, arena);
    route_index_free(snapshot.route_index);
}

static const struct setting *children_of(const struct setting *rows, const char *key)
{
    while (strcmp(rows->key, key) != 0)
        rows++;
    return rows->children;
}

static struct matcher *compile(struct slice match, struct arena *arena)
{
    const struct setting *rows = children_of(children_of(config_table, "routes"), "match");
    struct complaints complaints;
    complaints_init(&complaints);
    struct document document;
    document_read(&document, arena, "fuzz.cfg", match, &complaints);
    struct defaults defaults = { .count = 0 };
    const struct reader reader = {
        .arena = arena,
        .catalog = &fake_catalog,
        .complaints = &complaints,
        .root = config_root_setting(&document.tree),
        .defaults = &defaults,
    };
    struct values *values = read_group(&reader, reader.root, rows, (struct further){ 0 }, "it");
    check_match(values, &document, &complaints);
    document_free(&document);
    struct matcher *matcher = complaints.errors == 0 ? matcher_compile(values, arena, &complaints)
                                                     : NULL;
    assert(matcher != NULL || complaints.errors > 0);
    complaints_clear(&complaints);
    return matcher;
}

/* What stands in the match as if it were the file: fast. */
static void try_match(struct slice match, const struct head *request, struct arena *arena)
{
    static struct arena kept;
    static struct matcher *orders;
    if (orders == NULL) {
        arena_init(&kept, 1 << 20);
        orders = compile(SLICE("path = \"/orders/*\"; method = \"POST\";"), &kept);
        assert(orders != NULL);
    }
    struct matcher *matcher = compile(match, arena);
    if (matcher == NULL)
        return;
    try_request(matcher, orders, request, arena);
    matcher_free(matcher);
}

/* The same in a whole file, which a match may break out of. */
static void try_file(struct slice match, const struct head *request, struct arena *arena)
{
    struct bytes text = { 0 };
    bytes_text(
        &text,
        "listeners = ( { name = \"l\"; address = \"127.0.0.1:1\"; } );\n"
        "upstreams = ( { name = \"u\"; endpoints = ( \"u:80\" ); } );\n"
        "routes = ( { name = \"a\"; style = \"sync\"; sync = { upstream = \"u\"; }; match = {\n");
    bytes_add(&text, match);
    bytes_text(&text, "\n}; }, { name = \"b\"; style = \"sync\"; sync = { upstream = \"u\"; };"
                      " match = { path = \"/orders/*\"; method = \"POST\"; }; } );\n");
    struct complaints complaints;
    complaints_init(&complaints);
    struct config *config = config_load_text("fuzz.cfg", bytes_slice(&text), &fake_catalog,
                                             &complaints);
    bytes_free(&text);

    struct matcher *matchers[2] = { NULL };
    const struct value *list = values_get(config->top, "routes");
    for (size_t i = 0; complaints.errors == 0 && i < list->count && i < 2; i++)
        matchers[i] = matcher_compile(values_group(list->groups[i], "match"), arena, &complaints);
    if (complaints.errors == 0 && matchers[0] != NULL)
        try_request(matchers[0], matchers[1], request, arena);
    for (unsigned i = 0; i < 2; i++)
        if (matchers[i] != NULL)
            matcher_free(matchers[i]);
    complaints_clear(&complaints);
    config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct slice rest = slice_of(data, size), match = take(&rest, 0x1e);
    struct head request;
    if (read_request(rest, &arena, &request)) {
        try_pattern(match, request.path, &arena);
        try_match(match, &request, &arena);
        if (size % 16 == 0) /* reading a file takes ten times as long as all the rest */
            try_file(match, &request, &arena);
    }
    arena_clear(&arena);
    return 0;
}

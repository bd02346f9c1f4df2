/* Any bytes as a path, an authority and a target: what is taken has one spelling, which is its
 * own normal form, and none of the ways in which two readers could see two things. What is odd in
 * one is told, and whichever rules settle it, what comes out is such a path, but for what they
 * keep.
 *
 * Input: the bytes, for GET, OPTIONS and CONNECT alike.
 *
 * libFuzzer: -max_len=512 */
#include <assert.h>

#include "http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool contains(struct slice bytes, const char *text)
{
    return memmem(bytes.at, bytes.len, text, strlen(text)) != NULL;
}

static void check_path(struct slice path, struct arena *arena)
{
    static const char *const never[] = { "//", "/./", "/../", "%2F",  "%5C", "%00", "\\", "?",
                                         "#",  "%2f", "%5c",  "/..;", "/.;", "%2E", "%41" };
    assert(path.len > 0 && path.at[0] == '/');
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        assert(!contains(path, never[i]));
    for (size_t i = 0; i < path.len; i++)
        assert(path.at[i] > ' ' && path.at[i] < 0x7f);
    const char *why = NULL;
    struct slice again = path_normalise(path, arena, &why);
    assert(slice_equal(again, path));
}

/* Every reading is free of dot segments, and settled paths of what their rules refuse. */
static void check_odd_path(struct slice path, unsigned oddities, struct arena *arena)
{
    for (unsigned i = 0; i < 9; i++) {
        struct path_rules rules = { i / 3, i % 3 };
        struct slice settled = path_settle(path, oddities, &rules, arena);
        const char *why = NULL;
        unsigned left = 0;
        if (settled.at == NULL)
            continue;
        assert(!contains(settled, "/../") && !contains(settled, "/./") && settled.at[0] == '/');
        assert(slice_equal(path_read(settled, arena, &left, &why), settled));
        assert(!(left & PATH_ENCODED_SLASH) || rules.encoded_slash == PATH_KEEP);
        assert(!(left & PATH_EMPTY_SEGMENT) || rules.double_slash == PATH_KEEP);
        assert(oddities != 0 || slice_equal(settled, path));
    }
}

static void check_target(struct slice target, const char *method, struct arena *arena)
{
    struct head request = { 0 };
    const char *why = NULL;
    if (target_parse(target, slice_text(method), arena, &request, &why) != 0) {
        assert(why != NULL);
        return;
    }
    assert(slice_is(request.scheme, "http"));
    assert(request.authority.len == 0 || authority_valid(request.authority));
    assert(query_valid(request.query) && (request.has_query || request.query.len == 0));
    if (slice_is(slice_text(method), "CONNECT"))
        assert(request.authority.len > 0 && request.path.len == 0);
    else if (!slice_is(request.path, "*"))
        check_odd_path(request.path, request.oddities, arena);
    if (request.path.len > 1 && request.oddities == 0)
        check_path(request.path, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct slice bytes = slice_of(data, size);
    const char *why = NULL;
    struct slice path = path_normalise(bytes, &arena, &why);
    assert((path.at == NULL) == (why != NULL));
    if (path.at != NULL)
        check_path(path, &arena);
    check_target(bytes, "GET", &arena);
    check_target(bytes, "OPTIONS", &arena);
    check_target(bytes, "CONNECT", &arena);
    if (authority_valid(bytes))
        assert(!contains(bytes, "@") && !contains(bytes, "/") && !contains(bytes, "%"));
    arena_clear(&arena);
    return 0;
}

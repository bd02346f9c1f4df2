/* What a route changes in a call: paths and headers with captures in them, each of which its match
 * must have; headers that are not Shunt's to write. Everything wrong is told at its own place.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "config/checks.h"
#include "config/notation.h"
#include "config/template.h"
#include "core/expression.h"
#include "core/path.h"
#include "core/wire.h"
#include "http/target.h"

/* What the match of one route captures. */
struct captures {
    struct complaints *complaints;
    struct arena arena;
    const char **names; /* ends with NULL */
    size_t count;
    bool unknown; /* the match is broken, and has been complained of */
};

static void add_name(struct captures *captures, struct slice name)
{
    const char *copy = (const char *)arena_copy(&captures->arena, name).at;
    assert(copy != NULL);
    captures->names[captures->count++] = copy;
}

static void read_path_names(struct captures *captures, const char *path)
{
    struct slice rest = slice_text(path);
    captures->unknown = rest.len == 0 || rest.at[0] != '/';
    captures->names = arena_get(&captures->arena, (rest.len + 2) * sizeof(*captures->names));
    while (!captures->unknown && rest.len > 0) {
        if (slice_is(rest, "/*"))
            add_name(captures, SLICE("*"));
        struct slice segment = path_take_segment(&rest);
        if (segment_is_open(segment))
            add_name(captures, segment_name(segment));
    }
}

static void read_group_names(struct captures *captures, const char *regex)
{
    size_t at;
    char why[8];
    struct expression *expression = expression_compile(regex, &at, why, sizeof(why));
    captures->unknown = expression == NULL;
    captures->names = arena_get(&captures->arena, (strlen(regex) + 1) * sizeof(*captures->names));
    const char *const *names = expression == NULL ? NULL : expression_names(expression);
    for (size_t i = 0; names != NULL && names[i] != NULL; i++)
        add_name(captures, slice_text(names[i]));
    expression_free(expression);
}

static void read_captures(struct captures *captures, const struct values *match)
{
    const char *path = values_text(match, "path"), *regex = values_text(match, "path_regex");
    if (path != NULL) {
        read_path_names(captures, path);
        return;
    }
    if (regex != NULL) {
        read_group_names(captures, regex);
        return;
    }
    captures->unknown = values_has(match, "path") || values_has(match, "path_regex");
    captures->names = arena_get(&captures->arena, 2 * sizeof(*captures->names));
    add_name(captures, SLICE("*")); /* the whole path */
}

/* --- templates -------------------------------------------------------------------------------- */

static void complain_of_name(const struct captures *captures, struct place place,
                             struct slice wrong, bool show)
{
    if (!show)
        wrong = SLICE("…");
    struct complaint *complaint = complain(captures->complaints, place,
                                           "the match captures no {%.*s}", (int)wrong.len,
                                           (const char *)wrong.at);
    struct bytes text = { 0 };
    for (size_t i = 0; i < captures->count; i++)
        bytes_printf(&text, "%s{%s}", i == 0 ? "one of " : ", ", captures->names[i]);
    if (captures->count == 0)
        bytes_text(&text,
                   "a segment such as \"{id}\" in 'path', or a group such as \"(?<id>…)\" in "
                   "'path_regex'");
    complaint_expected(captures->complaints, complaint, "%.*s", (int)text.len,
                       (const char *)text.at);
    bytes_free(&text);
    const char *name = (const char *)arena_copy(&captures->complaints->arena, wrong).at;
    const char *nearest = name == NULL ? NULL : nearest_name(name, captures->names);
    if (nearest != NULL && show)
        complaint_hint(captures->complaints, complaint, "did you mean {%s}?", nearest);
}

static bool is_captured(const struct captures *captures, struct slice name)
{
    for (size_t i = 0; i < captures->count; i++)
        if (slice_is(name, captures->names[i]))
            return true;
    return captures->unknown;
}

/* `show`: the text holds no variable, and may be repeated. */
static bool check_template(const struct captures *captures, struct place place, struct slice text,
                           bool show)
{
    struct template_piece piece;
    const char *why = NULL;
    int more;
    bool right = true;
    while ((more = template_next(&text, &piece, &why)) > 0) {
        if (!piece.capture || is_captured(captures, piece.text))
            continue;
        complain_of_name(captures, place, piece.text, show);
        right = false;
    }
    if (more < 0) {
        struct complaint *complaint = complain(captures->complaints, place, "%s", why);
        complaint_expected(captures->complaints, complaint, "a capture such as \"{id}\"");
    }
    return right && more == 0;
}

/* --- the path --------------------------------------------------------------------------------- */

/* As it would be with a letter for each capture. What `*` takes begins with a slash, or is empty. */
static const char *path_flaw(const struct captures *captures, struct slice text)
{
    struct bytes path = { 0 };
    struct template_piece piece;
    const char *why = NULL;
    while (template_next(&text, &piece, &why) > 0) {
        bool rest = piece.capture && slice_is(piece.text, "*");
        bytes_add(&path, rest ? SLICE("") : piece.capture ? SLICE("x") : piece.text);
    }
    if (path.len == 0)
        bytes_byte(&path, '/');
    struct arena arena;
    arena_init(&arena, captures->arena.cap);
    bool fits = path_normalise(bytes_slice(&path), &arena, &why).at != NULL;
    arena_clear(&arena);
    bytes_free(&path);
    return fits ? NULL : why;
}

static void check_path(const struct captures *captures, const struct value *value)
{
    if (value->text == NULL)
        return;
    struct slice text = slice_text(value->text), bare = text;
    bool rest = text.len >= 2 && slice_is(slice_from(text, text.len - 2), "/*");
    if (rest) {
        bare.len -= 2;
        if (!is_captured(captures, SLICE("*"))) {
            struct complaint *complaint = complain(captures->complaints, value->place,
                                                   "the match has no '*' at the end of its path");
            complaint_expected(captures->complaints, complaint,
                               "'path' of the match to end in \"/*\" too");
            return;
        }
    }
    if (!check_template(captures, value->place, bare, !value->variable))
        return;
    const char *flaw = path_flaw(captures, bare);
    if (flaw == NULL)
        return;
    struct complaint *complaint = complain(captures->complaints, value->place,
                                           "no path can become of this: %s", flaw);
    complaint_expected(captures->complaints, complaint, "\"/v2/{id}\" or \"/v2/*\"");
}

/* --- headers ---------------------------------------------------------------------------------- */

/* Why nobody but Shunt may write it, or NULL. */
static const char *name_flaw(struct slice name)
{
    enum field_name token = field_token(name);
    if (token == FIELD_HOST)
        return "'Host' follows from where the call goes";
    if (token == FIELD_CONTENT_LENGTH || token == FIELD_TRANSFER_ENCODING || token == FIELD_TRAILER)
        return "this header says how long the body is, which Shunt settles itself";
    if (token == FIELD_EXPECT || field_is_hop_by_hop(token))
        return "this header concerns one connection only, and is never passed on";
    if (token == FIELD_VIA)
        return "'Via' is how loops are found";
    if (wire_is_own(name))
        return "this header is Shunt's own, or a broker's";
    return NULL;
}

static void check_name(const struct captures *captures, struct place place, struct slice name)
{
    const char *flaw = name_flaw(name);
    if (flaw == NULL)
        return;
    struct complaint *complaint = complain(captures->complaints, place, "%s", flaw);
    complaint_expected(captures->complaints, complaint,
                       field_token(name) == FIELD_HOST ? "'host' in 'rewrite'"
                                                       : "a header such as \"x-tenant\"");
}

static void check_lines(const struct captures *captures, const struct value *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        struct slice line = slice_text(lines->texts[i]);
        size_t colon = slice_find(line, ':');
        if (colon == line.len)
            continue; /* told by the table */
        check_name(captures, lines->places[i], slice_first(line, colon));
        check_template(captures, lines->places[i], slice_from(line, colon + 1), !lines->variable);
    }
}

static void check_removed(const struct captures *captures, const struct value *names)
{
    for (size_t i = 0; i < names->count; i++) {
        struct slice name = slice_text(names->texts[i]);
        if (token_valid(name)) {
            check_name(captures, names->places[i], name);
            continue;
        }
        struct complaint *complaint = complain(captures->complaints, names->places[i],
                                               "this is not the name of a header");
        complaint_expected(captures->complaints, complaint, "a name such as \"x-tenant\"");
    }
}

void check_rewrites(const struct values *route, struct complaints *complaints)
{
    static const char *const groups[] = { "request_headers", "response_headers" };
    if (!values_has(route, "rewrite") && !values_has(route, groups[0]) &&
        !values_has(route, groups[1]))
        return;
    struct captures captures = { .complaints = complaints };
    arena_init(&captures.arena, SIZE_MAX);
    read_captures(&captures, values_group(route, "match"));
    check_path(&captures, values_get(values_group(route, "rewrite"), "path"));
    for (unsigned i = 0; i < 2; i++) {
        const struct values *edits = values_group(route, groups[i]);
        check_lines(&captures, values_get(edits, "set"));
        check_lines(&captures, values_get(edits, "add"));
        check_removed(&captures, values_get(edits, "remove"));
    }
    arena_clear(&captures.arena);
}

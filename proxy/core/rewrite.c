/* Templates are taken apart once, when a route is compiled; a call then puts the pieces together
 * with what its path has in their places.
 *
 * Happy path: captures are read off the path that was matched, the new path is written, headers
 * are removed, set and added, in this order, and what will be added to the answer is kept with the
 * call. Failures: a path that comes out ambiguous (400), or a head that no longer fits the call's
 * memory (431).
 */
#include "core/rewrite.h"

#include <assert.h>

#include "config/template.h"
#include "core/matcher.h"

struct piece {
    struct slice text; /* where it is no capture */
    int capture;       /* index into rewrite->names, or -1 */
};

struct template
{
    struct piece *pieces;
    size_t count;
};

/* "name: value" */
struct line {
    struct slice name;
    struct template value;
    bool adds;   /* beside what is there; else in its place */
    bool secret; /* from a variable of the environment */
};

struct edits {
    const char *const *removed; /* ends with NULL */
    struct line *lines;
    size_t count;
};

struct rewrite {
    const struct matcher *matcher; /* where captures come from; NULL: the whole path is "*" */
    struct slice *names;           /* of the captures that are used */
    size_t name_count;
    bool has_path;
    struct template path;
    struct slice host; /* empty: as it was */
    struct edits request, answer;
};

/* --- compiling -------------------------------------------------------------------------------- */

static int capture_index(struct rewrite *rewrite, struct slice name)
{
    for (size_t i = 0; i < rewrite->name_count; i++)
        if (slice_equal(rewrite->names[i], name))
            return (int)i;
    rewrite->names[rewrite->name_count] = name;
    return (int)rewrite->name_count++;
}

static size_t count_pieces(struct slice text)
{
    struct template_piece piece;
    const char *why;
    size_t count = 0;
    while (template_next(&text, &piece, &why) > 0)
        count++;
    return count;
}

static struct template compile_template(struct rewrite *rewrite, struct slice text,
                                        struct arena *arena)
{
    struct template template = { .pieces = arena_get(arena, (count_pieces(text) + 1) *
                                                                sizeof(*template.pieces)) };
    struct template_piece piece;
    const char *why;
    while (template_next(&text, &piece, &why) > 0)
        template.pieces[template.count++] = (struct piece){
            .text = piece.text, .capture = piece.capture ? capture_index(rewrite, piece.text) : -1
        };
    assert(text.len == 0); /* checked when it was loaded */
    return template;
}

/* "/v2/" and a '*' at its end is short for "/v2{*}". */
static struct template compile_path(struct rewrite *rewrite, struct slice path, struct arena *arena)
{
    bool rest = path.len >= 2 && slice_is(slice_from(path, path.len - 2), "/*");
    struct template template = compile_template(
        rewrite, slice_first(path, path.len - (rest ? 2 : 0)), arena);
    if (rest)
        template.pieces[template.count++] = (struct piece){ .capture = capture_index(rewrite,
                                                                                     SLICE("*")) };
    return template;
}

static void compile_lines(struct rewrite *rewrite, struct edits *edits, const struct value *list,
                          bool adds, struct arena *arena)
{
    for (size_t i = 0; i < list->count; i++) {
        struct slice line = slice_text(list->texts[i]);
        size_t colon = slice_find(line, ':');
        assert(colon < line.len);
        struct slice value = slice_trim(slice_from(line, colon + 1));
        edits->lines[edits->count++] = (struct line){
            .name = slice_first(line, colon),
            .value = compile_template(rewrite, value, arena),
            .adds = adds,
            .secret = list->variable,
        };
    }
}

static void compile_edits(struct rewrite *rewrite, struct edits *edits, const struct values *values,
                          struct arena *arena)
{
    const struct value *set = values_get(values, "set"), *add = values_get(values, "add");
    edits->removed = (const char *const *)values_get(values, "remove")->texts;
    edits->lines = arena_get(arena, (set->count + add->count + 1) * sizeof(*edits->lines));
    compile_lines(rewrite, edits, set, false, arena);
    compile_lines(rewrite, edits, add, true, arena);
}

/* No more names than braces. */
static size_t most_names(const struct values *path, const struct values *const edits[2])
{
    const char *text = values_text(path, "path");
    size_t most = 1 + (text == NULL ? 0 : count_pieces(slice_text(text)));
    for (unsigned i = 0; i < 4; i++) {
        const struct value *list = values_get(edits[i / 2], i % 2 == 0 ? "set" : "add");
        for (size_t j = 0; j < list->count; j++)
            most += count_pieces(slice_text(list->texts[j]));
    }
    return most;
}

struct rewrite *rewrite_compile(const struct values *route, const struct matcher *matcher,
                                struct arena *arena)
{
    const struct values *values = values_group(route, "rewrite");
    const struct values *edits[] = { values_group(route, "request_headers"),
                                     values_group(route, "response_headers") };
    if (!values_has(route, "rewrite") && !values_has(route, "request_headers") &&
        !values_has(route, "response_headers"))
        return NULL;
    struct rewrite *rewrite = arena_get(arena, sizeof(*rewrite));
    rewrite->matcher = matcher;
    rewrite->names = arena_get(arena, most_names(values, edits) * sizeof(*rewrite->names));
    rewrite->has_path = values_has(values, "path");
    if (rewrite->has_path)
        rewrite->path = compile_path(rewrite, slice_text(values_text(values, "path")), arena);
    rewrite->host = slice_text(values_text(values, "host"));
    compile_edits(rewrite, &rewrite->request, edits[0], arena);
    compile_edits(rewrite, &rewrite->answer, edits[1], arena);
    return rewrite;
}

/* --- captures --------------------------------------------------------------------------------- */

/* What the expression's group of that name holds. */
static struct slice group_value(const struct expression *expression, const struct slice *values,
                                struct slice name)
{
    const char *const *names = expression_names(expression);
    for (size_t i = 0; names[i] != NULL; i++)
        if (slice_is(name, names[i]))
            return values[i];
    return SLICE("");
}

static bool capture_groups(const struct rewrite *rewrite, const struct expression *expression,
                           struct slice path, struct arena *arena, struct slice *captures)
{
    size_t count = 0;
    while (expression_names(expression)[count] != NULL)
        count++;
    struct slice *values = arena_try(arena, (count + 1) * sizeof(*values));
    if (values == NULL || !expression_capture(expression, path, values))
        return false;
    for (size_t i = 0; i < rewrite->name_count; i++)
        captures[i] = group_value(expression, values, rewrite->names[i]);
    return true;
}

/* One for each of rewrite->names, pointing into the path; NULL when memory is out. */
static struct slice *read_captures(const struct rewrite *rewrite, struct slice path,
                                   struct arena *arena)
{
    struct slice *captures = arena_try(arena, (rewrite->name_count + 1) * sizeof(*captures));
    const struct matcher *matcher = rewrite->matcher;
    if (captures == NULL || rewrite->name_count == 0)
        return captures;
    if (matcher != NULL && matcher->regex != NULL)
        return capture_groups(rewrite, matcher->regex->expression, path, arena, captures) ? captures
                                                                                          : NULL;
    for (size_t i = 0; i < rewrite->name_count; i++) {
        captures[i] = path;
        if (matcher != NULL && matcher->path != NULL)
            captures[i] = path_capture(matcher->path->pattern, path, rewrite->names[i]);
    }
    return captures;
}

/* `at` NULL at the arena's cap. */
static struct slice fill(const struct template *template, const struct slice *captures,
                         struct arena *arena)
{
    size_t len = 0;
    for (size_t i = 0; i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];
        len += piece->capture < 0 ? piece->text.len : captures[piece->capture].len;
    }
    uint8_t *at = arena_try(arena, len + 1);
    size_t used = 0;
    for (size_t i = 0; at != NULL && i < template->count; i++) {
        const struct piece *piece = &template->pieces[i];
        struct slice text = piece->capture < 0 ? piece->text : captures[piece->capture];
        if (text.len > 0)
            memcpy(at + used, text.at, text.len);
        used += text.len;
    }
    assert(at == NULL || used == len);
    return slice_of(at, used);
}

/* --- headers ---------------------------------------------------------------------------------- */

static bool is_taken_away(const struct field *field, const void *what)
{
    const struct edits *edits = what;
    struct slice name = field->name;
    for (size_t i = 0; edits->removed != NULL && edits->removed[i] != NULL; i++)
        if (slice_is_nocase(name, edits->removed[i]))
            return true;
    for (size_t i = 0; i < edits->count; i++)
        if (!edits->lines[i].adds && slice_equal_nocase(name, edits->lines[i].name))
            return true;
    return false;
}

/* The lines, filled in. False at the arena's cap. */
static bool add_lines(const struct edits *edits, const struct slice *captures, struct arena *arena,
                      struct fields *fields)
{
    for (size_t i = 0; i < edits->count; i++) {
        struct slice value = fill(&edits->lines[i].value, captures, arena);
        if (value.at == NULL || fields_add(fields, arena, edits->lines[i].name, value) < 0)
            return false;
        assert(field_value_valid(value));
    }
    return true;
}

/* --- a call ----------------------------------------------------------------------------------- */

static enum reason rewrite_path(struct call *call, const struct slice *captures)
{
    const struct rewrite *rewrite = call->route->rewrite;
    struct head *request = &call->request;
    if (!rewrite->has_path || request->path.len == 0 || request->path.at[0] != '/')
        return REASON_none; /* "*" of OPTIONS is no path */
    struct slice path = fill(&rewrite->path, captures, &call->arena);
    if (path.at == NULL)
        return REASON_head_too_large;
    const char *why = NULL;
    unsigned oddities;
    path = path_read(path.len == 0 ? SLICE("/") : path, &call->arena, &oddities, &why);
    if (path.at != NULL)
        path = path_settle(path, oddities, &call->route->paths, &call->arena);
    if (path.at == NULL) {
        call->detail = arena_printf(&call->arena, "rewritten: %s",
                                    why != NULL ? why : path_oddity_text(oddities));
        return REASON_bad_request;
    }
    request->path = path;
    return REASON_none;
}

enum reason rewrite_request(struct call *call)
{
    const struct rewrite *rewrite = call->route->rewrite;
    assert(rewrite != NULL);
    struct slice *captures = read_captures(rewrite, call->request.path, &call->arena);
    if (captures == NULL)
        return REASON_head_too_large;
    call->asked.path = call->request.path;
    call->asked.authority = call->request.authority;
    enum reason reason = rewrite_path(call, captures);
    if (reason != REASON_none)
        return reason;
    if (rewrite->host.len > 0)
        call->request.authority = rewrite->host;
    fields_remove_where(&call->request.fields, is_taken_away, &rewrite->request);
    bool fit = add_lines(&rewrite->request, captures, &call->arena, &call->request.fields) &&
               add_lines(&rewrite->answer, captures, &call->arena, &call->answer_fields);
    return fit ? REASON_none : REASON_head_too_large;
}

void rewrite_answer(struct call *call, struct head *answer)
{
    const struct rewrite *rewrite = call->route == NULL ? NULL : call->route->rewrite;
    if (rewrite == NULL)
        return;
    fields_remove_where(&answer->fields, is_taken_away, &rewrite->answer);
    for (uint32_t i = 0; i < call->answer_fields.count; i++) {
        const struct field *field = &call->answer_fields.at[i];
        if (fields_add(&answer->fields, &call->arena, field->name, field->value) < 0)
            return; /* a megabyte is used up: the rest of the answer still says what it did */
    }
}

/* --- explain ---------------------------------------------------------------------------------- */

static const char hidden[] = "(from a variable)";

static bool is_secret(const struct edits *edits, struct slice name)
{
    for (size_t i = 0; i < edits->count; i++)
        if (edits->lines[i].secret && slice_equal_nocase(edits->lines[i].name, name))
            return true;
    return false;
}

static void say(struct description *description, const char *what, struct slice text)
{
    if (text.at == NULL ||
        fields_add(&description->lines, description->arena, slice_text(what), text) < 0)
        description->lines.count = 0; /* no room: better nothing than a part of it */
}

void rewrite_describe(struct call *call, struct description *description)
{
    const struct rewrite *rewrite = call->route == NULL ? NULL : call->route->rewrite;
    if (rewrite == NULL)
        return;
    for (uint32_t i = 0; i < call->request.fields.count; i++) {
        struct field *field = &call->request.fields.at[i];
        if (is_secret(&rewrite->request, field->name))
            field->value = slice_text(hidden);
    }
    const struct edits *answer = &rewrite->answer;
    for (size_t i = 0; answer->removed != NULL && answer->removed[i] != NULL; i++)
        say(description, "answer loses", slice_text(answer->removed[i]));
    for (uint32_t i = 0; i < call->answer_fields.count; i++) {
        const struct field *field = &call->answer_fields.at[i];
        struct slice value = is_secret(answer, field->name) ? slice_text(hidden) : field->value;
        struct slice line = arena_printf(description->arena, "%.*s: %.*s", (int)field->name.len,
                                         (const char *)field->name.at, (int)value.len,
                                         (const char *)value.at);
        say(description, answer->lines[i].adds ? "answer also has" : "answer has", line);
    }
}

/* A route's `match`, compiled into conditions that all must hold; see route.h.
 *
 * Happy path: matcher_compile turns each thing that was written into one condition, with the
 * sentence that explain says when it does not hold. Which route a call takes is found through an
 * index (route_index.c); the conditions here say what that means, one route at a time. Failure:
 * what is written wrongly is complained of. At run time nothing fails.
 */
#include "core/route.h"

#include <assert.h>

#include "base/percent.h"
#include "core/graphql.h"
#include "core/grpc.h"
#include "core/matcher.h"
#include "http/target.h"

/* What compiling has at hand. */
struct compiling {
    struct matcher *matcher;
    const struct values *match;
    struct arena *arena;
    struct complaints *complaints;
};

/* --- hosts ------------------------------------------------------------------------------------ */

struct slice plain_host(struct slice authority)
{
    struct slice host;
    uint16_t port;
    if (host_split(authority, 80, &host, &port) < 0)
        return slice_of(NULL, 0);
    if (host.len > 0 && host.at[host.len - 1] == '.')
        host.len--;
    return host;
}

/* "*.svc" takes every name below svc, and not svc itself. */
static bool host_takes(struct slice pattern, struct slice host)
{
    if (pattern.len < 2 || pattern.at[0] != '*')
        return slice_equal_nocase(pattern, host);
    struct slice end = slice_from(pattern, 1);
    return host.len > end.len && slice_equal_nocase(slice_from(host, host.len - end.len), end);
}

static bool host_holds(const struct condition *condition, const struct head *request)
{
    struct slice host = plain_host(request->authority);
    for (size_t i = 0; host.len > 0 && i < condition->count; i++)
        if (host_takes(condition->any[i], host))
            return true;
    return false;
}

/* --- methods, headers, query ------------------------------------------------------------------ */

static bool method_holds(const struct condition *condition, const struct head *request)
{
    for (size_t i = 0; i < condition->count; i++)
        if (slice_equal(condition->any[i], request->method))
            return true;
    return false;
}

static bool header_holds(const struct condition *condition, const struct head *request)
{
    const struct field *field = fields_find_name(&request->fields, condition->name);
    for (; field != NULL; field = fields_next(&request->fields, field))
        if (condition->any_value || slice_equal(slice_trim(field->value), condition->value))
            return true;
    return false;
}

static bool decodes_to(struct slice encoded, struct slice plain)
{
    while (encoded.len > 0 && plain.len > 0) {
        if (form_take(&encoded) != plain.at[0])
            return false;
        plain = slice_from(plain, 1);
    }
    return encoded.len == 0 && plain.len == 0;
}

static bool query_holds(const struct condition *condition, const struct head *request)
{
    struct slice rest = request->query;
    while (rest.len > 0) {
        size_t end = slice_find(rest, '&');
        struct slice pair = slice_first(rest, end);
        rest = slice_from(rest, end < rest.len ? end + 1 : end);
        size_t mark = slice_find(pair, '=');
        struct slice value = slice_from(pair, mark < pair.len ? mark + 1 : mark);
        if (decodes_to(slice_first(pair, mark), condition->name) &&
            (condition->any_value || decodes_to(value, condition->value)))
            return true;
    }
    return false;
}

/* --- paths ----------------------------------------------------------------------------------------- */

static bool path_holds(const struct condition *condition, const struct head *request)
{
    return path_fits(condition->pattern, request->path);
}

static bool regex_holds(const struct condition *condition, const struct head *request)
{
    return expression_matches(condition->expression, request->path);
}

/* --- gRPC and GraphQL -------------------------------------------------------------------------- */

static bool grpc_holds(const struct condition *condition, const struct head *request)
{
    (void)condition;
    return grpc_is_call(request);
}

static bool is_as_asked(struct slice asked, struct slice given)
{
    return asked.len == 0 || slice_equal(asked, given);
}

static bool graphql_holds(const struct condition *condition, const struct head *request)
{
    const struct graphql *asked = condition->graphql, *given = request->graphql;
    return given != NULL && (asked->kind == GRAPHQL_NONE || asked->kind == given->kind) &&
           is_as_asked(asked->name, given->name) && is_as_asked(asked->field, given->field) &&
           is_as_asked(asked->hash, given->hash);
}

/* --- compiling -------------------------------------------------------------------------------- */

static struct condition *add_condition(struct compiling *compiling,
                                       bool (*holds)(const struct condition *, const struct head *),
                                       struct slice mismatch)
{
    struct condition *condition = &compiling->matcher->conditions[compiling->matcher->count++];
    assert(condition->holds == NULL && holds != NULL);
    condition->holds = holds;
    condition->mismatch = mismatch.at != NULL ? (const char *)mismatch.at
                                              : "a condition does not hold";
    return condition;
}

/* "the host is not a" or "the host is none of a, b". */
static struct slice none_of(struct arena *arena, const char *what, const struct value *list)
{
    struct bytes text = { 0 };
    bytes_printf(&text, "the %s is %s", what, list->count == 1 ? "not " : "none of ");
    for (size_t i = 0; i < list->count; i++)
        bytes_printf(&text, "%s%s", i == 0 ? "" : ", ", list->texts[i]);
    struct slice sentence = arena_copy(arena, bytes_slice(&text));
    bytes_free(&text);
    return sentence;
}

/* Alternatives. NULL when none is written. */
static struct condition *compile_any(struct compiling *compiling, const char *key,
                                     bool (*holds)(const struct condition *, const struct head *))
{
    const struct value *list = values_get(compiling->match, key);
    if (list->count == 0)
        return NULL;
    struct condition *condition = add_condition(compiling, holds,
                                                none_of(compiling->arena, key, list));
    condition->any = arena_get(compiling->arena, list->count * sizeof(*condition->any));
    condition->count = list->count;
    for (size_t i = 0; i < list->count; i++)
        condition->any[i] = slice_text(list->texts[i]);
    return condition;
}

static void compile_hosts(struct compiling *compiling, const char *key)
{
    struct condition *condition = compile_any(compiling, key, host_holds);
    compiling->matcher->hosts = condition;
    for (size_t i = 0; condition != NULL && i < condition->count; i++) {
        struct slice host = plain_host(condition->any[i]);
        condition->any[i] = host;
        struct slice name = slice_from(host, slice_starts(host, SLICE("*.")) ? 2 : 0);
        if (name.len == 0 || slice_find(name, '*') < name.len)
            complain(compiling->complaints, values_get(compiling->match, key)->places[i],
                     "this is no host");
    }
}

static void compile_methods(struct compiling *compiling, const char *key)
{
    compile_any(compiling, key, method_holds);
}

static void compile_path(struct compiling *compiling, const char *key)
{
    const char *path = values_text(compiling->match, key);
    if (path == NULL)
        return;
    const char *why;
    struct slice pattern = path_pattern(slice_text(path), compiling->arena, &why);
    if (pattern.at == NULL) {
        complain(compiling->complaints, values_place(compiling->match, key),
                 "no path can match this: %s", why);
        return;
    }
    struct condition *condition = add_condition(
        compiling, path_holds, arena_printf(compiling->arena, "the path does not fit %s", path));
    condition->pattern = pattern;
    compiling->matcher->path = condition;
}

static void compile_regex(struct compiling *compiling, const char *key)
{
    const char *text = values_text(compiling->match, key);
    if (text == NULL)
        return;
    size_t at;
    char why[200] = "";
    struct expression *expression = expression_compile(text, &at, why, sizeof(why));
    if (expression == NULL) {
        complain(compiling->complaints, values_place(compiling->match, key),
                 "no regular expression: %s at character %zu", why, at + 1);
        return;
    }
    struct condition *condition = add_condition(
        compiling, regex_holds, arena_printf(compiling->arena, "the path does not match %s", text));
    condition->expression = expression;
    compiling->matcher->regex = condition;
}

/* "name: value" and "name=value"; the value "*" takes any. */
static void compile_pairs(struct compiling *compiling, const char *key, uint8_t mark,
                          const char *what,
                          bool (*holds)(const struct condition *, const struct head *))
{
    const struct value *list = values_get(compiling->match, key);
    for (size_t i = 0; i < list->count; i++) {
        struct slice pair = slice_text(list->texts[i]);
        size_t end = slice_find(pair, mark);
        if (end == pair.len) {
            complain(compiling->complaints, list->places[i],
                     "there is no '%c' between name and value", mark);
            continue;
        }
        struct condition *condition = add_condition(
            compiling, holds,
            arena_printf(compiling->arena, "there is no %s %s", what, list->texts[i]));
        condition->name = slice_trim(slice_first(pair, end));
        condition->value = slice_trim(slice_from(pair, end + 1));
        condition->any_value = slice_is(condition->value, "*");
    }
}

static void compile_headers(struct compiling *compiling, const char *key)
{
    compile_pairs(compiling, key, ':', "header", header_holds);
}

static void compile_query(struct compiling *compiling, const char *key)
{
    compile_pairs(compiling, key, '=', "query parameter", query_holds);
}

/* "pkg.Service/Method" or "pkg.Service" with '*' for every method: its path, and that it is a
 * gRPC call at all. */
static void compile_grpc(struct compiling *compiling, const char *key)
{
    const char *method = values_text(compiling->match, key), *why = "";
    if (method == NULL)
        return;
    struct slice path = arena_printf(compiling->arena, "/%s", method);
    struct slice pattern = path_pattern(path, compiling->arena, &why);
    struct slice name = slice_from(path, 1);
    size_t slash = slice_find(name, '/');
    if (pattern.at == NULL || slash == 0 || slash + 1 >= name.len ||
        slice_find(slice_from(name, slash + 1), '/') != name.len - slash - 1) {
        complain(compiling->complaints, values_place(compiling->match, key),
                 "no gRPC method: it is written \"pkg.Service/Method\" or \"pkg.Service/*\"");
        return;
    }
    add_condition(compiling, grpc_holds, slice_text("it is no gRPC call"));
    struct condition *condition = add_condition(
        compiling, path_holds, arena_printf(compiling->arena, "the gRPC method is not %s", method));
    condition->pattern = pattern;
    if (compiling->matcher->path == NULL)
        compiling->matcher->path = condition;
}

static void compile_graphql(struct compiling *compiling, const char *key)
{
    if (!values_has(compiling->match, key))
        return;
    const struct values *asked = values_group(compiling->match, key);
    struct graphql *graphql = arena_get(compiling->arena, sizeof(*graphql));
    *graphql = (struct graphql){
        .kind = values_has(asked, "type")
                    ? (enum graphql_kind)(values_number(asked, "type") + GRAPHQL_QUERY)
                    : GRAPHQL_NONE,
        .name = slice_text(values_text(asked, "name")),
        .field = slice_text(values_text(asked, "field")),
        .hash = slice_text(values_text(asked, "hash")),
    };
    struct condition *condition = add_condition(compiling, graphql_holds,
                                                slice_text("it is no such GraphQL operation"));
    condition->graphql = graphql;
    compiling->matcher->graphql = condition;
}

/* What a match can say, in the order in which conditions are asked and explained. */
static const struct kind {
    const char *key;
    void (*compile)(struct compiling *compiling, const char *key);
} kinds[] = {
    { "host", compile_hosts },       { "method", compile_methods },  { "path", compile_path },
    { "path_regex", compile_regex }, { "headers", compile_headers }, { "query", compile_query },
    { "grpc", compile_grpc },        { "graphql", compile_graphql },
};

enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

struct matcher *matcher_compile(const struct values *match, struct arena *arena,
                                struct complaints *complaints)
{
    unsigned errors = complaints->errors;
    struct matcher *matcher = arena_get(arena, sizeof(*matcher));
    size_t room = KINDS + 1; /* headers and query make one of each entry, grpc two, others one */
    for (unsigned i = 0; i < KINDS; i++)
        room += values_get(match, kinds[i].key)->count;
    matcher->conditions = arena_get(arena, room * sizeof(*matcher->conditions));

    struct compiling compiling = {
        .matcher = matcher, .match = match, .arena = arena, .complaints = complaints
    };
    for (unsigned i = 0; i < KINDS; i++)
        kinds[i].compile(&compiling, kinds[i].key);
    assert(matcher->count <= room);
    if (complaints->errors == errors)
        return matcher;
    matcher_free(matcher);
    return NULL;
}

void matcher_free(struct matcher *matcher)
{
    assert(matcher->conditions != NULL);
    for (size_t i = 0; i < matcher->count; i++)
        expression_free(matcher->conditions[i].expression);
    matcher->count = 0;
}

const char *route_mismatch(const struct route *route, const struct head *request)
{
    const struct matcher *matcher = route->matcher;
    for (size_t i = 0; matcher != NULL && i < matcher->count; i++)
        if (!matcher->conditions[i].holds(&matcher->conditions[i], request))
            return matcher->conditions[i].mismatch;
    return NULL;
}

bool route_asks_graphql(const struct route *route)
{
    return route->matcher != NULL && route->matcher->graphql != NULL;
}

const char *route_mismatch_but_graphql(const struct route *route, const struct head *request)
{
    const struct matcher *matcher = route->matcher;
    assert(route_asks_graphql(route));
    for (size_t i = 0; i < matcher->count; i++) {
        const struct condition *condition = &matcher->conditions[i];
        if (condition != matcher->graphql && !condition->holds(condition, request))
            return condition->mismatch;
    }
    return NULL;
}

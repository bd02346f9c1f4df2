/* A route's `match`, compiled into conditions that all must hold; see route.h.
 *
 * Happy path: matcher_compile turns each thing that was written into one condition, with the
 * sentence that explain says when it does not hold; a call is tried against the routes from top to
 * bottom. Failure: what is written wrongly is complained of. At run time nothing fails: an
 * expression that passes its limits on some path does not match it, so that no path, however
 * strange, costs more than a few milliseconds.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/route.h"

#include <assert.h>
#include <pcre2.h>

#include "http/target.h"

/* Far beyond what a sane expression needs on a path of 64 KiB. */
enum { REGEX_STEPS_MAX = 100000, REGEX_DEPTH_MAX = 10000, REGEX_HEAP_KIB = 4096 };

struct condition {
    bool (*holds)(const struct condition *condition, const struct head *request);
    const char *mismatch;
    struct slice *any;        /* methods, or hosts as plain_host leaves them */
    size_t count;             /* of `any` */
    struct slice name, value; /* of a header or a query parameter; the pattern of a path */
    bool any_value;
    pcre2_code *regex;
    pcre2_match_context *limits;
};

struct matcher {
    struct condition *conditions;
    size_t count;
};

/* What compiling has at hand. */
struct compiling {
    struct matcher *matcher;
    struct arena *arena;
    struct complaints *complaints;
};

/* --- hosts ------------------------------------------------------------------------------------ */

/* Without port and trailing dot; brackets of an IPv6 address are gone as well. Empty when it is
 * no host. */
static struct slice plain_host(struct slice authority)
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

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    uint8_t low = byte | 0x20;
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* Takes one character of a query off its text, decoded as forms are: '+' is a space. */
static uint8_t take_decoded(struct slice *text)
{
    assert(text->len > 0);
    uint8_t byte = text->at[0];
    int high = -1, low = -1;
    if (byte == '%' && text->len >= 3) {
        high = hex_digit(text->at[1]);
        low = hex_digit(text->at[2]);
    }
    bool encoded = high >= 0 && low >= 0;
    *text = slice_from(*text, encoded ? 3 : 1);
    if (encoded)
        return (uint8_t)(high << 4 | low);
    return byte == '+' ? ' ' : byte;
}

static bool decodes_to(struct slice encoded, struct slice plain)
{
    while (encoded.len > 0 && plain.len > 0) {
        if (take_decoded(&encoded) != plain.at[0])
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

/* --- paths ------------------------------------------------------------------------------------ */

/* The first segment with its slash, taken off the path. */
static struct slice take_segment(struct slice *path)
{
    assert(path->len > 0 && path->at[0] == '/');
    size_t len = slice_find(slice_from(*path, 1), '/') + 1;
    struct slice segment = slice_first(*path, len);
    *path = slice_from(*path, len);
    return segment;
}

/* "/{id}" */
static bool is_open(struct slice segment)
{
    return segment.len > 3 && segment.at[1] == '{' && segment.at[segment.len - 1] == '}';
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
        struct slice wanted = take_segment(&pattern), segment = take_segment(&path);
        bool fits = is_open(wanted) ? segment.len > 1 : slice_equal(wanted, segment);
        if (!fits)
            return false;
    }
    return path.len == 0;
}

/* One segment of a pattern in the spelling that paths have; `at` NULL with `*why`. */
static struct slice pattern_segment(struct slice segment, bool last, struct arena *arena,
                                    const char **why)
{
    bool one_name = is_open(segment) &&
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
        struct slice segment = take_segment(&rest);
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

static bool path_holds(const struct condition *condition, const struct head *request)
{
    return path_fits(condition->value, request->path);
}

static bool regex_holds(const struct condition *condition, const struct head *request)
{
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    if (match == NULL)
        return false;
    assert(condition->regex != NULL && condition->limits != NULL);
    int groups = pcre2_match(condition->regex, request->path.at, request->path.len, 0, 0, match,
                             condition->limits);
    pcre2_match_data_free(match);
    return groups >= 0;
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

static void compile_any(struct compiling *compiling, const struct values *match, const char *key,
                        bool (*holds)(const struct condition *, const struct head *))
{
    const struct value *list = values_get(match, key);
    if (list->count == 0)
        return;
    struct condition *condition = add_condition(compiling, holds,
                                                none_of(compiling->arena, key, list));
    condition->any = arena_get(compiling->arena, list->count * sizeof(*condition->any));
    condition->count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        struct slice text = slice_text(list->texts[i]);
        condition->any[i] = holds == host_holds ? plain_host(text) : text;
        if (condition->any[i].len == 0)
            complain(compiling->complaints, list->places[i], "this is no %s", key);
    }
}

/* "name: value" and "name=value"; the value "*" takes any. */
static void compile_pairs(struct compiling *compiling, const struct values *match, const char *key,
                          uint8_t mark,
                          bool (*holds)(const struct condition *, const struct head *))
{
    const struct value *list = values_get(match, key);
    for (size_t i = 0; i < list->count; i++) {
        struct slice pair = slice_text(list->texts[i]);
        size_t end = slice_find(pair, mark);
        if (end == pair.len) {
            complain(compiling->complaints, list->places[i],
                     "there is no '%c' between name and value", mark);
            continue;
        }
        const char *what = holds == header_holds ? "header" : "query parameter";
        struct condition *condition = add_condition(
            compiling, holds,
            arena_printf(compiling->arena, "there is no %s %s", what, list->texts[i]));
        condition->name = slice_trim(slice_first(pair, end));
        condition->value = slice_trim(slice_from(pair, end + 1));
        condition->any_value = slice_is(condition->value, "*");
    }
}

static void compile_path(struct compiling *compiling, const struct values *match)
{
    const char *path = values_text(match, "path");
    if (path == NULL)
        return;
    const char *why;
    struct slice pattern = path_pattern(slice_text(path), compiling->arena, &why);
    if (pattern.at == NULL) {
        complain(compiling->complaints, values_place(match, "path"), "no path can match this: %s",
                 why);
        return;
    }
    add_condition(compiling, path_holds,
                  arena_printf(compiling->arena, "the path does not fit %s", path))
        ->value = pattern;
}

static pcre2_code *compile_expression(struct compiling *compiling, const struct values *match,
                                      const char *text)
{
    int error;
    size_t at;
    pcre2_code *regex = pcre2_compile((const uint8_t *)text, PCRE2_ZERO_TERMINATED,
                                      PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C,
                                      &error, &at, NULL);
    if (regex != NULL)
        return regex;
    uint8_t message[200];
    pcre2_get_error_message(error, message, sizeof(message));
    complain(compiling->complaints, values_place(match, "path_regex"),
             "no regular expression: %s at character %zu", (const char *)message, at + 1);
    return NULL;
}

static void compile_regex(struct compiling *compiling, const struct values *match)
{
    const char *text = values_text(match, "path_regex");
    if (text == NULL)
        return;
    pcre2_code *regex = compile_expression(compiling, match, text);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    if (regex == NULL || limits == NULL) {
        pcre2_code_free(regex);
        pcre2_match_context_free(limits);
        return;
    }
    pcre2_set_match_limit(limits, REGEX_STEPS_MAX);
    pcre2_set_depth_limit(limits, REGEX_DEPTH_MAX);
    pcre2_set_heap_limit(limits, REGEX_HEAP_KIB);
    struct condition *condition = add_condition(
        compiling, regex_holds, arena_printf(compiling->arena, "the path does not match %s", text));
    condition->regex = regex;
    condition->limits = limits;
}

struct matcher *matcher_compile(const struct values *match, struct arena *arena,
                                struct complaints *complaints)
{
    unsigned errors = complaints->errors;
    struct matcher *matcher = arena_get(arena, sizeof(*matcher));
    /* Host, method, path and path_regex are one each. */
    size_t room = 4 + values_get(match, "headers")->count + values_get(match, "query")->count;
    matcher->conditions = arena_get(arena, room * sizeof(*matcher->conditions));

    struct compiling compiling = { .matcher = matcher, .arena = arena, .complaints = complaints };
    compile_any(&compiling, match, "host", host_holds);
    compile_any(&compiling, match, "method", method_holds);
    compile_path(&compiling, match);
    compile_regex(&compiling, match);
    compile_pairs(&compiling, match, "headers", ':', header_holds);
    compile_pairs(&compiling, match, "query", '=', query_holds);
    assert(matcher->count <= room);
    if (complaints->errors == errors)
        return matcher;
    matcher_free(matcher);
    return NULL;
}

void matcher_free(struct matcher *matcher)
{
    assert(matcher->conditions != NULL);
    for (size_t i = 0; i < matcher->count; i++) {
        pcre2_code_free(matcher->conditions[i].regex);
        pcre2_match_context_free(matcher->conditions[i].limits);
    }
    matcher->count = 0;
}

/* --- matching --------------------------------------------------------------------------------- */

const char *route_mismatch(const struct route *route, const struct head *request)
{
    const struct matcher *matcher = route->matcher;
    for (size_t i = 0; matcher != NULL && i < matcher->count; i++)
        if (!matcher->conditions[i].holds(&matcher->conditions[i], request))
            return matcher->conditions[i].mismatch;
    return NULL;
}

const struct route *route_find(const struct snapshot *snapshot, const struct head *request)
{
    for (unsigned i = 0; i < snapshot->route_count; i++)
        if (route_mismatch(&snapshot->routes[i], request) == NULL)
            return &snapshot->routes[i];
    return NULL;
}

bool route_matches_host(const struct snapshot *snapshot, struct slice authority)
{
    const struct head request = { .authority = authority };
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        const struct matcher *matcher = snapshot->routes[i].matcher;
        for (size_t j = 0; matcher != NULL && j < matcher->count; j++)
            if (matcher->conditions[j].holds == host_holds &&
                host_holds(&matcher->conditions[j], &request))
                return true;
    }
    return false;
}

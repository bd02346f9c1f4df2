/* Routes that can never win, since those above take every call that they would.
 *
 * Each route is compared with all that stand above it, through a table: a route above can only
 * cover one below if its path, its host and the first of its further conditions are among the few
 * that would, and those are looked up. So ten thousand routes take no longer than each of them.
 *
 * One route may cover another alone; or several do together: each host and method of the one
 * below by another, or the parts of what lies below a path ("/a", "/a/", "/a/{id}/" and all below
 * it). Only certain cases are told. Two expressions are compared as texts, an expression is tried
 * on a path without open parts, and one that begins with plain segments lies below these.
 */
#include <assert.h>

#include "base/bytes.h"
#include "config/above.h"
#include "config/checks.h"
#include "core/expression.h"
#include "core/path.h"

enum {
    TRIALS_MAX = 100000, /* of expressions on paths; beyond, nothing more is told of these */
    NAMED_MAX = 4,       /* routes above that a complaint names */
};

struct cover {
    struct table table;
    struct complaints *complaints;
    unsigned trials;
};

/* What is asked: is there a route above that takes all of this? */
struct question {
    struct cover *cover;
    const struct pattern *later;
    const char *host, *method; /* one of its own; NULL: all of them at once */
    struct slice path;         /* what it takes, or a part of that */
    const struct pattern *by;  /* the highest that was found */
};

/* --- what one route above takes --------------------------------------------------------------- */

/* "name: value" and "name=value", where the value "*" takes any. */
static bool pair_takes(struct slice earlier, struct slice later, bool header)
{
    uint8_t mark = header ? ':' : '=';
    size_t a = slice_find(earlier, mark), b = slice_find(later, mark);
    if (a == earlier.len || b == later.len)
        return false;
    struct slice name = slice_first(earlier, a), other = slice_first(later, b);
    if (!(header ? slice_equal_nocase(name, other) : slice_equal(name, other)))
        return false;
    struct slice value = slice_trim(slice_from(earlier, a + 1));
    return slice_is(value, "*") || slice_equal(value, slice_trim(slice_from(later, b + 1)));
}

/* Each of the earlier conditions must follow from a later one. */
static bool pairs_taken(const struct value *earlier, const struct value *later, bool header)
{
    for (size_t i = 0; i < earlier->count; i++) {
        bool implied = false;
        for (size_t j = 0; j < later->count && !implied; j++)
            implied = pair_takes(slice_text(earlier->texts[i]), slice_text(later->texts[j]),
                                 header);
        if (!implied)
            return false;
    }
    return true;
}

static bool is_method_taken(const struct value *earlier, const char *method)
{
    for (size_t i = 0; i < earlier->count; i++)
        if (strcmp(earlier->texts[i], method) == 0)
            return true;
    return earlier->count == 0;
}

static bool methods_taken(const struct question *question, const struct value *earlier)
{
    const struct value *later = question->later->methods;
    if (question->method != NULL)
        return is_method_taken(earlier, question->method);
    for (size_t i = 0; i < later->count; i++)
        if (!is_method_taken(earlier, later->texts[i]))
            return false;
    return later->count > 0 || earlier->count == 0;
}

static bool host_takes(struct table *table, const char *earlier, const char *later)
{
    struct slice wide = spelled_host(table, earlier), narrow = spelled_host(table, later);
    if (wide.len > 1 && wide.at[0] == '*' && narrow.len > 0) {
        struct slice end = slice_from(wide, 1);
        return narrow.len > end.len && slice_equal(slice_from(narrow, narrow.len - end.len), end);
    }
    return slice_equal(wide, narrow);
}

/* All at once; one alone has been looked up. */
static bool hosts_taken(const struct question *question, const struct value *earlier)
{
    const struct value *later = question->later->hosts;
    if (question->host != NULL || earlier->count == 0 || later->count == 1)
        return true;
    for (size_t i = 0; i < later->count; i++) {
        bool taken = false;
        for (size_t j = 0; j < earlier->count && !taken; j++)
            taken = host_takes(&question->cover->table, earlier->texts[j], later->texts[i]);
        if (!taken)
            return false;
    }
    return true;
}

/* Whether an expression takes the one path that `later` is. */
static bool regex_takes(struct question *question, const struct pattern *earlier)
{
    struct pattern *tried = (struct pattern *)earlier;
    size_t at;
    char why[8];
    if (question->cover->trials++ >= TRIALS_MAX)
        return false;
    if (tried->expression == NULL)
        tried->expression = expression_compile(earlier->regex, &at, why, sizeof(why));
    return tried->expression != NULL && expression_matches(tried->expression, question->path);
}

static void ask_group(struct question *question, uint32_t path, uint32_t host, uint32_t condition)
{
    const struct pattern *later = question->later;
    for (const struct above *above = above_at(&question->cover->table, path, host, condition);
         above != NULL; above = above->next) {
        const struct pattern *earlier = above->pattern;
        if (question->by != NULL && question->by <= earlier)
            return;
        if (pairs_taken(earlier->headers, later->headers, true) &&
            pairs_taken(earlier->query, later->query, false) &&
            methods_taken(question, earlier->methods) && hosts_taken(question, earlier->hosts) &&
            (path != ROOT_REGEXES || regex_takes(question, earlier))) {
            question->by = earlier;
            return;
        }
    }
}

/* With none, with each condition of the later route, and with any value of each. */
static void ask_conditions(struct question *question, uint32_t path, uint32_t host)
{
    ask_group(question, path, host, ROOT_NONE);
    const struct value *lists[] = { question->later->headers, question->later->query };
    for (unsigned i = 0; i < 2; i++) {
        for (size_t j = 0; j < 2 * lists[i]->count; j++) {
            uint32_t id = condition_id(&question->cover->table, lists[i]->texts[j / 2], i == 0,
                                       j % 2 == 1, false);
            if (id != ROOT_NONE)
                ask_group(question, path, host, id);
        }
    }
}

/* With none, the host itself, and each "*.suffix" of it. */
static void ask_hosts(struct question *question, uint32_t path)
{
    struct table *table = &question->cover->table;
    const struct value *hosts = question->later->hosts;
    ask_conditions(question, path, ROOT_NONE);
    if (hosts->count == 0)
        return;
    struct slice host = spelled_host(table,
                                     question->host != NULL ? question->host : hosts->texts[0]);
    uint32_t id = name_id(table, ROOT_HOSTS, host, false);
    if (id != ROOT_NONE)
        ask_conditions(question, path, id);
    for (size_t i = 1; i < host.len; i++) {
        if (host.at[i] != '.')
            continue;
        struct slice below = arena_printf(&table->arena, "*%.*s", (int)(host.len - i),
                                          (const char *)host.at + i);
        assert(below.at != NULL);
        id = name_id(table, ROOT_HOSTS, below, false);
        if (id != ROOT_NONE && !slice_equal(below, host))
            ask_conditions(question, path, id);
    }
}

/* All patterns above that take this one. */
static void ask_paths(struct question *question, uint32_t node, struct slice rest)
{
    uint32_t open = name_id(&question->cover->table, node, SLICE("/*"), false);
    if (open != ROOT_NONE)
        ask_hosts(question, open);
    if (rest.len == 0)
        ask_hosts(question, node);
    if (rest.len == 0 || slice_is(rest, "/*"))
        return;
    struct slice segment = path_take_segment(&rest);
    uint32_t next = segment_id(&question->cover->table, node, segment, false);
    if (next != ROOT_NONE)
        ask_paths(question, next, rest);
    next = name_id(&question->cover->table, node, SLICE("/{}"), false);
    if (next != ROOT_NONE && segment.len > 1 && !segment_is_open(segment))
        ask_paths(question, next, rest);
}

/* The highest route above that takes all of it, or NULL. */
static const struct pattern *ask(struct question *question)
{
    const struct pattern *later = question->later;
    question->by = NULL;
    ask_hosts(question, ROOT_NONE);
    if (later->regex != NULL) {
        uint32_t same = name_id(&question->cover->table, ROOT_REGEXES, slice_text(later->regex),
                                false);
        if (same != ROOT_NONE)
            ask_hosts(question, same);
    }
    if (question->path.at != NULL)
        ask_paths(question, ROOT_PATHS, question->path);
    if (later->literal)
        ask_hosts(question, ROOT_REGEXES);
    return question->by;
}

/* --- several together ------------------------------------------------------------------------- */

/* The routes that cover another, each once. */
struct covering {
    const struct pattern *by[NAMED_MAX];
    unsigned count;
    bool others; /* than the first few */
};

static bool add_covering(struct covering *covering, const struct pattern *by)
{
    if (by == NULL)
        return false;
    for (unsigned i = 0; i < covering->count; i++)
        if (covering->by[i] == by)
            return true;
    covering->others = covering->count == NAMED_MAX;
    if (!covering->others)
        covering->by[covering->count++] = by;
    return true;
}

static bool ask_part(struct question *question, const struct bytes *base, const char *end,
                     struct covering *covering)
{
    struct bytes text = { 0 };
    bytes_add(&text, bytes_slice(base));
    bytes_text(&text, end);
    question->path = bytes_slice(&text);
    bool covered = add_covering(covering, text.len == 0 ? NULL : ask(question));
    bytes_free(&text);
    return covered;
}

/* All below a path is the path, the path with a slash, and all below each segment after it. */
static bool ask_parts(struct question *question, struct covering *covering)
{
    struct slice whole = question->path;
    if (whole.len < 2 || !slice_is(slice_from(whole, whole.len - 2), "/*") ||
        question->later->keeps_empty)
        return false;
    struct bytes base = { 0 };
    bytes_add(&base, slice_first(whole, whole.len - 2));
    bool covered = false;
    for (unsigned i = 0; !covered && i <= question->cover->table.deepest; i++) {
        bool path = base.len == 0 || ask_part(question, &base, "", covering);
        if (!path || !ask_part(question, &base, "/", covering))
            break;
        bytes_text(&base, "/{}");
        covered = ask_part(question, &base, "/*", covering);
    }
    bytes_free(&base);
    question->path = whole;
    return covered;
}

/* One host and one method of it, where it names them. */
static bool is_atom_covered(struct question *question, struct covering *covering)
{
    return add_covering(covering, ask(question)) || ask_parts(question, covering);
}

static bool is_covered(struct cover *cover, const struct pattern *later, struct covering *covering)
{
    struct question question = { .cover = cover, .later = later, .path = later->path };
    if (add_covering(covering, ask(&question)))
        return true;
    size_t hosts = later->hosts->count, methods = later->methods->count;
    for (size_t i = 0; i < hosts || i == 0; i++) {
        question.host = hosts == 0 ? NULL : later->hosts->texts[i];
        for (size_t j = 0; j < methods || j == 0; j++) {
            question.method = methods == 0 ? NULL : later->methods->texts[j];
            if (!is_atom_covered(&question, covering))
                return false;
        }
    }
    return true;
}

/* --- telling ---------------------------------------------------------------------------------- */

static void tell(struct cover *cover, const struct pattern *later, const struct covering *covering)
{
    const struct values *route = later->route;
    struct place place = values_has(route, "match") ? values_place(route, "match") : route->place;
    struct bytes text = { 0 };
    for (unsigned i = 0; i < covering->count; i++) {
        const struct values *earlier = covering->by[i]->route;
        const struct value *name = values_get(earlier, "name");
        bool shown = name->text != NULL && !name->variable;
        bytes_printf(&text, "%s%s%s%s in line %u", i == 0 ? "" : ", ", shown ? "'" : "",
                     shown ? name->text : "the route", shown ? "'" : "", earlier->place.line);
    }
    if (covering->others)
        bytes_text(&text, " and others");
    bool alone = covering->count == 1;
    struct complaint *complaint = complain(
        cover->complaints, place, "this route can never win: %.*s %s all its calls", (int)text.len,
        (const char *)text.at, alone ? "takes" : "together take");
    complaint_expected(cover->complaints, complaint, "the narrower route above the wider %s",
                       alone ? "one" : "ones");
    bytes_free(&text);
}

void check_cover(const struct value *routes, struct complaints *complaints)
{
    struct cover cover = { .complaints = complaints };
    struct table *table = &cover.table;
    table_init(table, routes->count);
    struct pattern *patterns = arena_get(&table->arena, (routes->count + 1) * sizeof(*patterns));
    for (size_t i = 0; i < routes->count; i++) {
        struct pattern *pattern = &patterns[i];
        struct covering covering = { 0 };
        *pattern = pattern_read(table, routes->groups[i]);
        if (pattern->apart)
            continue;
        if (is_covered(&cover, pattern, &covering))
            tell(&cover, pattern, &covering);
        else if (!pattern->more)
            table_add(table, pattern); /* what a covered one takes, those above take as well */
    }
    for (size_t i = 0; i < routes->count; i++)
        expression_free(patterns[i].expression);
    table_clear(table);
}

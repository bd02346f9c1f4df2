/* A GraphQL document, read as far as its operations' roots: see graphql.h.
 *
 * Happy path: definitions are walked through; the operation that is meant is remembered, then
 * its root selections are walked, into fragments where they are spread. Failures: anything that
 * the grammar does not allow where it is looked at, and limits on depth and on the number of
 * selections that one document may cost.
 */
#include "core/graphql.h"

#include <assert.h>

enum {
    DEPTH_MAX = 200,       /* brackets within brackets */
    SPREADS_MAX = 32,      /* fragments within fragments, at the root */
    SELECTIONS_MAX = 1000, /* at the root, with those of fragments */
};

const char *const graphql_kind_names[GRAPHQL_KINDS + 1] = {
    [GRAPHQL_QUERY] = "query",
    [GRAPHQL_MUTATION] = "mutation",
    [GRAPHQL_SUBSCRIPTION] = "subscription",
};

/* --- tokens (§2.1) ---------------------------------------------------------------------------- */

enum token_kind { TOKEN_END, TOKEN_BAD, TOKEN_NAME, TOKEN_MARK, TOKEN_SPREAD, TOKEN_VALUE };

struct token {
    enum token_kind kind;
    struct slice text; /* a mark's is its one character */
};

struct reader {
    struct slice rest;
    struct token now; /* not yet taken */
};

static bool is_name_start(uint8_t byte)
{
    uint8_t lower = byte | 0x20;
    return (lower >= 'a' && lower <= 'z') || byte == '_';
}

static bool is_name(uint8_t byte)
{
    return is_name_start(byte) || (byte >= '0' && byte <= '9');
}

/* Spaces, commas and comments mean nothing; a byte order mark only at the start. */
static struct slice skip_ignored(struct slice rest)
{
    while (rest.len > 0) {
        uint8_t byte = rest.at[0];
        if (byte == '#') {
            size_t end = 0;
            while (end < rest.len && rest.at[end] != '\n' && rest.at[end] != '\r')
                end++;
            rest = slice_from(rest, end);
        } else if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r' || byte == ',') {
            rest = slice_from(rest, 1);
        } else {
            break;
        }
    }
    return rest;
}

/* Length of a string with its quotes, or 0 when it does not end. */
static size_t string_length(struct slice rest)
{
    bool block = slice_starts(rest, SLICE("\"\"\""));
    size_t at = block ? 3 : 1;
    while (at < rest.len) {
        struct slice here = slice_from(rest, at);
        if (block && slice_starts(here, SLICE("\\\"\"\"")))
            at += 4;
        else if (block && slice_starts(here, SLICE("\"\"\"")))
            return at + 3;
        else if (!block && rest.at[at] == '\\')
            at += 2;
        else if (!block && rest.at[at] == '"')
            return at + 1;
        else if (!block && (rest.at[at] == '\n' || rest.at[at] == '\r'))
            return 0;
        else
            at++;
    }
    return 0;
}

static size_t word_length(struct slice rest, bool (*holds)(uint8_t))
{
    size_t len = 1;
    while (len < rest.len && holds(rest.at[len]))
        len++;
    return len;
}

static bool is_number(uint8_t byte)
{
    return is_name(byte) || byte == '.' || byte == '+' || byte == '-';
}

static struct token token_of(struct slice rest)
{
    if (rest.len == 0)
        return (struct token){ TOKEN_END, rest };
    uint8_t byte = rest.at[0];
    if (is_name_start(byte))
        return (struct token){ TOKEN_NAME, slice_first(rest, word_length(rest, is_name)) };
    if ((byte >= '0' && byte <= '9') || byte == '-')
        return (struct token){ TOKEN_VALUE, slice_first(rest, word_length(rest, is_number)) };
    if (slice_starts(rest, SLICE("...")))
        return (struct token){ TOKEN_SPREAD, slice_first(rest, 3) };
    if (byte == '"') {
        size_t len = string_length(rest);
        return (struct token){ len > 0 ? TOKEN_VALUE : TOKEN_BAD, slice_first(rest, len) };
    }
    bool mark = byte != 0 && strchr("!$&()[]{}:=@|", byte) != NULL;
    return (struct token){ mark ? TOKEN_MARK : TOKEN_BAD, slice_first(rest, 1) };
}

static void advance(struct reader *reader)
{
    reader->rest = skip_ignored(slice_from(reader->rest, reader->now.text.len));
    reader->now = token_of(reader->rest);
}

static struct reader reader_of(struct slice document)
{
    if (slice_starts(document, SLICE("\xef\xbb\xbf")))
        document = slice_from(document, 3);
    struct reader reader = { .rest = skip_ignored(document) };
    reader.now = token_of(reader.rest);
    return reader;
}

static bool is_mark(const struct reader *reader, char mark)
{
    return reader->now.kind == TOKEN_MARK && reader->now.text.at[0] == (uint8_t)mark;
}

static bool take_mark(struct reader *reader, char mark)
{
    if (!is_mark(reader, mark))
        return false;
    advance(reader);
    return true;
}

static bool take_name(struct reader *reader, struct slice *name)
{
    if (reader->now.kind != TOKEN_NAME)
        return false;
    *name = reader->now.text;
    advance(reader);
    return true;
}

/* Past a bracketed part, whatever is in it; each kind of bracket closes its own. */
static bool skip_brackets(struct reader *reader)
{
    char open[DEPTH_MAX];
    size_t depth = 0;
    do {
        if (reader->now.kind == TOKEN_END || reader->now.kind == TOKEN_BAD)
            return false;
        char mark = reader->now.kind == TOKEN_MARK ? (char)reader->now.text.at[0] : ' ';
        if (mark == '(' || mark == '[' || mark == '{') {
            if (depth == DEPTH_MAX)
                return false;
            open[depth++] = mark;
        } else if (mark == ')' || mark == ']' || mark == '}') {
            char wanted = mark == ')' ? '(' : mark == ']' ? '[' : '{';
            if (depth == 0 || open[--depth] != wanted)
                return false;
        }
        advance(reader);
    } while (depth > 0);
    return true;
}

static bool skip_if(struct reader *reader, char open)
{
    return !is_mark(reader, open) || skip_brackets(reader);
}

static bool skip_directives(struct reader *reader)
{
    struct slice name;
    while (take_mark(reader, '@'))
        if (!take_name(reader, &name) || !skip_if(reader, '('))
            return false;
    return true;
}

/* --- definitions (§2.2 to §2.8) --------------------------------------------------------------- */

struct definition {
    enum graphql_kind kind; /* NONE: a fragment */
    struct slice name;
    struct reader root; /* at the selection set */
};

static enum graphql_kind kind_of(struct slice word)
{
    for (int kind = GRAPHQL_QUERY; kind < GRAPHQL_KINDS; kind++) {
        if (slice_is(word, graphql_kind_names[kind]))
            return (enum graphql_kind)kind;
    }
    return GRAPHQL_NONE;
}

static bool read_fragment_head(struct reader *reader, struct definition *definition)
{
    struct slice on, type;
    return take_name(reader, &definition->name) && !slice_is(definition->name, "on") &&
           take_name(reader, &on) && slice_is(on, "on") && take_name(reader, &type) &&
           skip_directives(reader);
}

static bool read_operation_head(struct reader *reader, struct definition *definition)
{
    if (reader->now.kind == TOKEN_NAME)
        (void)take_name(reader, &definition->name);
    return skip_if(reader, '(') && skip_directives(reader);
}

/* The next definition, up to behind its selections. */
static bool read_definition(struct reader *reader, struct definition *definition)
{
    struct slice word;
    *definition = (struct definition){ .kind = GRAPHQL_QUERY };
    if (!is_mark(reader, '{')) {
        if (!take_name(reader, &word))
            return false;
        definition->kind = kind_of(word);
        bool fragment = slice_is(word, "fragment");
        if (definition->kind == GRAPHQL_NONE && !fragment)
            return false;
        if (!(fragment ? read_fragment_head(reader, definition)
                       : read_operation_head(reader, definition)))
            return false;
    }
    definition->root = *reader;
    return is_mark(reader, '{') && skip_brackets(reader);
}

/* --- selections ------------------------------------------------------------------------------- */

struct walk {
    struct slice document;
    unsigned selections, spreads;
    struct slice field;
    bool several; /* different fields */
};

static bool find_fragment(struct slice document, struct slice name, struct definition *found)
{
    struct reader reader = reader_of(document);
    while (reader.now.kind != TOKEN_END) {
        if (!read_definition(&reader, found))
            return false;
        if (found->kind == GRAPHQL_NONE && slice_equal(found->name, name))
            return true;
    }
    return false;
}

static bool walk_selections(struct walk *walk, struct reader *reader);

/* "...F", "... on T {}" and "... {}": what they spread counts as if it stood here. */
static bool walk_spread(struct walk *walk, struct reader *reader)
{
    struct slice word = { 0 };
    bool named = take_name(reader, &word) && !slice_is(word, "on");
    if (slice_is(word, "on") && !take_name(reader, &word))
        return false;
    if (!skip_directives(reader) || ++walk->spreads > SPREADS_MAX)
        return false;
    if (!named)
        return walk_selections(walk, reader);
    struct definition fragment;
    return find_fragment(walk->document, word, &fragment) && walk_selections(walk, &fragment.root);
}

static bool walk_field(struct walk *walk, struct reader *reader)
{
    struct slice name;
    if (!take_name(reader, &name))
        return false;
    if (take_mark(reader, ':') && !take_name(reader, &name)) /* that was an alias */
        return false;
    walk->several |= walk->field.len > 0 && !slice_equal(walk->field, name);
    walk->field = name;
    return skip_if(reader, '(') && skip_directives(reader) && skip_if(reader, '{');
}

static bool walk_selections(struct walk *walk, struct reader *reader)
{
    if (!take_mark(reader, '{') || is_mark(reader, '}'))
        return false;
    while (!take_mark(reader, '}')) {
        if (++walk->selections > SELECTIONS_MAX)
            return false;
        bool spread = reader->now.kind == TOKEN_SPREAD;
        if (spread)
            advance(reader);
        if (!(spread ? walk_spread(walk, reader) : walk_field(walk, reader)))
            return false;
    }
    return true;
}

bool graphql_read(struct slice document, struct slice name, struct graphql *graphql)
{
    struct reader reader = reader_of(document);
    struct definition definition, meant = { .kind = GRAPHQL_NONE };
    *graphql = (struct graphql){ .kind = GRAPHQL_NONE };
    while (reader.now.kind != TOKEN_END) {
        if (!read_definition(&reader, &definition))
            return false;
        bool fits = name.len == 0 || slice_equal(definition.name, name);
        if (definition.kind == GRAPHQL_NONE || !fits)
            continue;
        if (meant.kind != GRAPHQL_NONE)
            return false; /* which of them? */
        meant = definition;
    }
    struct walk walk = { .document = document };
    if (meant.kind == GRAPHQL_NONE || !walk_selections(&walk, &meant.root))
        return false;
    graphql->kind = meant.kind;
    graphql->name = meant.name;
    if (!walk.several)
        graphql->field = walk.field;
    return true;
}

/* libconfig's grammar by recursive descent: settings, groups, lists, arrays, scalars.
 *
 * A syntax error is told once per line. Reading goes on at the next ';', at what closes the
 * group, or at a line that begins with `name =`. Everything around the error is marked broken,
 * so that nobody complains of what is missing there. A repeated setting is told and dropped.
 */
#include "config/scanner.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { DEEPEST = 24, LONGEST_SHOWN = 60 };

struct scanner {
    struct lexer lexer;
    struct document *document;
    struct node *last;    /* the newest node */
    struct node *inside;  /* what is being read */
    const char *closers;  /* what would close the aggregates that are open, innermost first */
    bool closing;         /* what is told is that something is not closed */
    struct place told_at; /* the last syntax error */
};

static const struct token *current(const struct scanner *scanner)
{
    return &scanner->lexer.token;
}

static void next(struct scanner *scanner)
{
    lexer_next(&scanner->lexer);
}

static bool at(const struct scanner *scanner, int kind)
{
    return current(scanner)->kind == kind;
}

static void mark_broken(struct scanner *scanner)
{
    assert(scanner->inside != NULL); /* the document's root is always open */
    for (struct node *node = scanner->inside; node != NULL; node = node->parent)
        node->broken = true;
}

/* At most one per line: what follows an error on its line is seldom another. */
static void tell(struct scanner *scanner, struct place place, const char *what,
                 const char *expected)
{
    struct complaints *complaints = scanner->lexer.complaints;
    if (at(scanner, TOKEN_END) && *scanner->closers != '\0' && !scanner->closing)
        return; /* the end of the file in the midst of something is told where that was opened */
    if (current(scanner)->told && place.line == current(scanner)->place.line)
        return;
    if (scanner->told_at.file == place.file && scanner->told_at.line == place.line)
        return;
    scanner->told_at = place;
    struct complaint *complaint = complain(complaints, place, "%s", what);
    if (expected != NULL)
        complaint_expected(complaints, complaint, "%s", expected);
}

/* The same where it is not certain what was meant. */
static void syntax(struct scanner *scanner, struct place place, const char *what,
                   const char *expected)
{
    mark_broken(scanner);
    tell(scanner, place, what, expected);
}

static struct node *node_add(struct scanner *scanner, struct place value)
{
    struct node *node = arena_get(scanner->document->arena, sizeof(*node));
    assert(scanner->last != NULL && scanner->last->next == NULL);
    node->parent = scanner->inside;
    node->value = value;
    scanner->last->next = node;
    scanner->last = node;
    return node;
}

static bool is_open(const struct scanner *scanner, int closer)
{
    return closer > ' ' && closer < 0x7f && strchr(scanner->closers, closer) != NULL;
}

/* To where reading can go on: behind a ';', before what closes, before a line that begins a
 * setting. */
static void recover(struct scanner *scanner)
{
    mark_broken(scanner);
    for (unsigned depth = 0; !at(scanner, TOKEN_END); next(scanner)) {
        int kind = current(scanner)->kind;
        if (kind == '{' || kind == '(' || kind == '[') {
            depth++;
        } else if (kind == '}' || kind == ')' || kind == ']') {
            if (depth == 0 && is_open(scanner, kind))
                return;
            depth -= depth > 0;
        } else if (depth == 0 && kind == ';') {
            next(scanner);
            return;
        } else if (depth == 0 && lexer_at_setting(&scanner->lexer)) {
            return;
        }
    }
}

/* Shapes of words. */

static bool is_name(struct slice word)
{
    if (word.len == 0 || !(strchr("*", word.at[0]) || (word.at[0] | 32) >= 'a'))
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] == '.' || word.at[i] == '+')
            return false;
    }
    return word.at[0] != '_' && !slice_is_nocase(word, "true") && !slice_is_nocase(word, "false");
}

static bool is_decimal(struct slice word)
{
    if (word.len > 0 && (word.at[0] == '-' || word.at[0] == '+'))
        word = slice_from(word, 1);
    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] < '0' || word.at[i] > '9')
            return false;
    }
    return word.len > 0;
}

static bool is_hex(struct slice word)
{
    return word.len > 2 && word.at[0] == '0' && (word.at[1] | 32) == 'x' &&
           strspn((const char *)word.at + 2, "0123456789abcdefABCDEF") >= word.len - 2;
}

static bool is_float(struct slice word)
{
    char text[40];
    if (word.len >= sizeof(text))
        return false;
    memcpy(text, word.at, word.len);
    text[word.len] = '\0';
    char *end;
    size_t plain = strspn(text, "0123456789+-.eE");
    strtod(text, &end);
    return plain == word.len && end == text + word.len && strpbrk(text, "0123456789") != NULL;
}

static void add_number(struct scanner *scanner, struct slice word, struct node *node)
{
    char text[40];
    bool hex = is_hex(word);
    errno = 0;
    int64_t number = 0;
    bool fits = word.len < sizeof(text);
    if (fits) {
        memcpy(text, word.at, word.len);
        text[word.len] = '\0';
        number = strtoll(text, NULL, hex ? 16 : 10);
        fits = errno == 0;
    }
    struct slice digits = slice_from(word, word.at[0] == '-' || word.at[0] == '+');
    if (!fits) {
        tell(scanner, node->value, "the number does not fit in 64 bits", NULL);
        node->told = true;
    } else if (!hex && digits.len > 1 && digits.at[0] == '0') {
        tell(scanner, node->value, "a number with leading zeros, which some would read as octal",
             "a number without them");
        node->told = true;
    }
    bytes_printf(&scanner->document->text, "%lldL", (long long)number);
}

/* A word that is no value of libconfig's is text that lacks its quotes. */
static void add_unquoted(struct scanner *scanner, struct node *node)
{
    assert(at(scanner, TOKEN_WORD) && !node->told);
    struct complaints *complaints = scanner->lexer.complaints;
    lexer_widen(&scanner->lexer);
    node->literal = current(scanner)->text;
    node->told = true;
    struct complaint *complaint = complain(complaints, node->value, "a value without quotes");
    complaint_expected(complaints, complaint,
                       "a string in quotes, such as \"text\" or \"5s\"; a number; true or false");
    static const char *const flags[][2] = {
        { "yes", "true" },
        { "on", "true" },
        { "no", "false" },
        { "off", "false" },
    };
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        if (slice_is_nocase(node->literal, flags[i][0]))
            complaint_hint(complaints, complaint, "did you mean %s?", flags[i][1]);
    }
    bytes_text(&scanner->document->text, "\"\"");
}

static bool has_suffix(struct slice word)
{
    return word.len > 1 && word.at[word.len - 1] == 'L';
}

static void read_word(struct scanner *scanner, struct node *node)
{
    struct bytes *text = &scanner->document->text;
    struct slice word = current(scanner)->text;
    struct slice plain = word;
    for (unsigned i = 0; i < 2 && has_suffix(plain); i++)
        plain.len--;

    node->literal = word;
    if (slice_is_nocase(word, "true") || slice_is_nocase(word, "false"))
        bytes_add(text, word);
    else if (is_decimal(plain) || is_hex(plain))
        add_number(scanner, plain, node);
    else if (is_float(word))
        bytes_text(text, "0.5"); /* no setting takes one; what matters is that it is one */
    else
        add_unquoted(scanner, node);
    next(scanner);
}

/* Strings side by side are one string to libconfig. In a list that is a comma that was
 * forgotten. */
static void read_string(struct scanner *scanner, struct node *node, bool in_list)
{
    struct bytes *text = &scanner->document->text;
    node->literal = current(scanner)->text;
    for (bool more = false; at(scanner, TOKEN_STRING); more = true) {
        if (more && in_list)
            return;
        if (current(scanner)->told) {
            node->told = true;
            if (current(scanner)->open)
                mark_broken(scanner);
            bytes_text(text, "\"\"");
        } else {
            bytes_text(text, more ? " \"" : "\"");
            bytes_add(text, current(scanner)->text);
            bytes_byte(text, '"');
        }
        next(scanner);
    }
}

static void read_value(struct scanner *scanner, struct node *node, bool in_list);
static void read_settings(struct scanner *scanner);

/* A ';' where ',' or the end belongs; whether a further entry follows. */
static bool read_wrong_comma(struct scanner *scanner, int closer)
{
    struct place place = current(scanner)->place;
    next(scanner);
    bool entry = at(scanner, '{') || at(scanner, '(') || at(scanner, TOKEN_STRING);
    if (entry)
        tell(scanner, place, "a ';' between two entries of a list", "','");
    else if (at(scanner, closer))
        tell(scanner, place, "a ';' behind the last entry of a list", "none there");
    return entry;
}

/* Punctuation between two entries; false at the end. */
static bool read_comma(struct scanner *scanner, int closer)
{
    const struct token *token = current(scanner);
    struct place place = token->place;
    if (at(scanner, closer) || at(scanner, TOKEN_END))
        return false;
    if (at(scanner, ',')) {
        next(scanner);
        if (at(scanner, closer))
            tell(scanner, place, "a comma behind the last entry", "no comma there");
        return !at(scanner, closer);
    }
    if (at(scanner, ';'))
        return read_wrong_comma(scanner, closer);
    bool value = strchr("{([", token->kind) != NULL || token->kind == TOKEN_STRING ||
                 (token->kind == TOKEN_WORD && !lexer_at_setting(&scanner->lexer));
    if (value) {
        tell(scanner, place, "two entries without a comma between them", "','");
        return true;
    }
    if (is_open(scanner, token->kind) || lexer_at_setting(&scanner->lexer))
        return false;
    syntax(scanner, place, "this cannot stand in a list",
           closer == ')' ? "',' or ')'" : "',' or ']'");
    next(scanner);
    return read_comma(scanner, closer);
}

static void read_entries(struct scanner *scanner, int closer)
{
    assert(closer == ')' || closer == ']');
    bool scalars = closer == ']';
    bool more = !at(scanner, closer);
    for (unsigned count = 0; more; count++) {
        const struct token *token = current(scanner);
        bool value = token->kind == TOKEN_WORD || token->kind == TOKEN_STRING ||
                     (token->kind > ' ' && strchr("{([", token->kind) != NULL);
        if (value && scalars && token->kind > ' ')
            syntax(scanner, token->place, "an array [ ] holds plain values only",
                   "a list ( ) around groups and lists");
        if (value) {
            /* A list even for what was an array, since libconfig's arrays hold one type only. */
            bytes_text(&scanner->document->text, count == 0 ? "" : ", ");
            read_value(scanner, node_add(scanner, token->place), true);
        } else if (!at(scanner, ',') || count == 0) {
            syntax(scanner, token->place, "an entry of the list is missing", "a value");
            count--;
            if (!at(scanner, ','))
                return;
        } else {
            tell(scanner, token->place, "two commas without an entry between them", "a value");
            count--;
        }
        more = read_comma(scanner, closer);
    }
}

/* What closes an aggregate, or a complaint at where it was opened. */
static void read_closer(struct scanner *scanner, struct place opened, int opener, int closer)
{
    struct place here = current(scanner)->place;
    assert(*scanner->closers == closer);
    if (at(scanner, closer)) {
        next(scanner);
        return;
    }
    char what[100], expected[60];
    snprintf(what, sizeof(what), "the '%c' that opens here is never closed", opener);
    snprintf(expected, sizeof(expected), "'%c' before line %u, column %u", closer, here.line,
             here.column);
    mark_broken(scanner);
    if (!at(scanner, TOKEN_END)) {
        syntax(scanner, opened, what, expected);
        return;
    }
    if (!scanner->lexer.cut) {
        snprintf(expected, sizeof(expected), "'%c' before the file ends", closer);
        scanner->closing = true;
        syntax(scanner, opened, what, expected);
    }
    scanner->lexer.cut = true; /* told once, for the innermost */
}

static void read_aggregate(struct scanner *scanner, struct node *node)
{
    int opener = current(scanner)->kind;
    int closer = opener == '{' ? '}' : opener == '(' ? ')' : ']';
    assert(opener == '{' || opener == '(' || opener == '[');
    struct place opened = current(scanner)->place;

    char closers[DEEPEST + 3];
    size_t depth = strlen(scanner->closers);
    assert(depth <= DEEPEST);
    snprintf(closers, sizeof(closers), "%c%s", closer, scanner->closers);
    const char *around = scanner->closers;
    struct node *inside = scanner->inside;
    scanner->closers = closers;
    scanner->inside = node;
    next(scanner);

    bool group = opener == '{';
    bytes_byte(&scanner->document->text, group ? '{' : '(');
    if (depth == DEEPEST) {
        syntax(scanner, opened, "nested too deep", "at most 24 levels");
        recover(scanner);
    } else if (group) {
        read_settings(scanner);
    } else {
        read_entries(scanner, closer);
    }
    bytes_byte(&scanner->document->text, group ? '}' : ')');
    read_closer(scanner, opened, opener, closer);
    scanner->closers = around;
    scanner->inside = inside;
}

static void read_value(struct scanner *scanner, struct node *node, bool in_list)
{
    if (at(scanner, TOKEN_STRING))
        read_string(scanner, node, in_list);
    else if (at(scanner, TOKEN_WORD))
        read_word(scanner, node);
    else
        read_aggregate(scanner, node);
}

static const struct node *find_setting(const struct scanner *scanner, struct slice name)
{
    const struct node *node = scanner->inside;
    for (node = node->next; node != NULL; node = node->next) {
        if (node->parent == scanner->inside && slice_equal(node->name, name))
            return node;
    }
    return NULL;
}

static void tell_repeated(struct scanner *scanner, struct place key, struct slice name,
                          const struct node *first)
{
    struct complaints *complaints = scanner->lexer.complaints;
    int len = name.len > LONGEST_SHOWN ? LONGEST_SHOWN : (int)name.len;
    const char *text = (const char *)name.at;
    bool same_file = strcmp(first->key.file, key.file) == 0;
    struct complaint *complaint = complain(complaints, key, "'%.*s' is set twice", len, text);
    if (same_file)
        complaint_hint(complaints, complaint, "line %u has it already", first->key.line);
    else
        complaint_hint(complaints, complaint, "%s:%u has it already", first->key.file,
                       first->key.line);
}

/* Behind the value: ';', or ',', or nothing, as libconfig has it. */
static void read_end(struct scanner *scanner)
{
    if (at(scanner, ';') || at(scanner, ',')) {
        next(scanner);
        return;
    }
    bool done = at(scanner, TOKEN_END) || at(scanner, TOKEN_WORD) ||
                is_open(scanner, current(scanner)->kind);
    if (done)
        return;
    syntax(scanner, current(scanner)->place, "this cannot stand behind a value", "';'");
    recover(scanner);
}

/* `name = value`, the name already taken. */
static void read_assigned(struct scanner *scanner, struct place key, struct slice name)
{
    const struct token *token = current(scanner);
    bool value = token->kind == TOKEN_STRING || token->kind == TOKEN_WORD ||
                 (token->kind > ' ' && strchr("{([", token->kind) != NULL);
    if (!value || lexer_at_setting(&scanner->lexer)) {
        syntax(scanner, key, "the value is missing", "a value behind '='");
        if (!lexer_at_setting(&scanner->lexer))
            recover(scanner);
        return;
    }
    const struct node *first = find_setting(scanner, name);
    struct node *before = scanner->last;
    size_t len = scanner->document->text.len;

    struct node *node = node_add(scanner, token->place);
    node->key = key;
    node->name = name;
    bytes_add(&scanner->document->text, name);
    bytes_text(&scanner->document->text, " = ");
    read_value(scanner, node, false);
    bytes_text(&scanner->document->text, ";\n");
    if (first != NULL) {
        tell_repeated(scanner, key, name, first);
        before->next = NULL;
        scanner->last = before;
        scanner->document->text.len = len;
    }
    read_end(scanner);
}

static void read_setting(struct scanner *scanner)
{
    assert(at(scanner, TOKEN_WORD));
    struct place key = current(scanner)->place;
    struct slice name = current(scanner)->text;
    bool good = is_name(name);
    if (!good)
        syntax(scanner, key, "this is not the name of a setting",
               "letters, digits, '-' and '_', a letter first");
    next(scanner);
    if (!at(scanner, '=')) {
        if (good)
            syntax(scanner, current(scanner)->place, "a name without '='", "name = value;");
        recover(scanner);
    } else if (!good) {
        recover(scanner);
    } else {
        next(scanner);
        read_assigned(scanner, key, name);
    }
}

static void read_settings(struct scanner *scanner)
{
    while (!at(scanner, TOKEN_END)) {
        int kind = current(scanner)->kind;
        if (kind == TOKEN_WORD) {
            read_setting(scanner);
            continue;
        }
        if (is_open(scanner, kind))
            return;
        bool closes = kind == '}' || kind == ')' || kind == ']';
        if (closes)
            syntax(scanner, current(scanner)->place, "this closes nothing that is open",
                   "a setting");
        else if (kind == ';' || kind == ',')
            tell(scanner, current(scanner)->place, "a separator with no setting before it",
                 "name = value;");
        else
            syntax(scanner, current(scanner)->place, "this begins no setting", "name = value;");
        next(scanner);
        if (!closes && kind != ';' && kind != ',')
            recover(scanner);
    }
}

/* Gives each of libconfig's settings its node: both are in the order of the text. */
static struct node *hook(config_setting_t *setting, struct node *node)
{
    assert(node != NULL);
    config_setting_set_hook(setting, node);
    node = node->next;
    if (!config_setting_is_aggregate(setting))
        return node;
    int count = config_setting_length(setting);
    for (int i = 0; i < count; i++)
        node = hook(config_setting_get_elem(setting, (unsigned)i), node);
    return node;
}

void document_read(struct document *document, struct arena *arena, const char *path,
                   struct slice text, struct complaints *complaints)
{
    *document = (struct document){ .arena = arena };
    document->root = arena_get(arena, sizeof(*document->root));
    struct scanner scanner = {
        .lexer = { .arena = arena, .complaints = complaints },
        .document = document,
        .last = document->root,
        .inside = document->root,
        .closers = "",
    };
    lexer_start(&scanner.lexer, path, text);
    document->root->value = (struct place){ .file = path, .line = 1, .column = 1 };
    read_settings(&scanner);
    if (scanner.lexer.cut)
        mark_broken(&scanner);

    bytes_byte(&document->text, '\0');
    config_init(&document->tree);
    int taken = config_read_string(&document->tree, (const char *)document->text.at);
    assert(taken == CONFIG_TRUE); /* what we wrote ourselves is well-formed */
    struct node *behind = hook(config_root_setting(&document->tree), document->root);
    assert(taken && behind == NULL);
    (void)taken;
    (void)behind;
}

void document_free(struct document *document)
{
    config_destroy(&document->tree);
    bytes_free(&document->text);
}

/* The happy path: skip blanks, comments and includes, take the longest token. An included file
 * is read as if its text stood in the place of the line that names it, as libconfig does it. */
#include "config/lexer.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

enum { DEEPEST_INCLUDE = 10, MOST_INCLUDES = 1000 };

struct input {
    struct input *by; /* the one that included this one */
    const char *file;
    const char *real; /* without symbolic links, to see loops; NULL until something is included */
    struct slice text;
    size_t at;
    unsigned line, column;
    bool line_begun; /* a token of this line was taken */
    bool junk_told;
};

static struct slice rest_of(const struct input *input)
{
    return slice_from(input->text, input->at);
}

static bool looks_at(const struct input *input, const char *text)
{
    return slice_starts(rest_of(input), slice_text(text));
}

static struct place place_of(const struct input *input)
{
    return (struct place){ .file = input->file, .line = input->line, .column = input->column };
}

static void advance(struct input *input, size_t count)
{
    assert(count <= input->text.len - input->at);
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = input->text.at[input->at++];
        if (byte == '\n') {
            input->line++;
            input->column = 1;
            input->line_begun = false;
        } else if ((byte & 0xc0) != 0x80) {
            input->column++; /* columns count characters, as editors do */
        }
    }
}

/* A NUL says that the rest is no text. */
static void cut_at_nul(struct lexer *lexer, struct input *input)
{
    size_t end = slice_find(input->text, 0);
    if (end == input->text.len)
        return;
    struct input look = *input;
    look.text.len = end;
    advance(&look, end - look.at);
    struct complaint *complaint = complain(lexer->complaints, place_of(&look),
                                           "a NUL byte: this is not a text file");
    complaint_expected(lexer->complaints, complaint, "a configuration in UTF-8");
    input->text.len = end;
    lexer->cut = true;
}

static void open_input(struct lexer *lexer, const char *file, struct slice text)
{
    complaints_source(lexer->complaints, file, text);
    struct input *input = arena_get(lexer->arena, sizeof(*input));
    *input = (struct input){
        .by = lexer->input,
        .file = file,
        .text = text,
        .line = 1,
        .column = 1,
    };
    lexer->input = input;
    lexer->inputs++;
    cut_at_nul(lexer, input);

    if (looks_at(input, "\xef\xbb\xbf")) {
        struct complaint *complaint = complain(lexer->complaints, place_of(input),
                                               "the file starts with a byte order mark");
        complaint_expected(lexer->complaints, complaint, "UTF-8 without one");
        input->at += 3;
    }
}

static const char *real_path(struct lexer *lexer, const char *path)
{
    char *real = realpath(path, NULL);
    if (real == NULL)
        return NULL;
    const char *copy = (const char *)arena_copy(lexer->arena, slice_text(real)).at;
    free(real);
    return copy;
}

void lexer_start(struct lexer *lexer, const char *path, struct slice text)
{
    assert(lexer->input == NULL);
    const char *slash = strrchr(path, '/');
    lexer->folder = slice_of(path, slash == NULL ? 0 : (size_t)(slash - path) + 1);
    open_input(lexer, path, text);
    lexer_next(lexer);
}

static bool is_open(struct lexer *lexer, const char *file)
{
    const char *real = real_path(lexer, file);
    for (struct input *input = lexer->input; real != NULL && input != NULL; input = input->by) {
        if (input->real == NULL)
            input->real = real_path(lexer, input->file);
        if (input->real != NULL && strcmp(input->real, real) == 0)
            return true;
    }
    return false;
}

static unsigned depth_of(const struct lexer *lexer)
{
    unsigned depth = 0;
    for (const struct input *input = lexer->input; input != NULL; input = input->by)
        depth++;
    return depth;
}

static void include(struct lexer *lexer, struct place place, struct slice name)
{
    struct complaints *complaints = lexer->complaints;
    bool absolute = name.len > 0 && name.at[0] == '/';
    struct slice folder = absolute ? SLICE("") : lexer->folder;
    struct slice path = arena_printf(lexer->arena, "%.*s%.*s", (int)folder.len,
                                     (const char *)folder.at, (int)name.len, (const char *)name.at);
    if (path.at == NULL || path.len > 4096) {
        complain(complaints, place, "the name of the included file is too long");
        return;
    }
    const char *file = (const char *)path.at;
    struct slice text;
    lexer->cut = true; /* until it is read */
    if (is_open(lexer, file))
        complain(complaints, place, "include loop: '%s' is being read already", file);
    else if (depth_of(lexer) > DEEPEST_INCLUDE || lexer->inputs > MOST_INCLUDES)
        complain(complaints, place, "too many files include one another: at most %d deep",
                 DEEPEST_INCLUDE);
    else if (file_read(lexer->arena, file, false, &text) != 0)
        complain(complaints, place, "cannot read the included file '%s': %s", file,
                 errno == EINVAL ? "it is not a regular file" : strerror(errno));
    else {
        lexer->cut = false;
        open_input(lexer, file, text);
    }
}

/* `@include "file"`, at the start of a line. */
static void take_include(struct lexer *lexer)
{
    struct input *input = lexer->input;
    struct place place = place_of(input);
    struct slice line = slice_first(rest_of(input), slice_find(rest_of(input), '\n'));
    bool first = !input->line_begun;
    struct slice word = SLICE("@include");
    struct slice name = slice_starts(line, word) ? slice_trim(slice_from(line, word.len)) : line;
    size_t end = name.len > 0 && name.at[0] == '"' ? slice_find(slice_from(name, 1), '"') + 1 : 0;
    if (!first || end == 0 || end >= name.len || end == 1) {
        struct complaint *complaint = complain(lexer->complaints, place,
                                               "'@' begins nothing that can be read here");
        complaint_expected(lexer->complaints, complaint,
                           "a line of its own: @include \"file.cfg\"");
        advance(input, line.len);
        return;
    }
    advance(input, (size_t)(name.at - line.at) + end +
                       1); /* what follows is read behind the included file */
    input->line_begun = true;
    place.column += (unsigned)(name.at - line.at);
    include(lexer, place, slice_first(slice_from(name, 1), end - 1));
}

static void skip_block_comment(struct lexer *lexer)
{
    struct input *input = lexer->input;
    struct place place = place_of(input);
    assert(looks_at(input, "/*"));
    advance(input, 2);
    while (input->at < input->text.len && !looks_at(input, "*/"))
        advance(input, 1);
    if (input->at == input->text.len) {
        struct complaint *complaint = complain(lexer->complaints, place,
                                               "the comment that begins here is never closed");
        complaint_expected(lexer->complaints, complaint, "*/");
        lexer->cut = true;
        return;
    }
    advance(input, 2);
}

/* Moves to where a token begins; false at the end of everything. */
static bool skip_to_token(struct lexer *lexer)
{
    for (;;) {
        struct input *input = lexer->input;
        if (input->at == input->text.len) {
            if (input->by == NULL)
                return false;
            lexer->input = input->by;
            continue;
        }
        uint8_t byte = input->text.at[input->at];
        if (strchr(" \t\r\n\f", byte) != NULL)
            advance(input, 1);
        else if (byte == '#' || (byte == '/' && looks_at(input, "//")))
            advance(input, slice_find(rest_of(input), '\n'));
        else if (byte == '/' && looks_at(input, "/*"))
            skip_block_comment(lexer);
        else if (byte == '@')
            take_include(lexer);
        else
            return true;
    }
}

/* How long the text of a string is when its closing quote is missing: what ends the line is
 * likely punctuation. */
static size_t unclosed_len(struct slice line)
{
    while (line.len > 0 && strchr(" \t\r;,)]}", line.at[line.len - 1]) != NULL)
        line.len--;
    return line.len;
}

static bool is_hex_escape(struct slice rest)
{
    return rest.len >= 4 && tolower(rest.at[1]) == 'x' && isxdigit(rest.at[2]) &&
           isxdigit(rest.at[3]);
}

/* Escapes that every version of libconfig reads alike. */
static void check_escapes(struct lexer *lexer, struct token *token)
{
    struct place place = token->place;
    place.column++; /* behind the quote */
    for (struct slice rest = token->text; rest.len > 0;) {
        size_t len = 1;
        if (rest.at[0] == '\\') {
            bool hex = is_hex_escape(rest);
            len = hex ? 4 : 2;
            assert(len <=
                   rest.len); /* a string does not end in an escape: its quote would be one */
            bool nul = hex && rest.at[2] == '0' && rest.at[3] == '0';
            if (nul || (!hex && strchr("nrtf\"\\", rest.at[1]) == NULL)) {
                struct complaint *complaint = complain(lexer->complaints, place,
                                                       nul ? "a NUL byte in a string"
                                                           : "unknown escape in a string");
                complaint_expected(
                    lexer->complaints, complaint,
                    "one of \\\\ \\\" \\n \\r \\t \\f \\xHH (a backslash itself is \\\\)");
                token->told = true;
            }
        } else if ((rest.at[0] < 0x20 && rest.at[0] != '\t') || rest.at[0] == 0x7f) {
            complain(lexer->complaints, place, "a control character (0x%02x) in a string",
                     rest.at[0]);
            token->told = true;
        }
        for (size_t i = 0; i < len; i++)
            place.column += (rest.at[i] & 0xc0) != 0x80;
        rest = slice_from(rest, len);
    }
}

static void take_string(struct lexer *lexer, struct token *token)
{
    struct input *input = lexer->input;
    struct slice rest = slice_from(rest_of(input), 1);
    size_t len = 0;
    while (len < rest.len && rest.at[len] != '"' && rest.at[len] != '\n')
        len += rest.at[len] == '\\' && len + 1 < rest.len && rest.at[len + 1] != '\n' ? 2 : 1;

    bool closed = len < rest.len && rest.at[len] == '"';
    if (!closed) {
        struct complaint *complaint = complain(
            lexer->complaints, token->place,
            "the string that begins here is not closed on its line");
        complaint_expected(lexer->complaints, complaint, "a closing \"");
        token->told = token->open = true;
        len = unclosed_len(slice_first(rest, len));
    }
    token->kind = TOKEN_STRING;
    token->text = slice_first(rest, len);
    if (closed)
        check_escapes(lexer, token);
    advance(input, 1 + len + closed);
}

static bool is_word(uint8_t byte)
{
    return isalnum(byte) || strchr("_.*+-", byte) != NULL;
}

static void take_junk(struct lexer *lexer, struct token *token)
{
    struct input *input = lexer->input;
    uint8_t byte = rest_of(input).at[0];
    token->kind = TOKEN_JUNK;
    token->told = input->junk_told;
    if (!input->junk_told && (byte < 0x20 || byte >= 0x7f)) {
        complain(lexer->complaints, token->place,
                 "byte 0x%02x outside a string: this is not text that can be read", byte);
        token->told = input->junk_told = true;
    }
    size_t len = 1;
    while (len < rest_of(input).len && rest_of(input).at[len] >= 0x7f)
        len++;
    token->text = slice_first(rest_of(input), len);
    advance(input, len);
}

void lexer_next(struct lexer *lexer)
{
    struct token *token = &lexer->token;
    assert(lexer->input != NULL);
    bool found = skip_to_token(lexer);
    struct input *input = lexer->input;
    *token = (struct token){ .kind = TOKEN_END, .place = place_of(input) };
    if (!found)
        return;

    struct slice rest = rest_of(input);
    uint8_t byte = rest.at[0];
    input->line_begun = true;
    if (byte == '"') {
        take_string(lexer, token);
    } else if (is_word(byte)) {
        size_t len = 1;
        while (len < rest.len && is_word(rest.at[len]))
            len++;
        token->kind = TOKEN_WORD;
        token->text = slice_first(rest, len);
        advance(input, len);
    } else if (strchr("={}()[];,:", byte) != NULL) {
        token->kind = byte == ':' ? '=' : byte;
        token->text = slice_first(rest, 1);
        advance(input, 1);
    } else {
        take_junk(lexer, token);
    }
}

void lexer_widen(struct lexer *lexer)
{
    assert(lexer->token.kind == TOKEN_WORD || lexer->token.kind == TOKEN_JUNK);
    struct slice rest = rest_of(lexer->input);
    size_t len = 0;
    while (len < rest.len && rest.at[len] > ' ' && strchr(";,(){}[]\"", rest.at[len]) == NULL)
        len++;
    lexer->token.text.len += len;
    advance(lexer->input, len);
}

bool lexer_at_setting(const struct lexer *lexer)
{
    if (lexer->token.kind != TOKEN_WORD)
        return false;
    const uint8_t *line = lexer->token.text.at;
    const uint8_t *begin = lexer->input->text.at;
    if (line < begin || line > begin + lexer->input->text.len)
        return false; /* an include was entered behind it */
    while (line > begin && (line[-1] == ' ' || line[-1] == '\t'))
        line--;
    struct slice rest = slice_trim(rest_of(lexer->input));
    bool first = line == begin || line[-1] == '\n';
    return first && rest.len > 0 && (rest.at[0] == '=' || rest.at[0] == ':');
}

/* Writing complaints down, for people with the line and a caret, for programs as JSON.
 *
 * A shown line could betray a password, even one whose name was mistyped. So every value in it
 * is covered, and every comment left out, except for those values that were recognised as
 * settings that are no secret.
 */
#include "config/report.h"

#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"

enum { WIDEST_LINE = 110, BEFORE_CARET = 70, NEAR = 4 * WIDEST_LINE };

static bool is_word(uint8_t byte)
{
    return isalnum(byte) || strchr("_.*+-", byte) != NULL;
}

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The place of a source's line, without its end. */
static struct slice line_of(struct slice text, unsigned line)
{
    assert(line > 0);
    for (unsigned i = 1; i < line && text.len > 0; i++) {
        size_t end = slice_find(text, '\n');
        text = slice_from(text, end == text.len ? end : end + 1);
    }
    struct slice found = slice_first(text, slice_find(text, '\n'));
    while (found.len > 0 && isspace(found.at[found.len - 1]))
        found.len--;
    return found;
}

static bool is_revealed(const struct source *source, struct place place)
{
    list_each (&source->revealed, link) {
        const struct revealed *revealed = thing_of(link, struct revealed, link);
        if (revealed->line == place.line && revealed->column == place.column)
            return true;
    }
    return false;
}

/* How long a string literal is, quotes included; to the end of the line when it is not closed. */
static size_t string_len(struct slice rest)
{
    assert(rest.len > 0 && rest.at[0] == '"');
    for (size_t i = 1; i < rest.len; i++) {
        if (rest.at[i] == '\\')
            i++;
        else if (rest.at[i] == '"')
            return i + 1;
    }
    return rest.len;
}

static size_t word_len(struct slice rest)
{
    size_t len = 0;
    while (len < rest.len && is_word(rest.at[len]))
        len++;
    return len;
}

/* A word is the name of a setting when '=' or ':' follows. */
static bool is_key(struct slice rest, size_t len)
{
    struct slice after = slice_trim(slice_from(rest, len));
    return after.len > 0 && (after.at[0] == '=' || after.at[0] == ':');
}

static size_t characters(struct slice text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += !is_continuation(text.at[i]);
    return count;
}

/* The length of the character at the start, by its first byte alone; 0: it is none of UTF-8. */
static size_t character_len(struct slice text)
{
    assert(text.len > 0);
    uint8_t first = text.at[0];
    size_t len = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first > 0xf4 || len > text.len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if (!is_continuation(text.at[i]))
            return 0;
    }
    return len;
}

/* How many bytes at the start are printable ASCII, which is most text. */
static size_t printable_len(struct slice text)
{
    size_t len = 0;
    while (len < text.len && text.at[len] >= 0x20 && text.at[len] < 0x7f)
        len++;
    return len;
}

/* Text that a terminal will not obey: controls, the upper ones too, and what is no UTF-8 become
 * '?'. */
static void add_plain(struct bytes *to, struct slice text)
{
    for (;;) {
        size_t printable = printable_len(text);
        bytes_add(to, slice_first(text, printable));
        if (printable == text.len)
            return;
        text = slice_from(text, printable);
        uint8_t byte = text.at[0];
        size_t len = character_len(text);
        bool control = byte < 0x20 || byte == 0x7f ||
                       (byte == 0xc2 && len == 2 && text.at[1] < 0xa0);
        if (byte == '\t')
            bytes_byte(to, ' ');
        else if (control || len == 0)
            bytes_byte(to, '?');
        else
            bytes_add(to, slice_first(text, len));
        text = slice_from(text, len == 0 ? 1 : len);
    }
}

static bool begins_comment(struct slice rest)
{
    return rest.at[0] == '#' ||
           (rest.len > 1 && rest.at[0] == '/' && (rest.at[1] == '/' || rest.at[1] == '*'));
}

static size_t piece_len(struct slice rest)
{
    if (rest.at[0] == '"')
        return string_len(rest);
    size_t len = word_len(rest);
    return len == 0 ? 1 : len;
}

static bool is_value(struct slice rest, size_t len)
{
    return rest.at[0] == '"' || (is_word(rest.at[0]) && !is_key(rest, len));
}

/* A line as it may be shown. */
struct shown {
    struct bytes text;
    size_t width; /* in characters */
    size_t caret; /* where the place comes to stand when what is before it is covered */
};

/* One piece of a line, at `here`. */
static void add_piece(struct shown *shown, const struct source *source, struct place here,
                      struct slice piece, bool is_open, unsigned place_column)
{
    assert(piece.len > 0);
    unsigned width = (unsigned)characters(piece);
    size_t start = shown->width, len = shown->text.len;
    bool covered = !is_open && !is_revealed(source, here);
    if (covered)
        bytes_text(&shown->text, piece.at[0] == '"' ? "\"***\"" : "***");
    else
        add_plain(&shown->text, piece);
    shown->width += characters(slice_from(bytes_slice(&shown->text), len));
    if (place_column >= here.column + width)
        shown->caret = shown->width;
    else if (place_column >= here.column)
        shown->caret = start + (covered ? 0 : place_column - here.column);
}

/* As far as it is near the place: a line can be as long as the file. */
static void add_line(struct shown *shown, const struct source *source, struct place place)
{
    struct slice rest = line_of(source->text, place.line);
    struct place here = { .file = source->file, .line = place.line, .column = 1 };
    while (rest.len > 0 && here.column <= place.column + NEAR &&
           !(begins_comment(rest) && here.column > place.column)) {
        struct slice piece = slice_first(rest, piece_len(rest));
        unsigned width = (unsigned)characters(piece);
        if (here.column + width + NEAR >= place.column)
            add_piece(shown, source, here, piece, !is_value(rest, piece.len), place.column);
        here.column += width;
        rest = slice_from(rest, piece.len);
    }
}

/* Prints the characters from `first` on, at most so many. */
static void print_part(FILE *out, struct slice line, size_t first, size_t most)
{
    size_t at = 0, begin = line.len, end = line.len;
    for (size_t i = 0; i < line.len; i++) {
        if (is_continuation(line.at[i]))
            continue;
        if (at == first)
            begin = i;
        if (at == first + most) {
            end = i;
            break;
        }
        at++;
    }
    if (begin < end)
        fwrite(line.at + begin, 1, end - begin, out);
}

static void print_line(const struct source *source, struct place place, FILE *out)
{
    struct shown shown = { 0 };
    add_line(&shown, source, place);
    size_t first = shown.caret > WIDEST_LINE - 10 ? shown.caret - BEFORE_CARET : 0;
    assert(first <= shown.caret && shown.caret - first <= WIDEST_LINE);
    struct slice line = bytes_slice(&shown.text);
    while (line.len > 0 && line.at[line.len - 1] == ' ')
        line.len--;
    print_part(out, line, first, WIDEST_LINE);
    fprintf(out, "\n%*s^\n", (int)(shown.caret - first), "");
    bytes_free(&shown.text);
}

static const struct source *source_of(const struct complaints *complaints, const char *file,
                                      unsigned *index)
{
    *index = 0;
    list_each (&complaints->sources, link) {
        const struct source *source = thing_of(link, struct source, link);
        ++*index;
        if (file != NULL && strcmp(source->file, file) == 0)
            return source;
    }
    *index = 0;
    return NULL;
}

struct entry {
    const struct complaint *complaint;
    const struct source *source;
    unsigned file, order;
};

/* By file as they were opened, then by line and column; a place that is unknown comes first. */
static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    const struct place *p = &a->complaint->place, *q = &b->complaint->place;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    if (p->line != q->line)
        return p->line < q->line ? -1 : 1;
    if (p->column != q->column)
        return p->column < q->column ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static void print_text(const struct entry *entry, FILE *out)
{
    const struct complaint *complaint = entry->complaint;
    struct place place = complaint->place;
    struct bytes line = { 0 };
    if (place.file != NULL) {
        add_plain(&line, slice_text(place.file));
        if (place.line != 0)
            bytes_printf(&line, ":%u:%u", place.line, place.column);
        bytes_text(&line, ": ");
    }
    bytes_text(&line, complaint->severity == SEVERITY_WARNING ? "warning: " : "");
    add_plain(&line, complaint->what);
    bytes_text(&line, complaint->expected.len > 0 ? "; expected " : "");
    add_plain(&line, complaint->expected);
    bytes_text(&line, complaint->hint.len > 0 ? "; " : "");
    add_plain(&line, complaint->hint);
    bytes_byte(&line, '\n');
    fwrite(line.at, 1, line.len, out);
    bytes_free(&line);
    if (entry->source != NULL && place.line != 0)
        print_line(entry->source, place, out);
}

static void print_json(const struct entry *entry, FILE *out)
{
    const struct complaint *complaint = entry->complaint;
    struct bytes line = { 0 };
    bytes_printf(&line, "{\"severity\":\"%s\",\"file\":",
                 complaint->severity == SEVERITY_ERROR ? "error" : "warning");
    if (complaint->place.file == NULL)
        bytes_text(&line, "null");
    else
        bytes_json(&line, slice_text(complaint->place.file));
    bytes_printf(&line, ",\"line\":%u,\"column\":%u,\"what\":", complaint->place.line,
                 complaint->place.column);
    bytes_json(&line, complaint->what);
    bytes_text(&line, ",\"expected\":");
    bytes_json(&line, complaint->expected);
    bytes_text(&line, ",\"hint\":");
    bytes_json(&line, complaint->hint);
    bytes_byte(&line, '}');
    fwrite(line.at, 1, line.len, out);
    bytes_free(&line);
}

void complaints_print(const struct complaints *complaints, FILE *out, bool json)
{
    size_t count = 0;
    list_each (&complaints->all, link)
        count++;
    struct entry *entries = calloc(count + 1, sizeof(*entries));
    if (entries == NULL)
        abort();
    size_t at = 0;
    list_each (&complaints->all, link) {
        struct entry *entry = &entries[at];
        entry->complaint = thing_of(link, struct complaint, link);
        entry->source = source_of(complaints, entry->complaint->place.file, &entry->file);
        entry->order = (unsigned)at++;
    }
    assert(at == count);
    qsort(entries, count, sizeof(*entries), compare);

    for (size_t i = 0; i < count; i++) {
        if (json)
            fputs(i == 0 ? "[" : ",\n ", out);
        (json ? print_json : print_text)(&entries[i], out);
    }
    if (json)
        fputs(count == 0 ? "[]\n" : "]\n", out);
    else if (complaints->errors + complaints->warnings > count)
        fprintf(out, "and %zu more\n", complaints->errors + complaints->warnings - count);
    free(entries);
}

/* Pieces that a pipe which has room at all takes without blocking (pipe(7), PIPE_BUF). */
static void write_patiently(int descriptor, const char *text, size_t len, int patience_ms)
{
    while (len > 0) {
        struct pollfd room = { .fd = descriptor, .events = POLLOUT };
        ssize_t written = -1;
        if (poll(&room, 1, patience_ms) > 0)
            written = write(descriptor, text, len < PIPE_BUF ? len : PIPE_BUF);
        if (written <= 0)
            return;
        text += written;
        len -= (size_t)written;
    }
}

void complaints_write(const struct complaints *complaints, int descriptor, int patience_ms,
                      bool json)
{
    if (complaints->errors + complaints->warnings == 0)
        return;
    char *text = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&text, &len);
    if (memory == NULL)
        abort();
    complaints_print(complaints, memory, json);
    fclose(memory);
    write_patiently(descriptor, text, len, patience_ms);
    free(text);
}

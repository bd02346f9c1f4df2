/* Collecting complaints. They live in an arena of their own, since they outlive a configuration
 * that was refused; names of files are copied for the same reason. How they look is written in
 * report.c. */
#include "config/complaint.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#include "config/report.h"

enum { MOST_COMPLAINTS = 200, MEMORY = 256 << 20, LONGEST_NAME = 48 };

void complaints_init(struct complaints *complaints)
{
    *complaints = (struct complaints){ 0 };
    arena_init(&complaints->arena, MEMORY);
    list_init(&complaints->all);
    list_init(&complaints->sources);
}

void complaints_clear(struct complaints *complaints)
{
    arena_clear(&complaints->arena);
    complaints_init(complaints);
}

static struct source *source_of(const struct complaints *complaints, const char *file)
{
    if (file == NULL)
        return NULL;
    list_each (&complaints->sources, link) {
        struct source *source = thing_of(link, struct source, link);
        if (strcmp(source->file, file) == 0)
            return source;
    }
    return NULL;
}

/* The same place, its file's name in our own memory. */
static struct place place_copy(struct complaints *complaints, struct place place)
{
    struct source *source = source_of(complaints, place.file);
    if (source != NULL)
        place.file = source->file;
    else if (place.file != NULL)
        place.file = (const char *)arena_copy(&complaints->arena, slice_text(place.file)).at;
    return place;
}

void complaints_source(struct complaints *complaints, const char *file, struct slice text)
{
    assert(file != NULL);
    if (source_of(complaints, file) != NULL)
        return;
    struct source *source = arena_get(&complaints->arena, sizeof(*source));
    source->file = (const char *)arena_copy(&complaints->arena, slice_text(file)).at;
    source->text = arena_copy(&complaints->arena, text);
    list_init(&source->revealed);
    list_append(&complaints->sources, &source->link);
}

void complaints_reveal(struct complaints *complaints, struct place place)
{
    struct source *source = source_of(complaints, place.file);
    if (source == NULL)
        return;
    struct revealed *revealed = arena_get(&complaints->arena, sizeof(*revealed));
    revealed->line = place.line;
    revealed->column = place.column;
    list_append(&source->revealed, &revealed->link);
}

static struct slice vprint(struct complaints *complaints, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static struct slice vprint(struct complaints *complaints, const char *format, va_list args)
{
    char text
        [2048]; /* a longer one is cut: keys and values in it are clipped by whoever writes them */
    int len = vsnprintf(text, sizeof(text), format, args);
    assert(len >= 0);
    return arena_copy(&complaints->arena, slice_text(text));
}

static struct complaint *add(struct complaints *complaints, enum severity severity,
                             struct place place)
{
    assert(place.line > 0 || place.column == 0);
    unsigned *count = severity == SEVERITY_ERROR ? &complaints->errors : &complaints->warnings;
    if (++*count > MOST_COMPLAINTS)
        return &complaints->beyond;

    struct complaint *complaint = arena_get(&complaints->arena, sizeof(*complaint));
    complaint->severity = severity;
    complaint->place = place_copy(complaints, place);
    list_append(&complaints->all, &complaint->link);
    return complaint;
}

struct complaint *complain(struct complaints *complaints, struct place place, const char *what, ...)
{
    assert(what != NULL);
    struct complaint *complaint = add(complaints, SEVERITY_ERROR, place);
    va_list args;
    va_start(args, what);
    if (complaint != &complaints->beyond)
        complaint->what = vprint(complaints, what, args);
    va_end(args);
    return complaint;
}

struct complaint *warn(struct complaints *complaints, struct place place, const char *what, ...)
{
    assert(what != NULL);
    struct complaint *complaint = add(complaints, SEVERITY_WARNING, place);
    va_list args;
    va_start(args, what);
    if (complaint != &complaints->beyond)
        complaint->what = vprint(complaints, what, args);
    va_end(args);
    return complaint;
}

void complaint_expected(struct complaints *complaints, struct complaint *complaint,
                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (complaint != &complaints->beyond)
        complaint->expected = vprint(complaints, format, args);
    va_end(args);
}

void complaint_hint(struct complaints *complaints, struct complaint *complaint, const char *format,
                    ...)
{
    va_list args;
    va_start(args, format);
    if (complaint != &complaints->beyond)
        complaint->hint = vprint(complaints, format, args);
    va_end(args);
}

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

/* Letters put in, left out, changed, or two neighbours swapped: one step each. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    assert(a_len <= LONGEST_NAME && b_len <= LONGEST_NAME);
    unsigned rows[3][LONGEST_NAME + 1];
    unsigned *before = rows[0], *above = rows[1], *here = rows[2];
    for (unsigned j = 0; j <= b_len; j++)
        above[j] = j;

    for (unsigned i = 1; i <= a_len; i++) {
        here[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned change = above[j - 1] + (a[i - 1] != b[j - 1]);
            here[j] = smallest(above[j] + 1, here[j - 1] + 1, change);
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < here[j])
                here[j] = before[j - 2] + 1;
        }
        unsigned *spare = before;
        before = above;
        above = here;
        here = spare;
    }
    return above[b_len];
}

const char *nearest_name(const char *wrong, const char *const *names)
{
    assert(wrong != NULL && names != NULL);
    size_t len = strlen(wrong);
    if (len == 0 || len > LONGEST_NAME)
        return NULL;

    const char *nearest = NULL;
    unsigned least = len < 3   ? 1
                     : len < 6 ? 2
                               : (unsigned)len / 3 + 1; /* one less is near enough */
    for (; *names != NULL; names++) {
        size_t name_len = strlen(*names);
        size_t apart = name_len > len ? name_len - len : len - name_len;
        if (name_len > LONGEST_NAME || apart >= least || strcmp(*names, wrong) == 0)
            continue;
        unsigned steps = distance(wrong, len, *names, name_len);
        if (steps < least && steps < name_len) {
            least = steps;
            nearest = *names;
        }
    }
    return nearest;
}

/* What is wrong with a configuration: every mistake, with its place, in the order of the file.
 *
 *     shunt.cfg:9:5: unknown setting 'tiemout' in a route; expected one of name, match, …; did you mean 'timeout'?
 *         tiemout = "5s";
 *         ^
 *
 * Collected by whoever finds a mistake (scanner, tables, plugins, cross checks), printed once at
 * the end. Values of secret settings and of ${VARIABLES} never go in here.
 */
#ifndef CONFIG_COMPLAINT_H
#define CONFIG_COMPLAINT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/list.h"

struct place {
    const char *file; /* as the user named it, or an include; lives as long as the configuration */
    unsigned line, column; /* counted from 1; 0: unknown */
};

enum severity {
    SEVERITY_ERROR,   /* the file is refused */
    SEVERITY_WARNING, /* said, and the file is taken */
};

struct complaint {
    struct link link;
    enum severity severity;
    struct place place;
    struct slice what;     /* "unknown setting 'tiemout' in a route" */
    struct slice expected; /* "one of name, match, style", or empty */
    struct slice hint;     /* "did you mean 'timeout'?", or empty */
};

struct complaints {
    struct arena arena;
    struct list all;     /* of struct complaint */
    struct list sources; /* the texts that were read, to show their lines */
    unsigned errors, warnings;
    struct complaint beyond; /* what further ones are written to once there are too many */
};

void complaints_init(struct complaints *complaints);
void complaints_clear(struct complaints *complaints);

/* Adds one. The arguments are copied. After 200 errors further ones are counted only. Never
 * returns NULL. */
struct complaint *complain(struct complaints *complaints, struct place place, const char *what, ...)
    __attribute__((format(printf, 3, 4), returns_nonnull));
struct complaint *warn(struct complaints *complaints, struct place place, const char *what, ...)
    __attribute__((format(printf, 3, 4), returns_nonnull));
void complaint_expected(struct complaints *complaints, struct complaint *complaint,
                        const char *format, ...) __attribute__((format(printf, 3, 4)));
void complaint_hint(struct complaints *complaints, struct complaint *complaint, const char *format,
                    ...) __attribute__((format(printf, 3, 4)));

/* Keeps a copy of a file's text, so that its lines can be shown. */
void complaints_source(struct complaints *complaints, const char *file, struct slice text);
/* Lines are shown without their values, since any may be a secret; this value is none and may be
 * shown. */
void complaints_reveal(struct complaints *complaints, struct place place);

/* Prints all, sorted by file and line, each with its source line and a caret under the column. */
void complaints_print(const struct complaints *complaints, FILE *out, bool json);

/* The same to a descriptor that perhaps nobody reads, and nothing where there is none: what is not
 * taken within `patience_ms` is dropped. */
void complaints_write(const struct complaints *complaints, int descriptor, int patience_ms,
                      bool json);

/* The entry of `names` (ends with NULL) nearest to `wrong` in Damerau-Levenshtein distance, or
 * NULL if none is near. */
const char *nearest_name(const char *wrong, const char *const *names);

#endif

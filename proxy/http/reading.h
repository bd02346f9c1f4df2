/* One head through llhttp: the first line, and the fields sorted into those that go on and those
 * that concern the connection, the framing or the destination, which do not. Used by framing.c,
 * which judges what was read.
 */
#ifndef HTTP_READING_H
#define HTTP_READING_H

#include <llhttp.h>

#include "base/fields.h"
#include "http/framing.h"

/* Fields that are set aside, by what they are about. */
enum aside {
    ASIDE_NONE, /* goes on to the other side */
    ASIDE_HOST,
    ASIDE_LENGTH,
    ASIDE_CODING,
    ASIDE_CONNECTION,
    ASIDE_EXPECT,
    ASIDE_UPGRADE,
    ASIDE_TE,
    ASIDE_DROPPED, /* hop-by-hop, and of no use to us */
    ASIDES
};

enum aside field_aside(enum field_name token);

#define ASIDE_VALUES 4 /* more lines of one such name than this are refused */

struct reading {
    struct arena *arena;
    struct fields *fields; /* those that go on */
    size_t max_fields, count;
    struct slice target, phrase;
    struct slice name, value; /* of the field being read */
    struct {
        struct slice values[ASIDE_VALUES];
        unsigned times;
    } aside[ASIDES];
    bool complete;
    enum head_verdict verdict;
    const char *why;
    llhttp_t parser;
};

/* Reads a whole head. Slices point into `bytes`. HEAD_OK, or what llhttp or a limit says, with
 * `why`. The caller sets arena, fields and max_fields; the rest is 0. */
enum head_verdict reading_run(struct reading *reading, llhttp_type_t type, struct slice bytes);

/* The only value of a field that is set aside; not to be asked when there is none. */
struct slice reading_value(const struct reading *reading, enum aside aside);

#endif

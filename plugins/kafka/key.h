/* Where the key of an event's record comes from: `key = "header:NAME" | "path:SEGMENT" |
 * "query:NAME" | "json:/pointer" | "text:…"`. Records of one key keep their order; one without a
 * key goes anywhere. Pure functions.
 *
 * "path:2" is the second segment of the path, counted from 1; "path:id" the one that stands at
 * `{id}` in the route's `match.path`.
 */
#ifndef KAFKA_KEY_H
#define KAFKA_KEY_H

#include "core/call.h"

enum key_kind { KEY_NONE, KEY_HEADER, KEY_PATH, KEY_QUERY, KEY_JSON, KEY_TEXT };

struct key_source {
    enum key_kind kind;
    const char *text; /* behind the colon; lives as long as what it was read from */
    unsigned segment; /* of KEY_PATH, counted from 1 */
};

/* Reads a source. `pattern`: the route's `match.path`, or NULL. 0, or -1 with `*why`. `text` NULL:
 * no key. */
int key_source_read(const char *text, const char *pattern, struct key_source *source,
                    const char **why) __attribute__((warn_unused_result));

/* The key of a call's record; `at` NULL: it has none. Memory: the call, or the arena. */
struct slice key_of(const struct key_source *source, const struct call *call, struct arena *arena);

#endif

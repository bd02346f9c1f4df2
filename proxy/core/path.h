/* Patterns of paths: "/orders", "/orders/{id}" (one segment that is not empty), "/orders/" followed
 * by '*' (all below, and "/orders" itself). Pure; any thread.
 */
#ifndef CORE_PATH_H
#define CORE_PATH_H

#include "base/arena.h"
#include "base/slice.h"

/* A pattern in the one spelling that paths have, for the others here. `at` NULL with `*why` when
 * no path can ever fit. */
struct slice path_pattern(struct slice written, struct arena *arena, const char **why);
bool path_fits(struct slice pattern, struct slice path);

/* The first segment with its slash, taken off a path or a pattern, which begins with '/'. */
struct slice path_take_segment(struct slice *path);
/* "/{id}", and the name in it. */
bool segment_is_open(struct slice segment);
struct slice segment_name(struct slice segment);

/* What stands in a path that fits, where the pattern has {name}; for the name "*" what its end
 * takes, with the slash before it, or nothing. */
struct slice path_capture(struct slice pattern, struct slice path, struct slice name);

#endif

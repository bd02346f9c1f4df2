/* Which route a call takes: the first from the top whose conditions all hold.
 *
 * What is matched is what is forwarded: the path is normalised once, by the server (http/target.h),
 * and the matcher sees that form. Immutable after compilation; matching is done on any worker.
 */
#ifndef CORE_ROUTE_H
#define CORE_ROUTE_H

#include "core/call.h"
#include "core/snapshot.h"

struct matcher;

/* Compiles a `match` group into the arena. NULL with complaints. */
struct matcher *matcher_compile(const struct values *match, struct arena *arena,
                                struct complaints *complaints);
void matcher_free(struct matcher *matcher); /* what the arena does not hold: PCRE2's */

/* The condition of `route` that this request does not meet, for `explain`; NULL: it matches. */
const char *route_mismatch(const struct route *route, const struct head *request);

/* The first that matches, or NULL. */
const struct route *route_find(const struct snapshot *snapshot, const struct head *request);

/* Whether any route that names hosts names this one: what a tunnel goes past. */
bool route_matches_host(const struct snapshot *snapshot, struct slice authority);

/* Whether `path` fits a pattern: "/orders", "/orders/{id}", "/orders/" followed by '*' (also
 * "/orders" itself). */
bool path_fits(struct slice pattern, struct slice path);

/* A pattern in the one spelling that paths have, for path_fits. `at` NULL with `*why` when no
 * path can ever fit. */
struct slice path_pattern(struct slice written, struct arena *arena, const char **why);

#endif

/* Which route a call takes: the first from the top whose conditions all hold.
 *
 * What is matched is what is forwarded: the path is normalised once, by the server (http/target.h),
 * and the matcher sees that form. Where a path is odd, so that it can be read in several ways, the
 * first route that any of these readings matches decides what becomes of the call, so that no
 * spelling gets past a rule that stands above: it is refused unless that route says how it reads
 * such paths, and matches what it reads. Immutable after compilation; matching is done on any
 * worker.
 */
#ifndef CORE_ROUTE_H
#define CORE_ROUTE_H

#include "core/call.h"
#include "core/path.h"
#include "core/snapshot.h"

struct matcher;
struct route_index;

/* Compiles a `match` group into the arena. NULL with complaints. */
struct matcher *matcher_compile(const struct values *match, struct arena *arena,
                                struct complaints *complaints);
void matcher_free(struct matcher *matcher); /* what the arena does not hold: PCRE2's */

/* The condition of `route` that this request does not meet, for `explain`; NULL: it matches. */
const char *route_mismatch(const struct route *route, const struct head *request);

/* Whether it asks what a GraphQL request asks for, and all its other conditions. */
bool route_asks_graphql(const struct route *route);
const char *route_mismatch_but_graphql(const struct route *route, const struct head *request);

/* --- route_index.c */

/* What route_find asks, in the arena, which outlives it: made once all routes are there. */
struct route_index *route_index_build(struct route *routes, unsigned count, struct arena *arena);
void route_index_free(struct route_index *index); /* what the arena does not hold */

/* The first that matches, or NULL. Allocates nothing. */
const struct route *route_find(const struct snapshot *snapshot, const struct head *request);

/* The same for a request whose path is odd, and gives it the one reading that the route forwards;
 * NULL: to be refused. */
const struct route *route_find_odd(const struct snapshot *snapshot, struct head *request,
                                   struct arena *arena);

/* Whether any route that names hosts names this one: what a tunnel goes past. */
bool route_matches_host(const struct snapshot *snapshot, struct slice authority);

#endif

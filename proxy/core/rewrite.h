/* What a route changes in a call beside carrying it: path and host of the request, headers of
 * request and answer, with what its match captured. The same for every style, since it is done to
 * the call before a plan is made of it.
 *
 * A capture is written as it stands in the path, percent-encoded where it was: it can hold no
 * line break and no control, and a slash only where an expression took one in. The path that
 * comes out is read like one that comes in, so that no dot segment and no second slash arises.
 */
#ifndef CORE_REWRITE_H
#define CORE_REWRITE_H

#include "core/call.h"
#include "core/snapshot.h"

struct rewrite;

/* From a route's settings and its compiled match; everything is in the arena. NULL when they
 * change nothing. The configuration's checks have seen the texts (config/rewrites.c). */
struct rewrite *rewrite_compile(const struct values *route, const struct matcher *matcher,
                                struct arena *arena);

/* Does to call->request what its route says, and makes ready what it says of the answer. What was
 * asked stays in call->asked. REASON_none, or why it cannot be. */
enum reason rewrite_request(struct call *call) __attribute__((warn_unused_result));

/* Does to an answer what the call's route says. Fields are removed where they stand. */
void rewrite_answer(struct call *call, struct head *answer);

/* For explain: what would be done to the answer; and hides, in the request, the values that came
 * from variables of the environment. */
void rewrite_describe(struct call *call, struct description *description);

#endif

/* Our own answers: every refusal says what happened and whether the call was executed (promise 1).
 *
 * Status from the reason; Proxy-Status (RFC 9209); a body by RFC 9457 with reason, message_id and
 * executed; Retry-After where a retry doubles nothing.
 */
#ifndef CORE_PROBLEM_H
#define CORE_PROBLEM_H

#include "core/call.h"

/* Fills `head` (fields in the arena, framing and length set) and returns the body in the arena.
 * `status` 0: the reason's own. `service` names us in Proxy-Status. Never fails: at the arena's
 * cap the body is empty. */
struct slice problem_render(struct arena *arena, const char *service, enum reason reason,
                            enum outcome outcome, struct slice message_id, const char *detail,
                            struct head *head);

/* The same for an event that went to several destinations: the body says what became of each
 * (promise 4). */
struct slice problem_render_partial(struct arena *arena, const char *service, enum reason reason,
                                    enum outcome outcome, struct slice message_id,
                                    const char *detail, const struct fields *targets,
                                    struct head *head);

#endif

/* Carrying calls: an attempt becomes a message, and what the broker says of it becomes the
 * attempt's end.
 *
 * Happy paths: event → published → confirmed → stored. Await → joins the replies' table →
 * published → reply. Failures, before anything is sent: a negative REASON_…. After that, by
 * promises 1 to 3: returned → REFUSED_WHOLE; nacked → REFUSED_WHOLE where one queue was
 * addressed, else MAYBE_SENT; the newest when the broker closes the channel over a message →
 * REFUSED_WHOLE; connection lost → MAYBE_SENT for an event at once, while an await goes on
 * waiting, since its reply can still come.
 */
#ifndef AMQP_CARRY_H
#define AMQP_CARRY_H

#include "plugin.h"

struct lane;

/* The functions of the same names in struct transport. */
int carry_plan(const struct call *call, const void *settings, struct plan *plan);
void carry_describe(const struct call *call, const struct plan *plan,
                    struct description *description);
int carry_ready(void *lane, const struct plan *plan);
int carry_begin(struct attempt *attempt);
enum outcome carry_cancel(struct attempt *attempt);

/* The reply queue is there, or will not be: those that waited for it go on, or fail. */
void carry_held(struct lane *lane);

#endif

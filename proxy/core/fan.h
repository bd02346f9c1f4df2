/* An event to several brokers: one call, an attempt for each target, one answer (promise 4).
 *
 *   call ── attempt ── fan ─┬─ part: attempt of the first target's transport
 *                           └─ part: …
 *
 * All parts stored → stored; none → refused; some → partly stored, and the caller is told of each.
 *
 * The fan is a transport like any other, built in, so that core's own attempt stays one. A part is
 * an attempt whose up-calls come here instead of to the caller; transports do not notice. Only
 * events are carried so: their up-calls are `stored`, `fail` and `target`.
 */
#ifndef CORE_FAN_H
#define CORE_FAN_H

#include "plugin.h"

struct style_block;

/* One of several targets, as its transport prepared it. */
struct fan_target {
    struct broker *broker;
    void *settings;
};

/* A route's `targets`; the fan's settings. */
struct fan_settings {
    struct fan_target *targets;
    unsigned count;
};

extern const struct transport fan_transport;

/* --- for attempt.c ---------------------------------------------------------------------------- */

/* What a part is called where its caller is told of each: "broker kafka". In the call's arena; `at`
 * NULL when that is full. */
struct slice fan_part_name(const struct part *part);

/* A part has ended. `detail` may be NULL. */
void fan_part_ended(struct attempt *part, enum outcome outcome, enum reason reason,
                    const char *detail);

#endif

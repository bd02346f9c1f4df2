/* Carrying events: an attempt becomes a record for each of its topics, and what is reported of them
 * its end.
 *
 * Happy path: event_begin → a shipment per topic → reports → all of them stored: stored. Failures
 * by promise 4: none stored → REFUSED_WHOLE; some → PARTLY_STORED, with what became of each topic;
 * nobody knows → MAYBE_SENT. What can be refused at once (outage, limits, a topic that is not
 * there) is a negative REASON_… of event_begin, as long as nothing was handed over.
 */
#ifndef KAFKA_EVENT_H
#define KAFKA_EVENT_H

#include "plugin.h"

/* The functions of the same names in struct transport. */
int event_plan(const struct call *call, const void *settings, struct plan *plan);
void event_describe(const struct call *call, const struct plan *plan,
                    struct description *description);
int event_ready(void *lane, const struct plan *plan);
int event_begin(struct attempt *attempt);
enum outcome event_cancel(struct attempt *attempt);

#endif

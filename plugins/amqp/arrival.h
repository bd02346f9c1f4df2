/* A message that a consumer received, from its content to the arrival that is handed up. */
#ifndef AMQP_ARRIVAL_H
#define AMQP_ARRIVAL_H

#include "plugins/amqp/channel.h"

/* An arrival with its memory; arrival.own is its parcel. */
struct parcel {
    struct arrival arrival;
    struct arena arena;
    uint64_t tag;
    unsigned generation;  /* of the channel that the tag belongs to */
    struct link retiring; /* in a list of its consumer, until `retired` is told */
    struct done *retired; /* NULL: it was not acknowledged before it is settled */
};

/* Takes over the content's memory. `origin` outlives the parcel. NULL: memory is out, the
 * content is untouched. */
struct parcel *parcel_make(struct content *content, unsigned generation, struct slice origin);
void parcel_free(struct parcel *parcel);

#endif

/* A record that a member holds, from the client's copy to the arrival that is handed up. */
#ifndef KAFKA_HELD_H
#define KAFKA_HELD_H

#include "plugins/kafka/member.h"

/* A copy of a record as an arrival. What cannot be read as a message is malformed. NULL: memory is
 * out. */
struct held *held_make(const struct record *record);
void held_free(struct held *held);

#endif

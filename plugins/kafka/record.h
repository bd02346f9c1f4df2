/* A message as a Kafka record, and back (design: "What a call looks like on a broker").
 *
 * The value is the body: an empty body is an empty value and never null, which in Kafka deletes.
 * Headers are those of the message, with what AMQP has properties for beside them: content-type,
 * content-encoding, shunt-message-id, shunt-app-id. Coming in nothing is believed; a null value (a
 * tombstone) is an empty body, and the arrival says so. Pure functions.
 */
#ifndef KAFKA_RECORD_H
#define KAFKA_RECORD_H

#include "core/message.h"

/* One record, as it goes to a topic or comes from one. A key or value whose `at` is NULL is
 * null. */
struct record {
    const char *topic;
    int32_t partition; /* of what came */
    int64_t offset;    /* of what came */
    struct slice key, value;
    struct fields headers;
    uint64_t timestamp_ms; /* since the epoch; 0: none */
};

/* Fills headers, value and timestamp of an outgoing record. Memory: the message's and the arena. -1
 * at its cap. */
int record_write(const struct message *message, struct arena *arena, struct record *record)
    __attribute__((warn_unused_result));

/* Bytes that the record takes of what a broker or a topic allows: an upper bound of the batch of
 * just this one. */
size_t record_size(const struct record *record);

/* What cannot be told to Kafka's own limits, or NULL. */
const char *record_flaw(const struct record *record);

/* A message from a record that came; slices are the record's or constants. -1 with `*why` when
 * memory is out. */
int record_read(const struct record *record, struct arena *arena, struct message *message,
                const char **why) __attribute__((warn_unused_result));

#endif

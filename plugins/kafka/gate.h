/* What waits before librdkafka, and why.
 *
 * An idempotent producer sends no further batch to a partition while five of its records or more
 * have no answer. If records wait for that in librdkafka, the thread of that broker asks for their
 * turn without a pause (poll with a timeout of 0): a whole core for as long as brokers take to
 * answer, seen in 2.0.2 and still so in later sources. So records wait here, until the end of the
 * loop's turn and, while five or more are inside, until fewer are. Then all that wait go in
 * together, as one batch: no later than librdkafka would have sent them, without the spinning, and
 * the calls of one turn share a request.
 *
 * There is a gate for each partition, as far as the key and what is known of the topic tell which
 * it will be. A wrong guess costs time, never order: records of one key pass through one gate,
 * first come, first served, and what waits is handed over before the number of partitions changes.
 */
#ifndef KAFKA_GATE_H
#define KAFKA_GATE_H

#include <librdkafka/rdkafka.h>

#include "base/list.h"
#include "plugins/kafka/record.h"

enum { GATE_LIMIT = 5, GATES = 16 };

struct gate {
    struct list waiting; /* of struct consignment */
    unsigned inside;     /* handed over, not reported */
};

/* Those of one topic; partitions share them when they are many. */
struct gates {
    struct gate each[GATES];
    int32_t partitions;
};

/* A copy of one record, from being taken until its report. What librdkafka takes over is NULL from
 * then on. */
struct consignment {
    struct link link; /* where it waits */
    struct gate *gate;
    rd_kafka_topic_t *rkt; /* its topic, which outlives it */
    void *token;
    rd_kafka_headers_t *headers;
    uint8_t *value;
    size_t value_len;
    uint64_t timestamp_ms;
    struct slice key; /* in `bytes`, or null */
    uint8_t bytes[];
};

void gates_init(struct gates *gates);
struct gate *gates_find(struct gates *gates, struct slice key);

/* Whether some wait that may pass: all of them, together. */
bool gate_may_empty(const struct gate *gate);
/* The next of those that wait, or NULL. */
struct consignment *gate_take(struct gate *gate);

/* NULL when memory is out. */
struct consignment *consignment_new(const struct record *record, rd_kafka_topic_t *rkt,
                                    struct gate *gate, void *token);
void consignment_free(struct consignment *consignment);

#endif

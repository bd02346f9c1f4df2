/* A Kafka cluster of one broker in the simulation, as far as Shunt's plugin sees it: it stands in
 * for librdkafka behind the seam of plugins/kafka/client.h (producers, reports, groups, offsets),
 * not for the protocol.
 *
 * What it does to those who trust it: reports come late, in any order, or after the record was
 * stored and the answer lost; a purge reports what waits, and what was on its way as unknown, which
 * may be stored after that; offsets have gaps; members come and go, and partitions with them;
 * commits are lost.
 */
#ifndef FLOW_KAFKA_H
#define FLOW_KAFKA_H

#include "plugins/kafka/client.h"
#include "sim.h"

struct kafka;

struct kafka_record {
    struct link link;
    int64_t offset;
    struct slice key, value; /* `at` NULL: null */
    struct fields headers;
    struct arena arena;
    uint64_t timestamp_ms;
};

/* How it behaves, in per cent and microseconds; may be changed at any time. */
struct kafka_habits {
    uint64_t report_most_us;
    unsigned
        /* answers that get lost: the client sends again, the broker knows the record */
        lost_percent;
    unsigned refuse_percent; /* records that the broker does not store, and says so */
    unsigned fatal_percent;  /* of lost answers: the producer is of no more use */
    unsigned gap_percent;    /* offsets that nothing has */
    bool no_client;          /* no producer can be made: a file that it needs is gone */
};

struct kafka *kafka_new(struct sim *sim, unsigned host);
/* Every client is closed. */
void kafka_free(struct kafka *kafka);
struct sim_node *kafka_node(struct kafka *kafka);
struct kafka_habits *kafka_habits(struct kafka *kafka);
/* SIGKILL: what is stored stays, connections end. And a new start. */
void kafka_kill(struct kafka *kafka);
void kafka_start(struct kafka *kafka);
void kafka_create_topic(struct kafka *kafka, const char *name, unsigned partitions);
/* One that no group reads. */
void kafka_delete_topic(struct kafka *kafka, const char *name);
/* It takes no batch of records that is larger. */
void kafka_limit_topic(struct kafka *kafka, const char *name, size_t bytes);
/* Members are made to give back what they have and get it anew. */
void kafka_rebalance(struct kafka *kafka);
/* The records of a topic, partition by partition. */
void kafka_each(struct kafka *kafka, const char *topic,
                void (*each)(const struct kafka_record *record, unsigned partition, void *context),
                void *context);
/* Records of a topic that the group has not committed. */
size_t kafka_lag(struct kafka *kafka, const char *group, const char *topic);

#endif

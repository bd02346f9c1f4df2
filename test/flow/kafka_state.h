/* What the files of the simulated cluster share; tests include kafka.h. */
#ifndef FLOW_KAFKA_STATE_H
#define FLOW_KAFKA_STATE_H

#include "kafka.h"
#include "sim_world.h"

enum { PARTITIONS_MOST = 8, SESSION_MS = 9000, HANDOVER_MS = 10000 };

struct log {
    struct list records;
    int64_t end;
};

struct kafka_topic {
    struct link link;
    char name[TOPIC_NAME_MAX + 1];
    unsigned partitions;
    size_t limit; /* of a batch; 0: none */
    struct log logs[PARTITIONS_MOST];
};

struct kafka {
    struct sim *sim;
    struct sim_node *node;
    struct kafka_habits habits;
    struct list topics, producers, groups;
    unsigned round; /* of partitions for records without a key */
    bool running;
};

struct kafka_topic *kafka_topic(struct kafka *kafka, const char *name);
/* The cluster that a worker's clients reach, some day. */
struct kafka *kafka_of(struct worker *worker);
struct sim_node *kafka_node_of(struct worker *worker);
/* Whether a request from there arrives now, and its answer, too. */
bool kafka_hears(const struct kafka *kafka, const struct sim_node *from);
bool kafka_answers(const struct kafka *kafka, const struct sim_node *to);
void kafka_append(struct kafka *kafka, const struct record *record);
/* Copies a record whose memory is the caller's. */
void kafka_copy(struct kafka_record *copy, const struct record *record);

/* --- kafka_producer.c --- */

void kafka_producers_cut(struct kafka *kafka);

/* --- kafka_group.c --- */

struct group;
void kafka_groups_free(struct kafka *kafka);

struct member_client *sim_member_open(struct worker *worker, const struct client_settings *settings,
                                      const struct membership *membership,
                                      const struct member_events *events, void *owner, char *why,
                                      size_t room);
void sim_assign(struct member_client *client, const struct position *positions, unsigned count);
void sim_release(struct member_client *client);
void sim_pause(struct member_client *client, const char *topic, int32_t partition, bool paused);
void sim_store(struct member_client *client, const char *topic, int32_t partition, int64_t next);
void sim_commit(struct member_client *client);
void sim_member_close(struct member_client *client);

#endif

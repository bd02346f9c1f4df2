/* The two clients on librdkafka, for the table in library.c. */
#ifndef KAFKA_RDKAFKA_H
#define KAFKA_RDKAFKA_H

#include "plugins/kafka/client.h"

/* The functions of the same names in struct kafka_library. */
struct producer_client *rdkafka_producer_open(struct worker *worker,
                                              const struct client_settings *settings,
                                              const struct producer_events *events, void *owner,
                                              char *why, size_t room);
int rdkafka_produce(struct producer_client *client, const struct record *record, void *token);
void rdkafka_warm(struct producer_client *client, const char *topic);
void rdkafka_probe(struct producer_client *client);
void rdkafka_purge(struct producer_client *client, bool in_flight);
void rdkafka_declare(struct producer_client *client, const struct topic_wish *wish);
void rdkafka_producer_close(struct producer_client *client);

struct member_client *rdkafka_member_open(struct worker *worker,
                                          const struct client_settings *settings,
                                          const struct membership *membership,
                                          const struct member_events *events, void *owner,
                                          char *why, size_t room);
void rdkafka_assign(struct member_client *client, const struct position *positions, unsigned count);
void rdkafka_release(struct member_client *client);
void rdkafka_pause(struct member_client *client, const char *topic, int32_t partition, bool paused);
void rdkafka_store(struct member_client *client, const char *topic, int32_t partition,
                   int64_t next);
void rdkafka_commit(struct member_client *client);
void rdkafka_member_close(struct member_client *client);

#endif

/* What one worker has of one Kafka cluster: a producer for events and letters, and the members of
 * consumer groups.
 *
 * Happy path: kafka_attach starts the producer → a broker answers → UP → … → kafka_detach: what is
 * under way is waited for, a second at most, then it is reported as unknown; the clients close;
 * done. Failures: see producer.h and member.h; a client that cannot be made at all leaves the
 * broker down, with the reason, and is tried again.
 */
#ifndef KAFKA_LANE_H
#define KAFKA_LANE_H

#include "plugins/kafka/producer.h"

struct lane {
    struct worker *worker;
    const struct broker_settings *settings;
    char client_id[128];
    struct producer producer;
    struct list members;  /* of struct member */
    struct done *leaving; /* detach was called */
    uint64_t leaving_until_ms;
    struct timer patience;
    struct task finish;
};

/* The functions `attach` and `detach` of struct transport. */
int kafka_attach(void *instance, struct worker *worker, void **lane);
void kafka_detach(void *lane, struct done *done);

struct client_settings kafka_client_settings(const struct lane *lane);

void kafka_count(const struct lane *lane, const char *event, uint64_t by);
void kafka_log(const struct lane *lane, enum level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

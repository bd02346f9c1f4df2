/* A librdkafka handle on a worker's loop: its queue, the eventfd that wakes the loop, and what must
 * not block it.
 *
 * Happy path: handle_open makes the handle → librdkafka's threads put events into its queue and
 * write to the eventfd → the loop drains the queue, event by event, on its own thread →
 * handle_close: the queue is let go, the handle is destroyed on a thread of its own, on_gone.
 * Failures: a destruction that hangs is given up after some seconds; what is left of it belongs to
 * its thread.
 *
 * A chore is one blocking call into librdkafka on a thread of its own; its result comes back to the
 * loop. Chores are rare (an assignment, the end), so a thread each is cheaper than one that waits.
 */
#ifndef KAFKA_HANDLE_H
#define KAFKA_HANDLE_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "net/net.h"
#include "plugins/kafka/client.h"

struct handle;

/* Embedded in what it is about; allocated, since it may outlive its handle. */
struct chore {
    struct link link;
    struct handle *handle;
    void (*run)(struct chore *chore);  /* on its thread */
    void (*over)(struct chore *chore); /* on the loop; frees it */
};

struct handle {
    struct worker *worker;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    struct watched watched;
    int descriptor;
    void (*on_event)(struct handle *handle, rd_kafka_event_t *event);
    void (*on_gone)(struct handle *handle);
    struct mailslot
        *slot;       /* where chores leave their results; outlives the handle when one hangs */
    unsigned chores; /* that are not over */
    bool closing, destroyed;
    struct destruction *destruction;
    struct timer watchdog;
    struct task gone;
};

/* Takes the configuration over. `consumer`: its queue is that of a group's member. -1 with a text
 * in `why`. */
int handle_open(struct handle *handle, struct worker *worker, rd_kafka_conf_t *conf, bool consumer,
                char *why, size_t room) __attribute__((warn_unused_result));
/* No event comes from now on; on_gone follows when chores are over and the handle is destroyed. */
void handle_close(struct handle *handle);
/* Serves what is in the queue now, as if the descriptor had become readable. */
void handle_wake(struct handle *handle);

/* Runs a chore; false: there can be no further thread now, and nothing has happened. */
bool chore_start(struct handle *handle, struct chore *chore) __attribute__((warn_unused_result));

/* A configuration of ours with the user's properties over it; NULL with a text in `why`. Without
 * `bootstrap` its handle connects to nobody. */
rd_kafka_conf_t *conf_make(const struct client_settings *settings,
                           const struct membership *membership, int events, char *why, size_t room);
/* The functions `check` and `try` of struct kafka_library. */
const char *conf_check(const char *name, const char *value, char *why, size_t room);
const char *conf_try(const struct client_settings *settings, char *why, size_t room);

#endif

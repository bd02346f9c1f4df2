/* What one worker has of one RabbitMQ broker: two connections, what is published and what is
 * consumed over them.
 *
 *   publishing ── publishers: to queues, to exchanges, letters, delays ── pulse
 *   consuming ─── replies ── consumers (consumer.h)
 *
 * Two, so that replies and messages are still read while the broker blocks who publishes.
 *
 * Happy path: lane_attach dials both → channels open → UP → … → lane_detach: what is unconfirmed
 * is waited for, a second at most, both say good-bye, done. Failures: each connection comes back
 * by itself; when the publishing one is lost after it was up, the consuming one is cut too,
 * since whatever killed it may have gone unnoticed there.
 */
#ifndef AMQP_LANE_H
#define AMQP_LANE_H

#include "plugins/amqp/publisher.h"
#include "plugins/amqp/pulse.h"
#include "plugins/amqp/replies.h"

/* A channel each, so that what the broker closes one for is no harm to the others. */
enum { TO_QUEUES, TO_EXCHANGES, LETTERS, DELAYS, PUBLISHERS };

struct lane {
    struct worker *worker;
    const struct broker_settings *settings;
    char reply_queue[128], pulse_key[64];
    struct connection publishing, consuming;
    struct publisher publishers[PUBLISHERS];
    struct pulse pulse;
    struct replies replies;
    struct list held;      /* of struct carried (carry.h): they wait for the reply queue */
    struct list consumers; /* of struct consumer */
    bool was_up;           /* the publishing connection, since it was last lost */
    bool settled;          /* everything that calls need was opened since the connection came up */
    bool consuming_failed; /* since then: it is not waited for */
    char blocked_why[128];
    struct done *leaving; /* detach was called */
    uint64_t leaving_until_ms;
    struct timer patience;
    struct task finish;
    unsigned stopped; /* connections */
};

/* The functions of the same names in struct transport. */
int lane_attach(void *instance, struct worker *worker, void **lane);
void lane_detach(void *lane, struct done *done);

/* 0, or the negative REASON_… for which nothing can be published now. */
int lane_refusal(const struct lane *lane) __attribute__((warn_unused_result));
/* Tells Shunt how the broker is, when that has changed. */
void lane_report(struct lane *lane);

void lane_count(const struct lane *lane, const char *event, uint64_t by);
void lane_log(const struct lane *lane, enum level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

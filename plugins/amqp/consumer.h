/* One subscription on its own channel: finds its queues, consumes, hands messages up, settles
 * them.
 *
 *    AWAY ─▶ OPENING ─▶ FINDING (queue, then dead letters) ─▶ LIMITING ─▶ STARTING ─▶ CONSUMING
 *      ▲                                          │                           │ another credit
 *      └── the broker's close, a lost connection  └─▶ RESTING ◀── STOPPING ◀──┘
 *                                                     credit 0
 *
 * Happy path: declare passively, and only what is missing for real; qos is the credit; consume;
 * each message becomes an arrival until it is settled on the channel that it came from.
 * Failures: the channel is lost → on_lost, and all again with a wait where the broker had
 * refused something; the queue is deleted → declared again; what cannot be read as a message is
 * an arrival marked malformed, for the dead letters.
 */
#ifndef AMQP_CONSUMER_H
#define AMQP_CONSUMER_H

#include "plugins/amqp/lane.h"

enum consumer_step {
    CONSUMER_AWAY,
    CONSUMER_OPENING,
    CONSUMER_FINDING,
    CONSUMER_FINDING_DEAD,
    CONSUMER_LIMITING,
    CONSUMER_STARTING,
    CONSUMER_CONSUMING,
    CONSUMER_STOPPING,
    CONSUMER_RESTING,
};

#define DELAYS_KNOWN 32

/* A delay queue that we declared, and when. */
struct delay {
    uint64_t ms, declared_ms;
    unsigned generation; /* of the channel that it was declared on */
};

struct consumer {
    struct link link; /* in lane->consumers */
    struct lane *lane;
    struct intake *intake;
    struct slice queue, dead;    /* names */
    const char *const *reply_to; /* allowed patterns; ends with NULL */
    size_t max_body;
    bool declares, quorum;
    struct channel channel;
    enum consumer_step step;
    bool missing, missing_dead; /* the queues were not there when we looked */
    bool ready;                 /* on_ready was told, on_lost not since */
    bool complained;            /* of what it fails for; once, until it works again */
    unsigned credit, limit;     /* wanted, and in force */
    size_t unsettled;           /* arrivals that are up there */
    uint64_t restored_ms;       /* when the queue for dead letters was last declared again */
    struct timer again;
    struct delay delays[DELAYS_KNOWN];
    /* of struct parcel: acknowledged, in the order of the broker's answers to our flow */
    struct list retiring;
    /* of struct parcel: could not be acknowledged any more, and who asked is told */
    struct list stale;
    struct task tell_stale;
    struct done *leaving; /* unsubscribed: told when nothing is left */
    struct task finish;
};

static inline struct consumer *consumer_of(struct link *link)
{
    return thing_of(link, struct consumer, link);
}

/* The consuming connection is up. */
void consumer_start(struct consumer *consumer);
/* A dead letter came back: somebody deleted their queue. Declared where delay queues are, so
 * that a broker which refuses that closes no channel with messages or replies on it; a letter
 * that is posted a moment later finds it. */
void consumer_restore_dead(struct consumer *consumer);

/* The functions of the same names in struct source. */
int consumer_subscribe(void *lane, const struct values *values, struct intake *intake,
                       void **subscription);
void consumer_credit(void *subscription, unsigned credit);
void consumer_settle(void *subscription, struct arrival *arrival, enum settlement settlement);
void consumer_retire(void *subscription, struct arrival *arrival, struct done *done);
void consumer_unsubscribe(void *subscription, struct done *done);
bool consumer_may_reply(void *subscription, struct slice reply_to);

#endif

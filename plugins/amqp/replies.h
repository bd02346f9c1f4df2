/* Replies: a queue of our own per worker, and which call each reply answers.
 *
 * Happy path: the queue is declared under a name that nobody can guess, and consumed; a call
 * that waits joins the table under its token before its request is published; its reply takes it
 * out and is told. After a lost connection the same queue is declared and consumed again, so
 * replies survive that. Failures: a reply that nobody waits for (late, stale, repeated, forged)
 * is counted and dropped; one that is too large is never held. The table is bounded.
 */
#ifndef AMQP_REPLIES_H
#define AMQP_REPLIES_H

#include "plugins/amqp/channel.h"
#include "plugins/amqp/token.h"

/* Calls of one worker that wait at a time. */
#define WAITERS_MAX 65536

struct lane;

enum reply { REPLY_WHOLE, REPLY_TOO_LARGE, REPLY_MALFORMED };

/* A call that waits, embedded in it. */
struct waiter {
    struct waiter *next; /* in its bucket */
    bool joined;
    uint8_t token[TOKEN_BYTES];
    uint64_t max_reply;
    /* Once, after it left the table. `message` for REPLY_WHOLE, during the call only; `why` for
     * REPLY_MALFORMED. */
    void (*on_reply)(struct waiter *waiter, enum reply reply, const struct message *message,
                     const char *why);
};

enum replies_state {
    REPLIES_OFF,     /* not asked for, or no connection */
    REPLIES_OPENING, /* being declared */
    REPLIES_READY,
    REPLIES_REFUSED /* the broker does not let us; tried again */
};

struct replies {
    struct lane *lane;
    struct connection *connection;
    struct slice queue; /* its name; lives as long as the lane */
    enum replies_state state;
    struct channel channel;
    bool complained; /* of a refusal; once, until it works again */
    struct timer again;
    struct task ack;   /* one for all replies of a turn */
    uint64_t last_tag; /* to be acknowledged; 0: none */
    struct waiter **buckets;
    size_t room, count;                         /* a power of two, or 0; waiters */
    void (*on_change)(struct replies *replies); /* ready, refused, off */
};

void replies_init(struct replies *replies, struct lane *lane, struct connection *connection,
                  struct slice queue);
void replies_free(struct replies *replies);
/* The connection is up, and somebody waits for replies. Again: nothing. */
void replies_start(struct replies *replies);
/* Deletes the queue, since nobody will come back to it. The connection is to be left. */
void replies_abandon(struct replies *replies);

/* 0, or -1 when too many wait. */
int replies_join(struct replies *replies, struct waiter *waiter)
    __attribute__((warn_unused_result));
/* Not joined: does nothing. */
void replies_leave(struct replies *replies, struct waiter *waiter);
struct waiter *replies_find(const struct replies *replies, const uint8_t token[TOKEN_BYTES]);

#endif

/* The passage of one delivery, from its arrival to its settlement.
 *
 *                      a place is free            answer, error:
 *   NEW ──▶ PARKED ───────────────────▶ CALLING ─────────────────▶ POSTING ◀──┐ again
 *    │        ▲                          │  ▲      a letter is due    │ failed │
 *    │        │ no place        try again│  │ timer                   └──▶ REPOSTING
 *    │        └──────────────── WAITING ◀┘──┘
 *    │
 *    └─ refused: RETIRING (lost: OVER) ▶ POSTING; dropped or given back: OVER (from anywhere: settled exactly once)
 *
 * Requests (somebody waits for a reply) are never tried twice: each ends in a reply. Events are
 * tried until the policy says otherwise. What is lost with its connection comes again: an event
 * is then left alone as soon as it rests, a request in the middle of its call still gets its
 * reply.
 *
 * passage.c has the machine, its beginning and its end; calling.c the call to the service and
 * what its result means; posting.c replies and dead letters on their way to the broker. Only
 * these and delivery.c include this.
 */
#ifndef DELIVERY_PASSAGE_H
#define DELIVERY_PASSAGE_H

#include <assert.h>

#include "delivery/subscription.h"

enum { ASIDE_MS = 10000 }; /* for how long an event makes way whose service is down */

enum stage {
    STAGE_NEW,
    STAGE_PARKED,    /* waits for a place among the calls that may be made at once */
    STAGE_CALLING,   /* the service works on it */
    STAGE_WAITING,   /* for its next attempt */
    STAGE_RETIRING,  /* the broker drops it, before a refusal says that nobody ran it */
    STAGE_POSTING,   /* a letter waits for its confirm */
    STAGE_REPOSTING, /* a letter waits to be posted again */
    STAGE_OVER,      /* settled */
    STAGES
};

struct delivery {
    struct link link;   /* in subscription->deliveries */
    struct link parked; /* in subscription->parked, at STAGE_PARKED */
    struct subscription *subscription;
    struct arrival *arrival; /* NULL once it is settled */
    enum stage stage;
    bool lost; /* its connection is gone: settling only frees */
    struct arena arena;
    struct head request; /* as every attempt makes it, but for what tells attempts apart */
    struct fields trailers;
    struct slice message_id;
    unsigned hops;
    uint64_t arrived_ms;    /* monotonic */
    uint64_t first_seen_ms; /* wall clock */
    unsigned attempts;      /* made, and not in vain: each may have reached the service */
    unsigned waits;         /* how often it waited; the back-off grows with it */
    struct timer timer;     /* of WAITING and REPOSTING */

    bool suspect; /* its last call was cut off: it may be what kills the service */

    struct call *call; /* the one under way, or NULL */
    unsigned calls;    /* not gone yet */
    size_t sent;       /* of the body */
    struct bytes answer;
    bool answer_dropped; /* too long to be looked into */

    enum reason reason; /* why it is refused or dead */
    struct slice detail;
    int status; /* of the last answer; 0: none */

    struct message message; /* what is posted */
    struct letter letter;
    struct done retired, posted;
    unsigned posts;      /* that failed */
    bool bare, hollow;   /* the letter has shrunk to what fits; without its body, too */
    uint64_t give_up_ms; /* monotonic: not posted again after that */
};

static inline bool delivery_is_request(const struct delivery *delivery)
{
    assert(delivery->arrival != NULL);
    return delivery->arrival->wants_reply;
}

/* It comes again elsewhere unless it is over soon: nothing is tried twice. */
static inline bool delivery_is_leaving(const struct delivery *delivery)
{
    assert(delivery->arrival != NULL);
    return delivery->lost || delivery->subscription->stopping || delivery->arrival->overdue;
}

/* Moves the machine; an illegal move is a bug and aborts. Keeps the counts of the subscription. */
void delivery_move(struct delivery *delivery, enum stage next);
/* Settles. The delivery must not be touched after this; the same holds for all that follow. */
void delivery_finish(struct delivery *delivery, enum settlement settlement);
/* Settles as not handled, and remembers what is known of it. */
void delivery_give_back(struct delivery *delivery);
bool delivery_is_expired(const struct delivery *delivery);
/* Nobody waits for it any more: counted, not called. */
void delivery_drop_expired(struct delivery *delivery);
/* After the last call of a delivery that is over: its memory goes. */
void delivery_check_gone(struct delivery *delivery);
/* It comes again on another connection: what shall then be known of it. */
void delivery_remember(struct delivery *delivery, unsigned attempts);

/* Takes an arrival over, which it settles once, now or later. */
void passage_begin(struct subscription *subscription, struct arrival *arrival);
/* The connection of everything that is under way is gone. */
void passage_lost(struct subscription *subscription);
/* Sets aside what only rests, as far as a pause or a stop asks for it. A letter that waits to be
 * posted again is posted now: what it says would be forgotten with us. */
void passage_return(struct subscription *subscription);

/* --- calling.c */

/* Calls the service, now. */
void delivery_call(struct delivery *delivery);
/* The same as soon as there is a place. */
void delivery_call_when_free(struct delivery *delivery);

/* --- posting.c */

/* Once, before anything is posted. */
void delivery_init_posting(struct delivery *delivery);
/* Any answer of the service is the reply (promise 12). */
void delivery_reply(struct delivery *delivery, const struct head *answer,
                    const struct fields *trailers);
/* Our own answer in its place (promise 12). */
void delivery_reply_error(struct delivery *delivery, enum reason reason, enum outcome outcome);
/* Promise 16: a dead letter, confirmed, before the original is settled. */
void delivery_kill(struct delivery *delivery, enum reason reason);
/* Back to the broker, which brings it again after `wait_ms`. */
void delivery_put_off(struct delivery *delivery, uint64_t wait_ms);
/* Makes way, since its service is down or its subscription stops: given back; or put off by
 * `wait_ms`, where requests come behind it, or where a stop would forget attempts that its message
 * does not tell of (promise 15). */
void delivery_set_aside(struct delivery *delivery, uint64_t wait_ms);
/* STAGE_REPOSTING is over, in time or early: the letter is posted again. */
void delivery_post_again(struct delivery *delivery);
/* Whether what is being posted is a reply. */
bool delivery_is_replying(const struct delivery *delivery);

#endif

/* One subscription as a member of its consumer group: takes records of its partitions, hands them
 * up one per key at a time, and commits how far each partition has been handled.
 *
 *   OUT ──assigned──▶ IN: records → strands (one per key) → arrivals ≤ credit → settled
 *    ▲                 │    → low-water mark → commit
 *    │                 │ revoked, or unsubscribed
 *    └──released── catches up, waits (bounded) for what is up, commits, lets go
 *
 * Order per key holds always: while a record waits for its next attempt, those behind it wait, and
 * those of other keys go on; what is given back stays first in its strand. Nothing is put off
 * through a retry topic, since that would let later records of the key pass. Failures: a partition
 * with too many records between its first unhandled and its last read one, or with more bytes than
 * its part of what all may hold, pauses; the service being
 * down (credit 0) lets them fill up and pause; an offset that is gone stops its partition, and is
 * said in the log again and again; a revoke that comes too late discards what is held: it comes
 * again elsewhere.
 */
#ifndef KAFKA_MEMBER_H
#define KAFKA_MEMBER_H

#include "plugins/kafka/lane.h"
#include "plugins/kafka/span.h"
#include "plugins/kafka/strand.h"

/* A partition that was ours at some time. */
struct partition {
    struct link link;  /* in member->partitions */
    const char *topic; /* one of the membership's */
    int32_t number;
    bool ours, paused, stopped;
    struct span span;
    struct list held; /* of struct held: those not settled */
    size_t bytes;     /* of them */
    int64_t seen;     /* the highest offset that had come when it was ours before; -1: none had */
    int64_t reach; /* the highest offset that was handed up, plus one; what is below is overdue */
};

/* A topic that shall be there. */
struct wanted {
    struct topic_wish wish;
    const char *origin; /* whose dead letters go there; NULL: it is consumed itself */
    bool asked, there, complained;
    uint64_t again_ms; /* not before */
};

struct member {
    struct link link; /* in lane->members */
    struct lane *lane;
    struct intake *intake;
    struct member_client *client;
    struct membership membership;
    struct arena arena; /* names, and what is wanted */
    struct wanted *wanted;
    unsigned wanted_count;
    size_t max_span, max_bytes;       /* per partition; of all together */
    uint64_t handover_ms, timeout_ms; /* the latter: of a call */
    struct list partitions;
    unsigned count;           /* of those that are ours */
    struct partition *latest; /* the one that the last record came from */
    struct strands strands;
    unsigned credit, up; /* arrivals: allowed, and not settled */
    unsigned stale;      /* of those up: their partition is gone */
    bool ready;          /* on_ready was told, on_lost not since */
    bool dirty;          /* something was stored since the last commit */
    unsigned commits;    /* under way */
    unsigned refusals;   /* commits that failed since the last that did not */
    bool revoked;        /* the client waits to be released */
    bool late;           /* what is up, or the last commit, has been waited for long enough */
    bool tried;          /* the commit before letting go */
    bool closing;
    bool complained;
    uint64_t begin_until_ms; /* while letting go: until then what is overdue comes up */
    struct task dispatch;
    struct timer tick;     /* commits; repeats alarms */
    struct timer patience; /* of handing over, of the last commit */
    uint64_t alarm_ms;     /* when stopped partitions are named again */
    struct timer again;    /* after something was given back */
    struct done *leaving;
    struct task finish;
};

/* A record that is held; arrival.own is it. */
struct held {
    struct arrival arrival;
    struct arena arena;
    struct record record;
    struct link link; /* in partition->held */
    struct bead bead;
    struct partition *partition; /* NULL: stale */
    struct mark *mark;
    size_t bytes;
    bool up;
};

static inline struct member *member_of(struct link *link)
{
    return thing_of(link, struct member, link);
}

/* --- for subscribing.c ------------------------------------------------------------------------ */

extern const struct member_events member_events;
/* Zeroed memory becomes a member that is not in its group. */
void member_init(struct member *member);

/* --- for lane.c ------------------------------------------------------------------------------- */

void member_producer_up(struct member *member);
void member_declared(struct member *member, const char *topic, const char *why);

/* The functions of the same names in struct source. */
int member_subscribe(void *lane, const struct values *values, struct intake *intake,
                     void **subscription);
void member_credit(void *subscription, unsigned credit);
void member_settle(void *subscription, struct arrival *arrival, enum settlement settlement);
void member_unsubscribe(void *subscription, struct done *done);
bool member_may_reply(void *subscription, struct slice reply_to);

/* A topic of dead letters is not there, or no more: it is declared again. */
void member_topic_gone(struct member *member, const char *topic);
/* Where dead letters of a topic go. */
const char *member_dead_topic(const struct member *member, const char *topic);

#endif

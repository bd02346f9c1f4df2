/* Producing for one worker: every record that is handed to the client is reported once, and an
 * outage is known early.
 *
 * Happy path: producer_start opens a client and asks a broker for an answer → there → producer_ship
 * hands records over → each shipment gets its report → producer_stop: what is left is reported,
 * on_stopped. Failures, by promise 2: what has been handed over cannot be taken back one by one, so
 * an outage must be known before it: a probe every 0.8 s that is not answered within a second, or a
 * topic whose oldest record waits that long for its report, refuse further records, and whatever
 * still waits to be sent is purged: each record's own report says whether it may have left us. A
 * client that says it is of no more use is replaced; what it had is reported.
 */
#ifndef KAFKA_PRODUCER_H
#define KAFKA_PRODUCER_H

#include "plugins/kafka/settings.h"

#define PROBE_EVERY_MS 800
#define PROBE_LATE_MS  1000
/* A topic whose oldest record has waited that long gets no further ones. */
#define STUCK_MS 1000

struct lane;

/* A topic, and what is on its way there. */
struct destination {
    struct link link; /* in producer->destinations */
    char name[TOPIC_NAME_MAX + 1];
    struct list shipments; /* of struct shipment, the oldest first */
    size_t limit;          /* what the topic takes of one record; 0: not known */
    bool missing;          /* a broker said that there is no such topic */
};

/* One record on its way, embedded in whoever waits. */
struct shipment {
    /* Once, after it left the list. `why` is for a person; valid during the call. */
    void (*on_report)(struct shipment *shipment, enum report report, const char *why);
    struct link link; /* in destination->shipments */
    struct destination *destination;
    struct producer *producer;
    bool letter; /* may be larger than an event: what became one had to fit already */
    size_t bytes;
    uint64_t sent_ms; /* monotonic */
};

struct producer {
    struct lane *lane;
    struct running *running; /* the client; NULL: none */
    unsigned clients;        /* that exist, those that are closing too */
    struct list destinations;
    size_t count, bytes; /* shipments under way */
    size_t max_count, max_bytes;
    const struct known_topic *warmed; /* topics from here on have been warmed */
    struct timer beat;                /* the next probe, or the moment at which this one is late */
    struct timer tick;                /* looks at ages, while anything is under way */
    bool probing, there, late;
    uint64_t stored_ms; /* when a record was last reported as stored */
    bool stopping;
    char trouble[192]; /* what went wrong last; empty: nothing since a broker answered */
    void (*on_change)(struct producer *producer); /* there or not */
    void (*on_declared)(struct producer *producer, const char *topic, const char *why, bool made);
    void (*on_stopped)(struct producer *producer);
};

void producer_init(struct producer *producer, struct lane *lane);
/* As long as no client can be made, `trouble` says why, and it is tried again. */
void producer_start(struct producer *producer);
/* Reports what is left; on_stopped follows, perhaps at once. */
void producer_stop(struct producer *producer);
/* It never started, or has stopped. */
void producer_free(struct producer *producer);

/* 0, or the negative REASON_… for which nothing can be produced now. */
int producer_refusal(const struct producer *producer) __attribute__((warn_unused_result));
/* 0, or the negative REASON_… for which a record of that size cannot go to that topic now. */
int producer_check(struct producer *producer, const char *topic, const struct record *record)
    __attribute__((warn_unused_result));
/* Hands one record over; `on_report` is set. 0, and its report follows; or a negative REASON_…:
 * nothing left us. */
int producer_ship(struct producer *producer, const struct record *record, struct shipment *shipment)
    __attribute__((warn_unused_result));
/* Asks for a topic; on_declared follows. false: there is no client. */
bool producer_declare(struct producer *producer, const struct topic_wish *wish);

#endif

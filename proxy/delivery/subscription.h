/* One subscription on one worker, as its own parts see it: delivery.c, which runs it, and those
 * that carry its deliveries (passage.h). The rest of Shunt sees delivery.h. */
#ifndef DELIVERY_SUBSCRIPTION_H
#define DELIVERY_SUBSCRIPTION_H

#include "delivery/delivery.h"
#include "delivery/memory.h"
#include "delivery/policy.h"
#include "delivery/probe.h"

struct delivery;

struct subscription {
    struct link link; /* in worker->subscriptions */
    struct worker *worker;
    struct snapshot *snapshot; /* held */
    const struct subscription_settings *settings;
    const struct source *source;
    void *own; /* the source's; NULL when this worker has no share in the concurrency */
    struct arena arena;
    struct policy policy;
    struct intake intake;
    struct memory memory;
    struct probe probe;
    struct list deliveries; /* of struct delivery: all, until the last call of each is gone */
    struct list parked;     /* those that wait for a place among `share` */
    unsigned share;         /* calls that this worker may make at once */
    unsigned calling, waiting;
    /* the one under way that may have killed the service, or NULL */
    const struct delivery *suspect;
    bool consuming;
    bool paused;   /* the service is down */
    bool asked;    /* requests come this way, too: a pause does not end consuming */
    bool stopping; /* subscription_stop was called */
    bool left;     /* the source has said that nothing is unsettled */
    struct done unsubscribed;
    struct task ending;
};

/* The service takes no connections: consumes no more, gives back what waits, and asks it until
 * it does. */
void subscription_pause(struct subscription *subscription, const char *why);
/* A request has come. */
void subscription_is_asked(struct subscription *subscription);
/* A delivery is gone: looks whether that was the last thing to wait for. */
void subscription_check_end(struct subscription *subscription);

#endif

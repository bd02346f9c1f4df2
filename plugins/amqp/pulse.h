/* Whether the broker still takes messages: one small one of our own, again and again, on a
 * channel of its own.
 *
 * A connection that publishes nothing is not told of an alarm, and a broker that stands still
 * says nothing at all; the probe makes both known within two seconds. It goes to a queue that
 * nobody has, without `mandatory`, so the broker drops it and confirms. Failure: a confirm that
 * takes longer than PULSE_LATE_MS makes it `late`, until it comes. When this process itself
 * stood still, the broker's silence is excused for a moment: what it said is yet to be read.
 */
#ifndef AMQP_PULSE_H
#define AMQP_PULSE_H

#include "plugins/amqp/channel.h"

#define PULSE_EVERY_MS 800
#define PULSE_LATE_MS  1000

struct lane;

struct pulse {
    struct lane *lane;
    struct connection *connection;
    struct slice routing_key; /* lives as long as the lane */
    struct channel channel;
    struct timer timer; /* the next probe, or the moment at which this one is late */
    bool ready, under_way, late;
    uint64_t excused_until_ms;
    void (*on_change)(struct pulse *pulse);
};

void pulse_init(struct pulse *pulse, struct lane *lane, struct connection *connection,
                struct slice routing_key);
/* The connection is up. */
void pulse_start(struct pulse *pulse);
/* The connection is gone, or to be left. */
void pulse_stop(struct pulse *pulse);
/* Whether the broker's silence says nothing just now. */
bool pulse_excuses(const struct pulse *pulse);

#endif

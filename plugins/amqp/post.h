/* Letters of the receiving half: replies, dead letters, messages put off. Each is confirmed, or
 * said not to be. */
#ifndef AMQP_POST_H
#define AMQP_POST_H

#include "plugins/amqp/consumer.h"

/* The function `publish` of struct source. */
int post_publish(void *subscription, const struct letter *letter, struct done *done);

/* How long a message that is to wait `ms` waits: a step of a row with six steps per power of
 * ten, so that there are few delay queues; never shorter. */
uint64_t post_delay_step(uint64_t ms);

#endif

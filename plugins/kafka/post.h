/* Letters of the receiving half: dead letters, each reported as stored or not. */
#ifndef KAFKA_POST_H
#define KAFKA_POST_H

#include "plugin.h"

/* The function `publish` of struct source. */
int post_letter(void *subscription, const struct letter *letter, struct done *done);

#endif

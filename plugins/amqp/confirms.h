/* What was published on one channel and not confirmed yet (RabbitMQ's publisher confirms).
 *
 * The broker numbers what we publish from 1; each message has a ticket until its verdict:
 * confirmed, returned (no queue took it: said before its confirm, and by content, not by
 * number), refused, or lost with the channel. Confirms may come in any order and for several at
 * once. The window is bounded by messages and by bytes. No I/O in here.
 */
#ifndef AMQP_CONFIRMS_H
#define AMQP_CONFIRMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum verdict {
    VERDICT_CONFIRMED, /* the broker has it, as safe as its queue is */
    VERDICT_RETURNED,  /* no queue took it */
    VERDICT_REFUSED, /* the broker says that it did not store it: proof only where one queue was addressed */
    VERDICT_UNSTORED, /* the broker closed the channel before it came to this one */
    VERDICT_LOST,     /* the channel ended first: nobody knows */
    VERDICTS
};

#define TOKEN_BYTES 16

/* One message on its way, embedded in whoever waits. Called back exactly once, after it left the
 * window. */
struct ticket {
    /* `why` is for a person, with VERDICT_UNSTORED and VERDICT_LOST; valid during the call. */
    void (*on_verdict)(struct ticket *ticket, enum verdict verdict, const char *why);
    uint8_t token[TOKEN_BYTES]; /* what tells this message from others when it is returned */
    uint32_t destination;       /* a hash of exchange and key */
    size_t bytes;
    uint64_t tag;     /* the window's: the broker's number for it */
    uint64_t sent_ms; /* monotonic */
};

/* A ticket's seat in the row, by its number; the ticket is NULL where the verdict has been
 * given. */
struct seat {
    uint64_t tag;
    struct ticket *ticket;
};

struct confirms {
    struct seat *row; /* in the order of their numbers, from `begin` (an open one) up to `end` */
    size_t room, begin, end;
    uint64_t next;       /* the number that will be given next */
    size_t count, bytes; /* open tickets and their bytes */
    size_t max_count, max_bytes;
};

void confirms_init(struct confirms *confirms, size_t max_count, size_t max_bytes);
void confirms_free(struct confirms *confirms);

/* Whether one more message of that size fits the window. */
bool confirms_fits(const struct confirms *confirms, size_t bytes);
/* Takes a ticket for a message that is being published now. It fits. */
void confirms_add(struct confirms *confirms, struct ticket *ticket, uint64_t now_ms);
/* A confirm or nack for `tag`, or with `multiple` for all up to it (0: all there are). How many
 * tickets it closed, or -1 for a tag that was never given. Verdicts are given meanwhile; they
 * may add tickets. */
int confirms_settle(struct confirms *confirms, uint64_t tag, bool multiple, enum verdict verdict);
/* A message came back: the oldest open ticket with that token. Its confirm, which follows, is
 * ignored. */
bool confirms_return(struct confirms *confirms, const uint8_t token[TOKEN_BYTES]);
/* The broker would not take some message and closed the channel for it. It works in order, and
 * what it had taken by then may wait for its confirm; so which one it was is not known, but the
 * newest is that one or came behind it. */
void confirms_refuse_newest(struct confirms *confirms, const char *why);
/* The channel is gone: every open ticket is lost, the count begins at 1 again. */
void confirms_lose(struct confirms *confirms, const char *why);

/* Whether anything for that destination was sent before `before_ms` and is still open. */
bool confirms_stuck(const struct confirms *confirms, uint32_t destination, uint64_t before_ms);

#endif

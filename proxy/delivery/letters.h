/* What the receiving half writes: replies, dead letters, and messages that it sends to itself for
 * later.
 *
 * Pure functions: each fills a message for struct letter. Its slices point into the arrival, the
 * arena and what was given, so it is to be published before any of these goes. 0, or a negative
 * REASON_… when it cannot be written.
 */
#ifndef DELIVERY_LETTERS_H
#define DELIVERY_LETTERS_H

#include "core/call.h"
#include "plugin.h"

/* What is known of a message beside itself. */
struct postmark {
    struct slice message_id;
    enum reason reason;     /* why it is dead */
    struct slice detail;    /* what exactly; may be empty */
    int status;             /* of the service's last answer; 0: none */
    unsigned attempts;      /* made so far */
    uint64_t first_seen_ms; /* wall clock */
    uint64_t now_ms;        /* the same */
};

/* The answer of the service, or one of our own, to whoever asked. Headers are copied into the
 * arena. */
int letter_reply(const struct arrival *arrival, const struct postmark *mark,
                 const struct head *answer, const struct fields *trailers, struct slice body,
                 struct arena *arena, struct message *message) __attribute__((warn_unused_result));

/* How much of its message a dead letter has. What is too large to be published again does without
 * the headers that it came with, then without its body: it says how large that is, and names the
 * place where a broker that keeps what was consumed still has it. */
enum letter_extent { LETTER_WHOLE, LETTER_BARE, LETTER_HOLLOW };

/* The message as it came, without secrets (promise 10), with what became of it (promise 16). */
int letter_dead(const struct arrival *arrival, const struct postmark *mark,
                enum letter_extent extent, struct arena *arena, struct message *message)
    __attribute__((warn_unused_result));

/* The message as it came, with the attempts that were made (promise 15). */
int letter_delayed(const struct arrival *arrival, const struct postmark *mark, struct arena *arena,
                   struct message *message) __attribute__((warn_unused_result));

#endif

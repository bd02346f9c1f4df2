/* A message as AMQP's basic properties and header table, and back (design: "What a call looks
 * like on a broker").
 *
 * Out: repeated names become one array under their name; what does not fit AMQP's limits is
 * refused here, since a broker closes the connection of everybody for it; what would send a
 * message elsewhere, too, is left out. In: texts, numbers and booleans become text, arrays of
 * those a repeated header; anything else makes the message malformed, never the connection.
 */
#ifndef AMQP_PROPERTIES_H
#define AMQP_PROPERTIES_H

#include "core/message.h"
#include "plugins/amqp/frame.h"

/* AMQP's short strings: names of headers, exchanges, queues, keys, and most properties
 * (§4.2.5.3). */
#define SHORT_MAX 255

/* An upper bound of what the properties of `message` take once encoded, with `more` bytes of
 * headers beside them. */
size_t properties_size(const struct message *message, size_t more);
/* What is too long for AMQP in `message`, or NULL. */
const char *properties_flaw(const struct message *message);

/* Appends a content header for `message`; `extra` is one more header, or NULL. 0; -1 when memory
 * is out or it needs more than `frame_max`. */
int properties_put(struct bytes *out, uint16_t channel, const struct message *message,
                   const struct field *extra, uint32_t frame_max)
    __attribute__((warn_unused_result));

/* Fills `message` from raw properties; slices point into `raw` or the arena; the body is not
 * touched. 0, or -1 with `*why`: malformed, and what could be read is there. */
int properties_read(struct slice raw, amqp_pool_t *pool, struct arena *arena,
                    struct message *message, const char **why) __attribute__((warn_unused_result));

#endif

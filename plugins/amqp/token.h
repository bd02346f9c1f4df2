/* What tells one published message from all others: 128 random bits, written as 32 hex digits.
 *
 * It travels as the correlation ID, so that nobody can guess which call a reply would answer; a
 * letter, whose correlation ID belongs to somebody else, has it in a header of its own, or is
 * known by where it goes.
 */
#ifndef AMQP_TOKEN_H
#define AMQP_TOKEN_H

#include "core/message.h"
#include "core/worker.h"
#include "plugins/amqp/confirms.h"

#define TOKEN_DIGITS 32

/* The header that carries a letter's token. */
extern const struct slice token_header;

void token_draw(struct worker *worker, uint8_t token[TOKEN_BYTES]);
/* Writes the digits, without a NUL. */
void token_write(const uint8_t token[TOKEN_BYTES], uint8_t digits[TOKEN_DIGITS]);
/* 0, or -1 when `text` is not exactly what token_write writes. */
int token_read(struct slice text, uint8_t token[TOKEN_BYTES]) __attribute__((warn_unused_result));
/* The token of a reply: a hash of where it goes and what it answers. */
void token_of_reply(struct slice routing_key, struct slice correlation_id,
                    uint8_t token[TOKEN_BYTES]);
/* The token that a returned message was published with. */
void token_of_returned(const struct message *message, struct slice routing_key,
                       uint8_t token[TOKEN_BYTES]);

#endif

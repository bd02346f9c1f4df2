/* Tokens, as token.h says. A message without a readable one gets one that nothing was published
 * with. */
#include "plugins/amqp/token.h"

#include "base/hex.h"

const struct slice token_header = SLICE("shunt-letter");

void token_draw(struct worker *worker, uint8_t token[TOKEN_BYTES])
{
    worker_random(worker, token, TOKEN_BYTES);
}

void token_write(const uint8_t token[TOKEN_BYTES], uint8_t digits[TOKEN_DIGITS])
{
    hex_write(digits, token, TOKEN_BYTES);
}

static int digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

int token_read(struct slice text, uint8_t token[TOKEN_BYTES])
{
    _Static_assert(TOKEN_DIGITS == 2 * TOKEN_BYTES, "two digits a byte");
    if (text.len != TOKEN_DIGITS)
        return -1;
    for (size_t i = 0; i < TOKEN_BYTES; i++) {
        int high = digit(text.at[2 * i]), low = digit(text.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return -1;
        token[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

void token_of_reply(struct slice routing_key, struct slice correlation_id,
                    uint8_t token[TOKEN_BYTES])
{
    uint64_t halves[] = { slice_hash(routing_key), slice_hash(correlation_id) };
    _Static_assert(sizeof halves == TOKEN_BYTES, "a token is two hashes long");
    memcpy(token, halves, TOKEN_BYTES);
}

void token_of_returned(const struct message *message, struct slice routing_key,
                       uint8_t token[TOKEN_BYTES])
{
    const struct field *letter = fields_find_name(&message->headers, token_header);
    if (letter != NULL && token_read(letter->value, token) == 0)
        return;
    token_of_reply(routing_key, message->correlation_id, token);
}

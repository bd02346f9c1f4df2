/* Happy path: a random key goes up, its SHA-1 with RFC 6455's constant comes back, and the client of
 * HTTP/2, which has neither, is told 200. The digest proves no more than that the server speaks
 * the protocol; nothing is secret here. Failure: the arena's cap.
 */
#include "http/websocket.h"

#include <assert.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum { KEY_TEXT = 24, DIGEST = 20, BLOCK = 64 };

static uint32_t rotate(uint32_t word, unsigned by)
{
    return word << by | word >> (32 - by);
}

/* One block of SHA-1 (FIPS 180-4 §6.1.2). */
static void add_block(uint32_t state[5], const uint8_t block[BLOCK])
{
    static const uint32_t constants[4] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
    uint32_t words[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (unsigned i = 0; i < 16; i++)
        words[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
                   (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (unsigned i = 16; i < 80; i++)
        words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    for (unsigned i = 0; i < 80; i++) {
        uint32_t mixed = i < 20              ? (b & c) | (~b & d)
                         : i >= 40 && i < 60 ? (b & c) | (b & d) | (c & d)
                                             : b ^ c ^ d;
        uint32_t next = rotate(a, 5) + mixed + e + constants[i / 20] + words[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

/* Of the key and the constant, which take 60 bytes: with their padding, two blocks. */
static void digest_of(struct slice key, uint8_t digest[DIGEST])
{
    uint8_t blocks[2 * BLOCK] = { 0 };
    uint32_t state[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
    size_t len = key.len + sizeof GUID - 1;
    assert(key.len == KEY_TEXT && len > BLOCK - 9 && len < BLOCK);
    memcpy(blocks, key.at, key.len);
    memcpy(blocks + key.len, GUID, sizeof GUID - 1);
    blocks[len] = 0x80;
    blocks[2 * BLOCK - 2] = (uint8_t)(8 * len >> 8);
    blocks[2 * BLOCK - 1] = (uint8_t)(8 * len);
    add_block(state, blocks);
    add_block(state, blocks + BLOCK);
    for (unsigned i = 0; i < DIGEST; i++)
        digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

/* Base64 (RFC 4648 §4); `at` NULL at the arena's cap. */
static struct slice base64(const uint8_t *bytes, size_t len, struct arena *arena)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t used = 0;
    uint8_t *text = arena_try(arena, (len + 2) / 3 * 4);
    for (size_t i = 0; text != NULL && i < len; i += 3) {
        uint32_t group = 0;
        for (size_t j = 0; j < 3; j++)
            group = group << 8 | (i + j < len ? bytes[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            text[used++] = (uint8_t)(i + j > len ? '=' : digits[group >> (18 - 6 * j) & 63]);
    }
    return slice_of(text, used);
}

int websocket_key(struct head *request, const uint8_t random[16], struct arena *arena)
{
    assert(request->upgrade.len > 0 && request->accept.len == 0);
    fields_remove_name(&request->fields, SLICE("sec-websocket-key"));
    struct slice key = base64(random, 16, arena);
    if (key.at == NULL)
        return -1;
    uint8_t digest[DIGEST];
    digest_of(key, digest);
    request->accept = base64(digest, DIGEST, arena);
    return request->accept.at == NULL
               ? -1
               : fields_add(&request->fields, arena, SLICE("Sec-WebSocket-Key"), key);
}

bool websocket_accepted(const struct head *request, const struct head *answer)
{
    if (request->accept.len == 0)
        return true;
    const struct field *field = fields_find_name(&answer->fields, SLICE("Sec-WebSocket-Accept"));
    return field != NULL && slice_equal(field->value, request->accept);
}

void websocket_answer(struct head *answer)
{
    assert(answer->status == 101 && answer->framing == FRAMING_TUNNEL);
    answer->status = 200;
    fields_remove_name(&answer->fields, SLICE("sec-websocket-accept"));
}

/* Happy path: a random key goes up, its SHA-1 with RFC 6455's constant comes back, and the client of
 * HTTP/2, which has neither, is told 200. The digest proves no more than that the server speaks
 * the protocol; nothing is secret here. Failure: the arena's cap.
 */
#include "http/websocket.h"

#include <assert.h>
#include <nettle/base64.h>
#include <nettle/sha1.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/* RFC 4648 §4; `at` NULL at the arena's cap. */
static struct slice base64(const uint8_t *bytes, size_t len, struct arena *arena)
{
    size_t room = BASE64_ENCODE_RAW_LENGTH(len);
    char *text = arena_try(arena, room);
    if (text != NULL)
        base64_encode_raw(text, len, bytes);
    return slice_of(text, text != NULL ? room : 0);
}

static void digest_of(struct slice key, uint8_t digest[SHA1_DIGEST_SIZE])
{
    struct sha1_ctx sha1;
    sha1_init(&sha1);
    sha1_update(&sha1, key.len, key.at);
    sha1_update(&sha1, sizeof GUID - 1, (const uint8_t *)GUID);
    sha1_digest(&sha1, SHA1_DIGEST_SIZE, digest);
}

int websocket_key(struct head *request, const uint8_t random[16], struct arena *arena)
{
    assert(request->upgrade.len > 0 && request->accept.len == 0);
    fields_remove_name(&request->fields, SLICE("sec-websocket-key"));
    struct slice key = base64(random, 16, arena);
    if (key.at == NULL)
        return -1;
    uint8_t digest[SHA1_DIGEST_SIZE];
    digest_of(key, digest);
    request->accept = base64(digest, sizeof digest, arena);
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

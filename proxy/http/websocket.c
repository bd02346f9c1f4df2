/* Happy path: towards a server of HTTP/1.1 a random key goes up, and its SHA-1 with RFC 6455's
 * constant comes back; towards a client of HTTP/1.1 that is what we answer, once a server of HTTP/2
 * has said 2xx. The digest proves no more than that the server speaks the protocol; nothing is
 * secret here. Failure: the arena's cap.
 */
#include "http/websocket.h"

#include <assert.h>
#include <nettle/base64.h>
#include <nettle/sha1.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

#define KEY    SLICE("Sec-WebSocket-Key")
#define ACCEPT SLICE("Sec-WebSocket-Accept")

enum { KEY_BYTES = 16 };

/* RFC 4648 §4; `at` NULL at the arena's cap. */
static struct slice base64(const uint8_t *bytes, size_t len, struct arena *arena)
{
    size_t room = BASE64_ENCODE_RAW_LENGTH(len);
    char *text = arena_try(arena, room);
    if (text != NULL)
        base64_encode_raw(text, len, bytes);
    return slice_of(text, text != NULL ? room : 0);
}

/* What accepts that key. */
static struct slice accept_of(struct slice key, struct arena *arena)
{
    uint8_t digest[SHA1_DIGEST_SIZE];
    struct sha1_ctx sha1;
    sha1_init(&sha1);
    sha1_update(&sha1, key.len, key.at);
    sha1_update(&sha1, sizeof GUID - 1, (const uint8_t *)GUID);
    sha1_digest(&sha1, SHA1_DIGEST_SIZE, digest);
    return base64(digest, sizeof digest, arena);
}

/* The value of the only field of that name; `at` NULL: there is none, or there are several. */
static struct slice only(const struct fields *fields, struct slice name)
{
    struct slice value = { 0 };
    unsigned times = 0;
    for (uint32_t i = 0; i < fields->count; i++) {
        if (slice_equal_nocase(fields->at[i].name, name)) {
            value = fields->at[i].value;
            times++;
        }
    }
    return times == 1 ? value : (struct slice){ 0 };
}

static bool is_key(struct slice text)
{
    uint8_t bytes[BASE64_DECODE_LENGTH(BASE64_ENCODE_RAW_LENGTH(KEY_BYTES))];
    size_t len = sizeof bytes;
    struct base64_decode_ctx base64;
    base64_decode_init(&base64);
    return text.len == BASE64_ENCODE_RAW_LENGTH(KEY_BYTES) &&
           base64_decode_update(&base64, &len, bytes, text.len, (const char *)text.at) == 1 &&
           base64_decode_final(&base64) == 1 && len == KEY_BYTES;
}

bool websocket_wanted(const struct head *request)
{
    return slice_is_nocase(request->upgrade, "websocket");
}

bool websocket_complete(const struct head *request)
{
    assert(websocket_wanted(request));
    return slice_is(request->method, "GET") && is_key(only(&request->fields, KEY));
}

bool websocket_is_handshake(struct slice name)
{
    return slice_equal_nocase(name, KEY) || slice_equal_nocase(name, ACCEPT);
}

int websocket_key(struct head *request, const uint8_t random[16], struct arena *arena)
{
    assert(websocket_wanted(request) && request->accept.len == 0);
    fields_remove_name(&request->fields, KEY);
    struct slice key = base64(random, KEY_BYTES, arena);
    if (key.at == NULL)
        return -1;
    request->accept = accept_of(key, arena);
    return request->accept.at == NULL ? -1 : fields_add(&request->fields, arena, KEY, key);
}

bool websocket_accepted(const struct head *request, const struct head *answer)
{
    if (request->accept.len == 0)
        return true;
    const struct field *field = fields_find_name(&answer->fields, ACCEPT);
    return field != NULL && slice_equal(field->value, request->accept);
}

void websocket_answer(struct head *answer)
{
    assert(answer->status == 101 && answer->framing == FRAMING_TUNNEL);
    answer->status = 200;
    fields_remove_name(&answer->fields, ACCEPT);
}

int websocket_accept(const struct head *request, struct head *answer, struct arena *arena)
{
    assert(websocket_complete(request) && answer->status / 100 == 2);
    answer->status = 101;
    answer->framing = FRAMING_TUNNEL;
    answer->length = 0;
    answer->upgrade = SLICE("websocket");
    fields_remove_name(&answer->fields, ACCEPT);
    struct slice accept = accept_of(only(&request->fields, KEY), arena);
    return accept.at == NULL ? -1 : fields_add(&answer->fields, arena, ACCEPT, accept);
}

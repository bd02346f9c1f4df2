/* A WebSocket that comes by HTTP/2 (RFC 8441) and goes by HTTP/1.1 (RFC 6455): an extended CONNECT as
 * the GET with an upgrade that a server of HTTP/1.1 expects. The frames inside are the same.
 */
#ifndef HTTP_WEBSOCKET_H
#define HTTP_WEBSOCKET_H

#include "core/call.h"

/* Gives a request that asks for the upgrade a key of its own, and notes in `request->accept` what
 * a server that means it will answer. 0, or -1 at the arena's cap. */
int websocket_key(struct head *request, const uint8_t random[16], struct arena *arena)
    __attribute__((warn_unused_result));
/* Whether an answer of 101 fulfils `request->accept`, if that is there. */
bool websocket_accepted(const struct head *request, const struct head *answer);
/* The answer as HTTP/2 says it. */
void websocket_answer(struct head *answer);

#endif

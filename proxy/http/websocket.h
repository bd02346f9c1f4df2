/* WebSockets where the two versions of HTTP meet: HTTP/1.1 asks by a GET with an upgrade (RFC
 * 6455), HTTP/2 by an extended CONNECT (RFC 8441). The frames inside are the same.
 *
 *   client of HTTP/2:    CONNECT ─ websocket_key ──▶ GET ··· 101 ─ websocket_answer ─▶ 200
 *   upstream of HTTP/2:  GET ──────▶ CONNECT ··············· 200 ─ websocket_accept ─▶ 101
 *
 * Between the two a call is always what HTTP/1.1 would say, so that each side knows of its own
 * version only. Key and accept are the one thing that HTTP/2 has nothing for: they are made where
 * they are missing, and left out where they have no meaning.
 */
#ifndef HTTP_WEBSOCKET_H
#define HTTP_WEBSOCKET_H

#include "core/call.h"

/* Whether `request`, which asks for an upgrade, asks for a WebSocket. */
bool websocket_wanted(const struct head *request);
/* Whether it does so as a server of HTTP/1.1 may expect: by GET, with one key (RFC 6455 §4.2.1). */
bool websocket_complete(const struct head *request);
/* Whether a field of that name is between a client and a server of HTTP/1.1. */
bool websocket_is_handshake(struct slice name);

/* Gives a request that asks for the upgrade a key of its own, and notes in `request->accept` what
 * a server that means it will answer. 0, or -1 at the arena's cap. */
int websocket_key(struct head *request, const uint8_t random[16], struct arena *arena)
    __attribute__((warn_unused_result));
/* Whether an answer of 101 fulfils `request->accept`, if that is there. */
bool websocket_accepted(const struct head *request, const struct head *answer);
/* An answer of 101 as HTTP/2 says it. */
void websocket_answer(struct head *answer);
/* An answer of 2xx to a complete request as HTTP/1.1 says it: 101, and what the request's key asks
 * for. 0, or -1 at the arena's cap. */
int websocket_accept(const struct head *request, struct head *answer, struct arena *arena)
    __attribute__((warn_unused_result));

#endif

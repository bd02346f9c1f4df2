/* The HTTP side that faces callers: accepts connections on a listener and turns each request
 * into a call.
 *
 * Happy path: accept → bytes of a head gathered until its end → scanned, parsed, normalised →
 * call_new, call_begin → body passed on as it comes and as `want` allows → answer written → next
 * request on the same connection, in order. Failures: a head that is late, too large, malformed
 * or ambiguous gets its 4xx and the connection closes; a client that goes away cancels its call
 * at once, and one that has only said all gets its answer (parting.c); an answer that breaks off
 * closes (resets) the connection, so that the client can tell. An idle connection holds no buffer.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "core/snapshot.h"
#include "core/worker.h"

struct server;

/* The server whose link in worker->servers this is. A server leaves that list, tells
 * worker_check_drained and frees itself when it is drained or aborted and its last connection is
 * closed. */
struct server *server_of(struct link *link);
/* server_drain or server_abort was called. */
bool server_draining(const struct server *server);
/* Starts serving a bound socket on a worker; joins worker->servers. The settings are copied
 * where they matter. NULL: it cannot listen. */
struct server *server_open(struct worker *worker, const struct listener_settings *settings,
                           int descriptor);
/* The name of a listener that a server belongs to, to compare snapshots: its address. */
const struct address *server_address(const struct server *server);
/* After a reload: takes over `host` and name of a listener whose address is the same. */
void server_update(struct server *server, const struct listener_settings *settings);
/* No new connections; connections that are idle close, others after the answer under way
 * ("Connection: close"). */
void server_drain(struct server *server);
/* Resets every connection. */
void server_abort(struct server *server);

/* Whether a Host names the listener at `own` itself, in any spelling but a name of this
 * machine's. Pure. */
bool listener_is_named(const struct address *own, struct slice authority);

#endif

/* The end of what a client has to say, which need not be the end of the client.
 *
 * Happy path: a client closes its sending side behind a whole request (as `nc -N` does) and reads
 * the answer; what it had pipelined before is answered first, in order; in a tunnel the end is
 * passed on, and the other direction goes on. Failures: within a request it is the end of the
 * call. Behind a whole one, a client that has closed looks like one that has half closed; where
 * it can be known that nobody is there, the call is cancelled at once, and otherwise by the first
 * write that is answered by a reset.
 */
#include <assert.h>

#include "core/call.h"
#include "http/connection.h"

enum {
    FIRST_LOOK_MS = 20, /* a client that closes sends its end a moment before it lets go */
    LOOK_MS = 1000,
};

static void give_up(struct connection *connection)
{
    connection_drop_call(connection, REASON_client_gone);
    connection_close_now(connection);
}

static bool is_gone(const struct connection *connection)
{
    return connection->server->settings.cancels_half_closed ||
           stream_is_deserted(connection->stream);
}

static void end_request(struct connection *connection, uint64_t look_ms)
{
    struct serving *serving = connection->serving;
    if (serving->reader.state == BODY_ENDLESS && !serving->broken) {
        if (connection->input.len == 0) {
            body_eof(&serving->reader);
            call_end(connection->call, NULL);
        }
        return;
    }
    if (serving->tunnel)
        return; /* what it said may still be on its way */
    bool whole = serving->broken || serving->reader.state == BODY_DONE;
    if (!whole || is_gone(connection))
        give_up(connection);
    else
        connection_arm(connection, look_ms);
}

void connection_part(struct connection *connection)
{
    assert(connection->at_end);
    if (connection->state == CONNECTION_SERVING)
        end_request(connection, FIRST_LOOK_MS);
    else if (connection->state == CONNECTION_HEAD ||
             (connection->state == CONNECTION_IDLE && connection->input.len == 0))
        give_up(connection);
    else if (connection->state == CONNECTION_LINGERING)
        stream_finish(connection->stream);
}

bool connection_look_at_part(struct connection *connection)
{
    if (connection->at_end && connection->state == CONNECTION_SERVING)
        end_request(connection, LOOK_MS);
    return connection->state == CONNECTION_CLOSED;
}

/* How long a connection waits, and for what.
 *
 * One timer for each connection, which is moved as rarely as can be: when it fires, the state says
 * what is waited for and since when, and either that has gone on for too long or the timer starts
 * again for the rest of the time. Failures: a head or a body that does not come gets 408; a client
 * that does not take its answer is reset; one that has nothing to ask is let go.
 */
#include <assert.h>

#include "core/snapshot.h"
#include "http/connection.h"
#include "observe/observe.h"

static bool is_stuck(const struct connection *connection)
{
    return stream_is_stuck(connection->stream, connection_limits(connection)->body_ms);
}

/* A loop that is late runs its timers before it reads: a request may be there already, and would
 * be lost unanswered. So it reads once more before an idle connection closes. */
static void look_at_idle(struct connection *connection, uint64_t now)
{
    uint64_t due = connection->since_ms + connection_limits(connection)->idle_ms;
    if (now < due) {
        connection_arm(connection, due - now);
    } else if (stream_queued(connection->stream) > 0 && !is_stuck(connection)) {
        connection_arm(connection,
                       connection_limits(connection)->body_ms); /* it reads its last answer */
    } else if (!connection->expired) {
        connection->expired = true;
        connection_arm(connection, 1);
    } else {
        connection_close_now(connection);
    }
}

static void look_at_head(struct connection *connection, uint64_t now)
{
    uint64_t due = connection->since_ms + connection_limits(connection)->head_ms;
    if (now >= due)
        connection_refuse_head(connection, REASON_head_timeout, NULL);
    else
        connection_arm(connection, due - now);
}

static void look_at_serving(struct connection *connection, uint64_t now)
{
    struct serving *serving = connection->serving;
    uint64_t body_ms = connection_limits(connection)->body_ms;
    if (connection_look_at_part(connection))
        return;
    if (is_stuck(connection)) {
        observe_event(connection->server->worker, "answer_not_read");
        connection_drop_call(connection, REASON_answer_not_read);
        connection_abort(connection);
        return;
    }
    bool waits = !serving->broken && !serving->deciding && serving->credit > 0 &&
                 !serving->answering && serving->reader.state < BODY_ENDLESS;
    if (waits && now - connection->since_ms >= body_ms)
        connection_break_request(connection, REASON_body_timeout, NULL);
    connection_arm(connection, body_ms / 4 + 1);
}

static void look_at_lingering(struct connection *connection, uint64_t now)
{
    if (now - connection->since_ms < LINGER_MS)
        connection_arm(connection, connection->since_ms + LINGER_MS - now);
    else if (stream_queued(connection->stream) > 0 && !is_stuck(connection))
        connection_arm(connection, LINGER_MS);
    else
        connection_close_now(connection);
}

static void look_at_closed(struct connection *connection, uint64_t now)
{
    assert(connection->call == NULL && now >= connection->since_ms);
}

void connection_on_timer(struct timer *timer)
{
    static void (*const lookers[CONNECTION_STATES])(struct connection *, uint64_t) = {
        [CONNECTION_IDLE] = look_at_idle,       [CONNECTION_HEAD] = look_at_head,
        [CONNECTION_SERVING] = look_at_serving, [CONNECTION_LINGERING] = look_at_lingering,
        [CONNECTION_CLOSED] = look_at_closed,
    };
    struct connection *connection = thing_of(timer, struct connection, timer);
    lookers[connection->state](connection, connection_now_ms(connection));
    connection_read(connection);
}

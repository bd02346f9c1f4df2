/* The reading half of a client's connection; see connection.h for its states.
 *
 * Happy path: a read holds a whole head: it is copied into a new call, parsed and begun; what
 * follows is its body, and behind that the next request, which waits in `input` until the answer
 * is out. Only what had to wait is ever copied. Failures: what is wrong with a request refuses
 * its call (the answer comes through http_fail) and the rest of what the client sends is thrown
 * away; a client that goes away cancels its call.
 */
#include "http/connection.h"

#include <assert.h>
#include <stdlib.h>

#include "core/snapshot.h"
#include "http/framing.h"
#include "http/h2_server.h"
#include "observe/observe.h"

enum {
    EARLY_MAX = 64 * 1024, /* bytes that may come before their turn */
    LINGER_BYTES = 1024 * 1024,
};

static const bool moves[CONNECTION_STATES][CONNECTION_STATES] = {
    [CONNECTION_IDLE] = { [CONNECTION_HEAD] = true,
                          [CONNECTION_SERVING] = true,
                          [CONNECTION_LINGERING] = true,
                          [CONNECTION_CLOSED] = true },
    [CONNECTION_HEAD] = { [CONNECTION_SERVING] = true, [CONNECTION_CLOSED] = true },
    [CONNECTION_SERVING] = { [CONNECTION_IDLE] = true,
                             [CONNECTION_LINGERING] = true,
                             [CONNECTION_CLOSED] = true },
    [CONNECTION_LINGERING] = { [CONNECTION_CLOSED] = true },
};

static void on_task(struct task *task);

const struct limits *connection_limits(const struct connection *connection)
{
    return &connection->server->worker->snapshot->limits;
}

uint64_t connection_now_ms(const struct connection *connection)
{
    return worker_now_ms(connection->server->worker);
}

/* --- states ----------------------------------------------------------------------------------- */

void connection_arm(struct connection *connection, uint64_t after_ms)
{
    uint64_t due = connection_now_ms(connection) + after_ms;
    if (!timer_running(&connection->timer) || connection->timer.due_ms > due)
        worker_timer(connection->server->worker, &connection->timer, after_ms);
}

void connection_move(struct connection *connection, enum connection_state next)
{
    assert(moves[connection->state][next]);
    connection->state = next;
    connection->since_ms = connection_now_ms(connection);
    connection->expired = false;
}

static bool wants_bytes(const struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSED)
        return false;
    const struct serving *serving = connection->serving;
    if (serving == NULL || serving->broken)
        return true;
    if (!serving->deciding && serving->reader.state < BODY_DONE)
        return serving->credit > 0;
    size_t share = budget_share(&connection->server->worker->budget);
    return connection->input.len < (share < EARLY_MAX ? share : EARLY_MAX);
}

void connection_read(struct connection *connection)
{
    bool wanted = wants_bytes(connection);
    if (connection->stream == NULL || wanted == connection->reading)
        return;
    connection->reading = wanted;
    stream_read(connection->stream, wanted);
}

static void destroy(struct connection *connection)
{
    assert(connection->call == NULL && connection->calls == 0 && connection->stream == NULL);
    struct server *server = connection->server;
    worker_timer_stop(server->worker, &connection->timer);
    list_leave(&connection->task.link);
    list_leave(&connection->link);
    bytes_free(&connection->input);
    connection_count(connection);
    free(connection->peer);
    server->open--;
    server->refused -= connection->refused;
    free(connection);
    observe_connections(server->worker, -1);
    server_connection_gone(server);
}

static void destroy_if_done(struct connection *connection)
{
    if (connection->stream == NULL && connection->calls == 0)
        destroy(connection);
}

void connection_drop_call(struct connection *connection, enum reason reason)
{
    struct call *call = connection->call;
    connection->call = NULL;
    connection->serving = NULL;
    if (call != NULL)
        call_cancel(call, reason);
}

void connection_close_now(struct connection *connection)
{
    connection_move(connection, CONNECTION_CLOSED);
    stream_close(connection->stream);
}

void connection_abort(struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSED)
        return;
    connection_drop_call(connection, REASON_client_gone);
    connection_move(connection, CONNECTION_CLOSED);
    stream_reset(connection->stream);
}

void connection_close_idle(struct connection *connection)
{
    if (connection->state == CONNECTION_IDLE || connection->state == CONNECTION_HEAD)
        connection_close_now(connection);
}

/* The client gets time to read its last answer: a close with unread bytes would take it away
 * again. */
static void linger(struct connection *connection)
{
    connection_move(connection, CONNECTION_LINGERING);
    bytes_free(&connection->input);
    if (connection->at_end)
        stream_finish(connection->stream);
    else
        stream_end(connection->stream);
    connection_arm(connection, LINGER_MS);
}

void connection_answered(struct connection *connection)
{
    struct serving *serving = connection->serving;
    assert(connection->state == CONNECTION_SERVING && serving != NULL && !serving->deciding);
    bool stays = serving->keep && !serving->broken && serving->reader.state == BODY_DONE &&
                 !connection->server->draining &&
                 (!connection->at_end || connection->input.len > 0);
    connection->call = NULL;
    connection->serving = NULL;
    if (!stays) {
        linger(connection);
    } else {
        connection_move(connection, CONNECTION_IDLE);
        connection_arm(connection, connection_limits(connection)->idle_ms);
        if (connection->input.len > 0)
            worker_defer(connection->server->worker, &connection->task);
    }
    connection_read(connection);
}

/* --- requests --------------------------------------------------------------------------------- */

static bool on_content(struct body_sink *sink, struct slice bytes)
{
    struct serving *serving = thing_of(sink, struct serving, sink);
    struct connection *connection = serving->owner;
    assert(connection->serving == serving && connection->call != NULL);
    serving->credit -= bytes.len < serving->credit ? bytes.len : serving->credit;
    connection->since_ms = connection_now_ms(connection);
    call_body(connection->call, bytes);
    return true;
}

/* A call for this connection; NULL, with the connection reset, when memory is out. */
static struct call *new_call(struct connection *connection)
{
    struct server *server = connection->server;
    assert(connection->call == NULL && connection->serving == NULL);
    struct call *call = call_new(server->worker, &http_caller, connection);
    if (call == NULL) {
        connection_abort(connection);
        return NULL;
    }
    struct serving *serving = arena_get(&call->arena, sizeof *serving);
    serving->sink.content = on_content;
    serving->owner = connection;
    serving->reader.state = BODY_DONE;
    if (connection->peer == NULL)
        connection->peer = peer_text(connection->stream);
    call->peer = slice_text(connection->peer);
    call->listener = &server->settings;
    connection->call = call;
    connection->calls++;
    connection->serving = serving;
    connection_move(connection, CONNECTION_SERVING);
    connection_arm(connection, connection_limits(connection)->body_ms / 4 + 1);
    return call;
}

void connection_break_request(struct connection *connection, enum reason reason, const char *detail)
{
    assert(!connection->serving->broken);
    connection->serving->broken = true;
    call_refuse(connection->call, reason, detail);
}

/* A request of which there is no usable head. */
void connection_refuse_head(struct connection *connection, enum reason reason, const char *detail)
{
    connection->searched = 0;
    if (new_call(connection) != NULL)
        connection_break_request(connection, reason, detail);
}

static void take_notes(struct connection *connection, const struct head_notes *notes)
{
    struct call *call = connection->call;
    struct serving *serving = connection->serving;
    serving->minor = call->request.minor;
    serving->keep = !notes->close;
    serving->asked_to_stay = call->request.minor == 0 && notes->keep_alive;
    serving->continued = !notes->expect_continue;
    serving->deciding = notes->upgrade;
    call->upgrade = notes->upgrade;
    assert(!(serving->deciding && head_has_body(&call->request)));
    call->hops = head_hops(&call->request.fields);
    if (!notes->absolute && call->request.framing != FRAMING_TUNNEL)
        call->request.authority = server_authority(connection->server, call->request.authority,
                                                   &call->arena);
}

/* A whole head: the call that it asks for. What of its body is there already is looked at before
 * the other side hears of it. */
static void begin(struct connection *connection, struct slice head, struct slice behind)
{
    bool first = connection->peer == NULL;
    connection->searched = 0;
    struct call *call = new_call(connection);
    if (call == NULL)
        return;
    struct serving *serving = connection->serving;
    struct slice copy = arena_copy(&call->arena, head);
    if (copy.at == NULL) {
        connection_break_request(connection, REASON_head_too_large, NULL);
        return;
    }
    struct head_notes notes;
    enum head_verdict verdict = request_parse(copy, connection_limits(connection)->head_fields,
                                              &call->arena, &call->request, &notes);
    if (verdict != HEAD_OK && notes.foreign && first) { /* no answer that it could read */
        connection_drop_call(connection, REASON_bad_request);
        connection_close_now(connection);
        return;
    }
    if (verdict != HEAD_OK) {
        connection_break_request(connection, head_reason(verdict), notes.why);
        return;
    }
    const char *wrong = body_foresee(call->request.framing, behind, &call->arena);
    if (wrong != NULL) {
        connection_break_request(connection, REASON_bad_request, wrong);
        return;
    }
    take_notes(connection, &notes);
    body_start(&serving->reader, call->request.framing, call->request.length, false, &call->arena);
    call_begin(call);
    if (serving->reader.state == BODY_DONE && !serving->deciding)
        call_end(call, NULL);
}

/* A head beyond the limit: 414 where its first line alone is (RFC 9112 §3). */
static void refuse_size(struct connection *connection, struct slice part)
{
    part = slice_first(part, connection_limits(connection)->head);
    bool line = slice_find(part, '\n') == part.len;
    connection_refuse_head(connection, line ? REASON_target_too_long : REASON_head_too_large, NULL);
}

/* A first line that is wrong is refused; but where it could be another protocol's nobody would
 * understand the answer. Whether it is. */
static bool refuse_line(struct connection *connection, struct slice part)
{
    struct head_notes notes;
    enum head_verdict verdict = request_foresee(part, &notes);
    if (verdict == HEAD_OK)
        return false;
    if (notes.foreign && connection->peer == NULL)
        connection_close_now(connection);
    else
        connection_refuse_head(connection, head_reason(verdict), notes.why);
    return true;
}

/* Part of a head: what is surely wrong need not be waited for. Whether to wait for more. */
static bool examine(struct connection *connection, struct slice part, bool may_be_h2)
{
    const char *wrong = head_scan(part);
    if (part.len >= connection_limits(connection)->head) {
        refuse_size(connection, part);
    } else if (wrong != NULL) {
        connection_refuse_head(connection, REASON_bad_request, wrong);
    } else if (!may_be_h2 && refuse_line(connection, part)) {
        return false;
    } else if (budget_full(&connection->server->worker->budget)) {
        connection_refuse_head(connection, REASON_memory_full, NULL);
    } else if (connection->state == CONNECTION_IDLE) {
        connection_move(connection, CONNECTION_HEAD);
        connection_arm(connection, connection_limits(connection)->head_ms);
    }
    assert(connection->state != CONNECTION_IDLE);
    if (connection->state != CONNECTION_HEAD)
        return false;
    connection->searched = part.len;
    return true;
}

/* The client speaks HTTP/2 by prior knowledge: the stream goes to another kind of connection,
 * and this one ends as soon as nobody looks at it. */
static void hand_over(struct connection *connection, struct slice bytes)
{
    struct stream *stream = connection->stream;
    connection_move(connection, CONNECTION_CLOSED);
    connection->stream = NULL;
    h2_connection_open(connection->server, stream, bytes);
}

/* How much of `bytes` was a head and the empty lines before it; 0: more is needed. */
static size_t take_head(struct connection *connection, struct slice bytes)
{
    if (connection->peer == NULL && slice_starts(H2_PREFACE, slice_first(bytes, H2_PREFACE.len))) {
        if (bytes.len < H2_PREFACE.len)
            return examine(connection, bytes, true) ? 0 : bytes.len;
        hand_over(connection, bytes);
        return bytes.len;
    }
    size_t skipped = 0;
    while (slice_starts(slice_from(bytes, skipped), SLICE("\r\n"))) /* RFC 9112 §2.2 */
        skipped += 2;
    struct slice rest = slice_from(bytes, skipped);
    if (rest.len == 0)
        return skipped;
    size_t searched = connection->searched > skipped ? connection->searched - skipped : 0;
    size_t length = head_length(rest, searched);
    if (length == 0)
        return examine(connection, rest, false) ? skipped : bytes.len;
    if (length > connection_limits(connection)->head)
        refuse_size(connection, rest);
    else
        begin(connection, slice_first(rest, length), slice_from(rest, length));
    return skipped + length;
}

static size_t take_body(struct connection *connection, struct slice bytes)
{
    struct serving *serving = connection->serving;
    if (serving->broken)
        return bytes.len;
    if (serving->deciding || serving->reader.state == BODY_DONE)
        return 0;
    size_t taken = body_read(&serving->reader, bytes, &serving->sink);
    if (serving->reader.state == BODY_BAD)
        connection_break_request(connection, REASON_bad_request, serving->reader.why);
    else if (serving->reader.state == BODY_DONE)
        call_end(connection->call, &serving->reader.trailers);
    return taken;
}

static size_t throw_away(struct connection *connection, struct slice bytes)
{
    connection->thrown_away += bytes.len;
    if (connection->state == CONNECTION_LINGERING && connection->thrown_away > LINGER_BYTES)
        connection_close_now(connection);
    return bytes.len;
}

/* Takes what can be taken now. */
static size_t take(struct connection *connection, struct slice bytes)
{
    static size_t (*const takers[CONNECTION_STATES])(struct connection *, struct slice) = {
        [CONNECTION_IDLE] = take_head,    [CONNECTION_HEAD] = take_head,
        [CONNECTION_SERVING] = take_body, [CONNECTION_LINGERING] = throw_away,
        [CONNECTION_CLOSED] = throw_away,
    };
    size_t taken = 0;
    while (taken < bytes.len) {
        size_t now = takers[connection->state](connection, slice_from(bytes, taken));
        if (now == 0)
            break;
        taken += now;
    }
    assert(taken <= bytes.len);
    return taken;
}

static void take_input(struct connection *connection)
{
    struct bytes *input = &connection->input;
    size_t taken = take(connection, bytes_slice(input));
    if (taken >= input->len) {
        bytes_free(input);
    } else if (taken > 0) {
        memmove(input->at, input->at + taken, input->len - taken);
        input->len -= taken;
    }
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_task(struct task *task)
{
    struct connection *connection = thing_of(task, struct connection, task);
    take_input(connection);
    if (connection->at_end)
        connection_part(connection);
    connection_count(connection);
    connection_read(connection);
    destroy_if_done(connection);
}

static void on_read(struct stream *stream, struct slice bytes)
{
    struct connection *connection = stream->owner;
    if (connection->input.len == 0)
        bytes = slice_from(bytes, take(connection, bytes));
    if (bytes.len > 0) {
        bytes_add(&connection->input, bytes);
        if (connection->input.full)
            connection_abort(connection);
        else if (connection->input.len > bytes.len)
            take_input(connection);
    }
    connection_count(connection);
    connection_read(connection);
    destroy_if_done(connection);
}

static void on_eof(struct stream *stream)
{
    struct connection *connection = stream->owner;
    connection->at_end = true;
    connection_part(connection);
}

static void on_room(struct stream *stream)
{
    struct connection *connection = stream->owner;
    struct serving *serving = connection->serving;
    connection_count(connection);
    if (serving == NULL || serving->room == 0)
        return;
    size_t room = serving->room;
    serving->room = 0;
    call_room(connection->call, room);
}

/* A body is not read faster than it may go on. */
static size_t most(const struct stream *stream)
{
    const struct connection *connection = stream->owner;
    const struct serving *serving = connection->serving;
    if (serving == NULL || serving->credit == 0)
        return SIZE_MAX;
    return serving->credit > BUDGET_LEAST ? serving->credit : BUDGET_LEAST;
}

static void on_close(struct stream *stream, int error)
{
    (void)error;
    struct connection *connection = stream->owner;
    connection->stream = NULL;
    connection_count(connection);
    connection_drop_call(connection, REASON_client_gone);
    if (connection->state != CONNECTION_CLOSED)
        connection_move(connection, CONNECTION_CLOSED);
    list_leave(&connection->task.link);
    destroy_if_done(connection);
}

static const struct stream_events stream_events = {
    .on_read = on_read,
    .on_eof = on_eof,
    .on_room = on_room,
    .most = most,
    .on_close = on_close,
};

void connection_gone(struct call *call)
{
    struct connection *connection = call->asker;
    assert(connection->call != call && connection->calls > 0);
    connection->calls--;
    destroy_if_done(connection);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static void refuse_connection(struct connection *connection)
{
    struct worker *worker = connection->server->worker;
    struct arena arena;
    arena_init(&arena, 8 * 1024);
    answer_problem(connection, &arena, REASON_callers_full, OUTCOME_NOT_SENT, slice_of(NULL, 0),
                   NULL, NULL);
    arena_clear(&arena);
    observe_event(worker, "callers_full");
    linger(connection);
}

void connection_open(struct server *server, struct stream *stream, bool refused)
{
    struct connection *connection = calloc(1, sizeof *connection);
    stream->events = &stream_events;
    if (connection == NULL)
        abort();
    stream->owner = connection;
    connection->server = server;
    connection->stream = stream;
    connection->refused = refused;
    connection->timer.on_timer = connection_on_timer;
    connection->task.run = on_task;
    connection->since_ms = connection_now_ms(connection);
    list_append(&server->connections, &connection->link);
    server->open++;
    server->refused += refused;
    observe_connections(server->worker, 1);
    if (refused)
        refuse_connection(connection);
    else
        connection_arm(connection, connection_limits(connection)->idle_ms);
    connection_read(connection);
}

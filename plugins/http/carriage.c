/* See carriage.h.
 *
 * Happy path: a pooled connection is there at once, the head leaves with this turn, room for the
 * body is given at its end, and the answer passes through as it comes. A client that waits for a
 * 100 is told what the upstream says, or after EXPECT_MS that it may send.
 * Failures: no connection: NOT_SENT. A connection that closes without an answer may have carried
 * the request: it is sent again only if it was an old connection, the method is idempotent and
 * no body was asked for (RFC 9112 §9.3.1); else MAYBE_SENT, as with everything that goes wrong
 * later.
 */
#include "plugins/http/carriage.h"

#include <assert.h>

enum {
    EXPECT_MS = 1000,
    FIRST_WINDOW = 32 * 1024, /* of a body of which nothing has left yet */
};

struct carriage {
    struct attempt *attempt;
    struct http_lane *lane;
    struct seeker seeker;
    struct trip trip;
    struct task task;      /* gives room, outside of core's calls */
    struct timer patience; /* for a 100 */
    bool waits;            /* for it */
    bool replayed;
    bool maybe_begun; /* an upstream may have begun on it */
    bool ended;       /* the request is complete */
    /* core was told of room: it keeps nothing of the body that could be sent again */
    bool streaming;
    struct fields trailers;
    size_t granted; /* body bytes that core may still send */
    size_t window;  /* so much may be granted, or wait */
    size_t held;    /* of these, what is counted in the call's budget */
};

static const struct host *host_of(const struct carriage *carriage)
{
    return carriage->lane->host;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void rest(struct carriage *carriage)
{
    list_leave(&carriage->task.link);
    budget_count(carriage->attempt->call->budget, &carriage->held, 0);
    worker_timer_stop(carriage->lane->worker, &carriage->patience);
}

static void fail(struct carriage *carriage, enum outcome outcome, enum reason reason,
                 const char *detail)
{
    assert(carriage->trip.client == NULL && carriage->seeker.search == NULL);
    rest(carriage);
    host_of(carriage)->fail(carriage->attempt, outcome, reason, detail);
}

enum outcome carriage_cancel(struct attempt *attempt)
{
    struct carriage *carriage = attempt->own;
    bool sent = carriage->maybe_begun;
    rest(carriage);
    pool_forget(&carriage->seeker);
    if (carriage->trip.client != NULL && !client_drop(carriage->trip.client))
        sent = true;
    return sent ? OUTCOME_MAYBE_SENT : OUTCOME_NOT_SENT;
}

/* --- the request's body ----------------------------------------------------------------------- */

/* What is under way of the body: what waits for the upstream, and what core may still send. */
static size_t count(struct carriage *carriage)
{
    size_t queued = client_queued(carriage->trip.client);
    size_t promised = carriage->ended ? 0 : carriage->granted;
    budget_count(carriage->attempt->call->budget, &carriage->held, promised + queued);
    return queued;
}

/* Tells core of room, when there is enough to be worth it. An upstream that has taken much may be
 * owed as much more. */
static void grant(struct carriage *carriage)
{
    const struct trip *trip = &carriage->trip;
    if (trip->client == NULL)
        return;
    size_t queued = count(carriage);
    if (carriage->waits || carriage->ended || trip->stopped)
        return;
    uint64_t left = trip->body_sent > queued ? trip->body_sent - queued : 0;
    size_t share = budget_share(carriage->attempt->call->budget);
    carriage->window = left > FIRST_WINDOW ? (size_t)left : FIRST_WINDOW;
    if (carriage->window > share)
        carriage->window = share;
    /* Less leaves with this turn, and nobody tells of it. */
    size_t taken = carriage->granted + (queued < STREAM_GATHER ? 0 : queued);
    if (taken + carriage->window / 4 > carriage->window)
        return;
    assert(!trip->sent);
    size_t room = carriage->window - taken;
    carriage->granted += room;
    carriage->streaming = true;
    count(carriage);
    host_of(carriage)->want(carriage->attempt, room);
}

static void on_task(struct task *task)
{
    grant(thing_of(task, struct carriage, task));
}

static void on_patience(struct timer *timer)
{
    struct carriage *carriage = thing_of(timer, struct carriage, patience);
    carriage->waits = false;
    grant(carriage);
}

static void stop_waiting(struct carriage *carriage)
{
    carriage->waits = false;
    worker_timer_stop(carriage->lane->worker, &carriage->patience);
    grant(carriage);
}

void carriage_body(struct attempt *attempt, struct slice bytes)
{
    struct carriage *carriage = attempt->own;
    assert(carriage->trip.client != NULL);
    carriage->granted -= bytes.len < carriage->granted ? bytes.len : carriage->granted;
    client_body(carriage->trip.client, bytes);
    count(carriage);
    if (carriage->granted < carriage->window / 2)
        worker_defer(carriage->lane->worker, &carriage->task);
}

void carriage_end(struct attempt *attempt, const struct fields *trailers)
{
    struct carriage *carriage = attempt->own;
    assert(!carriage->ended);
    carriage->ended = true;
    if (trailers != NULL)
        carriage->trailers = *trailers;
    if (carriage->trip.client != NULL)
        client_end(carriage->trip.client, &carriage->trailers);
    if (carriage->trip.client != NULL && carriage->held > 0)
        count(carriage);
}

void carriage_room(struct attempt *attempt, size_t bytes)
{
    struct carriage *carriage = attempt->own;
    if (carriage->trip.client != NULL)
        client_room(carriage->trip.client, bytes);
}

/* --- the connection --------------------------------------------------------------------------- */

static void open_tunnel(struct carriage *carriage, struct client *client)
{
    static const struct head head = { .status = 200, .minor = 1, .framing = FRAMING_TUNNEL };
    client_tunnel(client, &carriage->trip);
    host_of(carriage)->head(carriage->attempt, &head);
    if (carriage->trip.client == NULL)
        return;
    if (carriage->ended)
        client_end(client, NULL);
    grant(carriage);
}

/* The head leaves; nothing is told to core in here, since core may be calling. */
static void start(struct carriage *carriage, struct client *client)
{
    const struct head *request = carriage->trip.request;
    struct worker *worker = carriage->lane->worker;
    assert(carriage->trip.client == NULL && !carriage->attempt->plan->tunnel);
    carriage->attempt->outcome = OUTCOME_MAYBE_SENT;
    client_start(client, &carriage->trip);
    if (carriage->ended) {
        client_end(client, &carriage->trailers);
        return;
    }
    carriage->waits = request->expects || request->upgrade.len > 0;
    if (request->expects)
        worker_timer(worker, &carriage->patience, EXPECT_MS);
    if (head_has_body(request) && !carriage->waits)
        worker_defer(worker, &carriage->task);
}

static void on_client(struct seeker *seeker, struct client *client)
{
    struct carriage *carriage = thing_of(seeker, struct carriage, seeker);
    if (carriage->attempt->plan->tunnel)
        open_tunnel(carriage, client);
    else
        start(carriage, client);
}

static void on_failed(struct seeker *seeker, enum reason reason, const char *detail)
{
    struct carriage *carriage = thing_of(seeker, struct carriage, seeker);
    if (carriage->maybe_begun)
        fail(carriage, OUTCOME_MAYBE_SENT, REASON_connection_lost, detail);
    else
        fail(carriage, OUTCOME_NOT_SENT, reason, detail);
}

/* 0, or a negative REASON_…. */
static int seek(struct carriage *carriage)
{
    const struct call *call = carriage->attempt->call;
    const struct plan *plan = carriage->attempt->plan;
    const struct snapshot *snapshot = call->snapshot;
    struct pools *pools = carriage->lane->pools;
    struct pool *pool = plan->upstream != NULL
                            ? pool_of_upstream(pools, plan->upstream, snapshot->workers)
                            : pool_of_authority(pools, &snapshot->pass, call->request.authority,
                                                snapshot->workers);
    if (pool == NULL)
        return -(int)REASON_bad_request;

    struct client *client;
    int found = pool_seek(pool, &carriage->seeker, &client);
    if (found == 1)
        start(carriage, client);
    return found < 0 ? found : 0;
}

/* --- the answer ------------------------------------------------------------------------------- */

static struct carriage *carriage_of(struct trip *trip)
{
    return thing_of(trip, struct carriage, trip);
}

static void on_interim(struct trip *trip, const struct head *head)
{
    struct carriage *carriage = carriage_of(trip);
    host_of(carriage)->interim(carriage->attempt, head);
    if (head->status == 100 && trip->client != NULL && trip->request->expects)
        stop_waiting(carriage);
}

/* An upgrade that happens frees the way for what the client sends; any other answer keeps what
 * waited waiting. */
static void on_head(struct trip *trip, const struct head *head)
{
    struct carriage *carriage = carriage_of(trip);
    worker_timer_stop(carriage->lane->worker, &carriage->patience);
    host_of(carriage)->head(carriage->attempt, head);
    if (trip->client != NULL && trip->tunnel)
        stop_waiting(carriage);
}

static void on_body(struct trip *trip, struct slice bytes)
{
    struct carriage *carriage = carriage_of(trip);
    host_of(carriage)->body(carriage->attempt, bytes);
}

static void on_half_end(struct trip *trip)
{
    struct carriage *carriage = carriage_of(trip);
    host_of(carriage)->half_end(carriage->attempt);
}

static void on_end(struct trip *trip, const struct fields *trailers)
{
    struct carriage *carriage = carriage_of(trip);
    rest(carriage);
    host_of(carriage)->end(carriage->attempt, trailers);
}

static void on_room(struct trip *trip)
{
    grant(carriage_of(trip));
}

/* RFC 9110 §9.2.2. */
static bool is_idempotent(struct slice method)
{
    static const char *const methods[] = { "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE" };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (slice_is(method, methods[i]))
            return true;
    }
    return false;
}

static const struct trip_events trip_events;

static void prepare_trip(struct carriage *carriage)
{
    struct call *call = carriage->attempt->call;
    carriage->trip = (struct trip){
        .events = &trip_events,
        .arena = &call->arena,
        .budget = call->budget,
        .request = &call->request,
        .authority = carriage_authority(&call->request, carriage->attempt->plan),
        .head_max = call->snapshot->limits.head,
        .fields_max = call->snapshot->limits.head_fields,
    };
}

static void replay(struct carriage *carriage)
{
    assert(!carriage->replayed && carriage->trip.client == NULL);
    rest(carriage);
    prepare_trip(carriage);
    carriage->replayed = true;
    carriage->seeker.fresh = true;
    int refused = seek(carriage);
    if (refused < 0)
        fail(carriage, carriage->maybe_begun ? OUTCOME_MAYBE_SENT : OUTCOME_NOT_SENT,
             REASON_connection_lost, NULL);
}

static void on_fail(struct trip *trip, enum trip_failure failure, bool reused, const char *detail)
{
    static const enum reason failures[] = {
        [TRIP_LOST] = REASON_connection_lost,   [TRIP_CUT] = REASON_connection_lost,
        [TRIP_BAD] = REASON_bad_response,       [TRIP_BROKEN] = REASON_response_broken,
        [TRIP_REFUSED] = REASON_stream_refused, [TRIP_UNABLE] = REASON_websocket_unsupported,
    };
    struct carriage *carriage = carriage_of(trip);
    bool refused = failure == TRIP_REFUSED;
    bool repeatable = refused ||
                      (failure == TRIP_LOST && reused && is_idempotent(trip->request->method));
    carriage->maybe_begun |= !refused && failure != TRIP_UNABLE;
    if (repeatable && !carriage->replayed && !carriage->streaming)
        replay(carriage);
    else
        fail(carriage, carriage->maybe_begun ? OUTCOME_MAYBE_SENT : OUTCOME_NOT_SENT,
             failures[failure], detail);
}

static const struct trip_events trip_events = {
    .interim = on_interim,
    .head = on_head,
    .body = on_body,
    .half_end = on_half_end,
    .end = on_end,
    .fail = on_fail,
    .room = on_room,
};

/* --- the beginning ---------------------------------------------------------------------------- */

struct slice carriage_authority(const struct head *request, const struct plan *plan)
{
    if (request->authority.len > 0 || plan->upstream == NULL)
        return request->authority;
    return slice_text(plan->upstream->endpoints[0]);
}

int carriage_begin(struct attempt *attempt)
{
    struct call *call = attempt->call;
    struct carriage *carriage = arena_try(&call->arena, sizeof *carriage);
    if (carriage == NULL)
        return -(int)REASON_overloaded;
    carriage->attempt = attempt;
    carriage->lane = attempt->lane;
    carriage->task.run = on_task;
    carriage->patience.on_timer = on_patience;
    carriage->seeker.on_client = on_client;
    carriage->seeker.on_failed = on_failed;
    carriage->seeker.snapshot = call->snapshot;
    carriage->seeker.fresh = attempt->plan->tunnel;
    attempt->own = carriage;
    prepare_trip(carriage);
    return seek(carriage);
}

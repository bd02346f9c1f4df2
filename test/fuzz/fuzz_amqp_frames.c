/* Any bytes from a broker into a lane that has logged in, opened its channels, published, and
 * consumes: whatever comes, every attempt ends exactly once, every arrival can be settled, the
 * lane can be left, and nothing is read out of bounds.
 *
 * Input: a byte of choices (1: to the consuming connection; 2: raw bytes from the first one on,
 * without our login; 4: in small pieces), then commands, each a channel, a frame type, two bytes
 * of length and a payload, which are made into a frame; or, with 2, bytes as they are.
 *
 * libFuzzer: -max_len=1024 */
#include <assert.h>
#include <stdlib.h>

#include "core/snapshot.h"
#include "plugins/amqp/carry.h"
#include "plugins/amqp/consumer.h"
#include "plugins/amqp/lane.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ATTEMPTS = 6, STREAMS = 32, ARRIVALS = 64, LONGEST_TURNS = 100, TURN_MS = 200 };

struct pipe {
    struct stream stream;
    bool open, closing, gone;
};

struct bench {
    struct worker worker;
    struct snapshot snapshot;
    struct net net;
    struct broker_settings settings;
    struct lane *lane;
    struct lookup *lookups[2];
    struct pipe pipes[STREAMS];
    unsigned pipe_count;
    uint64_t now_ms;
    struct call calls[ATTEMPTS];
    struct attempt attempts[ATTEMPTS];
    struct intake intake;
    void *subscription;
    struct arrival *arrivals[ARRIVALS];
    unsigned arrival_count;
    bool left, detached;
};

static struct bench *bench; /* for the host's functions, which know no context */

/* --- Shunt around the lane -------------------------------------------------------------------- */

static void end_attempt(struct attempt *attempt)
{
    assert(!attempt->ended);
    attempt->ended = true;
}

static void on_stored(struct attempt *attempt)
{
    end_attempt(attempt);
}

static void on_reply(struct attempt *attempt, const struct message *message)
{
    assert(message->body.len <= 64);
    end_attempt(attempt);
}

static void on_fail(struct attempt *attempt, enum outcome outcome, enum reason reason,
                    const char *detail)
{
    (void)outcome;
    (void)detail;
    assert(reason > REASON_none && reason < REASONS);
    end_attempt(attempt);
}

static void on_status(struct broker *broker, struct worker *worker, enum broker_state state,
                      const char *detail)
{
    (void)broker;
    (void)worker;
    (void)detail;
    assert(state < BROKER_STATES);
}

__attribute__((format(printf, 4, 5))) static void on_log(struct broker *broker,
                                                         struct worker *worker, enum level level,
                                                         const char *format, ...)
{
    (void)broker;
    (void)worker;
    (void)level;
    (void)format;
}

static void on_count(struct broker *broker, struct worker *worker, const char *event, uint64_t by)
{
    (void)broker;
    (void)worker;
    (void)event;
    (void)by;
}

static const struct host host = { .abi = SHUNT_ABI,
                                  .stored = on_stored,
                                  .reply = on_reply,
                                  .fail = on_fail,
                                  .status = on_status,
                                  .log = on_log,
                                  .count = on_count };

static void settle_all(void)
{
    while (bench->arrival_count > 0) {
        struct arrival *arrival = bench->arrivals[--bench->arrival_count];
        enum settlement settlement = arrival->redelivered ? SETTLE_GIVE_BACK : SETTLE_HANDLED;
        consumer_settle(bench->subscription, arrival, settlement);
    }
}

static void on_arrival(struct intake *intake, struct arrival *arrival)
{
    (void)intake;
    assert(arrival->malformed == (arrival->why != NULL));
    if (bench->arrival_count == ARRIVALS)
        settle_all();
    bench->arrivals[bench->arrival_count++] = arrival;
}

static void on_lost(struct intake *intake)
{
    (void)intake;
    settle_all();
}

static void on_ready(struct intake *intake)
{
    (void)intake;
}

/* --- the network below ------------------------------------------------------------------------ */

static struct pipe *pipe_of(struct stream *stream)
{
    return thing_of(stream, struct pipe, stream);
}

static void pipe_read(struct stream *stream, bool on)
{
    (void)stream;
    (void)on;
}

static ssize_t pipe_write(struct stream *stream, const struct iovec *parts, int count)
{
    (void)stream;
    ssize_t taken = 0;
    for (int i = 0; i < count; i++)
        taken += (ssize_t)parts[i].iov_len;
    return taken;
}

static void pipe_close(struct stream *stream)
{
    pipe_of(stream)->closing = true;
}

static const struct stream_driver driver = { .read = pipe_read,
                                             .write = pipe_write,
                                             .end = pipe_close,
                                             .close = pipe_close,
                                             .reset = pipe_close };

static struct stream *net_dial(struct net *net, struct worker *worker,
                               const struct address *address, int *error)
{
    (void)net;
    (void)address;
    if (bench->pipe_count == STREAMS) {
        *error = -1;
        return NULL;
    }
    struct pipe *pipe = &bench->pipes[bench->pipe_count++];
    stream_init_dialled(&pipe->stream, worker, &driver);
    return &pipe->stream;
}

static void net_resolve(struct net *net, struct worker *worker, struct slice name, uint16_t port,
                        struct lookup *lookup)
{
    (void)net;
    (void)worker;
    (void)name;
    (void)port;
    bench->lookups[bench->lookups[0] == NULL ? 0 : 1] = lookup;
}

static void net_forget(struct net *net, struct lookup *lookup)
{
    (void)net;
    for (int i = 0; i < 2; i++)
        if (bench->lookups[i] == lookup)
            bench->lookups[i] = NULL;
}

static void turn(void)
{
    struct address address = { .len = sizeof(struct sockaddr_in) };
    worker_begin_turn(&bench->worker);
    for (int i = 0; i < 2; i++) {
        struct lookup *lookup = bench->lookups[i];
        bench->lookups[i] = NULL;
        if (lookup != NULL)
            lookup->on_resolved(lookup, &address, 1, NULL);
    }
    for (unsigned i = 0; i < bench->pipe_count; i++) {
        struct pipe *pipe = &bench->pipes[i];
        if (pipe->closing && !pipe->gone) {
            pipe->gone = true;
            stream_closed(&pipe->stream, 0);
        } else if (!pipe->open && !pipe->gone) {
            pipe->open = true;
            stream_opened(&pipe->stream);
        }
    }
    worker_finish_turn(&bench->worker);
}

static uint64_t clock_ms(void *context)
{
    (void)context;
    return bench->now_ms;
}

static void clock_random(void *context, void *bytes, size_t len)
{
    (void)context;
    memset(bytes, 'r', len); /* so that inputs can name a waiting call: 32 digits "72" */
}

/* --- what a broker would say ------------------------------------------------------------------ */

static void say(struct stream *stream, struct slice bytes)
{
    if (stream != NULL && bytes.len > 0)
        stream_arrived(stream, bytes);
}

static void log_in(struct bytes *out)
{
    amqp_connection_start_t start = { .version_minor = 9,
                                      .mechanisms = amqp_cstring_bytes("PLAIN") };
    amqp_connection_tune_t tune = { .channel_max = 2047, .frame_max = FRAME_MAX, .heartbeat = 60 };
    amqp_connection_open_ok_t opened = { 0 };
    frame_put_method(out, 0, AMQP_CONNECTION_START_METHOD, &start);
    frame_put_method(out, 0, AMQP_CONNECTION_TUNE_METHOD, &tune);
    frame_put_method(out, 0, AMQP_CONNECTION_OPEN_OK_METHOD, &opened);
}

static void open_publishing(struct bytes *out)
{
    amqp_channel_open_ok_t opened = { 0 };
    amqp_confirm_select_ok_t selected = { 0 };
    log_in(out);
    for (int channel = 1; channel <= PUBLISHERS + 1; channel++) {
        frame_put_method(out, (uint16_t)channel, AMQP_CHANNEL_OPEN_OK_METHOD, &opened);
        frame_put_method(out, (uint16_t)channel, AMQP_CONFIRM_SELECT_OK_METHOD, &selected);
    }
}

static void open_consuming(struct bytes *out)
{
    amqp_channel_open_ok_t opened = { 0 };
    amqp_queue_declare_ok_t declared = { 0 };
    amqp_basic_qos_ok_t limited = { 0 };
    amqp_basic_consume_ok_t consumed = { 0 };
    log_in(out);
    for (uint16_t channel = 1; channel <= 2;
         channel++) { /* replies; the subscription, which has two queues */
        frame_put_method(out, channel, AMQP_CHANNEL_OPEN_OK_METHOD, &opened);
        for (uint16_t queue = 0; queue < channel; queue++)
            frame_put_method(out, channel, AMQP_QUEUE_DECLARE_OK_METHOD, &declared);
        frame_put_method(out, channel, AMQP_BASIC_QOS_OK_METHOD, &limited);
        frame_put_method(out, channel, AMQP_BASIC_CONSUME_OK_METHOD, &consumed);
    }
}

/* What a broker says until both connections are of use; written once for all runs. */
static void welcome(struct stream *consumer, struct stream *publisher)
{
    static struct bytes consuming, publishing;
    if (consuming.len == 0) {
        open_consuming(&consuming);
        open_publishing(&publishing);
    }
    say(consumer, bytes_slice(&consuming));
    say(publisher, bytes_slice(&publishing));
}

/* --- a run ------------------------------------------------------------------------------------ */

static const char *patterns[] = { "*", NULL };
static const struct setting rows[] = {
    { .key = "queue", .type = SETTING_TEXT },     { .key = "dead_letter", .type = SETTING_TEXT },
    { .key = "declare", .type = SETTING_FLAG },   { .key = "queue_type", .type = SETTING_CHOICE },
    { .key = "reply_to", .type = SETTING_TEXTS }, { .key = "max_body", .type = SETTING_SIZE },
};
static struct value block_values[] = {
    { .setting = &rows[0], .text = "w" },       { .setting = &rows[1] },
    { .setting = &rows[2], .number = 1 },       { .setting = &rows[3], .text = "classic" },
    { .setting = &rows[4], .texts = patterns }, { .setting = &rows[5], .number = 1 << 16 },
};
static const struct values block = { .at = block_values, .count = sizeof rows / sizeof *rows };

static void set_up(void)
{
    static char name[] = "rabbit";
    bench = calloc(1, sizeof *bench);
    assert(bench != NULL);
    bench->now_ms = 1000;
    bench->net = (struct net){ .dial = net_dial, .resolve = net_resolve, .forget = net_forget };
    worker_init(&bench->worker, 0, (struct clock){ clock_ms, clock_ms, clock_random, NULL },
                &bench->net);
    bench->snapshot = (struct snapshot){ .service = "orders", .workers = 1 };
    bench->worker.snapshot = &bench->snapshot;
    bench->settings = (struct broker_settings){
        .shunt = &host,
        .host = name,
        .user = name,
        .password = name,
        .vhost = name,
        .heartbeat_ms = 4000,
        .connect_timeout_ms = 3000,
        .backoff_ms = 200,
        .max_backoff_ms = 5000,
        .window = 64,
        .window_bytes = 1 << 20,
        .max_message = 1 << 16,
        .awaits = true,
    };
    void *lane = NULL;
    int refused = lane_attach(&bench->settings, &bench->worker, &lane);
    assert(refused == 0);
    bench->lane = lane;
    bench->intake = (struct intake){ on_arrival, on_lost, on_ready };
    refused = consumer_subscribe(lane, &block, &bench->intake, &bench->subscription);
    assert(refused == 0);
    consumer_credit(bench->subscription, 16);
    turn();
    turn();
}

static void begin_attempts(void)
{
    static const struct route_settings routes[] = {
        { .exchange = { 0 }, .routing_key = SLICE("q"), .confirmed = true },
        { .exchange = SLICE("x"), .routing_key = SLICE("k"), .confirmed = true },
    };
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        struct call *call = &bench->calls[i];
        bool await = i % 3 == 0;
        arena_init(&call->arena, 4096);
        call->deadline_ms = bench->now_ms + 5000;
        call->plan = (struct plan){ .settings = &routes[await ? 0 : i % 2],
                                    .await = await,
                                    .max_reply = 64,
                                    .message = { .body = SLICE("body") } };
        bench->attempts[i] =
            (struct attempt){ .call = call, .plan = &call->plan, .lane = bench->lane };
        bench->attempts[i].ended = carry_begin(&bench->attempts[i]) < 0;
    }
}

static void in_pieces(struct stream *stream, struct slice bytes, size_t piece)
{
    while (bytes.len > 0 && !stream->closing) {
        struct slice part = slice_first(bytes, piece);
        say(stream, part);
        bytes = slice_from(bytes, part.len);
    }
}

/* Commands become frames, so that what is tried is what frames say and not how they are framed. */
static void say_commands(struct stream *stream, struct slice rest, size_t piece)
{
    struct bytes out = { 0 };
    while (rest.len >= 4) {
        size_t len = (size_t)rest.at[2] << 8 | rest.at[3];
        struct slice payload = slice_first(slice_from(rest, 4), len);
        const uint8_t head[] = {
            rest.at[1], 0, rest.at[0], 0, 0, (uint8_t)(payload.len >> 8), (uint8_t)payload.len
        };
        bytes_add(&out, slice_of(head, sizeof head));
        bytes_add(&out, payload);
        bytes_add(&out, slice_of(frame_end_mark, 1));
        rest = slice_from(rest, 4 + payload.len);
    }
    in_pieces(stream, bytes_slice(&out), piece);
    bytes_free(&out);
}

static void on_left(struct done *done, int result)
{
    (void)done;
    (void)result;
    bench->left = true;
}

static void on_detached(struct done *done, int result)
{
    (void)done;
    (void)result;
    bench->detached = true;
}

static void tear_down(void)
{
    struct done left = { on_left }, detached = { on_detached };
    worker_finish_turn(&bench->worker);
    settle_all();
    consumer_unsubscribe(bench->subscription, &left);
    for (unsigned i = 0; i < ATTEMPTS; i++)
        if (!bench->attempts[i].ended)
            carry_cancel(&bench->attempts[i]);
    for (unsigned i = 0; i < LONGEST_TURNS && !bench->left; i++, bench->now_ms += TURN_MS)
        turn();
    /* A broker that never answers keeps a subscription until its connection is cut. */
    assert(bench->left);
    lane_detach(bench->lane, &detached);
    for (unsigned i = 0; i < LONGEST_TURNS && !bench->detached; i++, bench->now_ms += TURN_MS)
        turn();
    assert(bench->detached);
    for (unsigned i = 0; i < ATTEMPTS; i++)
        arena_clear(&bench->calls[i].arena);
    timers_clear(&bench->worker.timers);
    free(bench);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct slice rest = slice_of(data + 1, size - 1);
    bool consuming = (data[0] & 1) != 0, raw = (data[0] & 2) != 0;
    size_t piece = (data[0] & 4) != 0 ? 5 : SIZE_MAX;
    set_up();
    struct stream *publisher = bench->lane->publishing.stream,
                  *consumer = bench->lane->consuming.stream;
    if (!raw) {
        welcome(consumer, publisher);
        begin_attempts();
    } else {
        for (unsigned i = 0; i < ATTEMPTS; i++)
            bench->attempts[i].ended = true;
    }
    if (raw)
        in_pieces(consuming ? consumer : publisher, rest, piece);
    else
        say_commands(consuming ? consumer : publisher, rest, piece);
    tear_down();
    return 0;
}

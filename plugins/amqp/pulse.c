/* The probe, as pulse.h says: send → confirm → wait → send …, at most one under way. Failure: a
 * broker that closes the channel (no right to publish to the default exchange) gets no further
 * probe on this connection; then only the age of real messages tells. */
#include "plugins/amqp/pulse.h"

#include <assert.h>

#include "plugins/amqp/lane.h"

enum { STALL_MS = 200, EXCUSE_MS = 200 };

static void set_late(struct pulse *pulse, bool late)
{
    if (pulse->late == late)
        return;
    pulse->late = late;
    lane_count(pulse->lane, late ? "probes_late" : "probes_back", 1);
    pulse->on_change(pulse);
}

static void send_pulse(struct pulse *pulse)
{
    assert(!pulse->under_way && channel_is_open(&pulse->channel));
    static const struct message nothing = { 0 };
    amqp_basic_publish_t publish = { .exchange = amqp_empty_bytes,
                                     .routing_key = amqp_from(pulse->routing_key) };
    int too_large = connection_publish(pulse->connection, pulse->channel.number, &publish, &nothing,
                                       NULL);
    assert(too_large == 0 || pulse->connection->out.len == 0);
    pulse->under_way = too_large == 0;
}

bool pulse_excuses(const struct pulse *pulse)
{
    return worker_now_ms(pulse->connection->worker) < pulse->excused_until_ms;
}

/* A timer that comes late tells that we stood still: without a processor, or stopped. */
static void notice_stall(struct pulse *pulse)
{
    uint64_t now_ms = worker_now_ms(pulse->connection->worker);
    if (now_ms > pulse->timer.due_ms + STALL_MS)
        pulse->excused_until_ms = now_ms + EXCUSE_MS;
}

static void on_timer(struct timer *timer)
{
    struct pulse *pulse = thing_of(timer, struct pulse, timer);
    assert(pulse->ready);
    notice_stall(pulse);
    if (pulse->under_way && pulse_excuses(pulse)) {
        worker_timer(pulse->connection->worker, timer, EXCUSE_MS);
        return;
    }
    if (pulse->under_way) {
        set_late(pulse, true);
        return;
    }
    if (!pulse->connection->blocked)
        send_pulse(pulse);
    worker_timer(pulse->connection->worker, timer,
                 pulse->under_way ? PULSE_LATE_MS : PULSE_EVERY_MS);
}

static void on_open(struct channel *channel)
{
    amqp_confirm_select_t select = { 0 };
    channel_send(channel, AMQP_CONFIRM_SELECT_METHOD, &select);
}

/* At most one is under way, so whatever is confirmed or refused is that one. */
static void on_method(struct channel *channel, const amqp_method_t *method)
{
    struct pulse *pulse = thing_of(channel, struct pulse, channel);
    if (method->id == AMQP_CONFIRM_SELECT_OK_METHOD)
        pulse->ready = true;
    else if ((method->id == AMQP_BASIC_ACK_METHOD || method->id == AMQP_BASIC_NACK_METHOD) &&
             pulse->under_way)
        pulse->under_way = false;
    else
        return;
    worker_timer(pulse->connection->worker, &pulse->timer, PULSE_EVERY_MS);
    set_late(pulse, false);
}

static void on_content(struct channel *channel, struct content *content)
{
    (void)channel;
    (void)content; /* not mandatory, so nothing comes back; if it does, its confirm says enough */
}

static void on_closed(struct channel *channel, unsigned code, const char *why)
{
    struct pulse *pulse = thing_of(channel, struct pulse, channel);
    pulse_stop(pulse);
    if (code != 0)
        lane_log(pulse->lane, LEVEL_WARNING,
                 "the broker refuses probes (%u %s): alarms and stand-still show only when "
                 "messages are published",
                 code, why);
    set_late(pulse, false);
}

static const struct channel_events channel_events = {
    .content = AMQP_BASIC_RETURN_METHOD,
    .on_open = on_open,
    .on_method = on_method,
    .on_content = on_content,
    .on_closed = on_closed,
};

void pulse_init(struct pulse *pulse, struct lane *lane, struct connection *connection,
                struct slice routing_key)
{
    assert(routing_key.len <= SHORT_MAX);
    pulse->lane = lane;
    pulse->connection = connection;
    pulse->routing_key = routing_key;
    pulse->timer.on_timer = on_timer;
}

void pulse_start(struct pulse *pulse)
{
    pulse->ready = pulse->under_way = false;
    if (channel_open(&pulse->channel, pulse->connection, &channel_events) < 0)
        lane_log(pulse->lane, LEVEL_ERROR, "no channel is left for probes");
}

void pulse_stop(struct pulse *pulse)
{
    pulse->ready = pulse->under_way = false;
    worker_timer_stop(pulse->connection->worker, &pulse->timer);
}

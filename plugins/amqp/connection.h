/* One connection to the broker: kept up for as long as its owner wants it, whatever the network
 * does.
 *
 * Happy path: connection_start → resolve, dial, log in, agree on sizes → on_up → frames of
 * channels come and go, a heartbeat is sent when nothing else was → connection_stop → good-bye →
 * on_stopped. Failures: every loss tells first each channel and then on_down why; then it waits
 * and begins again, see life.h. The broker's silence for two heartbeats is a loss, and so is
 * anything that the protocol does not allow.
 *
 * Nothing here is called back inside connection_start, _send and _publish. connection_cut and
 * connection_stop do call back, so they are called from events, timers and tasks only. Owned by
 * one worker's thread.
 */
#ifndef AMQP_CONNECTION_H
#define AMQP_CONNECTION_H

#include "net/net.h"
#include "plugin.h"
#include "plugins/amqp/frame.h"
#include "plugins/amqp/life.h"
#include "plugins/amqp/settings.h"

/* Channels that one connection may have, number 0 (the connection itself) included. */
#define CHANNELS 256

struct channel;
struct connection;

struct connection_events {
    void (*on_up)(struct connection *connection);
    /* Down, or another attempt failed; `why` is for a person and has no secret in it. */
    void (*on_down)(struct connection *connection, const char *why);
    /* The broker takes no messages while it is short of memory or disk, or takes them again. */
    void (*on_blocked)(struct connection *connection, const char *why);
    void (*on_stopped)(struct connection *connection);
};

/* What the broker says next while it is OPENING (§2.2.4). */
enum handshake { HANDSHAKE_START, HANDSHAKE_TUNE, HANDSHAKE_OPEN_OK, HANDSHAKE_DONE };

struct connection {
    const struct connection_events *events;
    struct worker *worker;
    const struct broker_settings *settings;
    char name[128]; /* as the broker's own tools list it */
    struct life life;
    struct lookup lookup;
    unsigned dialled; /* attempts: addresses are taken in turn */
    struct stream *stream;
    uint32_t delay_ms;  /* of the backoff */
    struct timer timer; /* of the backoff, of connecting, of good-bye */
    struct timer beat;
    enum handshake handshake;
    struct frames frames;
    amqp_pool_t pool; /* what one frame was decoded into */
    struct bytes out; /* what is being written; empty between calls */
    uint32_t frame_max;
    uint16_t channel_max;
    uint64_t heartbeat_ms, read_ms, written_ms, beaten_ms;
    bool blocked;
    bool told;   /* on_down, of this attempt */
    bool polite; /* good-byes were said: close rather than reset */
    struct channel *channels[CHANNELS];
    char why[256];
};

/* Zeroed memory becomes a connection that rests. `name` is copied. */
void connection_init(struct connection *connection, const struct connection_events *events,
                     struct worker *worker, const struct broker_settings *settings,
                     const char *name);
void connection_start(struct connection *connection);
/* Says good-bye and waits a second at most for the answer; on_stopped follows, perhaps at once. */
void connection_stop(struct connection *connection);
/* Frees what it holds; it rests or has stopped. */
void connection_free(struct connection *connection);

static inline bool connection_up(const struct connection *connection)
{
    return connection->life.state == LIFE_UP;
}

/* Ends it because of what the peer did, or did not do. Allowed in any state; a connection that
 * is not there stays so. */
void connection_cut(struct connection *connection, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* One method. Does nothing when the connection is not open. */
void connection_send(struct connection *connection, uint16_t channel, amqp_method_number_t id,
                     const void *method);
/* A message: method, properties, body in as many frames as it takes. 0; -1 when the properties
 * do not fit a frame, and nothing was sent. */
int connection_publish(struct connection *connection, uint16_t channel,
                       const amqp_basic_publish_t *publish, const struct message *message,
                       const struct field *extra) __attribute__((warn_unused_result));

/* A method that came on a channel; cuts the connection when it cannot be decoded. */
int connection_decode(struct connection *connection, const struct frame *frame,
                      amqp_method_t *method) __attribute__((warn_unused_result));

/* --- for handshake.c -------------------------------------------------------------------------- */

/* The login is done. */
void connection_ready(struct connection *connection);

#endif

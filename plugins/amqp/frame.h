/* AMQP 0-9-1 frames (§4.2.3): bytes cut into frames, methods and contents written as frames.
 *
 *     type (1) channel (2) size (4) payload (size) 0xCE
 *
 * Happy path in: frames_next again and again on what was read; a frame that is whole in those
 * bytes is handed out in place, one that is not is gathered. Failure: anything that a peer of
 * ours would not send (type, channel, size, end mark) ends the connection, with a reason. Owned
 * by one connection.
 */
#ifndef AMQP_FRAME_H
#define AMQP_FRAME_H

#include "base/bytes.h"
#include "plugins/amqp/library.h"

/* What frames cost beside their payload. */
#define FRAME_HEAD     7
#define FRAME_OVERHEAD 8
/* The most we offer and take, RabbitMQ's own default: a stack of 8 MiB decodes any table that
 * fits. */
#define FRAME_MAX 131072
/* What holds until the sizes are negotiated; the specification's 4096 would do, brokers send a
 * bit more. */
#define FRAME_MAX_EARLY 8192
/* Class, weight and body size before the properties of a content header. */
#define CONTENT_HEAD 12

struct frame {
    uint8_t type; /* AMQP_FRAME_… */
    uint16_t channel;
    struct slice payload; /* until the next frames_next */
};

struct frames {
    uint32_t max;          /* the largest whole frame that is taken */
    uint16_t channels;     /* the highest channel number that is taken */
    struct bytes gathered; /* a frame that has not come whole yet */
    bool handed_out;       /* the frame handed out last lives in `gathered` */
    const char *why;       /* after -1 */
};

/* Takes the next frame off `bytes`: 1, and `*frame`; 0 when the rest, which is kept, is no whole
 * frame; -1 when the peer talks nonsense or memory is out, and `why` says so. */
int frames_next(struct frames *frames, struct slice *bytes, struct frame *frame)
    __attribute__((warn_unused_result));
/* Forgets what was gathered: a new connection begins. */
void frames_clear(struct frames *frames);

/* Appends a method. Its texts are within their limits: checked where they came from. */
void frame_put_method(struct bytes *out, uint16_t channel, amqp_method_number_t id,
                      const void *method);
/* Appends a content header with `properties` of at most `room` bytes. 0, or -1 when they need
 * more. */
int frame_put_header(struct bytes *out, uint16_t channel, uint64_t body_size,
                     const amqp_basic_properties_t *properties, size_t room)
    __attribute__((warn_unused_result));
/* Appends the head of a body frame for `len` bytes, which are followed by FRAME_END_MARK. */
void frame_put_body_head(struct bytes *out, uint16_t channel, uint32_t len);
void frame_put_heartbeat(struct bytes *out);

extern const uint8_t frame_end_mark[1];

/* Big-endian numbers as they stand in frames. */
static inline uint32_t number_32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t number_64(const uint8_t *at)
{
    return (uint64_t)number_32(at) << 32 | number_32(at + 4);
}

#endif

/* Frames, as frame.h says. Everything that a broker sends passes frames_next first, so it trusts
 * nothing: the size is checked before anything is kept, and no more than one frame ever is. */
#include "plugins/amqp/frame.h"

#include <assert.h>

enum { METHOD_ROOM = 8192, KEPT_ROOM = 16384 };

const uint8_t frame_end_mark[1] = { AMQP_FRAME_END };

/* --- in -------------------------------------------------------------------------------------- */

static int nonsense(struct frames *frames, const char *why)
{
    frames->why = why;
    return -1;
}

/* The least that each type's payload holds: a method's number, a content header's fixed part. */
static int least_payload(uint8_t type)
{
    switch (type) {
    case AMQP_FRAME_METHOD:
        return 4;
    case AMQP_FRAME_HEADER:
        return CONTENT_HEAD + 2;
    case AMQP_FRAME_BODY:
    case AMQP_FRAME_HEARTBEAT:
        return 0;
    default:
        return -1;
    }
}

/* How long the frame is whose first bytes these are: 0 when too few are there to tell, -1 when
 * it is none. */
static int whole_length(struct frames *frames, struct slice bytes)
{
    if (bytes.len > 0 && least_payload(bytes.at[0]) < 0)
        return nonsense(frames, bytes.at[0] == 'A' ? "it speaks another version of AMQP"
                                                   : "a frame of an unknown type");
    if (bytes.len < FRAME_HEAD)
        return 0;
    uint32_t size = number_32(bytes.at + 3);
    if (size > frames->max - FRAME_OVERHEAD)
        return nonsense(frames, "a frame larger than agreed");
    if (size < (uint32_t)least_payload(bytes.at[0]))
        return nonsense(frames, "a frame too short for its type");
    if ((uint16_t)(bytes.at[1] << 8 | bytes.at[2]) > frames->channels)
        return nonsense(frames, "a frame for a channel that was never opened");
    return (int)(size + FRAME_OVERHEAD);
}

static int hand_out(struct frames *frames, struct slice whole, struct frame *frame)
{
    assert(whole.len >= FRAME_OVERHEAD);
    if (whole.at[whole.len - 1] != AMQP_FRAME_END)
        return nonsense(frames, "a frame without its end mark");
    *frame = (struct frame){
        .type = whole.at[0],
        .channel = (uint16_t)(whole.at[1] << 8 | whole.at[2]),
        .payload = slice_of(whole.at + FRAME_HEAD, whole.len - FRAME_OVERHEAD),
    };
    return 1;
}

/* Moves bytes into `gathered` until it holds `length` of them; false when they do not suffice. */
static bool gather(struct frames *frames, struct slice *bytes, size_t length)
{
    assert(frames->gathered.len <= length);
    struct slice part = slice_first(*bytes, length - frames->gathered.len);
    bytes_add(&frames->gathered, part);
    *bytes = slice_from(*bytes, part.len);
    return frames->gathered.len == length;
}

static int next_gathered(struct frames *frames, struct slice *bytes, struct frame *frame)
{
    if (frames->gathered.len < FRAME_HEAD)
        gather(frames, bytes, FRAME_HEAD);
    int length = whole_length(frames, bytes_slice(&frames->gathered));
    if (length <= 0)
        return length;
    bool whole = gather(frames, bytes, (size_t)length);
    if (frames->gathered.full)
        return nonsense(frames, "no memory for a frame");
    if (!whole)
        return 0;
    frames->handed_out = true;
    return hand_out(frames, bytes_slice(&frames->gathered), frame);
}

int frames_next(struct frames *frames, struct slice *bytes, struct frame *frame)
{
    assert(frames->max >= AMQP_FRAME_MIN_SIZE && frames->max <= FRAME_MAX);
    if (frames->handed_out)
        frames_clear(frames);
    if (frames->gathered.len > 0)
        return next_gathered(frames, bytes, frame);

    int length = whole_length(frames, *bytes);
    if (length < 0)
        return -1;
    if (length == 0 || (size_t)length > bytes->len)
        return bytes->len == 0 ? 0 : next_gathered(frames, bytes, frame);
    struct slice whole = slice_first(*bytes, (size_t)length);
    *bytes = slice_from(*bytes, (size_t)length);
    return hand_out(frames, whole, frame);
}

void frames_clear(struct frames *frames)
{
    frames->handed_out = false;
    if (frames->gathered.room > KEPT_ROOM || frames->gathered.full)
        bytes_free(&frames->gathered);
    frames->gathered.len = 0;
}

/* --- out ------------------------------------------------------------------------------------- */

static void put_number(uint8_t *to, uint64_t number, size_t bytes)
{
    for (size_t i = bytes; i-- > 0; number >>= 8)
        to[i] = (uint8_t)number;
}

static void put_head(uint8_t *to, uint8_t type, uint16_t channel, uint32_t size)
{
    to[0] = type;
    put_number(to + 1, channel, 2);
    put_number(to + 3, size, 4);
}

void frame_put_method(struct bytes *out, uint16_t channel, amqp_method_number_t id,
                      const void *method)
{
    uint8_t *to = bytes_reserve(out, FRAME_OVERHEAD + 4 + METHOD_ROOM);
    if (to == NULL)
        return;
    amqp_bytes_t room = { .len = METHOD_ROOM, .bytes = to + FRAME_HEAD + 4 };
    int len = amqp_encode_method(id, (void *)(uintptr_t)method, room);
    assert(len >= 0 && len <= METHOD_ROOM);

    put_head(to, AMQP_FRAME_METHOD, channel, (uint32_t)len + 4);
    put_number(to + FRAME_HEAD, id, 4);
    to[FRAME_HEAD + 4 + len] = AMQP_FRAME_END;
    out->len += FRAME_OVERHEAD + 4 + (size_t)len;
}

int frame_put_header(struct bytes *out, uint16_t channel, uint64_t body_size,
                     const amqp_basic_properties_t *properties, size_t room)
{
    uint8_t *to = bytes_reserve(out, FRAME_OVERHEAD + CONTENT_HEAD + room);
    if (to == NULL)
        return -1;
    amqp_bytes_t into = { .len = room, .bytes = to + FRAME_HEAD + CONTENT_HEAD };
    int len = amqp_encode_properties(AMQP_BASIC_CLASS, (void *)(uintptr_t)properties, into);
    if (len < 0)
        return -1;
    assert((size_t)len <= room);

    put_head(to, AMQP_FRAME_HEADER, channel, CONTENT_HEAD + (uint32_t)len);
    put_number(to + FRAME_HEAD, AMQP_BASIC_CLASS, 2);
    put_number(to + FRAME_HEAD + 2, 0, 2); /* weight: always 0 */
    put_number(to + FRAME_HEAD + 4, body_size, 8);
    to[FRAME_HEAD + CONTENT_HEAD + len] = AMQP_FRAME_END;
    out->len += FRAME_OVERHEAD + CONTENT_HEAD + (size_t)len;
    return 0;
}

void frame_put_body_head(struct bytes *out, uint16_t channel, uint32_t len)
{
    uint8_t *to = bytes_reserve(out, FRAME_HEAD);
    if (to == NULL)
        return;
    put_head(to, AMQP_FRAME_BODY, channel, len);
    out->len += FRAME_HEAD;
}

void frame_put_heartbeat(struct bytes *out)
{
    uint8_t *to = bytes_reserve(out, FRAME_OVERHEAD);
    if (to == NULL)
        return;
    put_head(to, AMQP_FRAME_HEARTBEAT, 0, 0);
    to[FRAME_HEAD] = AMQP_FRAME_END;
    out->len += FRAME_OVERHEAD;
}

/* A ring of bytes between one writer and one reader, without a lock: log lines on their way out.
 *
 * The writer puts a whole line or nothing; what does not fit is dropped and told. The reader
 * sees everything that is there as one or two runs, which always end with a line. Positions
 * count bytes since the beginning and never wrap.
 */
#ifndef OBSERVE_RING_H
#define OBSERVE_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "base/slice.h"

struct ring {
    uint8_t *at;
    size_t size;                          /* a power of two */
    alignas(64) _Atomic uint64_t written; /* the writer's */
    alignas(64) _Atomic uint64_t taken;   /* the reader's */
};

enum ring_put {
    RING_FULL, /* nothing was put */
    RING_PUT, /* the reader has not taken all of what was there before: it will look again by itself */
    RING_AWAKE, /* the reader had taken everything: it has to be woken */
};

/* Aborts when memory is out. Untouched memory costs nothing until lines come. */
struct ring *ring_new(size_t size);
void ring_free(struct ring *ring);

/* Writer. */
enum ring_put ring_put(struct ring *ring, struct slice line) __attribute__((warn_unused_result));
/* Reader: how many bytes there are, in `parts`. */
size_t ring_look(struct ring *ring, struct iovec parts[2]);
/* Reader: gives back the first `len` bytes of what was looked at. */
void ring_take(struct ring *ring, size_t len);

#endif

/* Both positions are moved and read in one total order (seq_cst): after the writer has put a
 * line it sees either that the reader took everything before (and wakes it), or the reader,
 * which looks again after it took, sees the line. So no line waits for the next one to be
 * noticed, and no system call is made for a line that the reader will find. */
#include "observe/ring.h"

#include <assert.h>
#include <stdlib.h>

struct ring *ring_new(size_t size)
{
    assert(size != 0 && (size & (size - 1)) == 0);
    struct ring *ring = aligned_alloc(64, sizeof *ring);
    if (ring == NULL)
        abort();
    memset(ring, 0, sizeof *ring);
    ring->size = size;
    ring->at = calloc(1, size);
    if (ring->at == NULL)
        abort();
    return ring;
}

void ring_free(struct ring *ring)
{
    if (ring == NULL)
        return;
    free(ring->at);
    free(ring);
}

enum ring_put ring_put(struct ring *ring, struct slice line)
{
    uint64_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
    uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_acquire);
    assert(written >= taken && written - taken <= ring->size);
    if (line.len > ring->size - (size_t)(written - taken))
        return RING_FULL;

    size_t start = (size_t)written & (ring->size - 1);
    size_t first = line.len < ring->size - start ? line.len : ring->size - start;
    memcpy(ring->at + start, line.at, first);
    memcpy(ring->at, line.at + first, line.len - first);
    atomic_store(&ring->written, written + line.len);
    return atomic_load(&ring->taken) == written ? RING_AWAKE : RING_PUT;
}

size_t ring_look(struct ring *ring, struct iovec parts[2])
{
    uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    uint64_t written = atomic_load(&ring->written);
    assert(written >= taken);

    size_t len = (size_t)(written - taken), start = (size_t)taken & (ring->size - 1);
    size_t first = len < ring->size - start ? len : ring->size - start;
    parts[0] = (struct iovec){ .iov_base = ring->at + start, .iov_len = first };
    parts[1] = (struct iovec){ .iov_base = ring->at, .iov_len = len - first };
    return len;
}

void ring_take(struct ring *ring, size_t len)
{
    uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    assert(len <= ring->size);
    atomic_store(&ring->taken, taken + len);
}

/* The log thread: takes what the rings hold and writes it, whole lines, ring after ring.
 *
 * Happy path: a worker puts a line into its ring and, if the thread had taken everything before,
 * wakes it by an eventfd. The thread waits a few milliseconds for more, since lines come in
 * swarms and a wake-up costs more than a line, writes until every ring is empty, and sleeps
 * again.
 * Failures: a reader that stalls blocks this thread only; its rings fill and workers drop lines,
 * counted. A closed reader, a full disk: what cannot be written is counted and forgotten, the
 * next lines are tried again. SIGPIPE is blocked in this thread. At the end log_stop waits for
 * as long as bytes move, and two seconds longer.
 */
#include "observe/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/worker.h"
#include "observe/line.h"
#include "observe/ring.h"

#define RING_SIZE   (1024 * 1024) /* lines of 50 ms at 50 000 calls a second */
#define GATHER_MS   5
#define PATIENCE_MS 2000
#define RINGS       (WORKERS_MAX + 2)
#define RING_SHARED (WORKERS_MAX + 1) /* log_line's, behind the lock */

struct log {
    int descriptor;  /* our own; -1: standard output was closed, and every line is lost */
    int wake, ended; /* eventfds: there is something to do; the thread is through */
    pthread_t thread;
    pthread_mutex_t shared; /* writers of the shared ring */
    _Atomic int format, lowest;
    _Atomic bool calls, stopping;
    _Atomic bool
        left; /* set by the thread at its end and by whoever gives it up: the second one frees the log */
    _Atomic uint64_t lost, moved; /* lines; bytes that left, or were given up */
    _Atomic(struct ring *) rings[RINGS];
};

static void signal_event(int descriptor)
{
    uint64_t one = 1;
    ssize_t written = write(descriptor, &one, sizeof one);
    assert(written == sizeof one || errno == EAGAIN);
}

static void await_event(int descriptor)
{
    uint64_t count;
    while (read(descriptor, &count, sizeof count) < 0)
        assert(errno == EINTR);
}

static uint64_t lines_in(const struct iovec *part)
{
    uint64_t lines = 0;
    struct slice rest = slice_of(part->iov_base, part->iov_len);
    for (size_t end; (end = slice_find(rest, '\n')) < rest.len; rest = slice_from(rest, end + 1))
        lines++;
    return lines;
}

/* Bytes written, or -1 when this output takes nothing. May block. */
static ssize_t write_some(int descriptor, const struct iovec parts[2])
{
    for (;;) {
        ssize_t written = writev(descriptor, parts, 2);
        if (written >= 0)
            return written;
        if (errno == EAGAIN) /* whoever gave it to us made it non-blocking */
            poll(&(struct pollfd){ .fd = descriptor, .events = POLLOUT }, 1, -1);
        else if (errno != EINTR)
            return -1;
    }
}

/* Writes all that is in the ring now; false: there was nothing. */
static bool drain(struct log *log, struct ring *ring)
{
    struct iovec parts[2];
    size_t len = ring_look(ring, parts);
    if (len == 0)
        return false;
    for (size_t left = len; left != 0;) {
        ssize_t written = write_some(log->descriptor, parts);
        if (written < 0) {
            atomic_fetch_add(&log->lost, lines_in(&parts[0]) + lines_in(&parts[1]));
            written = (ssize_t)left;
        }
        assert((size_t)written <= left);
        left -= (size_t)written;
        for (size_t i = 0, by = (size_t)written; i < 2; i++) {
            size_t used = by < parts[i].iov_len ? by : parts[i].iov_len;
            parts[i].iov_base = (uint8_t *)parts[i].iov_base + used;
            parts[i].iov_len -= used;
            by -= used;
        }
        ring_take(ring, (size_t)written);
        atomic_fetch_add(&log->moved, (uint64_t)written);
    }
    return true;
}

static bool drain_all(struct log *log)
{
    bool any = false;
    for (unsigned i = 0; i < RINGS; i++) {
        struct ring *ring = atomic_load_explicit(&log->rings[i], memory_order_acquire);
        if (ring != NULL)
            any |= drain(log, ring);
    }
    return any;
}

static void free_log(struct log *log)
{
    for (unsigned i = 0; i < RINGS; i++)
        ring_free(atomic_load(&log->rings[i]));
    pthread_mutex_destroy(&log->shared);
    close(log->wake);
    close(log->ended);
    if (log->descriptor >= 0)
        close(log->descriptor);
    free(log);
}

static void *run(void *context)
{
    struct log *log = context;
    for (bool last = false; !last;) {
        await_event(log->wake);
        last = atomic_load(&log->stopping);
        if (!last)
            nanosleep(&(struct timespec){ .tv_nsec = GATHER_MS * 1000000L }, NULL);
        while (drain_all(log))
            ;
    }
    signal_event(log->ended);
    if (atomic_exchange(&log->left, true))
        free_log(log);
    return NULL;
}

static struct ring *open_ring(struct log *log, unsigned index)
{
    assert(index < RINGS);
    struct ring *ring = atomic_load_explicit(&log->rings[index], memory_order_relaxed);
    if (ring == NULL) {
        ring = ring_new(RING_SIZE);
        atomic_store_explicit(&log->rings[index], ring, memory_order_release);
    }
    return ring;
}

struct log *log_start(int descriptor)
{
    struct log *log = calloc(1, sizeof *log);
    if (log == NULL)
        abort();
    log->descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
    log->wake = eventfd(0, EFD_CLOEXEC);
    log->ended = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&log->shared, NULL);
    atomic_store(&log->lowest, LEVEL_INFO);
    log_format(log, LOG_AUTO, true);
    open_ring(log, RING_SHARED);

    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (log->wake < 0 || log->ended < 0 || pthread_create(&log->thread, NULL, run, log) != 0)
        abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return log;
}

void log_format(struct log *log, enum log_format format, bool calls)
{
    if (format == LOG_AUTO)
        format = isatty(log->descriptor) ? LOG_TEXT : LOG_JSON;
    atomic_store_explicit(&log->format, (int)format, memory_order_relaxed);
    atomic_store_explicit(&log->calls, calls, memory_order_relaxed);
}

void log_level(struct log *log, enum level lowest)
{
    atomic_store_explicit(&log->lowest, (int)lowest, memory_order_relaxed);
}

/* Whether the thread came to its end; false when it is stuck in a write that nobody takes. */
static bool await_end(struct log *log)
{
    struct pollfd ended = { .fd = log->ended, .events = POLLIN };
    uint64_t moved = atomic_load(&log->moved);
    for (;;) {
        int came = poll(&ended, 1, PATIENCE_MS);
        if (came > 0)
            return true;
        uint64_t now = atomic_load(&log->moved);
        if (came == 0 && now == moved)
            return false;
        moved = now;
    }
}

/* Ends the thread; false when it is given up. */
static bool end_thread(struct log *log)
{
    atomic_store(&log->stopping, true);
    signal_event(log->wake);
    if (await_end(log)) {
        pthread_join(log->thread, NULL);
        return true;
    }
    pthread_detach(log->thread);
    return false;
}

void log_flush(struct log *log)
{
    (void)end_thread(log);
}

void log_stop(struct log *log)
{
    if (end_thread(log) || atomic_exchange(&log->left, true))
        free_log(log);
}

void log_open(struct log *log, unsigned worker)
{
    assert(worker <= WORKER_CONTROL);
    open_ring(log, worker);
}

static bool put(struct log *log, unsigned index, struct slice line)
{
    assert(line.len != 0 && line.at[line.len - 1] == '\n');
    enum ring_put result = ring_put(atomic_load_explicit(&log->rings[index], memory_order_relaxed),
                                    line);
    if (result == RING_AWAKE)
        signal_event(log->wake);
    return result != RING_FULL;
}

bool log_put(struct log *log, unsigned worker, struct slice line)
{
    assert(worker <= WORKER_CONTROL);
    return put(log, worker, line);
}

void log_line(struct log *log, enum level level, const char *where, const char *format, ...)
{
    if (!log_wants(log, level))
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct stamp stamp = { 0 };
    struct bytes out = { .cap = LINE_CAP };
    va_list args;
    va_start(args, format);
    line_message(&out, log_format_now(log) == LOG_JSON,
                 stamp_text(&stamp, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000),
                 level, where, format, args);
    va_end(args);

    pthread_mutex_lock(&log->shared);
    bool taken = !out.full && put(log, RING_SHARED, bytes_slice(&out));
    pthread_mutex_unlock(&log->shared);
    if (!taken)
        atomic_fetch_add(&log->lost, 1);
    bytes_free(&out);
}

enum log_format log_format_now(const struct log *log)
{
    return (enum log_format)atomic_load_explicit(&log->format, memory_order_relaxed);
}

bool log_wants_calls(const struct log *log)
{
    return atomic_load_explicit(&log->calls, memory_order_relaxed);
}

bool log_wants(const struct log *log, enum level level)
{
    return (int)level >= atomic_load_explicit(&log->lowest, memory_order_relaxed);
}

uint64_t log_lost(const struct log *log)
{
    return atomic_load_explicit(&log->lost, memory_order_relaxed);
}

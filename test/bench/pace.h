/* Load at a fixed rate: each piece of work has its moment, whether or not those before it are
 * done, and its latency counts from that moment, so that whoever stalls is not asked less
 * ("coordinated omission"). The two programs whose latencies are compared share this clock. */
#ifndef BENCH_PACE_H
#define BENCH_PACE_H

#include <assert.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/prctl.h>

#include "sample.h"

struct pace {
    double start, interval;
    unsigned long count, begun, ended; /* of the pieces: all; the next one; those that are done */
    double *latencies;                 /* of those done, in seconds */
};

/* The first piece is due a moment from now. */
static inline struct pace pace_new(double rate, double seconds)
{
    prctl(PR_SET_TIMERSLACK, 1UL); /* else the kernel may wake us 50 µs late */
    struct pace pace = { .interval = 1 / rate, .count = (unsigned long)(rate * seconds) };
    pace.latencies = calloc(pace.count, sizeof *pace.latencies);
    if (pace.latencies == NULL || pace.count == 0)
        fail("no load");
    pace.start = seconds_now() + 0.05;
    return pace;
}

static inline double pace_moment(const struct pace *pace, unsigned long number)
{
    return pace->start + (double)number * pace->interval;
}

static inline bool pace_due(const struct pace *pace)
{
    return pace->begun < pace->count && pace_moment(pace, pace->begun) <= seconds_now();
}

static inline bool pace_over(const struct pace *pace)
{
    return pace->ended == pace->count;
}

/* The piece of that number is done. */
static inline void pace_end(struct pace *pace, unsigned long number)
{
    assert(number < pace->begun && pace->ended < pace->count);
    pace->latencies[pace->ended++] = seconds_now() - pace_moment(pace, number);
}

/* Waits for one of these, or, where there is room for more work, until a piece is due. */
static inline void pace_wait(const struct pace *pace, struct pollfd *waiting, unsigned count,
                             bool room)
{
    bool more = room && pace->begun < pace->count;
    double left = more ? pace_moment(pace, pace->begun) - seconds_now() : 30;
    struct timespec time = { 0 };
    if (left > 0)
        time = (struct timespec){ (time_t)left, (long)((left - (double)(time_t)left) * 1e9) };
    if (ppoll(waiting, count, &time, NULL) == 0 && !more)
        fail("nothing came for 30 s");
}

static inline int pace_compare(const void *one, const void *other)
{
    double first = *(const double *)one, second = *(const double *)other;
    return (first > second) - (first < second);
}

static inline void pace_print(const struct pace *pace, double cpu)
{
    qsort(pace->latencies, pace->count, sizeof *pace->latencies, pace_compare);
    printf("{\"count\":%lu,\"seconds\":%.3f,\"cpu\":%.3f,\"p50_ms\":%.4f,\"p99_ms\":%.4f}\n",
           pace->count, seconds_now() - pace->start, cpu, pace->latencies[pace->count / 2] * 1e3,
           pace->latencies[pace->count * 99 / 100] * 1e3);
}

#endif

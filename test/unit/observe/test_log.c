/* The log thread: whole lines from many threads, a reader that stalls or goes, and an end that
 * never hangs. */
#include "observe/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "fixture.h"
#include "observe/stats.h"

struct pipes {
    int read, write;
};

static struct pipes open_pipe(void)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    return (struct pipes){ ends[0], ends[1] };
}

/* Everything until the writers are gone. */
static struct bytes read_all(int descriptor)
{
    struct bytes all = { 0 };
    uint8_t *to;
    ssize_t got;
    while ((to = bytes_reserve(&all, 65536)) != NULL && (got = read(descriptor, to, 65536)) > 0)
        all.len += (size_t)got;
    close(descriptor);
    return all;
}

static void *read_in_thread(void *context)
{
    struct bytes *all = malloc(sizeof *all);
    assert_non_null(all);
    *all = read_all(*(const int *)context);
    return all;
}

/* How many lines there are; each must be JSON. */
static size_t count_lines(struct slice rest)
{
    size_t lines = 0;
    for (size_t end; (end = slice_find(rest, '\n')) < rest.len;
         rest = slice_from(rest, end + 1), lines++) {
        json_t *line = json_loadb((const char *)rest.at, end, 0, NULL);
        assert_non_null(line);
        json_decref(line);
    }
    assert_int_equal(rest.len, 0);
    return lines;
}

enum { WRITERS = 4, LINES_EACH = 3000 };

struct writer {
    pthread_t thread;
    struct worker worker;
    struct route *route;
    struct snapshot *snapshot;
};

static void *write_lines(void *context)
{
    struct writer *writer = context;
    struct call call = fixture_call(writer->route, writer->snapshot);
    for (unsigned i = 0; i < LINES_EACH; i++) {
        observe_call_begins(&writer->worker);
        observe_call(&writer->worker, &call);
        if (i % 100 == 0)
            observe_log(&writer->worker, LEVEL_INFO, "shunt", "%u lines", i);
    }
    return NULL;
}

static void lines_of_many_threads_stay_whole(void **state)
{
    (void)state;
    struct pipes pipes = open_pipe();
    struct log *log = log_start(pipes.write);
    close(pipes.write);
    struct stats *stats = stats_new();
    struct route route = { .name = "reserve", .stats = stats_route(stats, "route", "reserve") };
    struct snapshot snapshot = { .workers = WRITERS };
    pthread_t reader;
    pthread_create(&reader, NULL, read_in_thread, &pipes.read);

    struct writer writers[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++)
        writers[i] = (struct writer){ .worker = fixture_worker(i, log, stats),
                                      .route = &route,
                                      .snapshot = &snapshot };
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_create(&writers[i].thread, NULL, write_lines, &writers[i]);
    for (unsigned i = 0; i < 20; i++) { /* the control thread's part, at the same time */
        struct bytes text = { 0 };
        metrics_render(stats, &snapshot, false, &text);
        bytes_free(&text);
        log_line(log, LEVEL_WARNING, "shunt", "scrape %u", i);
    }
    uint64_t dropped = log_lost(log);
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        dropped += cell_read(&stats->workers[i].lines_dropped);
        observer_free(writers[i].worker.observer);
    }
    log_stop(log);

    void *all;
    pthread_join(reader, &all);
    size_t lines = count_lines(bytes_slice(all));
    assert_int_equal(lines + dropped, WRITERS * (LINES_EACH + LINES_EACH / 100) + 20);
    assert_int_equal(cell_read(&route.stats->cells[0]->styles[STYLE_SYNC].calls[STATUS_2XX]),
                     LINES_EACH);
    bytes_free(all);
    free(all);
    stats_free(stats);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Nobody reads: lines are dropped, the caller never waits; then somebody reads: lines come
 * again. */
static void a_stalled_reader_costs_lines_and_no_time(void **state)
{
    (void)state;
    struct pipes pipes = open_pipe();
    struct log *log = log_start(pipes.write);
    close(pipes.write);
    struct stats *stats = stats_new();
    struct snapshot snapshot = { .unmatched_stats = stats_route(stats, "unmatched", "") };
    struct worker worker = fixture_worker(0, log, stats);
    struct call call = fixture_call(NULL, &snapshot);

    double began = seconds();
    enum { LINES = 20000 };
    for (unsigned i = 0; i < LINES; i++)
        observe_call(&worker, &call);
    assert_true(seconds() - began < 10);
    uint64_t dropped = cell_read(&stats->workers[0].lines_dropped);
    assert_true(dropped > 0 && dropped < LINES);

    pthread_t reader;
    pthread_create(&reader, NULL, read_in_thread, &pipes.read);
    log_stop(log);
    void *all;
    pthread_join(reader, &all);
    assert_int_equal(count_lines(bytes_slice(all)) + dropped, LINES);
    bytes_free(all);
    free(all);
    observer_free(worker.observer);
    stats_free(stats);
}

static void a_reader_that_never_reads_does_not_keep_us(void **state)
{
    (void)state;
    struct pipes pipes = open_pipe();
    struct log *log = log_start(pipes.write);
    for (unsigned i = 0; i < 2000; i++)
        log_line(log, LEVEL_INFO, "shunt",
                 "line %u of many that nobody will ever read, since nobody is there", i);
    double began = seconds();
    log_stop(log);
    assert_true(seconds() - began < 10);
    close(pipes.read); /* lets the given-up thread end; the log is its own now */
    close(pipes.write);
}

static void a_reader_that_is_gone_is_survived(void **state)
{
    (void)state;
    struct pipes pipes = open_pipe();
    struct log *log = log_start(pipes.write);
    close(pipes.write);
    close(pipes.read);
    for (unsigned i = 0; i < 10; i++)
        log_line(log, LEVEL_INFO, "shunt", "into nowhere");
    for (unsigned i = 0; i < 1000 && log_lost(log) < 10; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    assert_int_equal(log_lost(log), 10);
    log_stop(log);
}

static void a_closed_output_is_survived(void **state)
{
    (void)state;
    struct log *log = log_start(-1);
    log_line(log, LEVEL_INFO, "shunt", "into nowhere");
    log_stop(log);
}

static void what_is_not_wanted_is_not_written(void **state)
{
    (void)state;
    struct pipes pipes = open_pipe();
    struct log *log = log_start(pipes.write);
    close(pipes.write);
    struct stats *stats = stats_new();
    struct snapshot snapshot = { .unmatched_stats = stats_route(stats, "unmatched", "") };
    struct worker worker = fixture_worker(WORKER_CONTROL, log, stats);
    struct call call = fixture_call(NULL, &snapshot);
    struct listener_settings admin = { .name = "admin", .admin = true };

    log_line(log, LEVEL_DEBUG, "shunt", "too fine");
    log_level(log, LEVEL_DEBUG);
    log_line(log, LEVEL_DEBUG, "shunt", "fine");
    log_format(log, LOG_AUTO, false);
    observe_call(&worker, &call);
    log_format(log, LOG_AUTO, true);
    call.listener = &admin;
    observe_call(&worker, &call); /* a probe */
    call.status = 403;
    call.reason = REASON_forbidden;
    observe_call(&worker, &call);
    log_stop(log);

    struct bytes all = read_all(pipes.read);
    assert_int_equal(count_lines(bytes_slice(&all)), 2);
    assert_non_null(memmem(all.at, all.len, "forbidden", 9));
    bytes_free(&all);
    observer_free(worker.observer);
    stats_free(stats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_many_threads_stay_whole),
        cmocka_unit_test(a_stalled_reader_costs_lines_and_no_time),
        cmocka_unit_test(a_reader_that_never_reads_does_not_keep_us),
        cmocka_unit_test(a_reader_that_is_gone_is_survived),
        cmocka_unit_test(a_closed_output_is_survived),
        cmocka_unit_test(what_is_not_wanted_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Streams above a driver that takes as much as the test says and writes down what it was told. */
#include "net/stream.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/worker.h"
#include "net/net.h"

struct bench {
    struct worker worker;
    struct net net;
    struct stream stream;
    char told[512];   /* what driver and owner were told, in order */
    struct bytes out; /* what the driver took */
    ssize_t takes;    /* at the next write; then `takes_later` */
    ssize_t takes_later;
    struct bytes lent;
    bool lends;
    size_t write_in_room; /* on_room writes so much */
};

static struct bench *bench_of(struct stream *stream)
{
    return thing_of(stream, struct bench, stream);
}

static void tell(struct bench *bench, const char *what)
{
    size_t len = strlen(bench->told);
    snprintf(bench->told + len, sizeof(bench->told) - len, "%s%s", len > 0 ? " " : "", what);
}

static void told(struct bench *bench, const char *expected)
{
    assert_string_equal(bench->told, expected);
    bench->told[0] = '\0';
}

static void read_on(struct stream *stream, bool on)
{
    tell(bench_of(stream), on ? "read" : "pause");
}

static ssize_t take(struct stream *stream, const struct iovec *parts, int count)
{
    struct bench *bench = bench_of(stream);
    ssize_t left = bench->takes;
    bench->takes = bench->takes_later;
    tell(bench, "write");
    if (left < 0)
        return left;
    size_t before = bench->out.len;
    for (int i = 0; i < count && left > 0; i++) {
        struct slice part = slice_first(slice_of(parts[i].iov_base, parts[i].iov_len),
                                        (size_t)left);
        bytes_add(&bench->out, part);
        left -= (ssize_t)part.len;
    }
    return (ssize_t)(bench->out.len - before);
}

static void await_room(struct stream *stream)
{
    struct bench *bench = bench_of(stream);
    tell(bench, "await");
    if (!bench->lends)
        return;
    size_t from;
    bench->lent = stream_lend(stream, &from);
    memmove(bench->lent.at, bench->lent.at + from, bench->lent.len - from);
    bench->lent.len -= from;
}

static void half_close(struct stream *stream)
{
    tell(bench_of(stream), "end");
}

static void shut(struct stream *stream)
{
    tell(bench_of(stream), "close");
}

static void reset(struct stream *stream)
{
    tell(bench_of(stream), "reset");
}

static const struct stream_driver driver = { .read = read_on,
                                             .write = take,
                                             .await_room = await_room,
                                             .end = half_close,
                                             .close = shut,
                                             .reset = reset };

static void on_open(struct stream *stream)
{
    tell(bench_of(stream), "on_open");
}

static void on_read(struct stream *stream, struct slice bytes)
{
    (void)bytes;
    tell(bench_of(stream), "on_read");
}

static void on_eof(struct stream *stream)
{
    tell(bench_of(stream), "on_eof");
}

static void on_room(struct stream *stream)
{
    struct bench *bench = bench_of(stream);
    tell(bench, "on_room");
    if (bench->write_in_room == 0)
        return;
    char *more = calloc(1, bench->write_in_room);
    stream_write_slice(stream, slice_of(more, bench->write_in_room));
    bench->write_in_room = 0;
    free(more);
}

static void on_close(struct stream *stream, int error)
{
    char text[32];
    snprintf(text, sizeof(text), "on_close(%d)", error);
    tell(bench_of(stream), text);
}

static const struct stream_events events = {
    .on_open = on_open,
    .on_read = on_read,
    .on_eof = on_eof,
    .on_room = on_room,
    .on_close = on_close,
};

static struct stream *dial(struct net *net, struct worker *worker, const struct address *address,
                           int *error)
{
    struct bench *bench = thing_of(net, struct bench, net);
    if (address->any.sa_family == AF_UNSPEC) {
        *error = -EAFNOSUPPORT;
        return NULL;
    }
    stream_init_dialled(&bench->stream, worker, &driver);
    return &bench->stream;
}

static uint64_t now_ms(void *context)
{
    return ((struct worker *)context)->timers.now_ms;
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    spares_init(&bench->worker.spares, SPARE_BYTES);
    list_init(&bench->worker.tasks);
    bench->worker.net = &bench->net;
    bench->worker.clock = (struct clock){ .monotonic_ms = now_ms, .context = &bench->worker };
    bench->net.dial = dial;
    bench->takes = bench->takes_later = 1 << 30;
    stream_init(&bench->stream, &bench->worker, &driver);
    bench->stream.events = &events;
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    if (!bench->stream.closing)
        stream_close(&bench->stream);
    stream_closed(&bench->stream, 0);
    bytes_free(&bench->out);
    bytes_free(&bench->lent);
    timers_clear(&bench->worker.timers);
    free(bench);
    return 0;
}

static void finish_turn(struct bench *bench)
{
    struct link *link;
    while ((link = list_first(&bench->worker.tasks)) != NULL) {
        list_leave(link);
        struct task *task = thing_of(link, struct task, link);
        task->run(task);
    }
}

static void write_text(struct bench *bench, const char *text)
{
    stream_write_slice(&bench->stream, slice_text(text));
}

static void write_zeros(struct bench *bench, size_t len)
{
    char *zeros = calloc(1, len);
    stream_write_slice(&bench->stream, slice_of(zeros, len));
    free(zeros);
}

static void small_writes_leave_together_at_the_end_of_the_turn(void **state)
{
    struct bench *bench = *state;
    write_text(bench, "head ");
    write_text(bench, "");
    write_text(bench, "body");
    told(bench, "");
    assert_int_equal(stream_queued(&bench->stream), 9);
    finish_turn(bench);
    told(bench, "write");
    assert_true(slice_is(bytes_slice(&bench->out), "head body"));
    assert_int_equal(stream_queued(&bench->stream), 0);
    assert_null(bench->stream.queue.at);
}

static void write_from_task(struct task *task)
{
    struct stream *stream = *(struct stream **)(void *)(task + 1);
    stream_write_slice(stream, SLICE(" from a task"));
}

static void what_tasks_of_the_same_turn_write_leaves_with_it(void **state)
{
    struct bench *bench = *state;
    struct {
        struct task task;
        struct stream *stream;
    } later = { .task.run = write_from_task, .stream = &bench->stream };
    write_text(bench, "before");
    worker_defer(&bench->worker, &later.task);
    finish_turn(bench);
    told(bench, "write");
    assert_true(slice_is(bytes_slice(&bench->out), "before from a task"));
}

static void what_is_large_leaves_at_once_behind_what_waits(void **state)
{
    struct bench *bench = *state;
    write_text(bench, "head ");
    write_zeros(bench, STREAM_GATHER);
    told(bench, "write");
    assert_int_equal(bench->out.len, STREAM_GATHER + 5);
    assert_memory_equal(bench->out.at, "head ", 5);
    finish_turn(bench);
    told(bench, "");
}

static void what_is_not_taken_waits_for_room(void **state)
{
    struct bench *bench = *state;
    bench->takes = 3;
    write_text(bench, "abcdef");
    finish_turn(bench);
    told(bench, "write await");
    assert_int_equal(stream_queued(&bench->stream), 3);
    write_text(bench, "ghi");
    write_zeros(bench, STREAM_GATHER);
    finish_turn(bench);
    told(bench, "");

    bench->takes = 1;
    stream_writable(&bench->stream);
    told(bench, "write await");
    stream_writable(&bench->stream);
    told(bench, "write on_room");
    assert_memory_equal(bench->out.at, "abcdefghi", 9);
    assert_int_equal(bench->out.len, 9 + STREAM_GATHER);
    assert_null(bench->stream.queue.at);
}

static void a_driver_may_take_the_rest_over(void **state)
{
    struct bench *bench = *state;
    bench->lends = true;
    bench->takes = 2;
    write_text(bench, "abcdef");
    finish_turn(bench);
    told(bench, "write await");
    assert_true(slice_is(bytes_slice(&bench->lent), "cdef"));
    assert_int_equal(stream_queued(&bench->stream), 4);
    write_text(bench, "gh");
    assert_int_equal(stream_queued(&bench->stream), 6);
    finish_turn(bench);
    told(bench, "");
    stream_writable(&bench->stream);
    told(bench, "write on_room");
    assert_true(slice_is(bytes_slice(&bench->out), "abgh"));
}

static void a_large_write_taken_in_part(void **state)
{
    struct bench *bench = *state;
    for (ssize_t taken = 0; taken <= 12; taken += 3) {
        bytes_free(&bench->out);
        write_text(bench, "waits");
        bench->takes = taken;
        write_zeros(bench, STREAM_GATHER);
        told(bench, "write await");
        assert_int_equal(stream_queued(&bench->stream), STREAM_GATHER + 5 - (size_t)taken);
        stream_writable(&bench->stream);
        told(bench, "write on_room");
        assert_memory_equal(bench->out.at, "waits\0", 6);
        assert_int_equal(bench->out.len, STREAM_GATHER + 5);
    }
}

static void the_owner_may_write_in_on_room(void **state)
{
    struct bench *bench = *state;
    bench->takes = 0;
    write_text(bench, "a");
    finish_turn(bench);
    told(bench, "write await");
    bench->write_in_room = STREAM_GATHER;
    bench->takes = 1;
    bench->takes_later = 7;
    stream_writable(&bench->stream);
    told(bench, "write on_room write await");
    assert_int_equal(stream_queued(&bench->stream), STREAM_GATHER - 7);
}

static void a_finish_closes_behind_what_is_queued(void **state)
{
    struct bench *bench = *state;
    bench->takes = 1;
    write_text(bench, "ab");
    stream_finish(&bench->stream);
    finish_turn(bench);
    told(bench, "write await");
    stream_writable(&bench->stream);
    told(bench, "write close");
    stream_finish(&bench->stream);
    told(bench, "");
}

static void a_finish_behind_a_half_close_closes_at_once(void **state)
{
    struct bench *bench = *state;
    stream_end(&bench->stream);
    finish_turn(bench);
    told(bench, "end");
    assert_false(stream_is_deserted(&bench->stream));
    stream_finish(&bench->stream);
    told(bench, "close");
}

static void the_half_close_follows_what_is_queued(void **state)
{
    struct bench *bench = *state;
    bench->takes = 1;
    write_text(bench, "ab");
    stream_end(&bench->stream);
    stream_end(&bench->stream);
    finish_turn(bench);
    told(bench, "write await");
    stream_writable(&bench->stream);
    told(bench, "write end on_room");
    finish_turn(bench);
    stream_close(&bench->stream);
    told(bench, "close");
}

static void nothing_comes_between_close_and_on_close(void **state)
{
    struct bench *bench = *state;
    write_text(bench, "last words");
    stream_close(&bench->stream);
    told(bench, "write close");
    stream_close(&bench->stream);
    stream_reset(&bench->stream);
    stream_read(&bench->stream, true);
    write_text(bench, "more");
    stream_end(&bench->stream);
    stream_arrived(&bench->stream, SLICE("x"));
    stream_at_end(&bench->stream);
    stream_writable(&bench->stream);
    finish_turn(bench);
    told(bench, "");
    stream_closed(&bench->stream, 0);
    told(bench, "on_close(0)");
}

static void reset_drops_what_is_queued(void **state)
{
    struct bench *bench = *state;
    write_text(bench, "gone");
    stream_reset(&bench->stream);
    told(bench, "reset");
    finish_turn(bench);
    assert_int_equal(bench->out.len, 0);
}

static void a_failed_write_is_told_by_on_close(void **state)
{
    struct bench *bench = *state;
    bench->takes = -EPIPE;
    write_text(bench, "x");
    finish_turn(bench);
    told(bench, "write close");
    stream_fail(&bench->stream, -ECONNRESET);
    stream_closed(&bench->stream, 0);
    told(bench, "on_close(-32)");

    stream_init(&bench->stream, &bench->worker, &driver);
    bench->stream.events = &events;
    bench->takes = -EPIPE;
    write_zeros(bench, STREAM_GATHER);
    told(bench, "write close");
}

static void dialled_streams_keep_writes_until_they_are_open(void **state)
{
    struct bench *bench = *state;
    struct address address = { .any.sa_family = AF_INET };
    int error;
    struct stream *stream = stream_dial(&bench->worker, &address, 100, &events, bench, &error);
    assert_ptr_equal(stream, &bench->stream);
    assert_ptr_equal(stream->owner, bench);
    write_text(bench, "early");
    write_zeros(bench, STREAM_GATHER);
    stream_end(stream);
    finish_turn(bench);
    told(bench, "");
    stream_opened(stream);
    told(bench, "on_open write end on_room");
    assert_memory_equal(bench->out.at, "early", 5);
    timers_run(&bench->worker.timers, 1000);
    told(bench, "");
}

static void a_dial_ends_by_its_own_timeout(void **state)
{
    struct bench *bench = *state;
    struct address address = { .any.sa_family = AF_INET };
    int error;
    stream_dial(&bench->worker, &address, 100, &events, bench, &error);
    timers_run(&bench->worker.timers, 99);
    told(bench, "");
    timers_run(&bench->worker.timers, 100);
    told(bench, "close");
    stream_opened(&bench->stream);
    stream_closed(&bench->stream, 0);
    told(bench, "on_close(-110)");

    address.any.sa_family = AF_UNSPEC;
    assert_null(stream_dial(&bench->worker, &address, 100, &events, bench, &error));
    assert_int_equal(error, -EAFNOSUPPORT);
    stream_init(&bench->stream, &bench->worker, &driver);
    bench->stream.events = &events;
}

static void many_parts_are_one_write(void **state)
{
    struct bench *bench = *state;
    char kilobyte[1024] = { 0 };
    struct iovec parts[40];
    for (int i = 0; i < 40; i++)
        parts[i] = (struct iovec){ kilobyte, sizeof(kilobyte) };
    stream_write(&bench->stream, parts, 40);
    told(bench, "write");
    assert_int_equal(bench->out.len, 40 * 1024);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Patience begins when there is something to take, whatever was before; it begins again when some
 * of it is taken, and not because more is written. */
static void a_peer_that_takes_nothing_is_stuck(void **state)
{
    struct bench *bench = *state;
    struct stream *stream = &bench->stream;
    uint64_t *now = &bench->worker.timers.now_ms;
    write_text(bench, "taken at once");
    finish_turn(bench);
    assert_false(stream_is_stuck(stream, 1000));
    *now += 50000;
    assert_false(stream_is_stuck(stream, 1000));
    bench->takes = bench->takes_later = 0;
    write_text(bench, "first");
    finish_turn(bench);
    *now += 999;
    assert_false(stream_is_stuck(stream, 1000));
    write_text(bench, "more");
    *now += 1;
    assert_true(stream_is_stuck(stream, 1000));
    bench->takes = 2;
    stream_writable(stream);
    assert_false(stream_is_stuck(stream, 1000));
    *now += 1000;
    assert_true(stream_is_stuck(stream, 1000));
    bench->takes = bench->takes_later = 1 << 30;
    stream_writable(stream);
    assert_false(stream_is_stuck(stream, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(small_writes_leave_together_at_the_end_of_the_turn),
        TEST(what_tasks_of_the_same_turn_write_leaves_with_it),
        TEST(what_is_large_leaves_at_once_behind_what_waits),
        TEST(what_is_not_taken_waits_for_room),
        TEST(a_driver_may_take_the_rest_over),
        TEST(a_large_write_taken_in_part),
        TEST(the_owner_may_write_in_on_room),
        TEST(the_half_close_follows_what_is_queued),
        TEST(a_finish_closes_behind_what_is_queued),
        TEST(a_finish_behind_a_half_close_closes_at_once),
        TEST(nothing_comes_between_close_and_on_close),
        TEST(reset_drops_what_is_queued),
        TEST(a_peer_that_takes_nothing_is_stuck),
        TEST(a_failed_write_is_told_by_on_close),
        TEST(dialled_streams_keep_writes_until_they_are_open),
        TEST(a_dial_ends_by_its_own_timeout),
        TEST(many_parts_are_one_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Real sockets on a real loop: one end of each is ours, the other too, or the test's own
 * descriptor. */
#include "net/uv.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/listener.h"
#include "turning.h"

struct end {
    struct stream *stream;
    struct bytes got;
    bool open, eof, closed, stop_after_read, write_on_room;
    unsigned reads, rooms;
    int error;
};

struct bench {
    struct turning turning;
    struct listening listening;
    struct address address;
    struct end ends[8]; /* accepted ones, in order */
    unsigned accepted;
    bool unlistened;
};

static struct end *end_of(struct stream *stream)
{
    return stream->owner;
}

static void on_open(struct stream *stream)
{
    end_of(stream)->open = true;
}

static void on_read(struct stream *stream, struct slice bytes)
{
    struct end *end = end_of(stream);
    bytes_add(&end->got, bytes);
    end->reads++;
    if (end->stop_after_read)
        stream_read(stream, false);
}

static void on_eof(struct stream *stream)
{
    end_of(stream)->eof = true;
}

static void on_room(struct stream *stream)
{
    end_of(stream)->rooms++;
}

static void on_close(struct stream *stream, int error)
{
    struct end *end = end_of(stream);
    assert_false(end->closed);
    end->closed = true;
    end->error = error;
}

static const struct stream_events events = {
    .on_open = on_open,
    .on_read = on_read,
    .on_eof = on_eof,
    .on_room = on_room,
    .on_close = on_close,
};

static void on_accept(struct listening *listening, struct stream *stream)
{
    struct bench *bench = thing_of(listening, struct bench, listening);
    struct end *end = &bench->ends[bench->accepted++];
    end->stream = stream;
    stream->events = &events;
    stream->owner = end;
    stream_read(stream, true);
}

static void on_unlistened(struct listening *listening)
{
    thing_of(listening, struct bench, listening)->unlistened = true;
}

static void listen_at(struct bench *bench, const char *text)
{
    assert_int_equal(address_parse(slice_text(text), &bench->address), 0);
    int descriptor = listener_bind(&bench->address);
    assert_true(descriptor >= 0);
    socklen_t len = sizeof(bench->address.un);
    getsockname(descriptor, &bench->address.any, &len);
    struct net *net = bench->turning.worker.net;
    assert_int_equal(net->listen(net, &bench->turning.worker, descriptor, &bench->listening), 0);
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    turning_start(&bench->turning);
    bench->listening = (struct listening){ .on_accept = on_accept, .on_closed = on_unlistened };
    listen_at(bench, "127.0.0.1:0");
    *state = bench;
    return 0;
}

static void release(struct bench *bench, struct end *end)
{
    if (!end->closed)
        stream_close(end->stream);
    turn_until(&bench->turning, end->closed);
    bytes_free(&end->got);
}

static void unlisten(struct bench *bench)
{
    struct net *net = bench->turning.worker.net;
    net->unlisten(net, &bench->listening);
    turn_until(&bench->turning, bench->unlistened);
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 0; i < bench->accepted; i++)
        release(bench, &bench->ends[i]);
    if (!bench->unlistened)
        unlisten(bench);
    turning_stop(&bench->turning);
    free(bench);
    return 0;
}

static void dial(struct bench *bench, struct end *end, uint64_t timeout_ms)
{
    int error;
    *end = (struct end){ 0 };
    end->stream = stream_dial(&bench->turning.worker, &bench->address, timeout_ms, &events, end,
                              &error);
    assert_non_null(end->stream);
}

/* A plain socket that is connected to the bench. */
static int plain_connect(struct bench *bench)
{
    int descriptor = socket(bench->address.any.sa_family, SOCK_STREAM, 0);
    assert_int_equal(connect(descriptor, &bench->address.any, bench->address.len), 0);
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
    return descriptor;
}

static void bytes_go_both_ways_and_end_in_order(void **state)
{
    struct bench *bench = *state;
    struct end client;
    dial(bench, &client, 1000);
    stream_write_slice(client.stream, SLICE("early "));
    stream_read(client.stream, true);
    turn_until(&bench->turning, bench->accepted == 1 && client.open);
    struct end *server = &bench->ends[0];
    assert_true(address_is_loopback(&server->stream->peer));

    stream_write_slice(client.stream, SLICE("request"));
    stream_end(client.stream);
    turn_until(&bench->turning, server->eof);
    assert_true(slice_is(bytes_slice(&server->got), "early request"));
    stream_write_slice(server->stream, SLICE("answer"));
    stream_end(server->stream);
    turn_until(&bench->turning, client.eof);
    assert_true(slice_is(bytes_slice(&client.got), "answer"));
    assert_false(client.closed || server->closed);
    release(bench, &client);
    assert_int_equal(client.error, 0);
}

static void a_unix_socket_serves_as_well(void **state)
{
    struct bench *bench = *state;
    unlisten(bench);
    bench->unlistened = false;
    char text[64];
    snprintf(text, sizeof(text), "unix:/tmp/shunt-test-%d.sock", (int)getpid());
    listen_at(bench, text);
    assert_int_equal(address_parse(slice_text(text), &bench->address), 0);
    struct end client;
    dial(bench, &client, 1000);
    stream_read(client.stream, true);
    stream_write_slice(client.stream, SLICE("hello"));
    turn_until(&bench->turning, bench->accepted == 1 && bench->ends[0].got.len == 5);
    stream_write_slice(bench->ends[0].stream, SLICE("back"));
    turn_until(&bench->turning, client.got.len == 4);
    release(bench, &client);
    unlink(text + 5);
}

static void a_slow_reader_holds_the_writer_back(void **state)
{
    struct bench *bench = *state;
    enum { MUCH = 16 * 1024 * 1024 };
    struct end client;
    dial(bench, &client, 1000);
    turn_until(&bench->turning, bench->accepted == 1 && client.open);
    struct end *server = &bench->ends[0];
    stream_read(server->stream, false);

    uint8_t *much = malloc(MUCH);
    for (size_t i = 0; i < MUCH; i++)
        much[i] = (uint8_t)(i * 31 >> 3);
    stream_write_slice(client.stream, slice_of(much, MUCH));
    assert_true(stream_queued(client.stream) > 0);
    stream_write_slice(client.stream, SLICE("tail"));
    for (int i = 0; i < 10; i++)
        turn(&bench->turning);
    assert_true(stream_queued(client.stream) > 4);
    assert_int_equal(client.rooms, 0);
    assert_int_equal(server->got.len, 0);

    stream_read(server->stream, true);
    turn_until(&bench->turning, server->got.len == MUCH + 4);
    assert_memory_equal(server->got.at, much, MUCH);
    assert_memory_equal(server->got.at + MUCH, "tail", 4);
    assert_int_equal(stream_queued(client.stream), 0);
    assert_int_equal(client.rooms, 1);
    free(much);
    release(bench, &client);
}

static void turning_reading_off_stops_a_row_of_reads(void **state)
{
    struct bench *bench = *state;
    int plain = plain_connect(bench);
    turn_until(&bench->turning, bench->accepted == 1);
    struct end *server = &bench->ends[0];
    server->stop_after_read = true;
    stream_read(server->stream, false);
    char much[256 * 1024] = { 0 };
    assert_true(write(plain, much, sizeof(much)) > 128 * 1024);

    stream_read(server->stream, true);
    turn_until(&bench->turning, server->reads == 1);
    for (int i = 0; i < 5; i++)
        turn(&bench->turning);
    assert_int_equal(server->reads, 1);
    assert_true(server->got.len <= 64 * 1024);
    close(plain);
}

static void reset_is_an_error_and_close_is_not(void **state)
{
    struct bench *bench = *state;
    int closed = plain_connect(bench), reset = plain_connect(bench), shut = plain_connect(bench);
    turn_until(&bench->turning, bench->accepted == 3);
    stream_close(bench->ends[0].stream);
    stream_reset(bench->ends[1].stream);
    stream_end(bench->ends[2].stream);
    turn(&bench->turning);
    stream_reset(bench->ends[2].stream);
    turn_until(&bench->turning,
               bench->ends[0].closed && bench->ends[1].closed && bench->ends[2].closed);
    assert_int_equal(bench->ends[1].error, 0);

    char byte;
    assert_int_equal(read(closed, &byte, 1), 0);
    assert_int_equal(read(reset, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    assert_int_equal(write(shut, "x", 1), -1); /* its end had come before the reset */
    close(closed);
    close(reset);
    close(shut);
}

static void a_peers_reset_closes_with_its_error(void **state)
{
    struct bench *bench = *state;
    int plain = plain_connect(bench);
    turn_until(&bench->turning, bench->accepted == 1);
    struct linger now = { 1, 0 };
    setsockopt(plain, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(plain);
    turn_until(&bench->turning, bench->ends[0].closed);
    assert_int_equal(bench->ends[0].error, -ECONNRESET);
}

static void a_peers_reset_behind_bytes_is_no_end(void **state)
{
    struct bench *bench = *state;
    int plain = plain_connect(bench);
    turn_until(&bench->turning, bench->accepted == 1);
    struct linger now = { 1, 0 };
    setsockopt(plain, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    assert_int_equal(write(plain, "hello", 5), 5);
    close(plain);
    turn_until(&bench->turning, bench->ends[0].closed);
    assert_int_equal(bench->ends[0].error, -ECONNRESET);
    assert_true(slice_is(bytes_slice(&bench->ends[0].got), "hello"));
}

static void writing_to_who_is_gone_is_an_error_of_the_stream(void **state)
{
    struct bench *bench = *state;
    int plain = plain_connect(bench);
    turn_until(&bench->turning, bench->accepted == 1);
    stream_read(bench->ends[0].stream, false);
    close(plain);
    for (int i = 0; i < 3 && !bench->ends[0].closed; i++) {
        stream_write_slice(bench->ends[0].stream, SLICE("x"));
        turn(&bench->turning);
    }
    turn_until(&bench->turning, bench->ends[0].closed);
    assert_true(bench->ends[0].error == -EPIPE || bench->ends[0].error == -ECONNRESET);
}

static void refused_dials_and_dials_into_nowhere(void **state)
{
    struct bench *bench = *state;
    unlisten(bench);
    struct end client;
    dial(bench, &client, 1000);
    turn_until(&bench->turning, client.closed);
    assert_int_equal(client.error, -ECONNREFUSED);
    assert_false(client.open);

    dial(bench, &client, 1000);
    stream_close(client.stream);
    turn_until(&bench->turning, client.closed);
    assert_int_equal(client.error, 0);
}

static void a_dial_that_nobody_answers_times_out(void **state)
{
    struct bench *bench = *state;
    unlisten(bench);
    /* A full backlog: the kernel drops further SYNs. */
    struct address any;
    assert_int_equal(address_parse(SLICE("127.0.0.1:0"), &any), 0);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0), filling[4];
    assert_int_equal(bind(descriptor, &any.any, any.len), 0);
    assert_int_equal(listen(descriptor, 0), 0);
    socklen_t len = any.len;
    getsockname(descriptor, &any.any, &len);
    for (int i = 0; i < 4; i++) {
        filling[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(filling[i], &any.any, any.len);
    }
    bench->address = any;
    struct end client;
    dial(bench, &client, 30);
    turn_until(&bench->turning, client.closed);
    assert_int_equal(client.error, -ETIMEDOUT);
    for (int i = 0; i < 4; i++)
        close(filling[i]);
    close(descriptor);
}

static void a_paused_listener_accepts_nothing(void **state)
{
    struct bench *bench = *state;
    struct net *net = bench->turning.worker.net;
    net->pause(net, &bench->listening, true);
    int plain[3];
    for (int i = 0; i < 3; i++)
        plain[i] = plain_connect(bench);
    for (int i = 0; i < 10; i++)
        turn(&bench->turning);
    assert_int_equal(bench->accepted, 0);
    net->pause(net, &bench->listening, false);
    turn_until(&bench->turning, bench->accepted == 3);
    for (int i = 0; i < 3; i++)
        close(plain[i]);

    net->pause(net, &bench->listening, true);
    int last = plain_connect(bench);
    turn(&bench->turning);
    turn(&bench->turning);
    net->pause(net, &bench->listening, false);
    unlisten(bench);
    assert_int_equal(bench->accepted, 3);
    close(last);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_both_ways_and_end_in_order),
        TEST(a_unix_socket_serves_as_well),
        TEST(a_slow_reader_holds_the_writer_back),
        TEST(turning_reading_off_stops_a_row_of_reads),
        TEST(reset_is_an_error_and_close_is_not),
        TEST(a_peers_reset_closes_with_its_error),
        TEST(a_peers_reset_behind_bytes_is_no_end),
        TEST(writing_to_who_is_gone_is_an_error_of_the_stream),
        TEST(refused_dials_and_dials_into_nowhere),
        TEST(a_dial_that_nobody_answers_times_out),
        TEST(a_paused_listener_accepts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

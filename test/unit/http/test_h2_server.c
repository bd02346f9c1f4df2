/* The server's side of HTTP/2, through a whole worker: what a client says, what it is told, what
 * the upstream heard of it. Read each test as a transcript. */
#include "far_end.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define CONFIG(streams)                                                                            \
    "service = \"t\";\n"                                                                           \
    "listeners = ( { name = \"out\"; address = \"127.0.0.1:15001\"; host = \"inventory:8080\"; } " \
    ");\n"                                                                                         \
    "upstreams = ( { name = \"inventory\"; endpoints = ( \"10.0.0.1:80\" ); },\n"                  \
    "              { name = \"shared\"; endpoints = ( \"10.0.0.2:80\" ); protocol = \"h2\"; } "    \
    ");\n"                                                                                         \
    "routes = ( { name = \"shared\"; match = { host = \"shared\"; }; style = \"sync\";\n"          \
    "             timeout = \"60s\"; sync = { upstream = \"shared\"; }; },\n"                      \
    "           { name = \"all\"; match = { host = \"inventory\"; }; style = \"sync\";\n"          \
    "             timeout = \"60s\"; sync = { upstream = \"inventory\"; }; } );\n"                 \
    "timeouts = { head = \"10s\"; idle = \"60s\"; body = \"20s\"; };\n"                            \
    "limits = { streams = " streams "; };\n"

static const char config[] = CONFIG("3"), config_of_many[] = CONFIG("100");

#define TO  ":scheme=http :authority=inventory :path=/a"
#define GET ":method=GET " TO
#define PUT ":method=PUT " TO

struct scene {
    struct pipes *pipes;
    struct pipe *pipe; /* the client's */
    struct far_end *client;
};

static struct scene begin_with(const char *text, bool greedy)
{
    struct pipes *pipes = pipes_new(text);
    struct pipe *pipe = accept_client(pipes);
    return (struct scene){ pipes, pipe, far_new(pipe, false, greedy, 0) };
}

static struct scene begin(bool greedy)
{
    return begin_with(config, greedy);
}

static void end(struct scene *scene)
{
    far_free(scene->client);
    pipes_free(scene->pipes);
}

static struct pipe *upstream_of(struct scene *scene, unsigned number)
{
    far_pump(scene->client);
    struct pipe *upstream = dialled(scene->pipes, number);
    assert_non_null(upstream);
    if (upstream->stream.opening)
        open_pipe(upstream);
    return upstream;
}

static bool says(const char *text, const char *part)
{
    bool there = strstr(text, part) != NULL;
    if (!there)
        print_error("\"%s\" is not in\n%s\n", part, text);
    return there;
}

static void a_call_with_all_that_it_can_have(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    int32_t id = far_head(scene.client, -1, PUT " te=trailers x-a=b", false);
    struct pipe *upstream = upstream_of(&scene, 0);
    far_body(scene.client, id, SLICE("hello"), false);
    far_head(scene.client, id, "x-sum=5", true);
    far_pump(scene.client);
    const char *request = heard(upstream);
    assert_true(says(request, "PUT /a HTTP/1.1\r\nHost: inventory\r\nx-a: b\r\n"));
    assert_true(says(request, "Via: 2.0 shunt\r\n"));
    assert_true(says(request, "\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n"));
    say(upstream, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    say(upstream,
        "HTTP/1.1 200 OK\r\nTrailer: x-t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_string_equal(told(scene.client),
                        "head 1 :status=103 link=</x> | head 1 :status=200 trailer=x-t | "
                        "data 1 abc");
    say(upstream, "0\r\nX-T: v\r\n\r\n");
    assert_true(says(told(scene.client), "head 1 x-t=v end"));
    end(&scene);
}

/* HEAD, 304 and 204: what the length says is passed on, and nothing follows. */
static void answers_without_a_body(void **state)
{
    (void)state;
    static const struct {
        const char *request, *answer, *told;
    } rows[] = {
        { ":method=HEAD " TO, "200 OK\r\nContent-Length: 9\r\n\r\n",
          ":status=200 content-length=9" },
        { GET, "304 Not Modified\r\nContent-Length: 9\r\n\r\n", ":status=304 content-length=9" },
        { GET, "304 Not Modified\r\n\r\n", ":status=304" },
        { GET, "200 OK\r\nContent-Length: 0\r\n\r\n", ":status=200 content-length=0" },
        { GET, "204 No Content\r\n\r\n", ":status=204" },
        { ":method=HEAD " TO, "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ":status=200" },
    };
    struct scene scene = begin(true);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char answer[200], expected[200];
        int32_t id = far_head(scene.client, -1, rows[i].request, true);
        struct pipe *upstream = upstream_of(&scene, 0);
        snprintf(answer, sizeof answer, "HTTP/1.1 %s", rows[i].answer);
        say(upstream, answer);
        snprintf(expected, sizeof expected, "head %d %s end", id, rows[i].told);
        assert_string_equal(told(scene.client), expected);
    }
    end(&scene);
}

/* Whether more follows than was said shows at the end of the stream only. */
static void a_length_is_kept_to_before_the_upstream_has_all(void **state)
{
    (void)state;
    for (int lies = 0; lies <= 1; lies++) {
        struct scene scene = begin(true);
        int32_t id = far_head(scene.client, -1, PUT " content-length=5", false);
        struct pipe *upstream = upstream_of(&scene, 0);
        far_body(scene.client, id, SLICE("hello"), false);
        assert_true(says(heard(upstream), "Content-Length: 5\r\n\r\nhell"));
        assert_string_equal(heard(upstream), "");
        far_body(scene.client, id, lies ? SLICE("!") : SLICE(""), true);
        assert_string_equal(heard(upstream), lies ? "" : "o");
        assert_true(upstream->closed == lies);
        end(&scene);
    }
}

static void a_client_that_asks_before_it_sends(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    int32_t id = far_head(scene.client, -1, PUT " expect=100-continue content-length=5", false);
    struct pipe *upstream = upstream_of(&scene, 0);
    assert_true(says(heard(upstream), "Expect: 100-continue\r\n"));
    assert_string_equal(told(scene.client), "");
    say(upstream, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_string_equal(told(scene.client), "head 1 :status=100");
    far_body(scene.client, id, SLICE("hello"), true);
    assert_string_equal(heard(upstream), "hello");
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_true(says(told(scene.client), "head 1 :status=200 content-length=0"));
    end(&scene);
}

static void a_reset_cancels_its_call_alone(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    int32_t first = far_head(scene.client, -1, GET, true);
    struct pipe *upstream = upstream_of(&scene, 0);
    far_head(scene.client, -1, GET, true);
    struct pipe *other = upstream_of(&scene, 1);
    far_reset(scene.client, first, NGHTTP2_CANCEL);
    assert_true(upstream->closed && !other->closed);
    say(other, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_string_equal(told(scene.client), "head 3 :status=204 end");
    assert_true(list_empty(&scene.pipes->worker.calls));
    end(&scene);
}

/* GET /, of HPACK's own table. */
static const uint8_t block[] = { 0x82, 0x86, 0x84, 0x41, 9,   'i', 'n',
                                 'v',  'e',  'n',  't',  'o', 'r', 'y' };

/* By a client that does not heed what it has acknowledged. */
static void more_streams_than_are_allowed_end_the_connection(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    for (int i = 0; i < 3; i++)
        far_head(scene.client, -1, GET, true);
    assert_string_equal(told(scene.client), "");
    far_raw(scene.client, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 7,
            slice_of(block, sizeof block));
    assert_int_equal(scene.pipes->dialled, 3);
    assert_string_equal(told(scene.client), "goaway 5 1");
    assert_true(list_empty(&scene.pipes->worker.calls));
    end(&scene);
}

static void an_answer_that_comes_early_ends_the_stream(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    int32_t id = far_head(scene.client, -1, PUT, false);
    struct pipe *upstream = upstream_of(&scene, 0);
    far_body(scene.client, id, SLICE("hello"), false);
    say(upstream, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    assert_string_equal(told(scene.client), "head 1 :status=413 content-length=2 | "
                                            "data 1 no end | reset 1 0");
    /* Its trailers were on their way: the connection is none the worse. */
    static const uint8_t trailers[] = { 0x00, 1, 'x', 1, 'y' };
    far_raw(scene.client, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, id,
            slice_of(trailers, sizeof trailers));
    far_head(scene.client, -1, GET, true);
    say(upstream_of(&scene, 1), "HTTP/1.1 204 No Content\r\n\r\n");
    assert_string_equal(told(scene.client), "head 3 :status=204 end");
    end(&scene);
}

/* RFC 9113 §5.1.1: a stream that was passed over is closed. */
static void a_stream_that_was_passed_over(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    const uint8_t flags = NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM;
    far_raw(scene.client, NGHTTP2_HEADERS, flags, 9, slice_of(block, sizeof block));
    far_raw(scene.client, NGHTTP2_HEADERS, flags, 7, slice_of(block, sizeof block));
    assert_true(says(told(scene.client), "goaway 9 1"));
    assert_true(list_empty(&scene.pipes->worker.calls)); /* nobody can be answered any more */
    assert_true(scene.pipe->ended);
    end(&scene);
}

/* nghttp2 resets them before there is a call to speak of; they are over all the same. */
static void malformed_requests_are_calls_that_end(void **state)
{
    (void)state;
    static const char *const requests[] = {
        ":method=GET :scheme=http :path=/a :authority=inventory connection=close",
        ":method=GET :scheme=http :authority=inventory",
        PUT " content-length=x",
    };
    struct scene scene = begin(true);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        char expected[40];
        snprintf(expected, sizeof expected, "reset %d 1",
                 far_head(scene.client, -1, requests[i], true));
        assert_string_equal(told(scene.client), expected);
    }
    assert_true(list_empty(&scene.pipes->worker.calls) && scene.pipes->dialled == 0);
    end(&scene);
}

static void time_limits(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    int32_t id = far_head(scene.client, -1, PUT, false);
    upstream_of(&scene, 0);
    far_body(scene.client, id, SLICE("hel"), false);
    pass(scene.pipes, 19000);
    assert_string_equal(told(scene.client), "");
    pass(scene.pipes, 6000);
    assert_true(says(told(scene.client), "head 1 :status=408"));
    pass(scene.pipes, 50000);
    assert_string_equal(told(scene.client), "");
    pass(scene.pipes, 15000);
    assert_true(says(told(scene.client), "goaway 1 0"));
    assert_true(scene.pipe->ended);
    end(&scene);
}

/* Half a block: the head's time, and not the connection's. */
static void a_head_that_does_not_end(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    far_raw(scene.client, NGHTTP2_HEADERS, 0, 1, slice_of("\x82\x86", 2));
    pass(scene.pipes, 9000);
    assert_false(scene.pipe->ended);
    pass(scene.pipes, 5000);
    assert_true(scene.pipe->ended);
    end(&scene);
}

static void an_answer_that_nobody_reads(void **state)
{
    (void)state;
    static const uint8_t much[65536];
    struct scene scene = begin(false);
    far_head(scene.client, -1, GET, true);
    struct pipe *upstream = upstream_of(&scene, 0);
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n");
    unsigned reads = 0;
    while (upstream->reading && reads++ < 100)
        say_bytes(upstream, slice_of(much, sizeof much));
    assert_in_range(reads, 4, 6); /* the window of the client, and ours */
    told(scene.client);
    assert_int_equal(scene.client->data, 65535);
    pass(scene.pipes, 19000);
    assert_false(upstream->closed);
    pass(scene.pipes, 12000);
    assert_true(says(told(scene.client), "reset 1 8"));
    assert_true(upstream->closed && !scene.pipe->closed);
    end(&scene);
}

/* A body may come as far as there is room for it behind us, and one window more. */
static void a_request_that_the_upstream_does_not_read(void **state)
{
    (void)state;
    static uint8_t much[4 << 20];
    struct scene scene = begin(true);
    int32_t id = far_head(scene.client, -1, PUT, false);
    struct pipe *upstream = upstream_of(&scene, 0);
    take_more(upstream, 0);
    far_body(scene.client, id, slice_of(much, sizeof much), true);
    size_t waits = stream_queued(&upstream->stream);
    assert_in_range(waits, 64 * 1024, 600 * 1024);
    take_more(upstream, SIZE_MAX);
    while (scene.client->sending.len > 0) {
        size_t left = scene.client->sending.len;
        far_pump(scene.client);
        assert_true(scene.client->sending.len < left);
    }
    say(upstream, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_string_equal(told(scene.client), "head 1 :status=204 end");
    end(&scene);
}

static void draining_warns_first(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    far_head(scene.client, -1, GET, true);
    struct pipe *upstream = upstream_of(&scene, 0);
    server_drain(server_of(list_first(&scene.pipes->worker.servers)));
    turn(scene.pipes);
    assert_string_equal(told(scene.client), "goaway 2147483647 0");
    pass(scene.pipes, 150);
    assert_string_equal(told(scene.client), "goaway 1 0");
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_string_equal(told(scene.client), "head 1 :status=200 content-length=2 | data 1 ok end");
    assert_true(scene.pipe->ended);
    hang_up(scene.pipe);
    assert_true(scene.pipe->closed);
    end(&scene);
}

/* As clients of gRPC do: each message that reaches them is answered by a PING and a few bytes
 * of window. */
static void pings_for_answers_are_no_flood(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    for (int i = 0; i < 2500; i++) {
        far_head(scene.client, -1, GET, true);
        say(upstream_of(&scene, 0), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        assert_true(says(told(scene.client), "ok end"));
        far_raw(scene.client, NGHTTP2_PING, 0, 0, SLICE("12345678"));
        far_raw(scene.client, NGHTTP2_WINDOW_UPDATE, 0, 0, slice_of("\0\0\0\x09", 4));
        scene.pipe->said.len = 0; /* an answer to what its nghttp2 never asked */
    }
    assert_false(scene.pipe->ended);
    for (int i = 0; i < 1000 && !scene.pipe->ended; i++)
        far_raw(scene.client, NGHTTP2_PING, 0, 0, SLICE("12345678"));
    assert_true(scene.pipe->ended);
    end(&scene);
}

/* Callers whose time is up reset their streams as well: each had its place for that time. */
static void resets_of_what_took_long_are_no_flood(void **state)
{
    (void)state;
    static const char request[] = ":method=GET :scheme=http :authority=shared :path=/a";
    struct scene scene = begin_with(config_of_many, true);
    struct far_end *upstream = NULL;
    int32_t id = 0;
    for (int i = 0; i < 6; i++) {
        for (int j = 0; j < 100; j++)
            id = far_head(scene.client, -1, request, true);
        far_pump(scene.client);
        upstream = upstream == NULL ? far_new(upstream_of(&scene, 0), true, true, 100) : upstream;
        far_pump(upstream);
        pass(scene.pipes, 600);
        for (int j = 0; j < 100; j++)
            far_reset(scene.client, id - 2 * j, NGHTTP2_CANCEL);
        assert_non_null(strstr(told(upstream), "reset"));
        assert_false(scene.pipe->ended);
    }
    for (int i = 0; i < 500 && !scene.pipe->ended; i++) {
        id = far_head(scene.client, -1, request, true);
        far_pump(scene.client);
        far_reset(scene.client, id, NGHTTP2_CANCEL);
    }
    assert_true(scene.pipe->ended);
    far_free(upstream);
    end(&scene);
}

static void a_flood_takes_its_calls_along(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    far_head(scene.client, -1, GET, true);
    struct pipe *upstream = upstream_of(&scene, 0);
    for (int i = 0; i < 1000 && !scene.pipe->ended; i++)
        far_raw(scene.client, NGHTTP2_PING, 0, 0, SLICE("12345678"));
    assert_true(scene.pipe->ended && upstream->closed);
    assert_true(list_empty(&scene.pipes->worker.calls));
    pass(scene.pipes, 5000); /* a client that stays is not waited for */
    assert_true(scene.pipe->closed);
    end(&scene);
}

static void a_tunnel_with_its_half_close(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    int32_t id = far_head(scene.client, -1, ":method=CONNECT :authority=10.0.0.7:443", false);
    struct pipe *upstream = upstream_of(&scene, 0);
    assert_string_equal(told(scene.client), "head 1 :status=200");
    far_body(scene.client, id, SLICE("ping"), false);
    assert_string_equal(heard(upstream), "ping");
    say(upstream, "pong");
    assert_string_equal(told(scene.client), "data 1 pong");
    far_body(scene.client, id, SLICE("last"), true);
    assert_string_equal(heard(upstream), "last");
    assert_true(upstream->ended);
    say(upstream, "answer");
    assert_string_equal(told(scene.client), "data 1 answer");
    hang_up(upstream);
    assert_string_equal(told(scene.client), "data 1 end");
    end(&scene);
}

static void a_tunnel_whose_other_side_ends_first(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    int32_t id = far_head(scene.client, -1, ":method=CONNECT :authority=10.0.0.7:443", false);
    struct pipe *upstream = upstream_of(&scene, 0);
    assert_string_equal(told(scene.client), "head 1 :status=200");
    say(upstream, "all");
    hang_up(upstream);
    assert_string_equal(told(scene.client), "data 1 all | data 1 end");
    far_body(scene.client, id, SLICE("more"), false);
    assert_string_equal(heard(upstream), "more");
    assert_false(upstream->closing);
    far_body(scene.client, id, SLICE("last"), true);
    assert_string_equal(heard(upstream), "last");
    assert_true(upstream->closed && !upstream->reset);
    assert_string_equal(told(scene.client), "");
    end(&scene);
}

/* The stream is over; what the client said last waits for an upstream that reads slowly, even when
 * the client's connection goes meanwhile. */
static void a_tunnel_that_ends_before_its_last_words_are_out(void **state)
{
    (void)state;
    for (int goes = 0; goes < 2; goes++) {
        struct scene scene = begin(true);
        int32_t id = far_head(scene.client, -1, ":method=CONNECT :authority=10.0.0.7:443", false);
        struct pipe *upstream = upstream_of(&scene, 0);
        hang_up(upstream);
        upstream->room = 1;
        far_body(scene.client, id, SLICE("last"), true);
        assert_string_equal(heard(upstream), "l");
        assert_false(upstream->closing);
        if (goes)
            hang_up(scene.pipe);
        take_more(upstream, SIZE_MAX);
        assert_string_equal(heard(upstream), "ast");
        assert_true(upstream->closed && !upstream->reset);
        assert_true(list_empty(&scene.pipes->worker.calls));
        end(&scene);
    }
}

static void a_failure_in_the_terms_of_grpc(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    int32_t id = far_head(scene.client, -1,
                          ":method=POST " TO " content-type=application/grpc+proto te=trailers",
                          false);
    far_pump(scene.client);
    break_pipe(dialled(scene.pipes, 0), -111);
    const char *answer = told(scene.client);
    assert_true(says(answer, "head 1 :status=200"));
    assert_true(says(answer, "content-type=application/grpc grpc-status=14 grpc-message="));
    assert_true(says(answer, " end | reset 1 0"));
    assert_int_equal(id, 1);
    end(&scene);
}

static void an_upstream_that_breaks_off(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    far_head(scene.client, -1, GET, true);
    struct pipe *upstream = upstream_of(&scene, 0);
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal");
    hang_up(upstream);
    assert_string_equal(told(scene.client),
                        "head 1 :status=200 content-length=9 | data 1 hal | reset 1 2");
    end(&scene);
}

/* Behind the head of the answer a reset is all that tells it; each has cost the upstream a call. */
static void trailers_that_force_resets_are_a_flood(void **state)
{
    (void)state;
    struct scene scene = begin(true);
    unsigned wrongs = 0;
    while (wrongs < 100 && !scene.pipe->ended) {
        int32_t id = far_head(scene.client, -1, PUT, false);
        say(upstream_of(&scene, wrongs++), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
        assert_true(says(told(scene.client), ":status=200 content-length=9"));
        far_head(scene.client, id, "host=b", true);
        const char *answer = told(scene.client);
        if (wrongs == 1)
            assert_string_equal(answer, "reset 1 1");
        else if (scene.pipe->ended)
            assert_true(says(answer, " 11")); /* ENHANCE_YOUR_CALM */
    }
    assert_in_range(wrongs, 50, 99);
    assert_true(list_empty(&scene.pipes->worker.calls));
    end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_with_all_that_it_can_have),
        cmocka_unit_test(answers_without_a_body),
        cmocka_unit_test(a_length_is_kept_to_before_the_upstream_has_all),
        cmocka_unit_test(a_client_that_asks_before_it_sends),
        cmocka_unit_test(a_reset_cancels_its_call_alone),
        cmocka_unit_test(more_streams_than_are_allowed_end_the_connection),
        cmocka_unit_test(an_answer_that_comes_early_ends_the_stream),
        cmocka_unit_test(a_stream_that_was_passed_over),
        cmocka_unit_test(malformed_requests_are_calls_that_end),
        cmocka_unit_test(time_limits),
        cmocka_unit_test(a_head_that_does_not_end),
        cmocka_unit_test(an_answer_that_nobody_reads),
        cmocka_unit_test(a_request_that_the_upstream_does_not_read),
        cmocka_unit_test(draining_warns_first),
        cmocka_unit_test(pings_for_answers_are_no_flood),
        cmocka_unit_test(resets_of_what_took_long_are_no_flood),
        cmocka_unit_test(a_flood_takes_its_calls_along),
        cmocka_unit_test(a_tunnel_with_its_half_close),
        cmocka_unit_test(a_tunnel_whose_other_side_ends_first),
        cmocka_unit_test(a_tunnel_that_ends_before_its_last_words_are_out),
        cmocka_unit_test(a_failure_in_the_terms_of_grpc),
        cmocka_unit_test(an_upstream_that_breaks_off),
        cmocka_unit_test(trailers_that_force_resets_are_a_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

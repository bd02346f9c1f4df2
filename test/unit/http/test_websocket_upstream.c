/* WebSockets towards an upstream of HTTP/2 (RFC 8441), for clients of both versions: whole exchanges
 * to read as transcripts. */
#include "far_end.h"
#include "websockets.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char config[] =
    "service = \"t\";\n"
    "listeners = ( { name = \"out\"; address = \"127.0.0.1:15001\"; } );\n"
    "upstreams = ( { name = \"h2\"; endpoints = ( \"10.0.0.2:80\" ); protocol = \"h2\"; } );\n"
    "routes = ( { name = \"h2\"; match = { path = \"/h2\"; }; style = \"sync\"; timeout = \"9s\";\n"
    "             sync = { upstream = \"h2\"; }; } );\n"
    "unmatched = \"refuse\";\n"
    "timeouts = { body = \"5s\"; tunnel = \"60s\"; };\n";

#define UPGRADE                                                                         \
    "GET /h2?x=1 HTTP/1.1\r\nHost: up\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n" \
    "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE_WITH_KEY UPGRADE "Content-Length: 0\r\nSec-WebSocket-Key: " KEY "\r\n\r\n"
#define CONNECT                                                                            \
    "head 1 :method=CONNECT :protocol=websocket :scheme=http :authority=up :path=/h2?x=1 " \
    "sec-websocket-version=13"

struct ascent {
    struct pipes *pipes;
    struct pipe *client, *pipe;
    struct far_end *upstream;
};

/* A client of HTTP/1.1 has asked; the upstream's connection is open, and it has said nothing. */
static struct ascent unsettled(const char *request)
{
    struct pipes *pipes = pipes_new(config);
    struct ascent ascent = { pipes, accept_client(pipes), NULL, NULL };
    say(ascent.client, request);
    ascent.pipe = dialled(pipes, 0);
    assert_non_null(ascent.pipe);
    open_pipe(ascent.pipe);
    return ascent;
}

static struct ascent connected(void)
{
    struct ascent ascent = unsettled(UPGRADE_WITH_KEY);
    ascent.upstream = far_new(ascent.pipe, true, true, 100);
    assert_string_equal(told(ascent.upstream), CONNECT);
    return ascent;
}

static struct ascent switched(void)
{
    struct ascent ascent = connected();
    far_head(ascent.upstream, 1, ":status=200 sec-websocket-protocol=tea", false);
    far_pump(ascent.upstream);
    const char *answer = heard(ascent.client);
    assert_int_equal(strncmp(answer, "HTTP/1.1 101 Switching Protocols\r\n", 34), 0);
    assert_non_null(strstr(answer, "\r\nSec-WebSocket-Accept: " ACCEPT "\r\n"));
    assert_non_null(strstr(answer, "\r\nsec-websocket-protocol: tea\r\n"));
    assert_non_null(strstr(answer, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"));
    assert_null(strstr(answer, "ontent-"));
    return ascent;
}

static void rest(struct ascent *ascent)
{
    assert_true(list_empty(&ascent->pipes->worker.calls));
    if (ascent->upstream != NULL)
        far_free(ascent->upstream);
    pipes_free(ascent->pipes);
}

static void a_conversation_by_http2(void **state)
{
    (void)state;
    struct ascent ascent = switched();
    say(ascent.client, "\x81hello");
    assert_string_equal(told(ascent.upstream), "data 1 \x81hello");
    for (int i = 0; i < 3000; i++) /* small pieces are no nuisance here */
        far_body(ascent.upstream, 1, SLICE("a"), false);
    assert_int_equal(strlen(heard(ascent.client)), 3000);
    pass(ascent.pipes, 50000); /* no limit of bodies is a tunnel's */
    far_body(ascent.upstream, 1, SLICE("bye"), true);
    assert_string_equal(heard(ascent.client), "bye");
    assert_true(ascent.client->ended && !ascent.client->closing);
    say(ascent.client, "bye");
    assert_string_equal(told(ascent.upstream), "data 1 bye");
    hang_up(ascent.client);
    assert_string_equal(told(ascent.upstream), "data 1 end");
    assert_true(ascent.client->closed && !ascent.client->reset);
    rest(&ascent);
}

static void the_client_may_end_first(void **state)
{
    (void)state;
    struct ascent ascent = switched();
    hang_up(ascent.client);
    assert_string_equal(told(ascent.upstream), "data 1 end");
    far_body(ascent.upstream, 1, SLICE("late"), true);
    assert_string_equal(heard(ascent.client), "late");
    assert_true(ascent.client->closed && !ascent.client->reset);
    rest(&ascent);
}

static void either_side_may_break_off(void **state)
{
    (void)state;
    struct ascent ascent = switched();
    break_pipe(ascent.client, -ECONNRESET);
    assert_string_equal(told(ascent.upstream), "ping | reset 1 8");
    rest(&ascent);
    ascent = switched();
    far_reset(ascent.upstream, 1, NGHTTP2_CANCEL);
    assert_true(ascent.client->reset);
    rest(&ascent);
    ascent = switched(); /* a tunnel has DATA only: RFC 9113 §8.5 */
    far_head(ascent.upstream, 1, "x-t=v", true);
    assert_string_equal(told(ascent.upstream), "reset 1 8");
    assert_true(ascent.client->reset);
    rest(&ascent);
}

/* As servers do whose handler returns: all is said, and nothing more is read (RFC 9113 §8.1). */
static void the_upstream_may_end_both_ways(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct ascent ascent = switched();
        far_body(ascent.upstream, 1, SLICE("bye"), true);
        if (late)
            say(ascent.client, "to nobody");
        far_reset(ascent.upstream, 1, NGHTTP2_NO_ERROR);
        assert_string_equal(heard(ascent.client), "bye");
        assert_true(ascent.client->ended && !ascent.client->reset);
        rest(&ascent);
    }
    struct ascent ascent = switched();
    far_reset(ascent.upstream, 1, NGHTTP2_NO_ERROR); /* not all is said */
    assert_true(ascent.client->reset);
    rest(&ascent);
}

/* Whether a WebSocket may be asked for, the upstream's SETTINGS say. */
static void nothing_is_asked_before_it_may(void **state)
{
    (void)state;
    static const uint8_t settings[] = { 0, 0, 0, 4, 0, 0, 0, 0, 0 };
    struct ascent ascent = unsettled(UPGRADE_WITH_KEY);
    say_bytes(ascent.pipe, slice_of(settings, sizeof settings));
    const char *answer = heard(ascent.client);
    assert_int_equal(strncmp(answer, "HTTP/1.1 502 ", 13), 0);
    assert_non_null(strstr(answer, "\"reason\":\"websocket_unsupported\""));
    assert_non_null(strstr(answer, "\"executed\":\"no\""));
    say(ascent.client, UPGRADE_WITH_KEY); /* now it is known */
    assert_non_null(strstr(heard(ascent.client), "websocket_unsupported"));
    say(ascent.client, "GET /h2 HTTP/1.1\r\nHost: up\r\n\r\n"); /* and other calls go on */
    assert_int_equal(ascent.pipes->dialled, 1);
    break_pipe(ascent.client, -ECONNRESET);
    rest(&ascent);
}

static void while_it_waits_for_that(void **state)
{
    (void)state;
    struct ascent ascent = unsettled(UPGRADE_WITH_KEY);
    break_pipe(ascent.client, -ECONNRESET); /* the client goes */
    ascent.upstream = far_new(ascent.pipe, true, true, 100);
    assert_string_equal(told(ascent.upstream), "ping");
    rest(&ascent);
    ascent = unsettled(UPGRADE_WITH_KEY);
    break_pipe(ascent.pipe, -ECONNRESET); /* the upstream goes, and another one is there */
    ascent.pipe = dialled(ascent.pipes, 1);
    assert_non_null(ascent.pipe);
    open_pipe(ascent.pipe);
    ascent.upstream = far_new(ascent.pipe, true, true, 100);
    assert_string_equal(told(ascent.upstream), CONNECT);
    break_pipe(ascent.client, -ECONNRESET);
    rest(&ascent);
}

static void the_deadline_passes(struct ascent *ascent, const char *reason, const char *executed)
{
    pass(ascent->pipes, 9000);
    const char *answer = heard(ascent->client);
    assert_int_equal(strncmp(answer, "HTTP/1.1 504 ", 13), 0);
    assert_non_null(strstr(answer, reason));
    assert_non_null(strstr(answer, executed));
}

/* Before the upstream's SETTINGS nothing has left, and nothing will. */
static void a_deadline_while_it_waits(void **state)
{
    (void)state;
    struct ascent ascent = unsettled(UPGRADE_WITH_KEY);
    the_deadline_passes(&ascent, "\"reason\":\"deadline_passed\"", "\"executed\":\"no\"");
    ascent.upstream = far_new(ascent.pipe, true, true, 100);
    assert_string_equal(told(ascent.upstream), "ping");
    rest(&ascent);
    ascent = connected();
    the_deadline_passes(&ascent, "\"reason\":\"timeout\"", "\"executed\":\"unknown\"");
    assert_string_equal(told(ascent.upstream), "ping | reset 1 8");
    rest(&ascent);
}

/* Nothing has left, so that another connection is tried; then its operator is told. */
static void an_upstream_that_speaks_another_protocol(void **state)
{
    (void)state;
    struct ascent ascent = unsettled(UPGRADE_WITH_KEY);
    for (unsigned i = 0; i < 2; i++) {
        struct pipe *pipe = dialled(ascent.pipes, i);
        assert_non_null(pipe);
        if (i > 0)
            open_pipe(pipe);
        say(pipe, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        hang_up(pipe);
    }
    const char *answer = heard(ascent.client);
    assert_int_equal(strncmp(answer, "HTTP/1.1 503 ", 13), 0);
    assert_non_null(strstr(answer, "\"detail\":\"what the upstream says is no HTTP/2\""));
    assert_non_null(strstr(answer, "\"executed\":\"no\""));
    rest(&ascent);
}

static void the_upstream_may_refuse(void **state)
{
    (void)state;
    struct ascent ascent = connected();
    far_head(ascent.upstream, 1, ":status=403 content-length=2", false);
    far_body(ascent.upstream, 1, SLICE("no"), true);
    const char *answer = heard(ascent.client);
    assert_int_equal(strncmp(answer, "HTTP/1.1 403 Forbidden\r\n", 24), 0);
    assert_non_null(strstr(answer, "\r\n\r\nno"));
    assert_string_equal(told(ascent.upstream), "data 1 end");
    assert_false(ascent.client->closing);
    rest(&ascent);
}

/* A refusal is an answer like any other, whose body has to be as long as it says. */
static void a_refusal_that_is_malformed(void **state)
{
    (void)state;
    static const char *const bodies[] = { "no", "no way", "" };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct ascent ascent = connected();
        bool none = bodies[i][0] == '\0';
        far_head(ascent.upstream, 1, ":status=403 content-length=4", none);
        if (!none)
            far_body(ascent.upstream, 1, slice_text(bodies[i]), true);
        far_pump(ascent.upstream);
        const char *answer = heard(ascent.client);
        assert_int_equal(strncmp(answer, "HTTP/1.1 403 Forbidden\r\n", 24), 0);
        assert_true(strlen(strstr(answer, "\r\n\r\n") + 4) < 4);
        assert_true(ascent.client->ended || ascent.client->reset);
        rest(&ascent);
    }
}

static void what_is_no_web_socket(void **state)
{
    (void)state;
    static const struct {
        const char *request, *status;
    } rows[] = {
        { "GET /h2 HTTP/1.1\r\nHost: up\r\nConnection: Upgrade\r\nUpgrade: tea\r\n\r\n", "501" },
        { UPGRADE "\r\n", "400" },
        { UPGRADE "Sec-WebSocket-Key: q6urq6urq6urq6urq6ur\r\n\r\n", "400" },
        { UPGRADE "Sec-WebSocket-Key: q6urq6urq6urq6urq6ur!w==\r\n\r\n", "400" },
        { UPGRADE "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Key: " KEY "\r\n\r\n", "400" },
        { "DELETE /h2 HTTP/1.1\r\nHost: up\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          "Sec-WebSocket-Key: " KEY "\r\n\r\n",
          "400" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pipes *pipes = pipes_new(config);
        struct pipe *client = accept_client(pipes);
        say(client, rows[i].request);
        const char *answer = heard(client);
        if (strncmp(answer + 9, rows[i].status, 3) != 0 || pipes->dialled != 0)
            fail_msg("%s: %s", rows[i].request, answer);
        pipes_free(pipes);
    }
}

struct passage {
    struct pipes *pipes;
    struct far_end *client, *upstream;
};

static struct passage passed(void)
{
    struct pipes *pipes = pipes_new(config);
    struct passage passage = { pipes, far_new(accept_client(pipes), false, true, 0), NULL };
    assert_int_equal(far_head(passage.client, -1, ASK("/h2?x=1"), false), 1);
    far_pump(passage.client);
    open_pipe(dialled(pipes, 0));
    passage.upstream = far_new(dialled(pipes, 0), true, true, 100);
    assert_string_equal(told(passage.upstream), CONNECT);
    far_head(passage.upstream, 1, ":status=200", false);
    far_pump(passage.upstream);
    assert_string_equal(told(passage.client), "head 1 :status=200");
    return passage;
}

static void leave(struct passage *passage)
{
    assert_true(list_empty(&passage->pipes->worker.calls));
    far_free(passage->client);
    far_free(passage->upstream);
    pipes_free(passage->pipes);
}

/* They take no window, so that nothing else would stop them. */
static void empty_frames_are_a_flood(void **state)
{
    (void)state;
    for (int by_client = 0; by_client < 2; by_client++) {
        struct passage passage = passed();
        struct far_end *end = by_client ? passage.client : passage.upstream;
        unsigned frames = 0;
        while (frames < 10000 && !end->pipe->ended && !end->pipe->closed) {
            far_raw(end, NGHTTP2_DATA, 0, 1, SLICE(""));
            frames++;
        }
        assert_in_range(frames, 5000, 9000);
        leave(&passage);
    }
}

static void http2_on_both_sides(void **state)
{
    (void)state;
    struct passage passage = passed();
    far_body(passage.client, 1, SLICE("there"), true);
    assert_string_equal(told(passage.upstream), "data 1 there end");
    far_body(passage.upstream, 1, SLICE("back"), true);
    assert_string_equal(told(passage.client), "data 1 back end");
    leave(&passage);
}

static void a_client_of_http2_is_told_to_stop(void **state)
{
    (void)state;
    for (int at_once = 0; at_once < 2; at_once++) {
        struct passage passage = passed();
        far_body(passage.upstream, 1, SLICE("back"), true);
        if (!at_once)
            assert_string_equal(told(passage.client), "data 1 back end");
        far_reset(passage.upstream, 1, NGHTTP2_NO_ERROR);
        assert_string_equal(told(passage.client),
                            at_once ? "data 1 back end | reset 1 0" : "reset 1 0");
        leave(&passage);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversation_by_http2),
        cmocka_unit_test(the_client_may_end_first),
        cmocka_unit_test(either_side_may_break_off),
        cmocka_unit_test(the_upstream_may_end_both_ways),
        cmocka_unit_test(nothing_is_asked_before_it_may),
        cmocka_unit_test(while_it_waits_for_that),
        cmocka_unit_test(a_deadline_while_it_waits),
        cmocka_unit_test(an_upstream_that_speaks_another_protocol),
        cmocka_unit_test(the_upstream_may_refuse),
        cmocka_unit_test(a_refusal_that_is_malformed),
        cmocka_unit_test(what_is_no_web_socket),
        cmocka_unit_test(empty_frames_are_a_flood),
        cmocka_unit_test(http2_on_both_sides),
        cmocka_unit_test(a_client_of_http2_is_told_to_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

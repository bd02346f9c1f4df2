/* The side of HTTP/2 that faces upstreams, through a whole worker: what callers of HTTP/1 hear of
 * an upstream that nghttp2 speaks for. Read each test as a transcript. */
#include "far_end.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char config[] =
    "service = \"t\";\n"
    "listeners = ( { name = \"out\"; address = \"127.0.0.1:15001\"; host = \"inventory:8080\"; } "
    ");\n"
    "upstreams = ( { name = \"inventory\"; endpoints = ( \"10.0.0.1:80\" ); protocol = \"h2\"; } "
    ");\n"
    "routes = ( { name = \"all\"; match = { host = \"inventory\"; }; style = \"sync\";\n"
    "             timeout = \"5s\"; sync = { upstream = \"inventory\"; }; } );\n";

#define GET  "GET /a HTTP/1.1\r\nHost: inventory\r\n\r\n"
#define HEAD ":method=GET :scheme=http :authority=inventory :path=/a"

static struct pipe *ask(struct pipes *pipes, const char *text)
{
    struct pipe *client = accept_client(pipes);
    say(client, text);
    return client;
}

/* The upstream's end of the connection that was dialled as that number. */
static struct far_end *upstream(struct pipes *pipes, unsigned number, uint32_t streams)
{
    struct pipe *pipe = dialled(pipes, number);
    assert_non_null(pipe);
    if (pipe->stream.opening)
        open_pipe(pipe);
    return far_new(pipe, true, true, streams);
}

/* "STATUS reason executed", or the status alone. */
static const char *outcome(struct pipe *client)
{
    static char words[200];
    const char *answer = heard(client);
    const char *reason = strstr(answer, "\"reason\":\""),
               *executed = strstr(answer, "\"executed\":\"");
    if (strlen(answer) < 12)
        return answer;
    snprintf(words, sizeof words, "%.3s%s%.*s%s%.*s", answer + 9, reason != NULL ? " " : "",
             reason != NULL ? (int)strcspn(reason + 10, "\"") : 0,
             reason != NULL ? reason + 10 : "", executed != NULL ? " " : "",
             executed != NULL ? (int)strcspn(executed + 12, "\"") : 0,
             executed != NULL ? executed + 12 : "");
    return words;
}

static void answer(struct far_end *end, int32_t id)
{
    far_head(end, id, ":status=204", true);
    far_pump(end);
}

static void calls_share_a_connection(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *first = ask(pipes, GET), *second = ask(pipes, GET);
    struct far_end *end = upstream(pipes, 0, 100);
    assert_string_equal(told(end), "head 1 " HEAD " end | head 3 " HEAD " end");
    answer(end, 3);
    assert_string_equal(outcome(second), "204");
    assert_string_equal(outcome(first), "");
    answer(end, 1);
    assert_string_equal(outcome(first), "204");
    assert_int_equal(pipes->dialled, 1);
    far_free(end);
    pipes_free(pipes);
}

static void a_call_with_all_that_it_can_have(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask(pipes, "PUT /a HTTP/1.1\r\nHost: inventory\r\nTE: trailers\r\n"
                                     "Connection: TE\r\nTransfer-Encoding: chunked\r\n\r\n");
    struct far_end *end = upstream(pipes, 0, 100);
    assert_string_equal(
        told(end), "head 1 :method=PUT :scheme=http :authority=inventory :path=/a te=trailers");
    say(client, "5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n");
    assert_string_equal(told(end), "data 1 hello | head 1 x-sum=5 end");
    far_head(end, 1, ":status=103 link=</x>", false);
    far_pump(end);
    assert_int_equal(strncmp(heard(client), "HTTP/1.1 103 ", 13), 0);
    far_head(end, 1, ":status=200 trailer=x-t", false);
    far_body(end, 1, SLICE("abc"), false);
    far_head(end, 1, "x-t=v", true);
    far_pump(end);
    const char *text = heard(client);
    assert_non_null(strstr(text, "Via: 2.0 shunt\r\n"));
    assert_non_null(strstr(text, "\r\n\r\n3\r\nabc\r\n0\r\nx-t: v\r\n\r\n"));
    far_free(end);
    pipes_free(pipes);
}

/* RFC 7541 §7.1.3: in heads and in trailers, on both ways. */
static void what_is_never_indexed_stays_so(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct far_end *client = far_new(accept_client(pipes), false, true, 0);
    far_head(client, -1, ":method=PUT :scheme=http :authority=inventory :path=/a x-a=1 x-b!=2",
             false);
    far_pump(client);
    struct far_end *end = upstream(pipes, 0, 100);
    assert_string_equal(told(end), "head 1 :method=PUT :scheme=http :authority=inventory :path=/a "
                                   "x-a=1 x-b!=2");
    far_body(client, 1, SLICE("hello"), false);
    far_head(client, 1, "x-c!=3 x-d=4", true);
    far_pump(client);
    assert_string_equal(told(end), "data 1 hello | head 1 x-c!=3 x-d=4 end");
    far_head(end, 1, ":status=200 x-e!=5 x-f=6", false);
    far_body(end, 1, SLICE("there"), false);
    far_head(end, 1, "x-g=7 x-h!=8", true);
    far_pump(end);
    assert_string_equal(told(client),
                        "head 1 :status=200 x-e!=5 x-f=6 | data 1 there | head 1 x-g=7 x-h!=8 end");
    far_free(client);
    far_free(end);
    pipes_free(pipes);
}

/* What an upstream has not begun on is sent again, on another connection. */
static void an_upstream_that_says_goaway(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *first = ask(pipes, GET), *second = ask(pipes, GET);
    struct far_end *end = upstream(pipes, 0, 100);
    told(end);
    nghttp2_submit_goaway(end->session, 0, 1, NGHTTP2_NO_ERROR, NULL, 0);
    far_pump(end);
    assert_int_equal(pipes->dialled, 2);
    struct far_end *other = upstream(pipes, 1, 100);
    assert_string_equal(told(other), "head 1 " HEAD " end");
    answer(other, 1);
    assert_string_equal(outcome(second), "204");
    answer(end, 1);
    assert_string_equal(outcome(first), "204");
    assert_true(dialled(pipes, 0)->closed && !dialled(pipes, 1)->closed);
    far_free(end);
    far_free(other);
    pipes_free(pipes);
}

static void a_refused_stream_is_tried_once_more(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask(pipes, GET);
    struct far_end *end = upstream(pipes, 0, 100);
    told(end);
    far_reset(end, 1, NGHTTP2_REFUSED_STREAM);
    assert_string_equal(told(end), "head 3 " HEAD " end");
    far_reset(end, 3, NGHTTP2_REFUSED_STREAM);
    assert_string_equal(outcome(client), "503 stream_refused no");
    far_free(end);
    pipes_free(pipes);
}

/* How far an answer had come decides what may be said of the call. */
static void streams_that_are_reset(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask(pipes, GET);
    struct far_end *end = upstream(pipes, 0, 100);
    told(end);
    far_reset(end, 1, NGHTTP2_INTERNAL_ERROR); /* of the first trip: nothing was old here */
    assert_string_equal(outcome(client), "502 connection_lost unknown");
    client = ask(pipes, GET);
    told(end);
    far_head(end, 3, ":status=200", false);
    far_body(end, 3, SLICE("half"), false);
    far_reset(end, 3, NGHTTP2_INTERNAL_ERROR);
    const char *text = heard(client);
    assert_int_equal(strncmp(text, "HTTP/1.1 200 ", 13), 0);
    assert_true(client->closing || client->ended);
    assert_null(strstr(text, "0\r\n\r\n"));
    far_free(end);
    pipes_free(pipes);
}

static void malformed_answers(void **state)
{
    (void)state;
    static const char *const answers[] = { ":status=200 connection=close", ":status=20", "server=x",
                                           ":status=200 content-length=5" };
    struct pipes *pipes = pipes_new(config);
    struct far_end *end = NULL;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct pipe *client = ask(pipes, GET);
        end = end == NULL ? upstream(pipes, 0, 100) : end;
        told(end);
        far_head(end, (int32_t)(2 * i + 1), answers[i], true);
        assert_non_null(strstr(told(end), "reset"));
        assert_string_equal(outcome(client), "502 bad_response unknown");
    }
    far_free(end);
    pipes_free(pipes);
}

static void an_upstream_that_speaks_no_http2(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask(pipes, GET);
    open_pipe(dialled(pipes, 0));
    say(dialled(pipes, 0), "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    assert_string_equal(outcome(client), "502 bad_response unknown");
    assert_true(dialled(pipes, 0)->closed);
    pipes_free(pipes);
}

/* One that is silent when a call was given up is asked whether it is there. */
static void an_upstream_that_has_died(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask(pipes, GET);
    struct far_end *end = upstream(pipes, 0, 100);
    told(end);
    pass(pipes, 5100);
    assert_string_equal(outcome(client), "504 timeout unknown");
    assert_string_equal(told(end), "ping | reset 1 8");
    pass(pipes, 3000); /* it has answered */
    assert_false(dialled(pipes, 0)->closed);

    client = ask(pipes, GET);
    pass(pipes, 5100);
    assert_string_equal(outcome(client), "504 timeout unknown");
    ask(pipes, GET); /* nobody waits for a connection that may be dead */
    assert_int_equal(pipes->dialled, 2);
    pass(pipes, 2100);
    assert_true(dialled(pipes, 0)->closed);
    far_free(end);
    pipes_free(pipes);
}

static void as_many_streams_as_the_upstream_allows(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *first = ask(pipes, GET);
    struct far_end *end = upstream(pipes, 0, 1);
    assert_string_equal(told(end), "head 1 " HEAD " end");
    struct pipe *second = ask(pipes, GET);
    assert_int_equal(pipes->dialled, 2);
    struct far_end *other = upstream(pipes, 1, 1);
    assert_string_equal(told(other), "head 1 " HEAD " end");
    answer(end, 1);
    assert_string_equal(outcome(first), "204");
    ask(pipes, GET);
    assert_int_equal(pipes->dialled, 2);
    answer(other, 1);
    assert_string_equal(outcome(second), "204");
    far_free(end);
    far_free(other);
    pipes_free(pipes);
}

static void a_caller_that_goes(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask(pipes, GET);
    struct far_end *end = upstream(pipes, 0, 100);
    told(end);
    client->deserted = true;
    hang_up(client);
    assert_string_equal(told(end), "ping | reset 1 8");
    assert_true(list_empty(&pipes->worker.calls));
    far_free(end);
    pipes_free(pipes);
}

/* An answer is read as far as its caller reads it. */
static void a_caller_that_reads_slowly(void **state)
{
    (void)state;
    static uint8_t much[2 << 20];
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask(pipes, GET);
    struct far_end *end = upstream(pipes, 0, 100);
    told(end);
    take_more(client, 0);
    far_head(end, 1, ":status=200", false);
    far_body(end, 1, slice_of(much, sizeof much), true);
    assert_in_range(sizeof much - end->sending.len, 32768, 65536);
    while (end->sending.len > 0) {
        size_t left = end->sending.len;
        take_more(client, SIZE_MAX);
        far_pump(end);
        client->said.len = 0;
        assert_true(end->sending.len < left);
    }
    assert_false(client->reset);
    far_free(end);
    pipes_free(pipes);
}

/* A server that does not want the rest of a request says all and resets. */
static void an_answer_that_comes_early(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask(pipes, "PUT /a HTTP/1.1\r\nHost: inventory\r\n"
                                     "Content-Length: 100\r\n\r\nhello");
    struct far_end *end = upstream(pipes, 0, 100);
    told(end);
    answer(end, 1);
    far_reset(end, 1, NGHTTP2_NO_ERROR);
    assert_string_equal(outcome(client), "204");
    client = ask(pipes, GET);
    assert_non_null(strstr(told(end), "head 3 " HEAD " end"));
    answer(end, 3);
    assert_string_equal(outcome(client), "204");
    far_free(end);
    pipes_free(pipes);
}

static void draining_waits_for_trips(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask(pipes, GET);
    struct far_end *end = upstream(pipes, 0, 100);
    told(end);
    struct done done = { pipes_drained };
    worker_drain(&pipes->worker, &done);
    turn(pipes);
    assert_non_null(done.on_done);
    answer(end, 1);
    assert_string_equal(outcome(client), "204");
    hang_up(client);
    pass(pipes, 3000);
    assert_string_equal(told(end), "goaway 0 0");
    assert_true(dialled(pipes, 0)->closed);
    assert_null(done.on_done);
    far_free(end);
    pipes_free(pipes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_share_a_connection),
        cmocka_unit_test(a_call_with_all_that_it_can_have),
        cmocka_unit_test(what_is_never_indexed_stays_so),
        cmocka_unit_test(an_upstream_that_says_goaway),
        cmocka_unit_test(a_refused_stream_is_tried_once_more),
        cmocka_unit_test(streams_that_are_reset),
        cmocka_unit_test(malformed_answers),
        cmocka_unit_test(an_upstream_that_speaks_no_http2),
        cmocka_unit_test(an_upstream_that_has_died),
        cmocka_unit_test(as_many_streams_as_the_upstream_allows),
        cmocka_unit_test(a_caller_that_goes),
        cmocka_unit_test(a_caller_that_reads_slowly),
        cmocka_unit_test(an_answer_that_comes_early),
        cmocka_unit_test(draining_waits_for_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

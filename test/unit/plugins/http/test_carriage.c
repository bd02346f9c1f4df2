/* What becomes of a call on its way to an upstream and back, through a whole worker: trips
 * repeated or not, answers that are odd, early, late or broken off, flow in both directions,
 * tunnels. Read each test as a transcript. */
#include "../../http/pipes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char config[] =
    "service = \"t\";\n"
    "listeners = ( { name = \"out\"; address = \"127.0.0.1:15001\"; } );\n"
    "upstreams = ( { name = \"inventory\"; endpoints = ( \"10.0.0.1:80\" ); } );\n"
    "routes = ( { name = \"inventory\"; match = { host = \"inventory\"; }; style = \"sync\";\n"
    "             timeout = \"30s\"; sync = { upstream = \"inventory\"; }; } );\n";

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static struct pipe *ask(struct pipes *pipes, const char *method, const char *host)
{
    char request[200];
    snprintf(request, sizeof request, "%s /x HTTP/1.1\r\nHost: %s\r\n\r\n", method, host);
    struct pipe *client = accept_client(pipes);
    say(client, request);
    return client;
}

static struct pipe *ask_with_body(struct pipes *pipes, const char *host, const char *body)
{
    char request[200];
    snprintf(request, sizeof request,
             "POST /x HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n\r\n%s", host, strlen(body),
             body);
    struct pipe *client = accept_client(pipes);
    say(client, request);
    return client;
}

/* What the client heard: "STATUS reason executed". */
static const char *outcome(struct pipe *client)
{
    static char words[200];
    const char *answer = heard(client);
    const char *reason = strstr(answer, "\"reason\":\""),
               *executed = strstr(answer, "\"executed\":\"");
    snprintf(words, sizeof words, "%.3s %.*s %.*s", strlen(answer) > 9 ? answer + 9 : "none",
             reason != NULL ? (int)strcspn(reason + 10, "\"") : 0,
             reason != NULL ? reason + 10 : "",
             executed != NULL ? (int)strcspn(executed + 12, "\"") : 0,
             executed != NULL ? executed + 12 : "");
    return words;
}

/* Which address the dialled pipe of that number went to. */
static const char *address_of(struct pipes *pipes, unsigned number)
{
    static char text[ADDRESS_TEXT];
    struct pipe *pipe = dialled(pipes, number);
    assert_non_null(pipe);
    address_text(&pipe->stream.peer, text);
    return text;
}

/* An open connection to inventory that has made one trip. */
static struct pipe *used_upstream(struct pipes *pipes)
{
    ask(pipes, "GET", "inventory");
    struct pipe *upstream = dialled(pipes, 0);
    open_pipe(upstream);
    say(upstream, ok);
    heard(upstream);
    return upstream;
}

static void a_pooled_connection_that_was_closed_meanwhile(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *upstream = used_upstream(pipes);
    struct pipe *client = ask(pipes, "GET", "inventory");
    hang_up(upstream);
    assert_string_equal(heard(client), "");
    open_pipe(dialled(pipes, 1));
    assert_int_equal(strncmp(heard(dialled(pipes, 1)), "GET /x", 6), 0);
    hang_up(dialled(pipes, 1)); /* once, and not on a fresh one */
    assert_string_equal(outcome(client), "502 connection_lost unknown");
    pipes_free(pipes);
}

/* A call takes a connection that rests, and in the same turn something comes there that cannot be
 * its answer: nothing of the call has left, so it goes another way, whatever its method. */
static void what_comes_before_the_request_has_left(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct pipes *pipes = pipes_new(config);
        struct pipe *upstream = used_upstream(pipes), *client = accept_client(pipes);
        stream_arrived(&client->stream, SLICE("POST /x HTTP/1.1\r\nHost: inventory\r\n"
                                              "Content-Length: 2\r\n\r\nab"));
        if (how == 0)
            say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        else if (how == 1)
            hang_up(upstream);
        else
            break_pipe(upstream, -ECONNRESET);
        assert_true(upstream->closed && (upstream->reset || how == 2));
        assert_string_equal(heard(upstream), "");
        if (how < 2) {
            open_pipe(dialled(pipes, 1));
            assert_non_null(strstr(heard(dialled(pipes, 1)), "\r\n\r\nab"));
            say(dialled(pipes, 1), ok);
        }
        /* Of a connection that fails is told a turn later, when the body has been asked for. */
        assert_string_equal(outcome(client), how < 2 ? "200  " : "503 stream_refused no");
        pipes_free(pipes);
    }
}

static void a_call_that_ends_before_it_has_left(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *upstream = used_upstream(pipes), *client = accept_client(pipes);
    stream_arrived(&client->stream, SLICE("POST /x HTTP/1.1\r\nHost: inventory\r\n"
                                          "Content-Length: 2\r\n\r\n"));
    hang_up(client);
    assert_true(upstream->reset && client->closed);
    assert_string_equal(heard(upstream), "");
    pipes_free(pipes);
}

static void what_is_not_idempotent_is_not_sent_twice(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *upstream = used_upstream(pipes);
    struct pipe *client = ask(pipes, "POST", "inventory");
    break_pipe(upstream, -ECONNRESET);
    assert_string_equal(outcome(client), "502 connection_lost unknown");
    assert_int_equal(pipes->dialled, 1);
    pipes_free(pipes);
}

static void nor_is_what_has_sent_its_body(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *upstream = used_upstream(pipes);
    struct pipe *client = accept_client(pipes);
    say(client, "PUT /x HTTP/1.1\r\nHost: inventory\r\nContent-Length: 2\r\n\r\nab");
    hang_up(upstream);
    assert_string_equal(outcome(client), "502 connection_lost unknown");
    pipes_free(pipes);

    /* Nor one whose body may come at any moment. */
    pipes = pipes_new(config);
    upstream = used_upstream(pipes);
    client = accept_client(pipes);
    say(client, "PUT /x HTTP/1.1\r\nHost: inventory\r\nContent-Length: 2\r\n\r\n");
    hang_up(upstream);
    say(client, "ab");
    assert_string_equal(outcome(client), "502 connection_lost unknown");
    pipes_free(pipes);
}

static void a_body_of_no_length_does_not_matter(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *upstream = used_upstream(pipes);
    struct pipe *client = accept_client(pipes);
    say(client, "PUT /x HTTP/1.1\r\nHost: inventory\r\nContent-Length: 0\r\n\r\n");
    hang_up(upstream);
    open_pipe(dialled(pipes, 1));
    assert_non_null(strstr(heard(dialled(pipes, 1)), "\r\nContent-Length: 0\r\n"));
    say(dialled(pipes, 1), ok);
    assert_string_equal(outcome(client), "200  ");
    pipes_free(pipes);
}

static void a_body_that_was_not_asked_for_yet_does_not_matter(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *upstream = used_upstream(pipes);
    struct pipe *client = accept_client(pipes);
    say(client, "PUT /x HTTP/1.1\r\nHost: inventory\r\nExpect: 100-continue\r\n"
                "Content-Length: 2\r\n\r\n");
    hang_up(upstream);
    open_pipe(dialled(pipes, 1));
    say(dialled(pipes, 1), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_string_equal(heard(client), "HTTP/1.1 100 Continue\r\n\r\n");
    say(client, "ab");
    say(dialled(pipes, 1), ok);
    assert_string_equal(outcome(client), "200  ");
    pipes_free(pipes);
}

static void answers_that_cannot_be_used(void **state)
{
    (void)state;
    static const struct {
        const char *says, *outcome;
    } rows[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
          "502 bad_response unknown" },
        { "HTTP/1.1 200 OK\nX", "502 bad_response unknown" },
        { "SSH-2.0-x\r\n\r\n", "502 bad_response unknown" },
        { "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
          "502 bad_response unknown" },
        { "HTTP/1.1 200 OK\r\nX: y", "502 connection_lost unknown" },
        { "", "502 connection_lost unknown" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pipes *pipes = pipes_new(config);
        struct pipe *client = ask(pipes, "GET", "inventory");
        struct pipe *upstream = dialled(pipes, 0);
        open_pipe(upstream);
        if (*rows[i].says != '\0')
            say(upstream, rows[i].says);
        if (!upstream->closed)
            hang_up(upstream);
        assert_string_equal(outcome(client), rows[i].outcome);
        assert_true(upstream->closed);
        pipes_free(pipes);
    }
}

static void too_many_interim_answers(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask(pipes, "GET", "inventory");
    open_pipe(dialled(pipes, 0));
    for (int i = 0; i < 32; i++)
        say(dialled(pipes, 0), "HTTP/1.1 102 X\r\n\r\n");
    assert_non_null(strstr(heard(client), "102"));
    say(dialled(pipes, 0), "HTTP/1.1 102 X\r\n\r\n");
    assert_string_equal(outcome(client), "502 bad_response unknown");
    pipes_free(pipes);
}

static void an_answer_that_breaks_off_is_not_taken_for_whole(void **state)
{
    (void)state;
    static const struct {
        const char *says, *heard;
        bool reset;
    } rows[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "\r\n\r\nab", false },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "\r\n\r\n2\r\nab\r\n",
          false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pipes *pipes = pipes_new(config);
        struct pipe *client = ask(pipes, "GET", "inventory");
        open_pipe(dialled(pipes, 0));
        say(dialled(pipes, 0), rows[i].says);
        hang_up(dialled(pipes, 0));
        const char *answer = heard(client);
        assert_string_equal(strstr(answer, "\r\n\r\n"), rows[i].heard);
        assert_true(client->ended && client->reset == rows[i].reset);
        pipes_free(pipes);
    }
    /* To an old client only a reset tells. */
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "GET / HTTP/1.0\r\nHost: inventory\r\n\r\n");
    open_pipe(dialled(pipes, 0));
    say(dialled(pipes, 0), rows[1].says);
    hang_up(dialled(pipes, 0));
    assert_true(client->reset);
    pipes_free(pipes);
}

static void an_early_answer_ends_the_request(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "POST / HTTP/1.1\r\nHost: inventory\r\nContent-Length: 100\r\n\r\nab");
    struct pipe *upstream = dialled(pipes, 0);
    open_pipe(upstream);
    say(upstream, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nb");
    say(client, "cdefgh");
    heard(upstream);
    say(upstream, "ig");
    assert_string_equal(heard(upstream), "");
    const char *answer = heard(client);
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\nbig");
    assert_true(upstream->closed && client->ended);
    pipes_free(pipes);
}

static void a_body_waits_for_an_upstream_that_does_not_read(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "POST / HTTP/1.1\r\nHost: inventory\r\nContent-Length: 10000000\r\n\r\n");
    assert_false(client->reading);
    struct pipe *upstream = dialled(pipes, 0);
    upstream->room = 1000;
    open_pipe(upstream);
    static uint8_t much[64 * 1024];
    size_t passed = 0;
    while (client->reading && passed < 4 * 1024 * 1024) {
        say_bytes(client, slice_of(much, sizeof much));
        passed += sizeof much;
    }
    assert_in_range(passed, sizeof much,
                    2 * sizeof much); /* nothing has proved yet that it reads */
    assert_in_range(pipes->worker.budget.used, passed - 1000, passed + 16 * 1024);
    take_more(upstream, SIZE_MAX);
    assert_true(client->reading);
    while (client->reading && passed < 2 * 1024 * 1024) {
        say_bytes(client, slice_of(much, sizeof much));
        passed += sizeof much;
    }
    assert_true(passed >= 2 * 1024 * 1024);
    take_more(upstream, 0);
    while (client->reading && passed < 4 * 1024 * 1024) {
        say_bytes(client, slice_of(much, sizeof much));
        passed += sizeof much;
    }
    assert_in_range(passed, 2 * 1024 * 1024 + 256 * 1024, 2 * 1024 * 1024 + 384 * 1024);
    pipes_free(pipes);
}

static void a_call_that_passes_through(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "GET http://ONE/x?y HTTP/1.1\r\nHost: one\r\n\r\n");
    assert_string_equal(address_of(pipes, 0), "10.0.0.1:80");
    open_pipe(dialled(pipes, 0));
    assert_int_equal(strncmp(heard(dialled(pipes, 0)), "GET /x?y HTTP/1.1\r\nHost: ONE\r\n", 30),
                     0);
    say(dialled(pipes, 0), ok);
    assert_string_equal(outcome(client), "200  ");
    say(client, "GET / HTTP/1.1\r\nHost: one:80\r\n\r\n");
    assert_int_equal(pipes->dialled, 1);
    pipes_free(pipes);
}

static void a_tunnel(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "CONNECT one:443 HTTP/1.1\r\nHost: one:443\r\n\r\n\x16hello");
    assert_string_equal(address_of(pipes, 0), "10.0.0.1:443");
    assert_string_equal(heard(client), "");
    open_pipe(dialled(pipes, 0));
    const char *answer = heard(client);
    assert_int_equal(strncmp(answer, "HTTP/1.1 200 ", 13), 0);
    assert_null(strstr(answer, "Content-Length"));
    assert_null(strstr(answer, "Connection"));
    assert_string_equal(heard(dialled(pipes, 0)), "\x16hello");
    say(dialled(pipes, 0), "\x17world");
    assert_string_equal(heard(client), "\x17world");
    hang_up(dialled(pipes, 0));
    assert_true(client->ended && !client->closing);
    say(client, "\x18more");
    assert_string_equal(heard(dialled(pipes, 0)), "\x18more");
    hang_up(client);
    assert_true(client->closed && dialled(pipes, 0)->closed);
    pipes_free(pipes);
}

/* An upstream that has said all may still read what it has not been able to take. */
static void the_last_words_in_a_tunnel(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "CONNECT one:443 HTTP/1.1\r\nHost: one:443\r\n\r\n");
    struct pipe *upstream = dialled(pipes, 0);
    open_pipe(upstream);
    upstream->room = 4;
    say(client, "my last words");
    hang_up(client);
    hang_up(upstream);
    assert_true(!upstream->closing && !client->closed);
    assert_string_equal(heard(upstream), "my l");
    take_more(upstream, SIZE_MAX);
    assert_string_equal(heard(upstream), "ast words");
    assert_true(upstream->closed && !upstream->reset && client->closed && !client->reset);
    pipes_free(pipes);

    /* Whoever is reset half-way leaves no end that looks like a good one. */
    pipes = pipes_new(config);
    client = accept_client(pipes);
    say(client, "CONNECT one:443 HTTP/1.1\r\nHost: one:443\r\n\r\n");
    open_pipe(dialled(pipes, 0));
    break_pipe(client, -ECONNRESET);
    assert_true(dialled(pipes, 0)->closed && dialled(pipes, 0)->reset);
    pipes_free(pipes);
}

static void a_call_that_is_over_in_time_or_not(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask_with_body(pipes, "inventory", "ab");
    open_pipe(dialled(pipes, 0));
    pass(pipes, 31000);
    assert_string_equal(outcome(client), "504 timeout unknown");
    assert_true(dialled(pipes, 0)->closed);
    pipes_free(pipes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pooled_connection_that_was_closed_meanwhile),
        cmocka_unit_test(what_comes_before_the_request_has_left),
        cmocka_unit_test(a_call_that_ends_before_it_has_left),
        cmocka_unit_test(what_is_not_idempotent_is_not_sent_twice),
        cmocka_unit_test(nor_is_what_has_sent_its_body),
        cmocka_unit_test(a_body_of_no_length_does_not_matter),
        cmocka_unit_test(a_body_that_was_not_asked_for_yet_does_not_matter),
        cmocka_unit_test(answers_that_cannot_be_used),
        cmocka_unit_test(too_many_interim_answers),
        cmocka_unit_test(an_answer_that_breaks_off_is_not_taken_for_whole),
        cmocka_unit_test(an_early_answer_ends_the_request),
        cmocka_unit_test(a_body_waits_for_an_upstream_that_does_not_read),
        cmocka_unit_test(a_call_that_passes_through),
        cmocka_unit_test(a_tunnel),
        cmocka_unit_test(the_last_words_in_a_tunnel),
        cmocka_unit_test(a_call_that_is_over_in_time_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

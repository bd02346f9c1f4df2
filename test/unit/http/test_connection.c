/* The server's side, through a whole worker: what a client says, what it hears, what the
 * upstream heard of it. Read each test as a transcript. */
#include "sidecar.h"

static void a_call_and_the_next_on_the_same_connections(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "GET /a?b HTTP/1.1\r\nHost: inventory\r\nX-Case: V\r\nConnection: X-Hop\r\nX-Hop: "
                "1\r\n\r\n");
    struct pipe *upstream = first_upstream(pipes);
    assert_string_equal(heard(upstream),
                        "GET /a?b HTTP/1.1\r\nHost: inventory\r\nX-Case: V\r\n" TRACE
                        "Via: 1.1 shunt\r\n\r\n");
    say(upstream, "HTTP/1.1 200 Fine\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello");
    assert_string_equal(heard(client),
                        "HTTP/1.1 200 Fine\r\nServer: x\r\n" OURS "Content-Length: 5\r\n\r\nhello");
    say(client, "GET /c HTTP/1.1\r\nHost: inventory\r\n\r\n");
    assert_int_equal(strncmp(heard(upstream), "GET /c HTTP/1.1\r\n", 17), 0);
    say(upstream, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_string_equal(heard(client), "HTTP/1.1 204 No Content\r\n" OURS "\r\n");
    assert_int_equal(pipes->dialled, 1);
    pipes_free(pipes);
}

static void the_listener_itself_means_its_host(void **state)
{
    (void)state;
    static const char *const own[] = { "127.0.0.1:15001",
                                       "localhost:15001",
                                       "LOCALHOST.:15001",
                                       "[::1]:15001",
                                       "127.1.2.3:15001",
                                       "2130706433:15001",
                                       "" };
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        char request[200];
        snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", own[i]);
        say(client, request);
        struct pipe *upstream = first_upstream(pipes);
        assert_non_null(strstr(heard(upstream), "\r\nHost: inventory:8080\r\n"));
        say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
    say(client, "GET / HTTP/1.1\r\nHost: inventory:15001\r\n\r\n");
    assert_non_null(strstr(heard(first_upstream(pipes)), "\r\nHost: inventory:15001\r\n"));
    pipes_free(pipes);
}

static void bodies_pass_in_pieces(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "POST / HTTP/1.1\r\nHost: inv");
    say(client, "entory\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab");
    struct pipe *upstream = first_upstream(pipes);
    assert_non_null(strstr(heard(upstream), "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"));
    say(client, "c\r\n");
    assert_string_equal(heard(upstream), "1\r\nc\r\n");
    say(client, "0\r\nX-T: v\r\n\r\n");
    assert_string_equal(heard(upstream), "0\r\nX-T: v\r\n\r\n");
    say(upstream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe");
    assert_string_equal(heard(client),
                        "HTTP/1.1 200 OK\r\n" OURS "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n");
    say(upstream, "\r\n0\r\nX-T: w\r\n\r\n");
    assert_string_equal(heard(client), "0\r\nX-T: w\r\n\r\n");
    pipes_free(pipes);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client,
        "GET /1 HTTP/1.1\r\nHost: inventory\r\n\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: inventory\r\n\r\n"
        "POST /3 HTTP/1.1\r\nHost: inventory\r\nContent-Length: 2\r\n\r\nabGET /4 HT");
    struct pipe *upstream = first_upstream(pipes);
    assert_int_equal(strncmp(heard(upstream), "GET /1 ", 7), 0);
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
    assert_string_equal(heard(client), "HTTP/1.1 200 OK\r\n" OURS "Content-Length: 1\r\n\r\n1");
    assert_int_equal(strncmp(heard(upstream), "HEAD /2 ", 8), 0);
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
    assert_string_equal(heard(client), "HTTP/1.1 200 OK\r\n" OURS "Content-Length: 9\r\n\r\n");
    assert_non_null(strstr(heard(upstream), "Content-Length: 2\r\n\r\nab"));
    say(upstream, "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n");
    assert_string_equal(heard(client),
                        "HTTP/1.1 304 Not Modified\r\n" OURS "Content-Length: 7\r\n\r\n");
    say(client, "TP/1.1\r\nHost: inventory\r\n\r\n");
    assert_int_equal(strncmp(heard(upstream), "GET /4 ", 7), 0);
    pipes_free(pipes);
}

static void what_comes_early_has_a_bound(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "GET /1 HTTP/1.1\r\nHost: inventory\r\n\r\n");
    static uint8_t much[40 * 1024];
    memset(much, 'x', sizeof much);
    say_bytes(client, slice_of(much, sizeof much));
    assert_true(client->reading);
    say_bytes(client, slice_of(much, sizeof much));
    assert_false(client->reading);
    pipes_free(pipes);
}

static void an_old_client_gets_what_it_understands(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "GET / HTTP/1.0\r\nHost: inventory\r\nConnection: keep-alive\r\n\r\n");
    struct pipe *upstream = first_upstream(pipes);
    assert_non_null(strstr(heard(upstream), "Via: 1.0 shunt\r\n"));
    say(upstream, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    assert_string_equal(heard(client), "HTTP/1.1 200 OK\r\n" OURS
                                       "Connection: keep-alive\r\nContent-Length: 1\r\n\r\na");
    say(client, "GET / HTTP/1.0\r\nHost: inventory\r\nConnection: keep-alive\r\n\r\n");
    say(upstream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n");
    assert_string_equal(heard(client), "HTTP/1.1 200 OK\r\n" OURS "Connection: close\r\n\r\nb");
    assert_true(client->ended && !client->reset);
    pipes_free(pipes);
}

static void interim_answers_pass(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "GET / HTTP/1.1\r\nHost: inventory\r\n\r\n");
    say(first_upstream(pipes),
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 X\r\n\r\n");
    assert_string_equal(heard(client),
                        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 X\r\n\r\n");
    pipes_free(pipes);
}

static void a_client_that_asks_before_it_sends(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client,
        "POST / HTTP/1.1\r\nHost: inventory\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    struct pipe *upstream = first_upstream(pipes);
    assert_non_null(strstr(heard(upstream), "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    assert_string_equal(heard(client), "");
    say(upstream, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_string_equal(heard(client), "HTTP/1.1 100 Continue\r\n\r\n");
    say(client, "ab");
    assert_string_equal(heard(upstream), "ab");
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_non_null(strstr(heard(client), "HTTP/1.1 200 OK\r\n"));

    /* An upstream that knows nothing of it is not waited for. */
    say(client,
        "PUT / HTTP/1.1\r\nHost: inventory\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    pass(pipes, 900);
    assert_string_equal(heard(client), "");
    pass(pipes, 200);
    assert_string_equal(heard(client), "HTTP/1.1 100 Continue\r\n\r\n");
    say(client, "ab");
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    heard(client);

    /* A refusal comes without the body, and ends the connection. */
    say(client,
        "PUT / HTTP/1.1\r\nHost: inventory\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    say(upstream, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    assert_string_equal(heard(client), "HTTP/1.1 403 No\r\n" OURS
                                       "Connection: close\r\nContent-Length: 0\r\n\r\n");
    assert_true(client->ended);
    pipes_free(pipes);
}

static void an_upgrade_becomes_a_tunnel(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "GET /ws HTTP/1.1\r\nHost: inventory\r\nConnection: Upgrade\r\nUpgrade: "
                "WebSocket\r\n\r\nearly");
    struct pipe *upstream = first_upstream(pipes);
    assert_non_null(strstr(heard(upstream), "Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"));
    say(upstream, "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi");
    assert_string_equal(heard(client), "HTTP/1.1 101 Switching\r\n" OURS
                                       "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi");
    assert_string_equal(heard(upstream), "early");
    say(client, "\x81later");
    assert_string_equal(heard(upstream), "\x81later");
    pass(pipes, 300000); /* no timeout is a tunnel's */
    say(upstream, "still");
    assert_string_equal(heard(client), "still");
    hang_up(client);
    assert_true(upstream->ended && !upstream->closing);
    say(upstream, "bye");
    hang_up(upstream);
    assert_string_equal(heard(client), "bye");
    assert_true(client->closed && upstream->closed);
    pipes_free(pipes);
}

static void an_upgrade_that_does_not_happen_is_a_call(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "POST /attach HTTP/1.1\r\nHost: inventory\r\nContent-Length: 0\r\n"
                "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
                "GET /next HTTP/1.1\r\nHost: inventory\r\n\r\n");
    struct pipe *upstream = first_upstream(pipes);
    assert_non_null(
        strstr(heard(upstream), "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n"));
    say(upstream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    assert_non_null(strstr(heard(client), "HTTP/1.1 404 Not Found\r\n"));
    assert_int_equal(strncmp(heard(upstream), "GET /next ", 10), 0);
    pipes_free(pipes);
}

static void what_is_malformed_is_refused_and_the_rest_thrown_away(void **state)
{
    (void)state;
    static const struct {
        const char *says, *status;
    } rows[] = {
        { "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: inventory\r\n\r\n", "400 Bad Request" },
        { "GET / HTTP/1.1\nHost: inventory\n", "400 Bad Request" },
        { "GET / HTTP/3.0\r\nHost: inventory\r\n\r\n", "505 HTTP Version Not Supported" },
        { "BREW / HTTP/1.1\r\nHost: inventory\r\n\r\n", "501 Not Implemented" },
        { "POST / HTTP/1.1\r\nHost: inventory\r\nExpect: x\r\n\r\n", "417 Expectation Failed" },
        { "\r\n\r\n GET / HTTP/1.1\r\nHost: inventory\r\n\r\n", "400 Bad Request" },
        /* of which the first line tells enough */
        { "GET /\r\n", "400 Bad Request" },
        { "\r\nGET / HTTP/1.2\r\n", "505 HTTP Version Not Supported" },
        { "\xc0\xde", "400 Bad Request" },
        { "EHLO inventory\r\n", "400 Bad Request" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pipes *pipes = pipes_new(config);
        struct pipe *client = accept_client(pipes);
        say(client, rows[i].says);
        const char *answer = heard(client);
        assert_int_equal(strncmp(answer, "HTTP/1.1 ", 9), 0);
        assert_int_equal(strncmp(answer + 9, rows[i].status, strlen(rows[i].status)), 0);
        assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
        assert_non_null(strstr(answer, "\"executed\":\"no\""));
        assert_true(client->ended && !client->closing);
        say(client, "GET / HTTP/1.1\r\nHost: inventory\r\n\r\n");
        assert_string_equal(heard(client), "");
        assert_int_equal(pipes->dialled, 0);
        hang_up(client);
        assert_true(client->closed);
        pipes_free(pipes);
    }
}

static void a_head_has_a_size(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    char much[3000];
    memset(much, 'a', sizeof much);
    say(client, "GET / HTTP/1.1\r\nHost: inventory\r\nX: ");
    say_bytes(client, slice_of(much, sizeof much));
    assert_int_equal(strncmp(heard(client), "HTTP/1.1 431 ", 13), 0);
    pipes_free(pipes);
}

static void a_request_line_has_a_size(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    char much[3000];
    memset(much, 'a', sizeof much);
    say(client, "GET /");
    say_bytes(client, slice_of(much, sizeof much));
    assert_int_equal(strncmp(heard(client), "HTTP/1.1 414 ", 13), 0);
    pipes_free(pipes);
}

static void a_body_that_begins_malformed_is_refused_unsent(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client,
        "POST / HTTP/1.1\r\nHost: inventory\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n");
    const char *answer = heard(client);
    assert_int_equal(strncmp(answer, "HTTP/1.1 400 ", 13), 0);
    assert_non_null(strstr(answer, "\"executed\":\"no\""));
    assert_int_equal(pipes->dialled, 0);
    pipes_free(pipes);
}

static void a_body_that_is_malformed_may_have_been_read(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client,
        "POST / HTTP/1.1\r\nHost: inventory\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    struct pipe *upstream = first_upstream(pipes);
    say(client, "x\r\n");
    const char *answer = heard(client);
    assert_int_equal(strncmp(answer, "HTTP/1.1 400 ", 13), 0);
    assert_non_null(strstr(answer, "\"executed\":\"unknown\""));
    assert_true(upstream->closed);
    pipes_free(pipes);
}

/* Timers come before bytes in a turn of the loop, so a request may wait behind a timer. */
static void a_late_loop_reads_before_it_hangs_up(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    pipes->clock.now_ms += 70000; /* idle for 60 s and more, and nobody has looked */
    worker_begin_turn(&pipes->worker);
    say(client, "GET / HTTP/1.1\r\nHost: inventory\r\n\r\n");
    say(first_upstream(pipes), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(strncmp(heard(client), "HTTP/1.1 200 ", 13), 0);
    pass(pipes, 59000);
    assert_false(client->closed);
    pass(pipes, 2000);
    assert_true(client->closed);
    pipes_free(pipes);
}

static void time_limits(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *slow = accept_client(pipes), *idle = accept_client(pipes);
    say(slow, "GET /");
    pass(pipes, 9900);
    assert_string_equal(heard(slow), "");
    pass(pipes, 200);
    assert_int_equal(strncmp(heard(slow), "HTTP/1.1 408 ", 13), 0);
    pass(pipes, 5000); /* it never hangs up */
    assert_true(slow->closed);
    pass(pipes, 44000);
    assert_false(idle->closed);
    pass(pipes, 2000);
    assert_true(idle->closed);
    assert_string_equal(heard(idle), "");

    struct pipe *body = accept_client(pipes);
    say(body, "POST / HTTP/1.1\r\nHost: inventory\r\nContent-Length: 9\r\n\r\n");
    first_upstream(pipes);
    pass(pipes, 19000);
    say(body, "a");
    pass(pipes, 19000);
    assert_string_equal(heard(body), "");
    pass(pipes, 7000);
    assert_int_equal(strncmp(heard(body), "HTTP/1.1 408 ", 13), 0);
    pipes_free(pipes);
}

static void an_answer_that_nobody_reads_stops_the_upstream_and_then_ends(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    client->room = 1000;
    say(client, "GET / HTTP/1.1\r\nHost: inventory\r\n\r\n");
    struct pipe *upstream = first_upstream(pipes);
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n");
    static uint8_t much[64 * 1024];
    size_t passed = 0;
    while (upstream->reading && passed < 4 * 1024 * 1024) {
        say_bytes(upstream, slice_of(much, sizeof much));
        passed += sizeof much;
    }
    assert_in_range(passed, 192 * 1024, 320 * 1024);
    assert_in_range(pipes->worker.budget.used, passed - 64 * 1024, 512 * 1024);
    take_more(client, SIZE_MAX);
    assert_true(upstream->reading);
    assert_in_range(pipes->worker.budget.used, 1, 16 * 1024);
    take_more(client, 0);
    while (upstream->reading)
        say_bytes(upstream, slice_of(much, sizeof much));
    pass(pipes, 19000);
    assert_false(client->closed);
    pass(pipes, 12000);
    assert_true(client->reset && upstream->closed);
    pipes_free(pipes);
}

static void too_many_connections(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *first = accept_client(pipes);
    accept_client(pipes);
    struct pipe *third = accept_client(pipes);
    const char *answer = heard(third);
    assert_int_equal(strncmp(answer, "HTTP/1.1 503 ", 13), 0);
    assert_non_null(strstr(answer, "\"reason\":\"callers_full\""));
    assert_true(third->ended);
    hang_up(third);
    hang_up(first);
    assert_true(first->closed && third->closed);
    struct pipe *fourth = accept_client(pipes);
    assert_string_equal(heard(fourth), "");
    pipes_free(pipes);
}

static void draining(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *idle = accept_client(pipes), *busy = accept_client(pipes);
    say(busy, "GET / HTTP/1.1\r\nHost: inventory\r\n\r\n");
    struct pipe *upstream = first_upstream(pipes);
    struct done done = { pipes_drained };
    worker_drain(&pipes->worker, &done);
    turn(pipes);
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_string_equal(heard(busy), "HTTP/1.1 200 OK\r\n" OURS
                                     "Connection: close\r\nContent-Length: 0\r\n\r\n");
    assert_true(idle->closed && busy->ended);
    hang_up(busy);
    assert_null(done.on_done);
    pipes_free(pipes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_and_the_next_on_the_same_connections),
        cmocka_unit_test(the_listener_itself_means_its_host),
        cmocka_unit_test(bodies_pass_in_pieces),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(what_comes_early_has_a_bound),
        cmocka_unit_test(an_old_client_gets_what_it_understands),
        cmocka_unit_test(interim_answers_pass),
        cmocka_unit_test(a_client_that_asks_before_it_sends),
        cmocka_unit_test(an_upgrade_becomes_a_tunnel),
        cmocka_unit_test(an_upgrade_that_does_not_happen_is_a_call),
        cmocka_unit_test(what_is_malformed_is_refused_and_the_rest_thrown_away),
        cmocka_unit_test(a_head_has_a_size),
        cmocka_unit_test(a_request_line_has_a_size),
        cmocka_unit_test(a_body_that_begins_malformed_is_refused_unsent),
        cmocka_unit_test(a_body_that_is_malformed_may_have_been_read),
        cmocka_unit_test(a_late_loop_reads_before_it_hangs_up),
        cmocka_unit_test(time_limits),
        cmocka_unit_test(an_answer_that_nobody_reads_stops_the_upstream_and_then_ends),
        cmocka_unit_test(too_many_connections),
        cmocka_unit_test(draining),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

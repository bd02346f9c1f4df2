/* Which connection a call gets, through a whole worker: endpoints in turn and set aside, names
 * and their addresses, the cap, what rests and grows old, what is never called. Read each test
 * as a transcript. */
#include "../http/far_end.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char config[] =
    "service = \"t\";\n"
    "listeners = ( { name = \"out\"; address = \"127.0.0.1:15001\"; } );\n"
    "upstreams = ( { name = \"inventory\"; endpoints = ( \"10.0.0.1:80\" ); },\n"
    "  { name = \"several\"; endpoints = ( \"10.0.1.1:80\", \"10.0.1.2:80\", \"10.0.1.3:80\" ); "
    "},\n"
    "  { name = \"small\"; endpoints = ( \"one:80\" ); connections = 1; waiting = 1; "
    "connect_timeout = \"2s\"; },\n"
    "  { name = \"shared\"; endpoints = ( \"two:80\" ); protocol = \"h2\"; connections = 1; "
    "waiting = 1; connect_timeout = \"2s\"; },\n"
    "  { name = \"line\"; endpoints = ( \"one:80\" ); connections = 1; connect_timeout = \"2s\"; "
    "},\n"
    "  { name = \"nobody\"; endpoints = ( \"nobody:80\" ); },\n"
    "  { name = \"self\"; endpoints = ( \"127.0.0.1:15001\" ); } );\n"
    "routes = (\n"
    "  { name = \"inventory\"; match = { host = \"inventory\"; }; style = \"sync\";\n"
    "    timeout = \"30s\"; sync = { upstream = \"inventory\"; }; },\n"
    "  { name = \"several\"; match = { host = \"several\"; }; style = \"sync\";\n"
    "    timeout = \"30s\"; sync = { upstream = \"several\"; }; },\n"
    "  { name = \"small\"; match = { host = \"small\"; }; style = \"sync\";\n"
    "    timeout = \"30s\"; sync = { upstream = \"small\"; }; },\n"
    "  { name = \"shared\"; match = { host = \"shared\"; }; style = \"sync\";\n"
    "    timeout = \"30s\"; sync = { upstream = \"shared\"; }; },\n"
    "  { name = \"line\"; match = { host = \"line\"; }; style = \"sync\";\n"
    "    timeout = \"30s\"; sync = { upstream = \"line\"; }; },\n"
    "  { name = \"nobody\"; match = { host = \"nobody\"; }; style = \"sync\";\n"
    "    timeout = \"30s\"; sync = { upstream = \"nobody\"; }; },\n"
    "  { name = \"self\"; match = { host = \"self\"; }; style = \"sync\";\n"
    "    timeout = \"30s\"; sync = { upstream = \"self\"; }; } );\n";

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static struct pipe *ask(struct pipes *pipes, const char *method, const char *host)
{
    char request[200];
    snprintf(request, sizeof request, "%s /x HTTP/1.1\r\nHost: %s\r\n\r\n", method, host);
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

static void a_connection_that_is_refused(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask(pipes, "POST", "inventory");
    break_pipe(dialled(pipes, 0), -ECONNREFUSED);
    assert_string_equal(outcome(client), "503 connection_refused no");
    client = ask(pipes, "POST", "inventory"); /* the only one is tried all the same */
    open_pipe(dialled(pipes, 1));
    say(dialled(pipes, 1), ok);
    assert_string_equal(outcome(client), "200  ");
    pipes_free(pipes);
}

static void a_connection_that_does_not_come(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask(pipes, "GET", "inventory");
    pass(pipes, 900);
    assert_false(dialled(pipes, 0)->closed);
    pass(pipes, 200);
    assert_string_equal(outcome(client), "503 connection_timeout no");
    pipes_free(pipes);
}

static void a_name_that_is_unknown(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    assert_string_equal(outcome(ask(pipes, "GET", "nobody")), "502 name_unresolved no");
    assert_int_equal(pipes->dialled, 0);
    pipes_free(pipes);
}

static void destinations_that_are_never_called(void **state)
{
    (void)state;
    static const char *const forbidden[] = {
        "169.254.169.254", "169.254.1.1:80",           "[fe80::1]",
        "0.0.0.0:80",      "[::ffff:169.254.169.254]", "2852039166"
    };
    static const char *const ourselves[] = { "127.0.0.1:15001", "0x7f000001:15001",
                                             "2130706433:15001", "[::ffff:127.0.0.1]:15001" };
    struct pipes *pipes = pipes_new(config);
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        assert_string_equal(outcome(ask(pipes, "GET", forbidden[i])),
                            "403 destination_forbidden no");
    for (size_t i = 0; i < sizeof ourselves / sizeof *ourselves; i++)
        assert_string_equal(outcome(ask(pipes, "GET", ourselves[i])), "421 misdirected no");
    assert_string_equal(outcome(ask(pipes, "GET", "self")), "421 misdirected no");
    assert_int_equal(pipes->dialled, 0);
    pipes_free(pipes);
}

static void the_next_endpoint_when_one_refuses(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask(pipes, "POST", "several");
    assert_string_equal(address_of(pipes, 0), "10.0.1.1:80");
    break_pipe(dialled(pipes, 0), -ECONNREFUSED);
    assert_string_equal(address_of(pipes, 1), "10.0.1.2:80");
    break_pipe(dialled(pipes, 1), -EHOSTUNREACH);
    assert_string_equal(address_of(pipes, 2), "10.0.1.3:80");
    open_pipe(dialled(pipes, 2));
    say(dialled(pipes, 2), ok);
    assert_string_equal(outcome(client), "200  ");

    /* Both are set aside for a while. */
    ask(pipes, "GET", "several");
    assert_int_equal(pipes->dialled, 3);
    say(dialled(pipes, 2), ok);
    pass(pipes, 300);
    client = ask(pipes, "GET", "several");
    assert_string_equal(address_of(pipes, 3), "10.0.1.1:80");
    break_pipe(dialled(pipes, 3), -ECONNREFUSED);
    break_pipe(dialled(pipes, 4), -ECONNREFUSED);
    say(dialled(pipes, 2), ok);
    assert_string_equal(outcome(client), "200  ");
    pass(pipes, 300); /* longer, the second time */
    ask(pipes, "GET", "several");
    assert_int_equal(pipes->dialled, 5);
    pipes_free(pipes);
}

static void none_of_several(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask(pipes, "POST", "several");
    for (unsigned i = 0; i < 3; i++)
        break_pipe(dialled(pipes, i), -ECONNREFUSED);
    assert_string_equal(outcome(client), "503 connection_refused no");
    assert_int_equal(pipes->dialled, 3);
    pipes_free(pipes);
}

static void the_least_busy_endpoint_in_turn(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    for (unsigned i = 0; i < 4; i++)
        ask(pipes, "GET", "several");
    assert_string_equal(address_of(pipes, 0), "10.0.1.1:80");
    assert_string_equal(address_of(pipes, 1), "10.0.1.2:80");
    assert_string_equal(address_of(pipes, 2), "10.0.1.3:80");
    assert_string_equal(address_of(pipes, 3), "10.0.1.1:80");
    open_pipe(dialled(pipes, 1));
    say(dialled(pipes, 1), ok);
    ask(pipes, "GET", "several"); /* the second has nothing to do */
    assert_int_equal(pipes->dialled, 4);
    assert_true(strncmp(heard(dialled(pipes, 1)), "GET /x", 6) == 0);
    pipes_free(pipes);
}

static void addresses_of_one_name_are_tried(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = ask(pipes, "GET", "two:80");
    assert_string_equal(address_of(pipes, 0), "10.0.0.1:80");
    break_pipe(dialled(pipes, 0), -ECONNREFUSED);
    assert_string_equal(address_of(pipes, 1), "10.0.0.2:80");
    open_pipe(dialled(pipes, 1));
    say(dialled(pipes, 1), ok);
    assert_string_equal(outcome(client), "200  ");
    pipes_free(pipes);
}

static void an_idle_connection_that_closes_or_speaks_is_left(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    hang_up(used_upstream(pipes));
    ask(pipes, "POST", "inventory");
    struct pipe *second = dialled(pipes, 1);
    open_pipe(second);
    say(second, ok);
    say(second, ok); /* nobody asked */
    assert_true(second->closed);
    ask(pipes, "POST", "inventory");
    assert_int_equal(pipes->dialled, 3);
    pipes_free(pipes);
}

static void an_idle_connection_grows_old(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *upstream = used_upstream(pipes);
    pass(pipes, 29000);
    assert_false(upstream->closed);
    pass(pipes, 2000);
    assert_true(upstream->closed);
    pipes_free(pipes);
}

static void at_the_cap_calls_stand_in_line(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *first = ask(pipes, "GET", "small"), *second = ask(pipes, "GET", "small");
    struct pipe *third = ask(pipes, "GET", "small");
    assert_string_equal(outcome(third), "503 connections_full no");
    struct pipe *upstream = dialled(pipes, 0);
    open_pipe(upstream);
    say(upstream, ok);
    assert_string_equal(outcome(first), "200  ");
    assert_int_equal(pipes->dialled, 1);
    say(upstream, ok);
    assert_string_equal(outcome(second), "200  ");

    first = ask(pipes, "GET", "small");
    second = ask(pipes, "GET", "small");
    pass(pipes, 2100);
    assert_string_equal(outcome(second), "503 connections_full no");
    hang_up(upstream); /* the pooled one closed: the first goes again, by itself */
    open_pipe(dialled(pipes, 1));
    say(dialled(pipes, 1), ok);
    assert_string_equal(outcome(first), "200  ");
    pipes_free(pipes);
}

/* Who had left the line for the room that there was, and goes before it dials, leaves that room to
 * the next. */
static void the_first_in_line_goes_while_its_name_is_looked_up(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *first = ask(pipes, "POST", "line"), *second = ask(pipes, "GET", "line");
    struct pipe *third = ask(pipes, "GET", "line");
    open_pipe(dialled(pipes, 0));
    pipes->lookups_wait = true;
    hang_up(dialled(pipes, 0));
    assert_string_equal(outcome(first), "502 connection_lost unknown");
    break_pipe(second, -ECONNRESET);
    pipes->lookups_wait = false;
    pass(pipes, 10);
    assert_int_equal(pipes->dialled, 2);
    open_pipe(dialled(pipes, 1));
    say(dialled(pipes, 1), ok);
    assert_string_equal(outcome(third), "200  ");
    pipes_free(pipes);
}

/* --- connections that many calls share ---------------------------------------------------------- */

enum { MANY = 20 };

static struct far_end *open_shared(struct pipes *pipes, unsigned number, uint32_t streams)
{
    open_pipe(dialled(pipes, number));
    return far_new(dialled(pipes, number), true, true, streams);
}

static void answer(struct far_end *end, int32_t id)
{
    far_head(end, id, ":status=204", true);
    far_pump(end);
}

/* Also at the cap, which the one that is being dialled has reached. */
static void one_dial_for_many(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *clients[MANY];
    for (unsigned i = 0; i < MANY; i++)
        clients[i] = ask(pipes, "GET", "shared");
    assert_int_equal(pipes->dialled, 1);
    struct far_end *end = open_shared(pipes, 0, 100);
    told(end);
    for (int i = 0; i < MANY; i++)
        answer(end, 2 * i + 1);
    for (unsigned i = 0; i < MANY; i++)
        assert_string_equal(outcome(clients[i]), "204  ");
    assert_int_equal(pipes->dialled, 1);
    far_free(end);
    pipes_free(pipes);
}

static void a_failure_is_told_to_all(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *clients[MANY];
    for (unsigned i = 0; i < MANY; i++)
        clients[i] = ask(pipes, "GET", "shared");
    break_pipe(dialled(pipes, 0), -ECONNREFUSED);
    assert_int_equal(pipes->dialled, 2); /* the name's other address */
    break_pipe(dialled(pipes, 1), -ECONNREFUSED);
    for (unsigned i = 0; i < MANY; i++)
        assert_string_equal(outcome(clients[i]), "503 connection_refused no");
    assert_int_equal(pipes->dialled, 2);
    pipes_free(pipes);
}

static void in_line_when_every_stream_is_taken(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *first = ask(pipes, "GET", "shared");
    struct far_end *end = open_shared(pipes, 0, 1);
    told(end);
    struct pipe *second = ask(pipes, "GET", "shared"), *third = ask(pipes, "GET", "shared");
    assert_string_equal(outcome(third), "503 connections_full no");
    answer(end, 1);
    assert_string_equal(outcome(first), "204  ");
    struct pipe *fourth = ask(pipes, "GET", "shared");
    answer(end, 3);
    assert_string_equal(outcome(second), "204  ");
    struct pipe *fifth = ask(pipes, "GET", "shared");
    pass(pipes, 2100);
    assert_string_equal(outcome(fifth), "503 connections_full no");
    assert_string_equal(heard(fourth), "");
    assert_int_equal(pipes->dialled, 1);
    far_free(end);
    pipes_free(pipes);
}

/* Whoever is in line is served by the connection that takes the place of the one that went. */
static void in_line_when_the_connection_goes(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    ask(pipes, "POST", "shared");
    struct far_end *end = open_shared(pipes, 0, 1);
    told(end);
    struct pipe *second = ask(pipes, "GET", "shared");
    break_pipe(dialled(pipes, 0), -ECONNRESET);
    assert_int_equal(pipes->dialled, 2);
    struct pipe *third = ask(pipes, "GET", "shared");
    struct far_end *other = open_shared(pipes, 1, 100);
    told(other);
    answer(other, 1);
    answer(other, 3);
    assert_string_equal(outcome(second), "204  ");
    assert_string_equal(outcome(third), "204  ");
    far_free(end);
    far_free(other);
    pipes_free(pipes);
}

/* What was dialled for a call that went serves the next one, or rests and grows old. */
static void a_seeker_that_goes_while_it_is_dialled(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    break_pipe(ask(pipes, "GET", "shared"), -ECONNRESET);
    struct far_end *end = open_shared(pipes, 0, 100);
    struct pipe *client = ask(pipes, "GET", "shared");
    told(end);
    answer(end, 1);
    assert_string_equal(outcome(client), "204  ");
    assert_int_equal(pipes->dialled, 1);
    pass(pipes, 130000);
    assert_true(dialled(pipes, 0)->closed);
    far_free(end);

    break_pipe(ask(pipes, "GET", "shared"), -ECONNRESET);
    end = open_shared(pipes, 1, 100);
    pass(pipes, 130000);
    assert_true(dialled(pipes, 1)->closed);
    far_free(end);
    pipes_free(pipes);
}

/* Its first address was no good; those who waited for it try the other one. */
static void a_seeker_that_goes_before_the_dial_fails(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *first = ask(pipes, "GET", "shared"), *second = ask(pipes, "GET", "shared");
    break_pipe(first, -ECONNRESET);
    break_pipe(dialled(pipes, 0), -ECONNREFUSED);
    assert_int_equal(pipes->dialled, 2);
    struct far_end *end = open_shared(pipes, 1, 100);
    told(end);
    answer(end, 1);
    assert_string_equal(outcome(second), "204  ");
    far_free(end);
    pipes_free(pipes);
}

static void a_drain_while_it_is_dialled(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    break_pipe(ask(pipes, "GET", "shared"), -ECONNRESET);
    struct done done = { pipes_drained };
    worker_drain(&pipes->worker, &done);
    turn(pipes);
    pass(pipes, 100);
    assert_null(done.on_done);
    pipes_free(pipes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_that_is_refused),
        cmocka_unit_test(a_connection_that_does_not_come),
        cmocka_unit_test(a_name_that_is_unknown),
        cmocka_unit_test(destinations_that_are_never_called),
        cmocka_unit_test(the_next_endpoint_when_one_refuses),
        cmocka_unit_test(none_of_several),
        cmocka_unit_test(the_least_busy_endpoint_in_turn),
        cmocka_unit_test(addresses_of_one_name_are_tried),
        cmocka_unit_test(an_idle_connection_that_closes_or_speaks_is_left),
        cmocka_unit_test(an_idle_connection_grows_old),
        cmocka_unit_test(at_the_cap_calls_stand_in_line),
        cmocka_unit_test(the_first_in_line_goes_while_its_name_is_looked_up),
        cmocka_unit_test(one_dial_for_many),
        cmocka_unit_test(a_failure_is_told_to_all),
        cmocka_unit_test(in_line_when_every_stream_is_taken),
        cmocka_unit_test(in_line_when_the_connection_goes),
        cmocka_unit_test(a_seeker_that_goes_while_it_is_dialled),
        cmocka_unit_test(a_seeker_that_goes_before_the_dial_fails),
        cmocka_unit_test(a_drain_while_it_is_dialled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

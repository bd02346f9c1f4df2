/* Clients that have said all, and tunnels, through a whole worker: who goes, who stays, for how long.
 * Read each test as a transcript. */
#include "sidecar.h"

static void a_client_that_goes_takes_its_call_along(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: inventory\r\n\r\n", /* reset */
        "GET / HTTP/1.1\r\nHost: inventory\r\n\r\n", /* known to be gone */
        "POST / HTTP/1.1\r\nHost: inventory\r\nContent-Length: 2\r\n\r\na",
    };
    for (int i = 0; i < 3; i++) {
        struct pipes *pipes = pipes_new(config);
        struct pipe *client = accept_client(pipes);
        say(client, requests[i]);
        struct pipe *upstream = first_upstream(pipes);
        client->deserted = i == 1;
        if (i == 0)
            break_pipe(client, -ECONNRESET);
        else
            hang_up(client);
        assert_true(client->closed && upstream->closed);
        assert_true(list_empty(&pipes->worker.calls));
        pipes_free(pipes);
    }
}

static void a_client_that_has_only_said_all_gets_its_answers(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "GET /a HTTP/1.1\r\nHost: inventory\r\n\r\nGET /b HTTP/1.1\r\nHost: "
                "inventory\r\n\r\n");
    struct pipe *upstream = first_upstream(pipes);
    hang_up(client);
    pass(pipes, 10000);
    say(upstream, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_string_equal(heard(client), "HTTP/1.1 204 No Content\r\n" OURS "\r\n");
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nb.");
    assert_string_equal(heard(client), "HTTP/1.1 200 OK\r\n" OURS
                                       "Connection: close\r\nContent-Length: 2\r\n\r\nb.");
    assert_true(client->closed && !client->reset);
    pipes_free(pipes);
}

static void it_may_go_while_it_waits(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "GET /a HTTP/1.1\r\nHost: inventory\r\n\r\n");
    struct pipe *upstream = first_upstream(pipes);
    hang_up(client);
    assert_false(client->closed);
    client->deserted = true;
    pass(pipes, 1100);
    assert_true(client->closed && upstream->closed);
    pipes_free(pipes);
}

static void where_that_is_written_it_is_taken_for_gone(void **state)
{
    (void)state;
    char text[sizeof config + 50];
    const char *host = strstr(config, "host = \"inventory:8080\";");
    snprintf(text, sizeof text, "%.*shalf_closed = \"cancel\"; %s", (int)(host - config), config,
             host);
    struct pipes *pipes = pipes_new(text);
    struct pipe *client = accept_client(pipes);
    say(client, "GET /a HTTP/1.1\r\nHost: inventory\r\n\r\n");
    struct pipe *upstream = first_upstream(pipes);
    hang_up(client);
    assert_true(client->closed && upstream->closed);
    pipes_free(pipes);
}

static void what_was_asked_and_not_finished_ends_behind_the_answers(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "GET /a HTTP/1.1\r\nHost: inventory\r\n\r\nGET /b HTT");
    struct pipe *upstream = first_upstream(pipes);
    hang_up(client);
    say(upstream, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_string_equal(heard(client), "HTTP/1.1 204 No Content\r\n" OURS "\r\n");
    assert_true(client->closed && !client->reset);
    pipes_free(pipes);
}

/* A tunnel, up to its first bytes both ways. */
static struct pipe *tunnel(struct pipes *pipes, struct pipe **upstream)
{
    struct pipe *client = accept_client(pipes);
    say(client, "GET /ws HTTP/1.1\r\nHost: inventory\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    *upstream = first_upstream(pipes);
    say(*upstream, "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhi");
    say(client, "ho");
    assert_non_null(strstr(heard(*upstream), "\r\n\r\nho"));
    assert_non_null(strstr(heard(client), "\r\n\r\nhi"));
    return client;
}

static void either_side_of_a_tunnel_may_end_first(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pipes *pipes = pipes_new(config);
        struct pipe *upstream, *client = tunnel(pipes, &upstream);
        struct pipe *first = i == 0 ? client : upstream, *other = i == 0 ? upstream : client;
        hang_up(first);
        assert_true(other->ended && !other->closing && !first->closing && !first->ended);
        pass(pipes, 100000);
        say(other, "goes on");
        assert_string_equal(heard(first), "goes on");
        pass(pipes, 100000);
        say(other, " and ends");
        hang_up(other);
        assert_string_equal(heard(first), " and ends");
        pass(pipes, 3000);
        assert_true(first->closed && other->closed && !first->reset && !other->reset);
        assert_true(list_empty(&pipes->worker.calls));
        pipes_free(pipes);
    }
}

/* Nothing stays for ever. */
static void a_tunnel_may_rest_for_so_long(void **state)
{
    (void)state;
    static const uint64_t limits[] = { 3600000, 120000, 120000 };
    for (int i = 0; i < 3; i++) {
        struct pipes *pipes = pipes_new(config);
        struct pipe *upstream, *client = tunnel(pipes, &upstream);
        if (i > 0)
            hang_up(i == 1 ? client : upstream);
        pass(pipes, limits[i] - 1000);
        assert_true(!client->closed && !upstream->closed);
        say(i == 1 ? upstream : client, "moves");
        pass(pipes, limits[i] - 1000);
        assert_true(!client->closed && !upstream->closed);
        pass(pipes, 2000);
        assert_true(client->closed && client->reset && upstream->closed);
        assert_true(list_empty(&pipes->worker.calls));
        pipes_free(pipes);
    }
}

/* The end comes with the first bytes, before the upstream has agreed to anything. */
static void a_tunnel_that_is_asked_for_and_half_closed_at_once(void **state)
{
    (void)state;
    struct pipes *pipes = pipes_new(config);
    struct pipe *client = accept_client(pipes);
    say(client, "GET /ws HTTP/1.1\r\nHost: inventory\r\nConnection: Upgrade\r\nUpgrade: "
                "x\r\n\r\nall of it");
    struct pipe *upstream = first_upstream(pipes);
    hang_up(client);
    heard(upstream);
    say(upstream, "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    assert_string_equal(heard(upstream), "all of it");
    assert_true(upstream->ended && !upstream->closing);
    say(upstream, "answer");
    hang_up(upstream);
    assert_non_null(strstr(heard(client), "answer"));
    assert_true(client->closed && upstream->closed && !client->reset);
    pipes_free(pipes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_goes_takes_its_call_along),
        cmocka_unit_test(a_client_that_has_only_said_all_gets_its_answers),
        cmocka_unit_test(it_may_go_while_it_waits),
        cmocka_unit_test(where_that_is_written_it_is_taken_for_gone),
        cmocka_unit_test(what_was_asked_and_not_finished_ends_behind_the_answers),
        cmocka_unit_test(either_side_of_a_tunnel_may_end_first),
        cmocka_unit_test(a_tunnel_may_rest_for_so_long),
        cmocka_unit_test(a_tunnel_that_is_asked_for_and_half_closed_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

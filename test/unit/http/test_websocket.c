/* WebSockets that come by HTTP/2 (RFC 8441): the key and its answer, and whole exchanges to read as
 * transcripts. Those that go on by HTTP/2 are in test_websocket_upstream.c. */
#include "far_end.h"
#include "websockets.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "http/websocket.h"

static const char config[] =
    "service = \"t\";\n"
    "listeners = ( { name = \"out\"; address = \"127.0.0.1:15001\"; } );\n"
    "upstreams = ( { name = \"up\"; endpoints = ( \"10.0.0.1:80\" ); } );\n"
    "routes = ( { name = \"up\"; match = { method = \"GET\"; }; style = \"sync\";\n"
    "             sync = { upstream = \"up\"; }; } );\n"
    "unmatched = \"refuse\";\n"
    "timeouts = { body = \"5s\"; tunnel = \"60s\"; };\n";

static void the_example_of_the_rfc(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct head request = { .upgrade = SLICE("websocket") }, answer = { .status = 101 };
    assert_int_equal(websocket_key(&request, (const uint8_t *)"the sample nonce", &arena), 0);
    const struct field *key = fields_find_name(&request.fields, SLICE("sec-websocket-key"));
    assert_true(slice_is(key->value, "dGhlIHNhbXBsZSBub25jZQ=="));
    assert_true(slice_is(request.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_false(websocket_accepted(&request, &answer));
    assert_int_equal(fields_add(&answer.fields, &arena, SLICE("sec-websocket-accept"),
                                SLICE("s3pPLMBiTxaQ9kYGzzhZRbK+xOp=")),
                     0);
    assert_false(websocket_accepted(&request, &answer));
    answer.fields.at[0].value = request.accept;
    assert_true(websocket_accepted(&request, &answer));
    assert_true(websocket_accepted(&(struct head){ 0 }, &(struct head){ 0 }));
    answer.framing = FRAMING_TUNNEL;
    websocket_answer(&answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.fields.count, 0);
    request.method = SLICE("GET");
    assert_int_equal(websocket_accept(&request, &answer, &arena), 0);
    assert_int_equal(answer.status, 101);
    assert_true(websocket_accepted(&request, &answer));
    arena_clear(&arena);
}

static void a_full_arena_is_told(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 64);
    while (arena_try(&arena, 1) != NULL)
        ;
    struct head request = { .upgrade = SLICE("websocket") };
    assert_int_equal(websocket_key(&request, (const uint8_t *)"the sample nonce", &arena), -1);
    arena_clear(&arena);
}

struct scene {
    struct pipes *pipes;
    struct far_end *client;
    struct pipe *upstream;
    int32_t id;
};

/* A WebSocket has been asked for, with `early` behind the request. */
static struct scene asked(const char *early, bool ends)
{
    struct pipes *pipes = pipes_new(config);
    struct scene scene = { pipes, far_new(accept_client(pipes), false, true, 0), NULL, 0 };
    scene.id = far_head(scene.client, -1, ASK("/chat?x=1"), false);
    far_pump(scene.client);
    if (*early != '\0' || ends)
        far_body(scene.client, scene.id, slice_text(early), ends);
    scene.upstream = dialled(pipes, 0);
    assert_non_null(scene.upstream);
    open_pipe(scene.upstream);
    const char *request = heard(scene.upstream);
    assert_int_equal(strncmp(request, "GET /chat?x=1 HTTP/1.1\r\nHost: up\r\n", 34), 0);
    assert_non_null(strstr(request, "\r\nsec-websocket-version: 13\r\n"));
    assert_non_null(strstr(request, "\r\nSec-WebSocket-Key: " KEY "\r\n"));
    assert_non_null(strstr(request, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
    assert_null(strstr(request, "theirs"));
    return scene;
}

static void switch_protocols(struct scene *scene)
{
    say(scene->upstream,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
        "websocket\r\nSec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Protocol: tea\r\n\r\n");
    assert_string_equal(told(scene->client), "head 1 :status=200 sec-websocket-protocol=tea");
}

static void end(struct scene *scene)
{
    assert_true(list_empty(&scene->pipes->worker.calls));
    far_free(scene->client);
    pipes_free(scene->pipes);
}

static void a_conversation(void **state)
{
    (void)state;
    struct scene scene = asked("", false);
    switch_protocols(&scene);
    for (int i = 0; i < 3000; i++) /* small pieces are no nuisance here */
        far_body(scene.client, scene.id, SLICE("a"), false);
    assert_int_equal(strlen(heard(scene.upstream)), 3000);
    pass(scene.pipes, 50000); /* no limit of bodies is a tunnel's */
    say(scene.upstream, "\x81hello");
    assert_string_equal(told(scene.client), "data 1 \x81hello");
    far_body(scene.client, scene.id, SLICE("bye"), true);
    assert_string_equal(heard(scene.upstream), "bye");
    assert_true(scene.upstream->ended && !scene.upstream->closing);
    say(scene.upstream, "bye");
    hang_up(scene.upstream);
    assert_string_equal(told(scene.client), "data 1 bye | data 1 end");
    end(&scene);
}

static void what_comes_early_waits(void **state)
{
    (void)state;
    for (int ends = 0; ends < 2; ends++) {
        struct scene scene = asked("early", ends);
        switch_protocols(&scene);
        assert_string_equal(heard(scene.upstream), "early");
        assert_int_equal(scene.upstream->ended, ends);
        say(scene.upstream, "answer");
        hang_up(scene.upstream);
        assert_string_equal(told(scene.client), "data 1 answer | data 1 end");
        if (!ends)
            far_body(scene.client, scene.id, SLICE("late"), true);
        end(&scene);
    }
}

static void it_may_be_refused(void **state)
{
    (void)state;
    for (int early = 0; early < 2; early++) {
        struct scene scene = asked(early ? "early" : "", false);
        say(scene.upstream, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
        const char *answer = told(scene.client);
        assert_int_equal(strncmp(answer, "head 1 :status=403 content-length=2 | data 1 no", 45), 0);
        end(&scene);
    }
}

/* Nothing goes through to a server that does not mean it. */
static void an_answer_to_another_key_is_malformed(void **state)
{
    (void)state;
    static const char *const accepts[] = { "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
                                           "" };
    for (int i = 0; i < 2; i++) {
        struct scene scene = asked("early", false);
        char text[200];
        snprintf(text, sizeof text,
                 "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%s\r\n",
                 accepts[i]);
        say(scene.upstream, text);
        assert_int_equal(strncmp(told(scene.client), "head 1 :status=502", 18), 0);
        assert_string_equal(heard(scene.upstream), "");
        assert_true(scene.upstream->closed);
        end(&scene);
    }
}

static void a_client_that_goes(void **state)
{
    (void)state;
    for (int open = 0; open < 2; open++) {
        struct scene scene = asked("early", false);
        if (open)
            switch_protocols(&scene);
        far_reset(scene.client, scene.id, NGHTTP2_CANCEL);
        far_pump(scene.client);
        assert_true(scene.upstream->closed);
        end(&scene);
    }
}

/* A tunnel has DATA only: RFC 9113 §8.5. */
static void a_client_that_sends_trailers(void **state)
{
    (void)state;
    for (int open = 0; open < 2; open++) {
        struct scene scene = asked("early", false);
        if (open)
            switch_protocols(&scene);
        far_head(scene.client, scene.id, "x-t=v", true);
        const char *answer = told(scene.client);
        if (open)
            assert_string_equal(answer, "reset 1 1");
        else
            assert_int_equal(strncmp(answer, "head 1 :status=400", 18), 0);
        assert_true(scene.upstream->closed);
        end(&scene);
    }
}

static void what_cannot_be(void **state)
{
    (void)state;
    static const struct {
        const char *ask, *status;
        bool ends;
    } rows[] = {
        { ":method=CONNECT :protocol=tea :scheme=http :authority=up :path=/", "501", false },
        { ASK("/"), "400", true },
        { ASK("/") " content-length=3", "400", false },
        { ASK("/../b"), "400", false },
        { ":method=POST :scheme=http :authority=up :path=/", "404", true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pipes *pipes = pipes_new(config);
        struct far_end *client = far_new(accept_client(pipes), false, true, 0);
        far_head(client, -1, rows[i].ask, rows[i].ends);
        char start[40];
        snprintf(start, sizeof start, "head 1 :status=%s", rows[i].status);
        const char *answer = told(client);
        if (strncmp(answer, start, strlen(start)) != 0)
            fail_msg("%s: %s", rows[i].ask, answer);
        assert_int_equal(pipes->dialled, 0);
        far_free(client);
        pipes_free(pipes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_rfc),
        cmocka_unit_test(a_full_arena_is_told),
        cmocka_unit_test(a_conversation),
        cmocka_unit_test(what_comes_early_waits),
        cmocka_unit_test(it_may_be_refused),
        cmocka_unit_test(an_answer_to_another_key_is_malformed),
        cmocka_unit_test(a_client_that_goes),
        cmocka_unit_test(a_client_that_sends_trailers),
        cmocka_unit_test(what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

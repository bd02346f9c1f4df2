/* Trailers behind a body whose length is known, which HTTP/2 has and HTTP/1 has no place for: both
 * ways between the two, through a whole worker. */
#include "far_end.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char config[] =
    "service = \"t\";\n"
    "listeners = ( { name = \"out\"; address = \"127.0.0.1:15001\"; } );\n"
    "upstreams = ( { name = \"one\"; endpoints = ( \"10.0.0.1:80\" ); },\n"
    "              { name = \"two\"; endpoints = ( \"10.0.0.2:80\" ); protocol = \"h2\"; } );\n"
    "routes = ( { name = \"one\"; match = { host = \"one\"; }; style = \"sync\";\n"
    "             sync = { upstream = \"one\"; }; },\n"
    "           { name = \"two\"; match = { host = \"two\"; }; style = \"sync\";\n"
    "             sync = { upstream = \"two\"; }; } );\n";

static struct pipe *upstream_of(struct pipes *pipes)
{
    struct pipe *upstream = dialled(pipes, 0);
    assert_non_null(upstream);
    open_pipe(upstream);
    return upstream;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    bool does = len >= end_len && strcmp(text + len - end_len, end) == 0;
    if (!does)
        print_error("\"%s\" is not the end of\n%s\n", end, text);
    return does;
}

/* --- of requests ------------------------------------------------------------------------------ */

#define PUT(host) ":method=PUT :scheme=http :authority=" host " :path=/a content-length="

struct descent {
    struct pipes *pipes;
    struct far_end *client;
    int32_t id;
};

static struct descent asked(const char *words)
{
    struct pipes *pipes = pipes_new(config);
    struct descent descent = { pipes, far_new(accept_client(pipes), false, true, 0), 0 };
    descent.id = far_head(descent.client, -1, words, false);
    far_pump(descent.client);
    return descent;
}

static void end(struct descent *descent)
{
    far_free(descent->client);
    pipes_free(descent->pipes);
}

static void announced_ones_go_behind_chunks(void **state)
{
    (void)state;
    struct descent descent = asked(PUT("one") "5 trailer=x-sum");
    struct pipe *upstream = upstream_of(descent.pipes);
    assert_true(ends_with(heard(upstream), "\r\nTransfer-Encoding: chunked\r\n\r\n"));
    far_body(descent.client, descent.id, SLICE("hel"), false);
    assert_string_equal(heard(upstream), "3\r\nhel\r\n");
    far_body(descent.client, descent.id, SLICE("lo"), false);
    assert_string_equal(heard(upstream), "2\r\nlo\r\n");
    far_head(descent.client, descent.id, "x-sum=5", true);
    far_pump(descent.client);
    assert_string_equal(heard(upstream), "0\r\nx-sum: 5\r\n\r\n");
    say(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_string_equal(told(descent.client), "head 1 :status=200 content-length=0 end");
    assert_false(upstream->closing); /* it may be used again */
    end(&descent);
}

/* One length or one `chunked`, and the announcement goes on with either. */
static void what_a_request_is_framed_by(void **state)
{
    (void)state;
    static const struct {
        const char *head, *body, *trailers, *said;
    } rows[] = {
        { PUT("one") "2 trailer=x-sum", "ab", "x-sum=2",
          "\r\nVia: 2.0 shunt\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"
          "0\r\nx-sum: 2\r\n\r\n" },
        { PUT("one") "2 trailer=x-sum", "ab", NULL, "chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n" },
        { PUT("one") "0 trailer=x-sum", "", "x-sum=0", "chunked\r\n\r\n0\r\nx-sum: 0\r\n\r\n" },
        { PUT("one") "2 trailer=x-sum", "ab", "authorization=me", "2\r\nab\r\n0\r\n\r\n" },
        { PUT("one") "2", "ab", "x-sum=2", "\r\nVia: 2.0 shunt\r\nContent-Length: 2\r\n\r\nab" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct descent descent = asked(rows[i].head);
        if (rows[i].body[0] != '\0')
            far_body(descent.client, descent.id, slice_text(rows[i].body),
                     rows[i].trailers == NULL);
        if (rows[i].trailers != NULL)
            far_head(descent.client, descent.id, rows[i].trailers, true);
        far_pump(descent.client);
        const char *request = heard(upstream_of(descent.pipes));
        assert_true(ends_with(request, rows[i].said));
        assert_int_equal(strstr(request, "\r\ntrailer: x-sum\r\n") != NULL,
                         strstr(rows[i].head, "trailer=x-sum") != NULL);
        assert_true((strstr(request, "Content-Length") == NULL) !=
                    (strstr(request, "Transfer-Encoding") == NULL));
        end(&descent);
    }
}

/* DATA that is not as long as was said leaves the request without an end. */
static void the_length_still_counts(void **state)
{
    (void)state;
    static const struct {
        const char *head, *said;
    } rows[] = {
        { PUT("one") "6 trailer=x-sum", "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" },
        { PUT("one") "4 trailer=x-sum", "\r\nTransfer-Encoding: chunked\r\n\r\n" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct descent descent = asked(rows[i].head);
        struct pipe *upstream = upstream_of(descent.pipes);
        far_body(descent.client, descent.id, SLICE("hello"), false);
        if (i == 0)
            far_head(descent.client, descent.id, "x-sum=5", true);
        assert_string_equal(told(descent.client), "reset 1 1");
        assert_true(ends_with(heard(upstream), rows[i].said));
        assert_true(upstream->closed);
        end(&descent);
    }
}

static void http2_on_both_sides_keeps_the_length(void **state)
{
    (void)state;
    struct descent descent = asked(PUT("two") "2 trailer=x-sum");
    struct far_end *upstream = far_new(upstream_of(descent.pipes), true, true, 100);
    far_body(descent.client, descent.id, SLICE("ab"), false);
    far_head(descent.client, descent.id, "x-sum=2", true);
    far_pump(descent.client);
    assert_string_equal(told(upstream),
                        "head 1 :method=PUT :scheme=http :authority=two :path=/a trailer=x-sum "
                        "content-length=2 | data 1 ab | head 1 x-sum=2 end");
    far_free(upstream);
    end(&descent);
}

/* --- of answers ------------------------------------------------------------------------------- */

static void what_an_answer_is_framed_by(void **state)
{
    (void)state;
    static const struct {
        const char *request, *head, *said;
    } rows[] = {
        { "GET /a HTTP/1.1", ":status=200 content-length=3 trailer=x-t",
          "\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: v\r\n\r\n" },
        { "GET /a HTTP/1.1", ":status=200 content-length=3", "\r\nContent-Length: 3\r\n\r\nabc" },
        { "GET /a HTTP/1.0", ":status=200 content-length=3 trailer=x-t",
          "\r\nContent-Length: 3\r\n\r\nabc" },
        { "HEAD /a HTTP/1.1", ":status=200 content-length=3 trailer=x-t",
          "\r\nContent-Length: 3\r\n\r\n" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pipes *pipes = pipes_new(config);
        struct pipe *client = accept_client(pipes);
        char request[80];
        snprintf(request, sizeof request, "%s\r\nHost: two\r\n\r\n", rows[i].request);
        say(client, request);
        struct far_end *upstream = far_new(upstream_of(pipes), true, true, 100);
        bool bodiless = rows[i].request[0] == 'H';
        far_head(upstream, 1, rows[i].head, bodiless);
        if (!bodiless) {
            far_body(upstream, 1, SLICE("abc"), false);
            far_head(upstream, 1, "x-t=v", true);
        }
        far_pump(upstream);
        const char *answer = heard(client);
        assert_true(ends_with(answer, rows[i].said));
        assert_true((strstr(answer, "Content-Length") == NULL) !=
                    (strstr(answer, "Transfer-Encoding") == NULL));
        far_free(upstream);
        pipes_free(pipes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(announced_ones_go_behind_chunks),
        cmocka_unit_test(what_a_request_is_framed_by),
        cmocka_unit_test(the_length_still_counts),
        cmocka_unit_test(http2_on_both_sides_keeps_the_length),
        cmocka_unit_test(what_an_answer_is_framed_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

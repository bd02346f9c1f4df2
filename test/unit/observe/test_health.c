/* `shunt health` against a server of one answer: what it prints, and that nothing makes it wait
 * for long. */
#include "observe/health.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/address.h"

struct server {
    int listening;
    char address[ADDRESS_TEXT];
    const char *answer; /* NULL: says nothing until the client hangs up */
    pthread_t thread;
};

static void *serve(void *context)
{
    struct server *server = context;
    int client = accept(server->listening, NULL, NULL);
    assert_true(client >= 0);
    char request[1024];
    ssize_t got = recv(client, request, sizeof request, 0);
    assert_true(got > 0);
    if (server->answer == NULL)
        assert_int_equal(recv(client, request, sizeof request, 0), 0);
    else
        send(client, server->answer, strlen(server->answer), MSG_NOSIGNAL);
    close(client);
    return NULL;
}

static void start(struct server *server, const char *where)
{
    struct address address;
    assert_int_equal(address_parse(slice_text(where), &address), 0);
    server->listening = socket(address.any.sa_family, SOCK_STREAM, 0);
    assert_int_equal(bind(server->listening, &address.any, address.len), 0);
    assert_int_equal(listen(server->listening, 1), 0);
    if (address.any.sa_family == AF_INET)
        assert_int_equal(getsockname(server->listening, &address.any, &address.len), 0);
    address_text(&address, server->address);
    pthread_create(&server->thread, NULL, serve, server);
}

/* Asks, and compares what is printed. */
static void expect(const char *where, const char *answer, int result, const char *said)
{
    struct server server = { .answer = answer };
    start(&server, where);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(health_check(where[0] == 'u' ? where : server.address, false, out), result);
    fclose(out);
    if (said != NULL)
        assert_string_equal(text, said);
    free(text);
    pthread_join(server.thread, NULL);
    close(server.listening);
}

#define LOOPBACK "127.0.0.1:0"

static void ready(void **state)
{
    (void)state;
    expect(LOOPBACK, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, "ready\n");
}

static void over_a_unix_socket(void **state)
{
    (void)state;
    char folder[] = "/tmp/shunt-health-XXXXXX", where[64];
    assert_non_null(mkdtemp(folder));
    snprintf(where, sizeof where, "unix:%s/socket", folder);
    expect(where, "HTTP/1.1 200 OK\r\n\r\n", 0, "ready\n");
    unlink(where + strlen("unix:"));
    rmdir(folder);
}

static void not_ready_says_what_is_missing(void **state)
{
    (void)state;
    expect(LOOPBACK,
           "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\r\n"
           "{\"ready\":false,\"missing\":[{\"what\":\"draining\"},"
           "{\"what\":\"broker\",\"name\":\"rabbit\",\"worker\":0,\"state\":\"down\"}]}",
           1, "not ready; missing:\n  draining\n  broker rabbit: down (worker 0)\n");
}

static void rubbish_is_survived(void **state)
{
    (void)state;
    expect(LOOPBACK, "HTTP/1.1 503 No\r\n\r\n{\"missing\":[", 1, "not ready\n");
    expect(LOOPBACK, "HTTP/1.1 503 No", 1, "not ready\n");
    expect(LOOPBACK, "HTTP/1.1 503 No\r\n\r\n{\"missing\":[1,{\"name\":2}]}", 1, NULL);
    expect(LOOPBACK, "HTTP/1.1 2", 1, NULL);
    expect(LOOPBACK, "SSH-2.0-OpenSSH\r\n", 1, NULL);
    expect(LOOPBACK, "", 1, NULL);
}

static void silence_ends_after_two_seconds(void **state)
{
    (void)state;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    expect(LOOPBACK, NULL, 1, NULL);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_in_range(after.tv_sec - before.tv_sec, 1, 9);
}

static void nobody_there(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(health_check("127.0.0.1:1", false, out), 1);
    assert_int_equal(health_check("nonsense", false, out), 1);
    fclose(out);
    assert_string_equal(
        text, "127.0.0.1:1 cannot be asked: Connection refused\nnonsense is no address\n");
    free(text);
}

static void in_json(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(health_check("127.0.0.1:1", true, out), 1);
    fclose(out);
    assert_string_equal(text,
                        "{\"ready\":false,\"error\":\"cannot be asked: Connection refused\"}\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready),
        cmocka_unit_test(over_a_unix_socket),
        cmocka_unit_test(not_ready_says_what_is_missing),
        cmocka_unit_test(rubbish_is_survived),
        cmocka_unit_test(silence_ends_after_two_seconds),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(in_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

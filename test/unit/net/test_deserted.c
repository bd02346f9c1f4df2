/* Who is still there, asked of the kernel about sockets of our own. */
#include "net/deserted.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/address.h"

struct pair {
    int client, server;
};

static struct pair connected(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(slice_text(text), &address), 0);
    int family = address.any.sa_family;
    int listening = socket(family, SOCK_STREAM, 0);
    struct pair pair = { .client = socket(family, SOCK_STREAM, 0) };
    assert_int_equal(bind(listening, &address.any, address.len), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, &address.any, &address.len), 0);
    assert_int_equal(connect(pair.client, &address.any, address.len), 0);
    pair.server = accept(listening, NULL, NULL);
    assert_true(pair.server >= 0);
    close(listening);
    return pair;
}

/* The FIN, or the reset, has come. */
static void await_end(int descriptor)
{
    struct pollfd poll_for = { .fd = descriptor, .events = POLLRDHUP };
    assert_int_equal(poll(&poll_for, 1, 10000), 1);
}

static void of_either_family(void **state)
{
    (void)state;
    static const char *const texts[] = { "127.0.0.1:0", "127.0.0.2:0", "[::1]:0",
                                         "[::ffff:127.0.0.1]:0" };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct pair pair = connected(texts[i]);
        assert_false(socket_is_deserted(pair.server));
        shutdown(pair.client, SHUT_WR);
        await_end(pair.server);
        assert_false(socket_is_deserted(pair.server));
        close(pair.client);
        assert_true(socket_is_deserted(pair.server));
        close(pair.server);
    }
}

static void after_a_reset(void **state)
{
    (void)state;
    struct pair pair = connected("127.0.0.1:0");
    struct linger at_once = { .l_onoff = 1 };
    setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(pair.client);
    await_end(pair.server);
    assert_true(socket_is_deserted(pair.server));
    close(pair.server);
}

static void of_unix_sockets(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_false(socket_is_deserted(pair[1]));
    shutdown(pair[0], SHUT_WR);
    assert_false(socket_is_deserted(pair[1]));
    close(pair[0]);
    assert_true(socket_is_deserted(pair[1]));
    close(pair[1]);
}

static void what_is_no_connection_is_not_known(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_false(socket_is_deserted(ends[0]));
    close(ends[0]);
    close(ends[1]);
    assert_false(socket_is_deserted(-1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_either_family),
        cmocka_unit_test(after_a_reset),
        cmocka_unit_test(of_unix_sockets),
        cmocka_unit_test(what_is_no_connection_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

/* An address of this machine with a port that was free. */
static struct address free_address(void)
{
    struct address address;
    assert_int_equal(address_parse(SLICE("127.0.0.1:0"), &address), 0);
    int descriptor = listener_bind(&address);
    assert_true(descriptor >= 0);
    socklen_t len = address.len;
    getsockname(descriptor, &address.any, &len);
    close(descriptor);
    return address;
}

static int plain_connect(const struct address *address)
{
    int descriptor = socket(address->any.sa_family, SOCK_STREAM, 0);
    int result = connect(descriptor, &address->any, address->len);
    int error = errno;
    close(descriptor);
    return result == 0 ? 0 : -error;
}

static void listens_without_blocking_and_closes_on_exec(void **state)
{
    (void)state;
    struct address address = free_address();
    int descriptor = listener_bind(&address);
    assert_true(descriptor >= 0);
    assert_true((fcntl(descriptor, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(plain_connect(&address), 0);
    close(descriptor);
    assert_int_equal(plain_connect(&address), -ECONNREFUSED);
}

static void one_socket_per_worker_but_no_second_owner(void **state)
{
    (void)state;
    struct address address = free_address();
    int first = listener_bind(&address);
    int second = listener_bind_beside(&address), third = listener_bind_beside(&address);
    assert_true(first >= 0 && second >= 0 && third >= 0);
    assert_int_equal(listener_bind(&address), -EADDRINUSE);
    close(first);
    assert_int_equal(listener_bind(&address), -EADDRINUSE);
    close(second);
    close(third);
    first = listener_bind(&address);
    assert_true(first >= 0);
    close(first);
}

static void an_address_that_is_not_here(void **state)
{
    (void)state;
    struct address address;
    assert_int_equal(address_parse(SLICE("192.0.2.1:80"), &address), 0);
    assert_int_equal(listener_bind(&address), -EADDRNOTAVAIL);
}

static void a_stale_unix_socket_is_replaced_and_a_live_one_is_not(void **state)
{
    (void)state;
    char text[64];
    snprintf(text, sizeof(text), "unix:/tmp/shunt-listen-%d.sock", (int)getpid());
    struct address address;
    assert_int_equal(address_parse(slice_text(text), &address), 0);
    int descriptor = listener_bind(&address);
    assert_true(descriptor >= 0);
    assert_int_equal(listener_bind(&address), -EADDRINUSE);
    close(descriptor);
    descriptor = listener_bind(&address);
    assert_true(descriptor >= 0);
    assert_int_equal(plain_connect(&address), 0);
    close(descriptor);
    unlink(text + 5);

    FILE *file = fopen(text + 5, "w");
    fclose(file);
    assert_int_equal(listener_bind(&address), -EADDRINUSE);
    assert_int_equal(access(text + 5, F_OK), 0);
    unlink(text + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listens_without_blocking_and_closes_on_exec),
        cmocka_unit_test(one_socket_per_worker_but_no_second_owner),
        cmocka_unit_test(an_address_that_is_not_here),
        cmocka_unit_test(a_stale_unix_socket_is_replaced_and_a_live_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

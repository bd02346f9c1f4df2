/* Snapshots one after another in one registry: which sockets are bound anew, which brokers are
 * the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/registry.h"

static int context; /* what an admin transport would answer from; never asked */

static unsigned free_port(void)
{
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof any;
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&any, len), 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&any, &len), 0);
    close(descriptor);
    return ntohs(any.sin_port);
}

/* Two workers, one listener, admin, and what else is written in `more`. */
static struct snapshot *build(struct registry *registry, unsigned listener, unsigned admin,
                              const char *more)
{
    char text[1000];
    int len = snprintf(text, sizeof text,
                       "workers = 2;\n"
                       "listeners = ( { name = \"out\"; address = \"127.0.0.1:%u\"; } );\n"
                       "admin = { address = \"127.0.0.1:%u\"; };\n%s",
                       listener, admin, more);
    struct complaints complaints;
    complaints_init(&complaints);
    struct catalog catalog = plugins_catalog(registry->plugins);
    struct config *config = config_load_text("test.cfg", slice_of(text, (size_t)len), &catalog,
                                             &complaints);
    assert_int_equal(complaints.errors, 0);
    struct snapshot *snapshot = snapshot_build(config, registry, false, &complaints);
    complaints_print(&complaints, stderr, false);
    complaints_clear(&complaints);
    assert_non_null(snapshot);
    return snapshot;
}

static void an_address_in_use_is_not_bound_again(void **state)
{
    (void)state;
    struct registry registry;
    registry_init(&registry, NULL, &context);
    unsigned a = free_port(), b = free_port();
    struct snapshot *first = build(&registry, a, b, "");
    assert_true(first->listeners[0].descriptors[1] >= 0 && first->admin->descriptors[0] >= 0);
    registry.serving = first;
    struct snapshot *second = build(&registry, a, b, "");
    assert_int_equal(second->listeners[0].descriptors[0], -1);
    assert_int_equal(second->admin->descriptors[0], -1);
    snapshot_release(first);
    snapshot_release(second);
    registry_clear(&registry);
}

static void a_listener_and_admin_can_change_places(void **state)
{
    (void)state;
    struct registry registry;
    registry_init(&registry, NULL, &context);
    unsigned a = free_port(), b = free_port();
    struct snapshot *first = build(&registry, a, b, "");
    registry.serving = first;
    struct snapshot *second = build(&registry, b, a, "");
    assert_true(second->listeners[0].descriptors[0] >= 0);
    assert_true(second->listeners[0].descriptors[1] >= 0);
    assert_true(second->admin->descriptors[0] >= 0);
    snapshot_release(first);
    snapshot_release(second);
    registry_clear(&registry);
}

/* --- brokers ---------------------------------------------------------------------------------- */

static unsigned opened;

static int open_broker(const struct host *host, struct broker *broker, const struct values *values,
                       struct complaints *complaints, void **instance)
{
    (void)host;
    (void)values;
    (void)complaints;
    opened++;
    *instance = broker;
    return 0;
}

static void close_broker(void *instance)
{
    assert_non_null(instance);
}

static const struct setting nothing[] = { { 0 } };
static const struct transport fake = {
    .abi = SHUNT_ABI,
    .name = "fake",
    .broker = nothing,
    .route = { nothing, nothing, nothing },
    .subscription = nothing,
    .open = open_broker,
    .close = close_broker,
};

static void a_broker_that_was_let_go_is_taken_up_again(void **state)
{
    (void)state;
    static const char brokers[] = "brokers = ( { name = \"b\"; plugin = \"fake\"; } );\n";
    struct registry registry;
    opened = 0;
    registry_init(&registry, NULL, &context);
    plugins_add(registry.plugins, &fake);
    unsigned a = free_port(), b = free_port();
    struct snapshot *first = build(&registry, a, b, brokers);
    struct broker *broker = first->brokers[0];
    snapshot_release(first); /* on a worker this can happen at any moment of a reload */
    struct snapshot *second = build(&registry, a, b, brokers);
    assert_ptr_equal(second->brokers[0], broker);
    assert_int_equal(broker->refs, 1);
    assert_int_equal(opened, 1);
    snapshot_release(second);
    registry_sweep(&registry);
    snapshot_release(build(&registry, a, b, brokers));
    assert_int_equal(opened, 2);
    registry_clear(&registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_in_use_is_not_bound_again),
        cmocka_unit_test(a_listener_and_admin_can_change_places),
        cmocka_unit_test(a_broker_that_was_let_go_is_taken_up_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

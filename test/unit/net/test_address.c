#include "net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct address address_of(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(slice_text(text), &address), 0);
    return address;
}

static struct address host_of(const char *host)
{
    struct address address;
    assert_int_equal(address_from_host(slice_text(host), 80, &address), 0);
    return address;
}

static void text_goes_in_and_comes_out(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "127.0.0.1:80",         "0.0.0.0:0",         "10.1.2.3:65535",
        "[::1]:15001",          "[2001:db8::7]:443", "unix:/run/shunt.sock",
        "[::ffff:10.0.0.1]:80",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        char text[ADDRESS_TEXT];
        struct address address = address_of(texts[i]);
        address_text(&address, text);
        assert_string_equal(text, texts[i]);
        struct address again = address_of(text);
        assert_true(address_equal(&address, &again));
    }
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",           "127.0.0.1",       "127.0.0.1:",  ":80",   "inventory:80",  "127.0.0.1:65536",
        "1.2.3.4:x",  "[::1]",           "[::1",        "::1",   "::1:80",        "[::1]80",
        "[::1]:",     "[]:80",           "[1.2.3.4:80", "unix:", "127.0.0.1 :80", "[::1]:80:",
        "1.2.3.4:-1", "[fe80::1%lo]:80",
    };
    struct address address;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        assert_int_equal(address_parse(slice_text(texts[i]), &address), -1);
    char long_path[200] = "unix:";
    memset(long_path + 5, 'a', sizeof(long_path) - 6);
    long_path[sizeof(long_path) - 1] = '\0';
    assert_int_equal(address_parse(slice_text(long_path), &address), -1);
}

static void other_spellings_of_an_address(void **state)
{
    (void)state;
    static const char *const loopback[] = {
        "127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1",
    };
    struct address expected = address_of("127.0.0.1:80");
    for (size_t i = 0; i < sizeof(loopback) / sizeof(*loopback); i++) {
        struct address address = host_of(loopback[i]);
        assert_true(address_equal(&address, &expected));
    }
    struct address six = host_of("[::1]"), bare = host_of("::1");
    assert_true(address_equal(&six, &bare));

    static const char *const names[] = { "",    "localhost", "127.0.0.1 x", "127.0.0.1.",
                                         "a.b", "256.0.0.1", "[]" };
    struct address address;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        assert_int_equal(address_from_host(slice_text(names[i]), 80, &address), -1);
    assert_int_equal(address_from_host(slice_of("127.0.0.1\0x", 11), 80, &address), -1);
}

static void hosts_split_from_ports(void **state)
{
    (void)state;
    static const struct {
        const char *authority, *host;
        uint16_t port;
    } good[] = {
        { "inventory:8080", "inventory", 8080 },
        { "inventory", "inventory", 80 },
        { "inventory:", "inventory", 80 },
        { "10.0.0.1:1", "10.0.0.1", 1 },
        { "[::1]:81", "::1", 81 },
        { "[::1]", "::1", 80 },
        { "::1", "::1", 80 },
        { "a-b.c_d", "a-b.c_d", 80 },
    };
    struct slice host;
    uint16_t port;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_int_equal(host_split(slice_text(good[i].authority), 80, &host, &port), 0);
        assert_true(slice_is(host, good[i].host));
        assert_int_equal(port, good[i].port);
    }
    static const char *const bad[] = {
        "",       ":80",    "a:b",  "a:80:80", "a:65536", "a b",   "u@h",   "h/p", "h\\p",
        "[a]:80", "[::1]x", "[::1", "::1]",    "h\x01",   "h\xe4", "a:80 ", "h?q", "h#f",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(host_split(slice_text(bad[i]), 80, &host, &port), -1);
}

static void what_is_never_called(void **state)
{
    (void)state;
    static const char *const forbidden[] = {
        "169.254.169.254",
        "169.254.0.1",
        "100.100.100.200",
        "0.0.0.0",
        "0.1.2.3",
        "224.0.0.1",
        "239.1.1.1",
        "255.255.255.255",
        "::",
        "fe80::1",
        "febf::1",
        "ff02::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2852039166",
        "0xa9fea9fe",
        "::ffff:0:0",
    };
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++) {
        struct address address = host_of(forbidden[i]);
        assert_true(address_is_forbidden(&address));
    }
    static const char *const allowed[] = {
        "127.0.0.1", "10.0.0.1", "169.253.1.1", "100.100.100.201", "223.255.255.255",
        "::1",       "fd00::1",  "fec0::1",     "2001:db8::1",     "::ffff:10.0.0.1",
    };
    for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++) {
        struct address address = host_of(allowed[i]);
        assert_false(address_is_forbidden(&address));
    }
    struct address path = address_of("unix:/x");
    assert_false(address_is_forbidden(&path));
}

static void loopback_in_every_form(void **state)
{
    (void)state;
    static const char *const loopback[] = { "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1" };
    for (size_t i = 0; i < sizeof(loopback) / sizeof(*loopback); i++) {
        struct address address = host_of(loopback[i]);
        assert_true(address_is_loopback(&address));
    }
    struct address path = address_of("unix:/x"), other = host_of("10.0.0.1"), any = host_of("::");
    assert_true(address_is_loopback(&path));
    assert_false(address_is_loopback(&other));
    assert_false(address_is_loopback(&any));
}

static void whether_a_target_is_ourselves(void **state)
{
    (void)state;
    static const struct {
        const char *target, *listening;
        bool reaches;
    } cases[] = {
        { "127.0.0.1:80", "127.0.0.1:80", true },
        { "127.0.0.1:81", "127.0.0.1:80", false },
        { "127.0.0.2:80", "127.0.0.1:80", true },
        { "127.0.0.2:80", "0.0.0.0:80", true },
        { "0.0.0.0:80", "127.0.0.1:80", true },
        { "[::]:80", "[::1]:80", true },
        { "[::1]:80", "[::]:80", true },
        { "127.0.0.1:80", "[::]:80", true },
        { "[::1]:80", "0.0.0.0:80", true },
        { "[::ffff:127.0.0.1]:80", "127.0.0.1:80", true },
        { "[::ffff:127.0.0.1]:80", "0.0.0.0:80", true },
        { "192.0.2.1:80", "0.0.0.0:80", false },
        { "192.0.2.1:80", "192.0.2.1:80", true },
        { "unix:/a", "unix:/a", true },
        { "unix:/a", "unix:/b", false },
        { "unix:/a", "127.0.0.1:80", false },
        { "0.0.0.0:80", "0.0.0.0:80", true },
        { "0.0.0.0:80", "192.0.2.1:80", false },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct address target = address_of(cases[i].target);
        struct address listening = address_of(cases[i].listening);
        assert_int_equal(address_reaches(&target, &listening), cases[i].reaches);
    }
}

static void ports_and_equality(void **state)
{
    (void)state;
    struct address a = address_of("10.0.0.1:80"), b = address_of("10.0.0.1:81");
    assert_false(address_equal(&a, &b));
    address_set_port(&b, 80);
    assert_int_equal(address_port(&b), 80);
    assert_true(address_equal(&a, &b));
    struct address six = address_of("[::1]:80"), path = address_of("unix:/a"),
                   other = address_of("unix:/ab");
    address_set_port(&six, 8080);
    assert_int_equal(address_port(&six), 8080);
    assert_int_equal(address_port(&path), 0);
    assert_false(address_equal(&a, &six));
    assert_false(address_equal(&path, &other));
}

static void networks(void **state)
{
    (void)state;
    static const struct {
        const char *text, *inside, *outside;
    } rows[] = {
        { "10.0.0.0/8", "10.255.255.255", "11.0.0.0" },
        { "10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3" },
        { "10.0.0.0/8", "10.0.0.0", "64:ff9b::10.1.2.3" },
        { "192.168.128.0/17", "192.168.200.1", "192.168.127.255" },
        { "192.0.2.7", "192.0.2.7", "192.0.2.6" },
        { "192.0.2.7/32", "192.0.2.7", "192.0.2.8" },
        { "0.0.0.0/0", "203.0.113.9", "2001:db8::1" },
        { "::/0", "2001:db8::1", "203.0.113.9" },
        { "::1", "::1", "127.0.0.1" },
        { "fd00::/8", "fdff::1", "fe00::1" },
        { "2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::" },
        { "::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct network network;
        assert_int_equal(network_parse(slice_text(rows[i].text), &network), 0);
        struct address inside = host_of(rows[i].inside), outside = host_of(rows[i].outside);
        assert_true(network_has(&network, &inside));
        assert_false(network_has(&network, &outside));
    }
    static const char *const wrong[] = {
        "",           "/8",          "10.0.0.0/",  "10.0.0.0/33",
        "10.0.0/8",   "10",          "0x0a000001", "10.0.0.0/8/8",
        "[::1]",      "::1/129",     "inventory",  "10.0.0.0/-1",
        "10.0.0.0/x", "10.0.0.0 /8", "::1%lo",     "1234:1234:1234:1234:1234:1234:255.255.255.2555"
    };
    struct network network;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_int_equal(network_parse(slice_text(wrong[i]), &network), -1);
    assert_int_equal(network_parse(SLICE("10.1.2.3/8"), &network), 1);
    assert_int_equal(network.at[1] | network.at[2] | network.at[3], 0);
    struct address local = address_of("unix:/a");
    assert_int_equal(network_parse(SLICE("0.0.0.0/0"), &network), 0);
    assert_false(network_has(&network, &local));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_goes_in_and_comes_out),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(other_spellings_of_an_address),
        cmocka_unit_test(hosts_split_from_ports),
        cmocka_unit_test(what_is_never_called),
        cmocka_unit_test(loopback_in_every_form),
        cmocka_unit_test(whether_a_target_is_ourselves),
        cmocka_unit_test(networks),
        cmocka_unit_test(ports_and_equality),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Names asked of a server of our own on the same loop. It answers as the name's first label
 * says. */
#include "net/resolver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "turning.h"

struct bench {
    struct turning turning;
    struct resolver *resolver;
    uv_udp_t server;
    char servers[ADDRESS_TEXT];
    unsigned asked; /* queries for A that came */
    unsigned ttl_s;
    bool mute, broken;
    uint8_t last; /* last byte of the addresses */
    char buffer[2048];
};

struct question {
    struct lookup lookup;
    bool answered;
    unsigned count;
    struct address addresses[16];
    char error[80];
};

static void on_resolved(struct lookup *lookup, const struct address *addresses, unsigned count,
                        const char *error)
{
    struct question *question = thing_of(lookup, struct question, lookup);
    assert_false(question->answered);
    question->answered = true;
    question->count = count;
    for (unsigned i = 0; i < count; i++)
        question->addresses[i] = addresses[i];
    snprintf(question->error, sizeof(question->error), "%s", error != NULL ? error : "");
}

/* --- the server: RFC 1035 §4.1, as much as is asked ------------------------------------------- */

static void put16(struct bytes *out, unsigned number)
{
    bytes_byte(out, (uint8_t)(number >> 8));
    bytes_byte(out, (uint8_t)number);
}

static void put_address(struct bytes *out, struct bench *bench, unsigned type)
{
    put16(out, 0xc00c);
    put16(out, type);
    put16(out, 1);
    put16(out, 0);
    put16(out, bench->ttl_s);
    put16(out, type == 1 ? 4 : 16);
    static const uint8_t four[3] = { 10, 0, 0 }, six[15] = { 0xfd };
    bytes_add(out, type == 1 ? slice_of(four, 3) : slice_of(six, 15));
    bytes_byte(out, bench->last);
}

static void answer(struct bench *bench, struct slice query, const struct sockaddr *from)
{
    size_t end = 12;
    while (query.at[end] != 0)
        end += query.at[end] + 1u;
    unsigned type = query.at[end + 2];
    struct slice label = slice_of(query.at + 13, query.at[12]);
    bool known = !slice_is(label, "unknown"), four_only = slice_is(label, "four");
    bench->asked += type == 1;

    struct bytes out = { 0 };
    bytes_add(&out, slice_first(query, 2));
    put16(&out, 0x8180u | (bench->broken ? 2 : known ? 0 : 3));
    put16(&out, 1);
    bool has = known && !bench->broken && (type == 1 || (type == 28 && !four_only));
    put16(&out, has);
    put16(&out, 0);
    put16(&out, 0);
    bytes_add(&out, slice_of(query.at + 12, end + 5 - 12));
    if (has)
        put_address(&out, bench, type);
    uv_buf_t buffer = uv_buf_init((char *)out.at, (unsigned)out.len);
    if (!bench->mute)
        uv_udp_try_send(&bench->server, &buffer, 1, from);
    bytes_free(&out);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct bench *bench = handle->data;
    *buffer = uv_buf_init(bench->buffer, sizeof(bench->buffer));
}

static void on_query(uv_udp_t *server, ssize_t len, const uv_buf_t *buffer,
                     const struct sockaddr *from, unsigned flags)
{
    (void)flags;
    if (len > 0)
        answer(server->data, slice_of(buffer->base, (size_t)len), from);
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    turning_start(&bench->turning);
    bench->ttl_s = 30;
    bench->last = 7;
    uv_udp_init(&bench->turning.loop, &bench->server);
    bench->server.data = bench;
    struct address address;
    assert_int_equal(address_parse(SLICE("127.0.0.1:0"), &address), 0);
    uv_udp_bind(&bench->server, &address.any, 0);
    int len = sizeof(address.in);
    uv_udp_getsockname(&bench->server, &address.any, &len);
    uv_udp_recv_start(&bench->server, on_alloc, on_query);
    address_text(&address, bench->servers);
    bench->resolver = resolver_new_with(&bench->turning.loop, &bench->turning.worker,
                                        bench->servers);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    if (bench->resolver != NULL)
        resolver_free(bench->resolver);
    uv_close((uv_handle_t *)&bench->server, NULL);
    turning_stop(&bench->turning);
    free(bench);
    return 0;
}

static void begin(struct bench *bench, struct question *question, const char *name)
{
    *question = (struct question){ .lookup.on_resolved = on_resolved };
    resolver_resolve(bench->resolver, slice_text(name), 80, &question->lookup);
    assert_false(question->answered);
}

static struct question ask(struct bench *bench, const char *name)
{
    struct question question;
    begin(bench, &question, name);
    turn_until(&bench->turning, question.answered);
    assert_null(question.lookup.own);
    return question;
}

static void is_at(const struct question *question, unsigned which, const char *expected)
{
    char text[ADDRESS_TEXT];
    assert_true(which < question->count);
    address_text(&question->addresses[which], text);
    assert_string_equal(text, expected);
}

/* Time passes by turning the loop's clock on: it is what the worker's clock reads. */
static void pass(struct bench *bench, uint64_t ms)
{
    uint64_t until = uv_now(&bench->turning.loop) + ms;
    while (uv_now(&bench->turning.loop) < until)
        turn(&bench->turning);
}

static void literals_and_localhost_need_no_server(void **state)
{
    struct bench *bench = *state;
    bench->mute = true;
    struct question question = ask(bench, "10.1.2.3");
    is_at(&question, 0, "10.1.2.3:80");
    question = ask(bench, "[::1]");
    is_at(&question, 0, "[::1]:80");
    question = ask(bench, "LocalHost.");
    assert_int_equal(question.count, 2);
    is_at(&question, 0, "127.0.0.1:80");
    is_at(&question, 1, "[::1]:80");
    question = ask(bench, "app.localhost");
    assert_int_equal(question.count, 2);
    assert_int_equal(bench->asked, 0);
}

static void a_name_is_asked_once_for_its_ttl(void **state)
{
    struct bench *bench = *state;
    struct question first, second;
    begin(bench, &first, "four.test");
    begin(bench, &second, "FOUR.test");
    turn_until(&bench->turning, first.answered && second.answered);
    is_at(&first, 0, "10.0.0.7:80");
    is_at(&second, 0, "10.0.0.7:80");
    struct question third = ask(bench, "four.test");
    is_at(&third, 0, "10.0.0.7:80");
    assert_int_equal(bench->asked, 1);
    struct question both = ask(bench, "both.test");
    assert_int_equal(both.count, 2);
}

static void a_short_ttl_lasts_a_second(void **state)
{
    struct bench *bench = *state;
    bench->ttl_s = 0;
    ask(bench, "four.test");
    pass(bench, 500);
    ask(bench, "four.test");
    assert_int_equal(bench->asked, 1);
    pass(bench, 600);
    bench->last = 8;
    struct question question = ask(bench, "four.test");
    is_at(&question, 0, "10.0.0.8:80");
    assert_int_equal(bench->asked, 2);
}

static void failures_are_remembered_shortly(void **state)
{
    struct bench *bench = *state;
    struct question question = ask(bench, "unknown.test");
    assert_int_equal(question.count, 0);
    assert_true(question.error[0] != '\0');
    unsigned asked = bench->asked;
    ask(bench, "unknown.test");
    assert_int_equal(bench->asked, asked);
    pass(bench, 1100);
    ask(bench, "unknown.test");
    assert_true(bench->asked > asked);
}

static void old_addresses_outlive_broken_servers_but_not_a_denial(void **state)
{
    struct bench *bench = *state;
    bench->ttl_s = 0;
    ask(bench, "four.test");
    pass(bench, 1100);
    bench->broken = true;
    struct question question = ask(bench, "four.test");
    is_at(&question, 0, "10.0.0.7:80");
    question = ask(bench, "other.test");
    assert_int_equal(question.count, 0);
}

static void malformed_names_are_refused(void **state)
{
    struct bench *bench = *state;
    char long_name[400];
    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    const char *const bad[] = { "", ".", "a b", "a\nb", "\xff", long_name };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct question question = ask(bench, bad[i]);
        assert_int_equal(question.count, 0);
        assert_string_equal(question.error, "the name is malformed");
    }
    assert_int_equal(bench->asked, 0);
}

static void forgotten_lookups_are_not_answered(void **state)
{
    struct bench *bench = *state;
    struct question waits, ready, never = { .lookup.on_resolved = on_resolved };
    begin(bench, &waits, "four.test");
    begin(bench, &ready, "10.0.0.1");
    resolver_forget(bench->resolver, &waits.lookup);
    resolver_forget(bench->resolver, &ready.lookup);
    resolver_forget(bench->resolver, &never.lookup);
    struct question other = ask(bench, "four.test");
    is_at(&other, 0, "10.0.0.7:80");
    assert_false(waits.answered || ready.answered);
}

static void names_that_nobody_asks_for_any_more_make_place(void **state)
{
    struct bench *bench = *state;
    char name[32];
    for (unsigned i = 0; i < RESOLVER_NAMES + 20; i++) {
        snprintf(name, sizeof(name), "n%u.test", i);
        ask(bench, name);
        ask(bench, "n0.test");
    }
    unsigned asked = bench->asked;
    assert_int_equal(asked, RESOLVER_NAMES + 20);
    ask(bench, name);
    ask(bench, "n0.test");
    assert_int_equal(bench->asked, asked);
    ask(bench, "n1.test");
    assert_int_equal(bench->asked, asked + 1);
}

static void ends_with_lookups_under_way(void **state)
{
    struct bench *bench = *state;
    bench->mute = true;
    static struct question questions[RESOLVER_NAMES + 1];
    for (unsigned i = 0; i <= RESOLVER_NAMES; i++) {
        char name[32];
        snprintf(name, sizeof(name), "n%u.test", i);
        begin(bench, &questions[i], name);
    }
    turn(&bench->turning);
    assert_string_equal(questions[RESOLVER_NAMES].error, "too many names are being resolved");
    resolver_free(bench->resolver);
    bench->resolver = NULL;
    for (unsigned i = 0; i < RESOLVER_NAMES; i++) {
        assert_false(questions[i].answered);
        assert_null(questions[i].lookup.own);
    }
}

static void a_hosts_file_comes_first(void **state)
{
    struct bench *bench = *state;
    FILE *hosts = fopen("/etc/hosts", "r");
    char line[256], ip[64], name[64] = "";
    while (hosts != NULL && fgets(line, sizeof(line), hosts) != NULL) {
        if (sscanf(line, "%63[0-9.] %63s", ip, name) == 2 && strcmp(name, "localhost") != 0)
            break;
        name[0] = '\0';
    }
    if (hosts != NULL)
        fclose(hosts);
    if (name[0] == '\0')
        skip(); /* this machine's file names nobody but localhost */
    struct question question = ask(bench, name);
    char expected[ADDRESS_TEXT];
    snprintf(expected, sizeof(expected), "%s:80", ip);
    is_at(&question, 0, expected);
    assert_int_equal(bench->asked, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(literals_and_localhost_need_no_server),
        TEST(a_name_is_asked_once_for_its_ttl),
        TEST(a_short_ttl_lasts_a_second),
        TEST(failures_are_remembered_shortly),
        TEST(old_addresses_outlive_broken_servers_but_not_a_denial),
        TEST(malformed_names_are_refused),
        TEST(forgotten_lookups_are_not_answered),
        TEST(names_that_nobody_asks_for_any_more_make_place),
        TEST(ends_with_lookups_under_way),
        TEST(a_hosts_file_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

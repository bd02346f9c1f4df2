/* Streams alone, on the simulated network: what is written arrives, in order, once; what breaks
 * is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "seeds.h"

/* One end of a conversation: it writes so many numbered bytes and checks the numbers that come. */
struct talker {
    struct stream *stream;
    struct sim *sim;
    size_t to_write, written, got;
    bool opened, eof, closed, echoes;
    int error;
};

struct world {
    struct sim *sim;
    struct sim_node *client, *server;
    struct listening listening;
    struct talker dialled, accepted;
    bool unlistened;
};

enum { HIGH_WATER = 64 * 1024 };

static uint8_t byte_at(size_t place)
{
    return (uint8_t)(place * 7 + (place >> 8));
}

static void say(struct talker *talker)
{
    uint8_t bytes[40 * 1024];
    while (talker->written < talker->to_write && stream_queued(talker->stream) < HIGH_WATER) {
        size_t most = talker->to_write - talker->written;
        size_t len = 1 + (size_t)sim_below(talker->sim,
                                           sim_chance(talker->sim, 50) ? 500 : sizeof(bytes));
        len = len < most ? len : most;
        for (size_t i = 0; i < len; i++)
            bytes[i] = byte_at(talker->written + i);
        stream_write_slice(talker->stream, slice_of(bytes, len));
        talker->written += len;
    }
    if (talker->written == talker->to_write && !talker->stream->ending)
        stream_end(talker->stream);
}

static void on_open(struct stream *stream)
{
    struct talker *talker = stream->owner;
    must(!talker->opened);
    talker->opened = true;
    stream_read(stream, true);
    say(talker);
}

static void on_read(struct stream *stream, struct slice bytes)
{
    struct talker *talker = stream->owner;
    must(!talker->eof && !talker->closed && bytes.len > 0);
    for (size_t i = 0; i < bytes.len; i++)
        must(bytes.at[i] == byte_at(talker->got + i));
    talker->got += bytes.len;
    if (talker->echoes) {
        stream_write_slice(stream, bytes);
        stream_read(stream, stream_queued(stream) < HIGH_WATER);
    }
}

static void on_eof(struct stream *stream)
{
    struct talker *talker = stream->owner;
    must(!talker->eof);
    talker->eof = true;
    if (talker->echoes)
        stream_end(stream);
}

static void on_room(struct stream *stream)
{
    struct talker *talker = stream->owner;
    if (talker->echoes)
        stream_read(stream, true);
    else
        say(talker);
}

static void on_close(struct stream *stream, int error)
{
    struct talker *talker = stream->owner;
    must(!talker->closed);
    talker->closed = true;
    talker->error = error;
}

static const struct stream_events events = {
    .on_open = on_open,
    .on_read = on_read,
    .on_eof = on_eof,
    .on_room = on_room,
    .on_close = on_close,
};

static void on_accept(struct listening *listening, struct stream *stream)
{
    struct world *world = thing_of(listening, struct world, listening);
    world->accepted = (struct talker){ .stream = stream, .sim = world->sim, .echoes = true };
    stream->events = &events;
    stream->owner = &world->accepted;
    stream_read(stream, true);
}

static void on_unlistened(struct listening *listening)
{
    thing_of(listening, struct world, listening)->unlistened = true;
}

static struct world *world_new(uint64_t seed)
{
    struct world *world = calloc(1, sizeof(*world));
    world->sim = sim_new(seed);
    world->client = sim_node_new(world->sim, "client", 1);
    world->server = sim_node_new(world->sim, "server", 2);
    world->listening = (struct listening){ .on_accept = on_accept, .on_closed = on_unlistened };
    world->accepted.closed = true;
    struct address address = sim_address(world->server, 80);
    int descriptor = sim_bind(world->server, &address);
    struct net *net = &world->server->net;
    must(net->listen(net, &world->server->worker, descriptor, &world->listening) == 0);
    return world;
}

static void dial(struct world *world, size_t bytes, uint64_t timeout_ms)
{
    world->dialled = (struct talker){ .sim = world->sim, .to_write = bytes };
    struct address address = sim_address(world->server, 80);
    int error;
    world->dialled.stream = stream_dial(&world->client->worker, &address, timeout_ms, &events,
                                        &world->dialled, &error);
    must(world->dialled.stream != NULL);
}

static void world_end(struct world *world)
{
    if (!world->dialled.closed && world->dialled.stream != NULL)
        stream_close(world->dialled.stream);
    if (!world->accepted.closed)
        stream_close(world->accepted.stream);
    world->server->net.unlisten(&world->server->net, &world->listening);
    sim_free(world->sim);
    must(world->unlistened);
    must(world->accepted.closed);
    free(world);
}

static bool has_all(void *context)
{
    const struct world *world = context;
    return world->dialled.eof || world->dialled.closed;
}

static bool both_closed(void *context)
{
    const struct world *world = context;
    return world->dialled.closed && world->accepted.closed;
}

static size_t some_bytes(struct world *world)
{
    return (size_t)sim_below(world->sim, sim_chance(world->sim, 50) ? 5000 : 200 * 1000);
}

static void echo(uint64_t seed)
{
    struct world *world = world_new(seed);
    world->client->slow = sim_chance(world->sim, 10);
    world->server->slow = sim_chance(world->sim, 10);
    size_t bytes = some_bytes(world);
    dial(world, bytes, 1000);
    must(sim_run(world->sim, 10 * 60 * 1000, has_all, world));
    must(world->dialled.got == bytes && world->accepted.got == bytes);
    must(!world->dialled.closed && !world->accepted.closed);
    world_end(world);
}

static void echo_over_stops_and_holes(uint64_t seed)
{
    struct world *world = world_new(seed);
    size_t bytes = some_bytes(world);
    dial(world, bytes, 0);
    for (int i = 0; i < 20 && !has_all(world); i++) {
        unsigned what = (unsigned)sim_below(world->sim, 4);
        if (what == 0)
            sim_stop(world->server);
        if (what == 1)
            sim_hole(world->client, world->server, true);
        if (what == 2)
            sim_hole(world->server, world->client, true);
        sim_run(world->sim, sim_below(world->sim, 300), has_all, world);
        sim_continue(world->server);
        sim_hole(world->client, world->server, false);
        sim_hole(world->server, world->client, false);
    }
    must(sim_run(world->sim, 60 * 1000, has_all, world));
    must(world->dialled.got == bytes && world->accepted.got == bytes);
    world_end(world);
}

static void a_cut_is_an_error_at_both_ends(uint64_t seed)
{
    struct world *world = world_new(seed);
    dial(world, 64 * 1024 * 1024, 1000);
    sim_run(world->sim, sim_between(world->sim, 5, 100), NULL, NULL);
    bool there = world->dialled.opened && !world->accepted.closed;
    if (sim_chance(world->sim, 50))
        sim_sever(world->server);
    else
        sim_cut(world->client, NULL);
    sim_run(world->sim, 5000, both_closed, world);
    if (there)
        must(world->dialled.error == -ECONNRESET || world->dialled.error == -EPIPE);
    if (there)
        must(world->accepted.closed && world->accepted.error < 0);
    world_end(world);
}

static void dials_that_fail(uint64_t seed)
{
    struct world *world = world_new(seed);
    sim_refuse(world->server, true);
    dial(world, 10, 1000);
    must(sim_run(world->sim, 500, both_closed, world));
    must(world->dialled.error == -ECONNREFUSED);

    sim_refuse(world->server, false);
    sim_hole(world->server, world->client, true);
    dial(world, 10, 700);
    must(!sim_run(world->sim, 690, both_closed, world));
    must(sim_run(world->sim, 20, both_closed, world));
    must(world->dialled.error == -ETIMEDOUT);

    sim_hole(world->server, world->client, false);
    sim_stop(world->server);
    dial(world, 10, 700);
    sim_run(world->sim, 2000, NULL, NULL);
    must(world->dialled.opened && !world->dialled.closed && world->dialled.got == 0);
    sim_continue(world->server);
    must(sim_run(world->sim, 1000, has_all, world));
    must(world->dialled.got == 10);
    world_end(world);
}

/* The answer of a lookup, and how often. */
struct question {
    struct lookup lookup;
    unsigned answers, count;
};

static void on_resolved(struct lookup *lookup, const struct address *addresses, unsigned count,
                        const char *error)
{
    struct question *question = thing_of(lookup, struct question, lookup);
    must((count == 0) == (error != NULL));
    must(count == 0 || address_port(addresses) == 80);
    question->answers++;
    question->count = count;
}

static void names(uint64_t seed)
{
    struct sim *sim = sim_new(seed);
    struct sim_node *node = sim_node_new(sim, "node", 1);
    sim_name(sim, "inventory", "10.0.0.2");
    static const char *const asked[] = { "Inventory", "10.0.0.9", "localhost", "unknown" };
    struct question questions[4] = { 0 }, forgotten = { .lookup.on_resolved = on_resolved };
    for (int i = 0; i < 4; i++) {
        questions[i].lookup.on_resolved = on_resolved;
        node->net.resolve(&node->net, &node->worker, slice_text(asked[i]), 80,
                          &questions[i].lookup);
        must(questions[i].answers == 0);
    }
    node->net.resolve(&node->net, &node->worker, SLICE("inventory"), 80, &forgotten.lookup);
    node->net.forget(&node->net, &forgotten.lookup);
    sim_run(sim, 1000, NULL, NULL);
    for (int i = 0; i < 4; i++)
        must(questions[i].answers == 1 && questions[i].count == (i < 3));
    must(forgotten.answers == 0);
    sim_free(sim);
}

/* The same seed must give the same run, or no failure could be looked at again. */
static uint64_t fingerprint(uint64_t seed)
{
    struct world *world = world_new(seed);
    dial(world, some_bytes(world), 1000);
    sim_run(world->sim, 10 * 60 * 1000, has_all, world);
    uint64_t print = sim_now_us(world->sim) ^ sim_random(world->sim);
    world_end(world);
    return print;
}

static void same_seed_same_run(uint64_t seed)
{
    must(fingerprint(seed) == fingerprint(seed));
    must(fingerprint(seed) != fingerprint(seed + 1));
}

SCENARIO(echo, 100)
SCENARIO(echo_over_stops_and_holes, 60)
SCENARIO(a_cut_is_an_error_at_both_ends, 100)
SCENARIO(dials_that_fail, 50)
SCENARIO(names, 20)
SCENARIO(same_seed_same_run, 10)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_echo_over_stops_and_holes),
        cmocka_unit_test(test_a_cut_is_an_error_at_both_ends),
        cmocka_unit_test(test_dials_that_fail),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_same_seed_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

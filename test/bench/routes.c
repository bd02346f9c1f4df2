/* What finding a route costs among many: builds so many routes on a few hosts and looks calls up
 * among them, nothing else.
 *
 *     routes COUNT LOOKUPS      prints nanoseconds of this process per lookup
 *
 * To count instructions instead, which repeats to the digit:
 *     valgrind --tool=callgrind --toggle-collect=route_find routes COUNT LOOKUPS
 *
 * Each call is the last route's or near it, the worst case of whoever tries one by one. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/route.h"
#include "test/unit/config/fake_catalog.h"

enum { HOSTS = 10 };

static void write_routes(struct bytes *text, unsigned count)
{
    bytes_text(text, "listeners = ( { name = \"l\"; address = \"127.0.0.1:1\"; } );\n"
                     "upstreams = ( { name = \"u\"; endpoints = ( \"u:80\" ); } );\nroutes = (\n");
    for (unsigned i = 0; i < count; i++)
        bytes_printf(text,
                     "{name=\"r%u\";style=\"sync\";sync={upstream=\"u\";};match={host=\"h%u\";"
                     "path=\"/r%u/{id}\";};}%s\n",
                     i, i % HOSTS, i, i + 1 < count ? "," : ");");
}

static void build(struct snapshot *snapshot, unsigned count)
{
    struct bytes text = { 0 };
    write_routes(&text, count);
    struct complaints complaints;
    complaints_init(&complaints);
    struct config *config = config_load_text("bench.cfg", bytes_slice(&text), &fake_catalog,
                                             &complaints);
    assert(complaints.errors == 0);
    const struct value *list = values_get(config->top, "routes");
    arena_init(&snapshot->arena, SIZE_MAX);
    snapshot->routes = arena_get(&snapshot->arena, count * sizeof(*snapshot->routes));
    for (; snapshot->route_count < count; snapshot->route_count++)
        snapshot->routes[snapshot->route_count].matcher = matcher_compile(
            values_group(list->groups[snapshot->route_count], "match"), &snapshot->arena,
            &complaints);
    snapshot->route_index = route_index_build(snapshot->routes, count, &snapshot->arena);
}

static double now_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10000;
    unsigned lookups = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1000000;
    if (count == 0 || lookups == 0)
        return 2;
    struct snapshot snapshot = { 0 };
    build(&snapshot, count);
    char path[64], host[32];
    unsigned last = count - 1;
    snprintf(path, sizeof(path), "/r%u/0123456789", last);
    snprintf(host, sizeof(host), "h%u:8080", last % HOSTS);
    const struct head request = { .method = SLICE("GET"),
                                  .authority = slice_text(host),
                                  .path = slice_text(path) };
    double began = now_ns();
    unsigned found = 0;
    for (unsigned i = 0; i < lookups; i++)
        found += route_find(&snapshot, &request) == &snapshot.routes[last];
    printf("%.1f\n", (now_ns() - began) / lookups);
    return found == lookups ? 0 : 1;
}

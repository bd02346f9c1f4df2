/* A whole worker under a fuzz target. It is made once and serves all inputs: an input opens pipes,
 * lets peers speak as it says, and ends them all (end_all), so that nothing is left for the next
 * but what a pool knows of an endpoint. */
#ifndef TEST_FUZZ_WHOLE_WORKER_H
#define TEST_FUZZ_WHOLE_WORKER_H

#include "test/unit/http/pipes.h"

/* The one whose calls all go to one upstream by HTTP/1, as they are. */
static inline struct pipes *relaying_worker(void)
{
    static const char config[] =
        "service = \"t\"; unmatched = \"refuse\";\n"
        "listeners = ( { name = \"out\"; address = \"127.0.0.1:15001\"; } );\n"
        "upstreams = ( { name = \"up\"; endpoints = ( \"10.0.0.1:80\" ); } );\n"
        "routes = ( { name = \"all\"; style = \"sync\"; sync = { upstream = \"up\"; }; } );\n";
    static struct pipes *pipes;
    if (pipes == NULL)
        pipes = pipes_new(config);
    return pipes;
}

static inline bool is_there(const struct pipe *pipe)
{
    return pipe != NULL && !pipe->closed && !pipe->closing && !pipe->stream.opening;
}

/* Everybody hangs up; no call, pipe or connection is left for the next input. */
static inline void end_all(struct pipes *pipes)
{
    for (unsigned i = 0; i < pipes->count; i++) {
        if (!pipes->made[i]->closed)
            break_pipe(pipes->made[i], -104);
    }
    pass(pipes, 40000);
    for (unsigned i = 0; i < pipes->count; i++) {
        if (!pipes->made[i]->closed)
            break_pipe(pipes->made[i], -104);
    }
    turn(pipes);
    assert(list_empty(&pipes->worker.calls));
    for (unsigned i = 0; i < pipes->count; i++) {
        assert(pipes->made[i]->closed);
        bytes_free(&pipes->made[i]->said);
        free(pipes->made[i]);
    }
    pipes->count = 0;
}

#endif

/* What tests of a client's connection share: a sidecar with one route to one upstream, and what it
 * adds to what it passes on. */
#ifndef TEST_SIDECAR_H
#define TEST_SIDECAR_H

#include "pipes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ID    "abababababababababababababababab"
#define TRACE "traceparent: 00-" ID "-abababababababab-01\r\n"
#define OURS  "Via: 1.1 shunt\r\nShunt-Message-Id: " ID "\r\n"

static const char config[] =
    "service = \"t\";\n"
    "listeners = ( { name = \"out\"; address = \"127.0.0.1:15001\"; host = \"inventory:8080\"; } "
    ");\n"
    "upstreams = ( { name = \"inventory\"; endpoints = ( \"10.0.0.1:80\" ); } );\n"
    "routes = ( { name = \"all\"; match = { host = \"inventory\"; }; style = \"sync\";\n"
    "             timeout = \"60s\"; sync = { upstream = \"inventory\"; }; } );\n"
    "timeouts = { head = \"10s\"; idle = \"60s\"; body = \"20s\"; };\n"
    "limits = { connections = 2; head = \"2KB\"; };\n";

/* The upstream of the first call, with its connection open. */
static inline struct pipe *first_upstream(struct pipes *pipes)
{
    struct pipe *upstream = dialled(pipes, 0);
    assert_non_null(upstream);
    if (upstream->stream.opening)
        open_pipe(upstream);
    return upstream;
}

#endif

/* Anything as what a client says over HTTP/2, with an upstream that answers, stalls or breaks
 * off, through a whole worker: no call is left when all have hung up, none ends twice (core
 * asserts that), and what waits for a client stays within its bounds.
 *
 * libFuzzer: -max_len=512 -entropic=0 */
#include "test/fuzz/h2_peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char config[] =
    "service = \"t\";\n"
    "listeners = ( { name = \"out\"; address = \"127.0.0.1:15001\"; host = \"inventory:8080\"; } "
    ");\n"
    "upstreams = ( { name = \"inventory\"; endpoints = ( \"10.0.0.1:80\" ); } );\n"
    "routes = ( { name = \"all\"; match = { host = \"inventory\"; }; style = \"sync\";\n"
    "             timeout = \"30s\"; sync = { upstream = \"inventory\"; }; } );\n"
    "timeouts = { head = \"5s\"; idle = \"20s\"; body = \"5s\"; };\n";

/* To the key that comes of random bytes which are all alike. */
static const char switched[] = "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                               "Sec-WebSocket-Accept: 5jSu99N61NkfGRivKp2L1TNc+X8=\r\n\r\n";

static const struct line lines[] = {
    { ":method", "POST" },
    { ":scheme", "http" },
    { ":path", "/a/b?c" },
    { ":authority", "inventory" },
    { ":method", "GET" },
    { ":method", "HEAD" },
    { ":method", "CONNECT" },
    { ":authority", "10.0.0.7:443" },
    { ":path", "*" },
    { "content-type", "application/grpc" },
    { "te", "trailers" },
    { "grpc-timeout", "1S" },
    { "content-length", "5" },
    { "expect", "100-continue" },
    { "cookie", "a=b" },
    { "host", "inventory" },
    { "connection", "close" },
    { "transfer-encoding", "chunked" },
    { ":protocol", "websocket" },
    { "trailer", "x-t" },
};

static struct pipe *last_upstream(const struct pipes *pipes)
{
    struct pipe *last = NULL;
    for (unsigned i = 0; i < pipes->count; i++) {
        if (pipes->made[i]->dialled && !pipes->made[i]->closing)
            last = pipes->made[i];
    }
    return last;
}

static void upstream_opens(struct peer *peer)
{
    struct pipe *upstream = last_upstream(peer->pipes);
    if (upstream != NULL && upstream->stream.opening)
        open_pipe(upstream);
}

static void upstream_refuses(struct peer *peer)
{
    struct pipe *upstream = last_upstream(peer->pipes);
    if (upstream != NULL)
        break_pipe(upstream, -111);
}

static void upstream_says(struct peer *peer)
{
    static const char *const texts[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "5\r\nhello\r\n",
        "0\r\ngrpc-status: 0\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 500 No\r\nContent-Length: 99999\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200",
        switched,
    };
    static const uint8_t much[65536];
    uint8_t which = next_byte(peer) % 13;
    struct pipe *upstream = last_upstream(peer->pipes);
    if (!is_there(upstream) || !upstream->reading)
        return;
    if (which < 11)
        say(upstream, texts[which]);
    else
        say_bytes(upstream, slice_of(much, sizeof much));
}

static void upstream_ends(struct peer *peer)
{
    struct pipe *upstream = last_upstream(peer->pipes);
    if (is_there(upstream))
        hang_up(upstream);
}

static void (*const commands[])(struct peer *) = {
    deliver,       make_block,    make_data,     make_reset,       make_setting,
    make_ping,     make_window,   make_goaway,   make_any_frame,   make_bytes,
    read_some,     let_time_pass, leave,         upstream_opens,   upstream_says,
    upstream_ends, deliver,       upstream_says, upstream_refuses,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pipes *pipes;
    if (pipes == NULL)
        pipes = pipes_new(config);
    struct peer peer = {
        .pipes = pipes,
        .pipe = accept_client(pipes),
        .at = data,
        .end = data + size,
        .lines = lines,
        .count = sizeof lines / sizeof *lines,
        .usual = 4,
    };
    bytes_add(&peer.frames, H2_PREFACE);
    put_frame(&peer, 4, 0, 0, slice_of(NULL, 0));
    follow(&peer, commands, sizeof commands / sizeof *commands);
    return 0;
}

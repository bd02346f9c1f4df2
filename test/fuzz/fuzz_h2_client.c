/* Anything as what an upstream says over HTTP/2 to calls that begin, send, read slowly and go,
 * through a whole worker: no call is left when all have hung up, and none ends twice (core
 * asserts that).
 *
 * libFuzzer: -max_len=512 -entropic=0 */
#include "test/fuzz/h2_peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Calls are what an input costs most. So many share both connections, wait in line and fail;
 * inputs with more were slower, and found no more in the same time. */
enum { MOST_ASKED = 12 };

static const char config[] =
    "service = \"t\";\n"
    "listeners = ( { name = \"out\"; address = \"127.0.0.1:15001\"; host = \"inventory:8080\"; } "
    ");\n"
    "upstreams = ( { name = \"inventory\"; endpoints = ( \"10.0.0.1:80\" ); protocol = \"h2\";\n"
    "                connections = 2; } );\n"
    "routes = ( { name = \"all\"; match = { host = \"inventory\"; }; style = \"sync\";\n"
    "             timeout = \"30s\"; sync = { upstream = \"inventory\"; }; } );\n";

static const struct line lines[] = {
    { ":status", "200" },
    { "server", "x" },
    { ":status", "100" },
    { ":status", "103" },
    { ":status", "304" },
    { ":status", "503" },
    { ":status", "101" },
    { "content-length", "5" },
    { "content-length", "0" },
    { "grpc-status", "14" },
    { "content-type", "application/grpc" },
    { "connection", "close" },
    { "trailer", "grpc-status" },
};

/* The clients are behind the first pipes that were accepted. */
static struct pipe *some_client(struct peer *peer)
{
    uint8_t wanted = next_byte(peer) & 7;
    struct pipe *found = NULL;
    for (unsigned i = 0; i < peer->pipes->count; i++) {
        struct pipe *pipe = peer->pipes->made[i];
        if (pipe->dialled || !is_there(pipe))
            continue;
        found = pipe;
        if (wanted-- == 0)
            break;
    }
    return found;
}

static void client_asks(struct peer *peer)
{
    static const char *const requests[] = {
        "GET /a HTTP/1.1\r\nHost: inventory\r\n\r\n",
        "HEAD /a HTTP/1.1\r\nHost: inventory\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: inventory\r\nContent-Length: 5\r\n\r\nhello",
        "POST /a HTTP/1.1\r\nHost: inventory\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n"
        "Connection: TE\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: inventory\r\nTransfer-Encoding: chunked\r\n"
        "Content-Type: application/grpc\r\nExpect: 100-continue\r\n\r\n",
    };
    static const char web_socket[] =
        "GET /a HTTP/1.1\r\nHost: inventory\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    uint8_t which = next_byte(peer);
    if (peer->asked == MOST_ASKED)
        return;
    peer->asked++;
    struct pipe *client = which & 128 ? some_client(peer) : accept_client(peer->pipes);
    if (is_there(client) && client->reading)
        say(client, which & 64 ? web_socket : requests[(which & 63) % 5]);
}

static void client_sends(struct peer *peer)
{
    static const char *const texts[] = { "5\r\nhello\r\n", "0\r\n\r\n", "0\r\nx: y\r\n\r\n", "x" };
    struct pipe *client = some_client(peer);
    uint8_t which = next_byte(peer);
    if (client != NULL && client->reading)
        say(client, texts[which & 3]);
}

static void client_reads(struct peer *peer)
{
    struct pipe *client = some_client(peer);
    uint8_t room = next_byte(peer);
    if (client != NULL)
        take_more(client, room == 255 ? SIZE_MAX : (size_t)room * 256);
}

static void client_leaves(struct peer *peer)
{
    struct pipe *client = some_client(peer);
    if (client != NULL)
        break_pipe(client, -104);
}

/* The connection that was dialled last is the one to speak on. */
static void upstream_opens(struct peer *peer)
{
    deliver(peer);
    for (unsigned i = 0; i < peer->pipes->count; i++) {
        struct pipe *pipe = peer->pipes->made[i];
        if (pipe->dialled && !pipe->closing)
            peer->pipe = pipe;
    }
    if (peer->pipe != NULL && !peer->pipe->closing && peer->pipe->stream.opening)
        open_pipe(peer->pipe);
    static const uint8_t takes_web_sockets[] = { 0, 8, 0, 0, 0, 1 };
    put_frame(peer, 4, 0, 0, slice_of(takes_web_sockets, sizeof takes_web_sockets));
}

static void (*const commands[])(struct peer *) = {
    deliver,      make_block,    make_data,      make_reset,     make_setting,
    make_ping,    make_window,   make_goaway,    make_any_frame, make_bytes,
    read_some,    let_time_pass, leave,          client_asks,    client_sends,
    client_reads, client_leaves, upstream_opens, client_asks,    deliver,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pipes *pipes;
    if (pipes == NULL)
        pipes = pipes_new(config);
    struct peer peer = {
        .pipes = pipes,
        .at = data,
        .end = data + size,
        .lines = lines,
        .count = sizeof lines / sizeof *lines,
        .usual = 2,
    };
    follow(&peer, commands, sizeof commands / sizeof *commands);
    return 0;
}

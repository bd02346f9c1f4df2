/* The floor under every proxy: a byte relay in one thread of epoll that parses nothing, with one
 * upstream connection per client. Neither closes gracefully nor keeps what a slow peer does not
 * take: on loopback, under keep-alive load, neither happens.
 *
 *     relay PORT UPSTREAM_PORT
 */
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 65536

struct relay {
    int epoll, listening;
    struct sockaddr_in upstream;
    int peer[DESCRIPTORS_MAX]; /* 0: none */
    char bytes[65536];
};

static struct sockaddr_in loopback(const char *port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(port)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

static void watch(const struct relay *relay, int descriptor)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = descriptor };
    int failed = epoll_ctl(relay->epoll, EPOLL_CTL_ADD, descriptor, &event);
    assert(failed == 0);
}

static void prepare(const struct relay *relay, int descriptor)
{
    int one = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(relay, descriptor);
}

static void take_client(struct relay *relay)
{
    int client = accept(relay->listening, NULL, NULL), server = socket(AF_INET, SOCK_STREAM, 0);
    if (client < 0 || server < 0 || client >= DESCRIPTORS_MAX || server >= DESCRIPTORS_MAX ||
        connect(server, (const struct sockaddr *)&relay->upstream, sizeof relay->upstream) != 0) {
        perror("relay: accept or connect");
        exit(1);
    }
    relay->peer[client] = server;
    relay->peer[server] = client;
    prepare(relay, client);
    prepare(relay, server);
}

static void hang_up(struct relay *relay, int descriptor)
{
    int peer = relay->peer[descriptor];
    relay->peer[descriptor] = relay->peer[peer] = 0;
    close(peer);
    close(descriptor);
}

static void pass_on(struct relay *relay, int descriptor)
{
    if (relay->peer[descriptor] == 0)
        return; /* hung up in this very round */
    ssize_t got = recv(descriptor, relay->bytes, sizeof relay->bytes, MSG_DONTWAIT);
    if (got <= 0) {
        hang_up(relay, descriptor);
        return;
    }
    for (ssize_t sent = 0; sent < got;) {
        ssize_t taken = send(relay->peer[descriptor], relay->bytes + sent, (size_t)(got - sent),
                             MSG_NOSIGNAL);
        if (taken <= 0)
            return;
        sent += taken;
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: relay PORT UPSTREAM_PORT\n", stderr);
        return 2;
    }
    struct relay *relay = calloc(1, sizeof *relay);
    assert(relay != NULL);
    struct sockaddr_in ours = loopback(argv[1]);
    int one = 1;
    relay->upstream = loopback(argv[2]);
    relay->epoll = epoll_create1(0);
    relay->listening = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(relay->listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(relay->listening, (const struct sockaddr *)&ours, sizeof ours) != 0 ||
        listen(relay->listening, 1024) != 0) {
        perror("relay");
        exit(1);
    }
    watch(relay, relay->listening);
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(relay->epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == relay->listening)
                take_client(relay);
            else
                pass_on(relay, events[i].data.fd);
        }
    }
}

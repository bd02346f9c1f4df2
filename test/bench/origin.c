/* The cheapest service there is, so that a benchmark measures what stands before it: every
 * request, whatever it asks, gets the same answer of BYTES bytes. Reads requests with a
 * Content-Length or without a body, nothing else, from clients that behave.
 *
 *     origin PORT BYTES
 */
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX        16384
#define DESCRIPTORS_MAX 65536

struct client {
    size_t len;       /* bytes of an incomplete head */
    size_t body_left; /* bytes of a body that are still to come */
    char head[HEAD_MAX];
};

struct origin {
    int epoll, listening;
    char *answer;
    size_t answer_len;
    struct client *clients[DESCRIPTORS_MAX]; /* by descriptor */
};

static void make_answer(struct origin *origin, size_t bytes)
{
    origin->answer = malloc(bytes + 256);
    assert(origin->answer != NULL);
    int head = snprintf(
        origin->answer, 256,
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %zu\r\n\r\n",
        bytes);
    memset(origin->answer + head, 'x', bytes);
    origin->answer_len = (size_t)head + bytes;
}

static void watch(const struct origin *origin, int descriptor)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = descriptor };
    int failed = epoll_ctl(origin->epoll, EPOLL_CTL_ADD, descriptor, &event);
    assert(failed == 0);
}

static void take_client(struct origin *origin)
{
    int one = 1, descriptor = accept(origin->listening, NULL, NULL);
    assert(descriptor >= 0 && descriptor < DESCRIPTORS_MAX);
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    origin->clients[descriptor] = calloc(1, sizeof *origin->clients[descriptor]);
    assert(origin->clients[descriptor] != NULL);
    watch(origin, descriptor);
}

static size_t body_length(const char *head, const char *end)
{
    for (const char *line = head; line < end; line = strstr(line, "\r\n") + 2) {
        if (strncasecmp(line, "content-length:", 15) == 0)
            return strtoul(line + 15, NULL, 10);
    }
    return 0;
}

/* Takes one request off the front; false: it is not complete. */
static bool take_request(struct client *client)
{
    size_t from_body = client->body_left < client->len ? client->body_left : client->len;
    memmove(client->head, client->head + from_body, client->len - from_body);
    client->len -= from_body;
    client->body_left -= from_body;
    client->head[client->len] = '\0';

    const char *end = client->body_left != 0 ? NULL : strstr(client->head, "\r\n\r\n");
    if (end == NULL)
        return false;
    size_t head = (size_t)(end - client->head) + 4;
    client->body_left = body_length(client->head, end);
    memmove(client->head, client->head + head, client->len - head);
    client->len -= head;
    client->head[client->len] = '\0';
    return true;
}

static void hang_up(struct origin *origin, int descriptor)
{
    close(descriptor);
    free(origin->clients[descriptor]);
    origin->clients[descriptor] = NULL;
}

static void answer(const struct origin *origin, int descriptor)
{
    for (size_t sent = 0; sent < origin->answer_len;) {
        ssize_t taken = send(descriptor, origin->answer + sent, origin->answer_len - sent,
                             MSG_NOSIGNAL);
        if (taken <= 0)
            return; /* the next recv tells */
        sent += (size_t)taken;
    }
}

static void serve(struct origin *origin, int descriptor)
{
    struct client *client = origin->clients[descriptor];
    ssize_t got = recv(descriptor, client->head + client->len, HEAD_MAX - 1 - client->len, 0);
    if (got <= 0) {
        hang_up(origin, descriptor);
        return;
    }
    client->len += (size_t)got;
    while (take_request(client))
        answer(origin, descriptor);
}

static void start(struct origin *origin, const char *port)
{
    struct sockaddr_in ours = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(port)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int one = 1;
    origin->epoll = epoll_create1(0);
    origin->listening = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(origin->listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(origin->listening, (const struct sockaddr *)&ours, sizeof ours) != 0 ||
        listen(origin->listening, 1024) != 0) {
        perror("origin");
        exit(1);
    }
    watch(origin, origin->listening);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: origin PORT BYTES\n", stderr);
        return 2;
    }
    struct origin *origin = calloc(1, sizeof *origin);
    assert(origin != NULL);
    make_answer(origin, strtoul(argv[2], NULL, 10));
    start(origin, argv[1]);
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(origin->epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == origin->listening)
                take_client(origin);
            else
                serve(origin, events[i].data.fd);
        }
    }
}

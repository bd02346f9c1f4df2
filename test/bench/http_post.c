/* HTTP calls at a fixed rate (pace.h) over kept connections: POSTs of BYTES bytes, each on the
 * connection that was idle last; without an idle one it waits, and its latency counts. Any answer
 * but a 2xx with a Content-Length ends it.
 *
 *     http_post PORT PATH CONNECTIONS RATE SECONDS BYTES
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pace.h"

enum { CONNECTIONS_MAX = 256, ANSWER_MAX = 65536 };

struct connection {
    bool busy;
    unsigned long number; /* of its call */
    size_t len;
    char answer[ANSWER_MAX + 1];
};

struct poster {
    struct pollfd descriptors[CONNECTIONS_MAX];
    struct connection connections[CONNECTIONS_MAX];
    unsigned count, idle[CONNECTIONS_MAX], idle_count; /* those idle, the last one on top */
    char *request;
    size_t request_len;
    struct pace pace;
};

static void make_request(struct poster *poster, const char *path, size_t bytes)
{
    poster->request = malloc(bytes + strlen(path) + 256);
    if (poster->request == NULL)
        fail("no memory");
    int head = sprintf(poster->request,
                       "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n"
                       "Content-Type: application/octet-stream\r\n\r\n",
                       path, bytes);
    memset(poster->request + head, 'x', bytes);
    poster->request_len = (size_t)head + bytes;
}

static int dial(const char *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(port)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int one = 1, descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0)
        fail("cannot connect");
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return descriptor;
}

static void begin_call(struct poster *poster)
{
    unsigned place = poster->idle[--poster->idle_count];
    struct connection *connection = &poster->connections[place];
    connection->busy = true;
    connection->number = poster->pace.begun++;
    connection->len = 0;
    ssize_t sent = send(poster->descriptors[place].fd, poster->request, poster->request_len,
                        MSG_NOSIGNAL);
    if (sent != (ssize_t)poster->request_len)
        fail("a request was not taken whole");
}

/* Whether the answer is whole. */
static bool is_whole(const struct connection *connection)
{
    const char *end = strstr(connection->answer, "\r\n\r\n");
    if (end == NULL)
        return false;
    const char *length = strcasestr(connection->answer, "\r\nContent-Length:");
    if (strncmp(connection->answer, "HTTP/1.1 2", 10) != 0 || length == NULL || length > end)
        fail(connection->answer);
    size_t body = strtoul(length + 17, NULL, 10);
    return connection->len >= (size_t)(end + 4 - connection->answer) + body;
}

static void take_answer(struct poster *poster, unsigned place)
{
    struct connection *connection = &poster->connections[place];
    ssize_t got = recv(poster->descriptors[place].fd, connection->answer + connection->len,
                       ANSWER_MAX - connection->len, 0);
    if (got <= 0 || !connection->busy)
        fail("a connection ended");
    connection->len += (size_t)got;
    connection->answer[connection->len] = '\0';
    if (!is_whole(connection))
        return;
    pace_end(&poster->pace, connection->number);
    connection->busy = false;
    poster->idle[poster->idle_count++] = place;
}

static void run(struct poster *poster, double rate, double seconds)
{
    poster->pace = pace_new(rate, seconds);
    double used = seconds_used();
    while (!pace_over(&poster->pace)) {
        while (pace_due(&poster->pace) && poster->idle_count > 0)
            begin_call(poster);
        pace_wait(&poster->pace, poster->descriptors, poster->count, poster->idle_count > 0);
        for (unsigned place = 0; place < poster->count; place++)
            if (poster->descriptors[place].revents != 0)
                take_answer(poster, place);
    }
    pace_print(&poster->pace, seconds_used() - used);
}

int main(int argc, char **argv)
{
    unsigned connections = argc == 7 ? (unsigned)atoi(argv[3]) : 0;
    if (connections == 0 || connections > CONNECTIONS_MAX)
        fail("usage: http_post PORT PATH CONNECTIONS RATE SECONDS BYTES");
    struct poster *poster = calloc(1, sizeof *poster);
    if (poster == NULL)
        fail("no memory");
    make_request(poster, argv[2], strtoul(argv[6], NULL, 10));
    poster->count = poster->idle_count = connections;
    for (unsigned i = 0; i < connections; i++) {
        poster->descriptors[i] = (struct pollfd){ .fd = dial(argv[1]), .events = POLLIN };
        poster->idle[i] = i;
    }
    run(poster, atof(argv[4]), atof(argv[5]));
    return 0;
}

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
#include <sys/epoll.h>
#include <sys/socket.h>

#include "pace.h"

enum { CONNECTIONS_MAX = 1024, ANSWER_MAX = 16384, ANSWERS_AT_ONCE = 64 };

struct connection {
    int descriptor;
    bool busy;
    unsigned long number; /* of its call */
    size_t len;
    char answer[ANSWER_MAX + 1];
};

struct poster {
    int epoll;
    struct connection connections[CONNECTIONS_MAX];
    struct connection *idle[CONNECTIONS_MAX]; /* the last one on top */
    unsigned idle_count;
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

static void dial(struct poster *poster, const char *port, struct connection *connection)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(port)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
    int one = 1;
    connection->descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection->descriptor, (struct sockaddr *)&address, sizeof address) != 0 ||
        epoll_ctl(poster->epoll, EPOLL_CTL_ADD, connection->descriptor, &event) != 0)
        fail("cannot connect");
    setsockopt(connection->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    poster->idle[poster->idle_count++] = connection;
}

static void begin_call(struct poster *poster)
{
    struct connection *connection = poster->idle[--poster->idle_count];
    connection->busy = true;
    connection->number = poster->pace.begun++;
    connection->len = 0;
    ssize_t sent = send(connection->descriptor, poster->request, poster->request_len, MSG_NOSIGNAL);
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

static void take_answer(struct poster *poster, struct connection *connection)
{
    ssize_t got = recv(connection->descriptor, connection->answer + connection->len,
                       ANSWER_MAX - connection->len, 0);
    if (got <= 0 || !connection->busy)
        fail("a connection ended");
    connection->len += (size_t)got;
    connection->answer[connection->len] = '\0';
    if (!is_whole(connection))
        return;
    pace_end(&poster->pace, connection->number);
    connection->busy = false;
    poster->idle[poster->idle_count++] = connection;
}

static void take_answers(struct poster *poster)
{
    struct epoll_event events[ANSWERS_AT_ONCE];
    int count = epoll_wait(poster->epoll, events, ANSWERS_AT_ONCE, 0);
    for (int i = 0; i < count; i++)
        take_answer(poster, events[i].data.ptr);
}

static void run(struct poster *poster, double rate, double seconds)
{
    poster->pace = pace_new(rate, seconds);
    double used = seconds_used();
    while (!pace_over(&poster->pace)) {
        while (pace_due(&poster->pace) && poster->idle_count > 0)
            begin_call(poster);
        struct pollfd waiting = { .fd = poster->epoll, .events = POLLIN };
        pace_wait(&poster->pace, &waiting, 1, poster->idle_count > 0);
        if (waiting.revents != 0)
            take_answers(poster);
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
    poster->epoll = epoll_create1(0);
    for (unsigned i = 0; i < connections; i++)
        dial(poster, argv[1], &poster->connections[i]);
    run(poster, atof(argv[4]), atof(argv[5]));
    return 0;
}

/* HTTP calls at a fixed rate (pace.h), evenly spread over kept connections: each takes the one
 * that was idle longest; without an idle one it waits, and its latency counts. They are POSTs of
 * BYTES bytes, or GETs where that is 0. Any answer but a 2xx with a Content-Length ends it.
 *
 *     http_calls PORT PATH CONNECTIONS RATE SECONDS BYTES
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

struct caller {
    int epoll;
    struct connection connections[CONNECTIONS_MAX];
    struct connection *idle[CONNECTIONS_MAX]; /* a ring */
    unsigned idle_first, idle_count;          /* the one that was idle longest; how many are */
    char *request;
    size_t request_len;
    struct pace pace;
};

static void make_request(struct caller *caller, const char *path, size_t bytes)
{
    caller->request = malloc(bytes + strlen(path) + 256);
    if (caller->request == NULL)
        fail("no memory");
    int head = sprintf(caller->request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n",
                       bytes > 0 ? "POST" : "GET", path);
    if (bytes > 0)
        head += sprintf(caller->request + head,
                        "Content-Length: %zu\r\nContent-Type: application/octet-stream\r\n", bytes);
    head += sprintf(caller->request + head, "\r\n");
    memset(caller->request + head, 'x', bytes);
    caller->request_len = (size_t)head + bytes;
}

static void add_idle(struct caller *caller, struct connection *connection)
{
    caller->idle[(caller->idle_first + caller->idle_count++) % CONNECTIONS_MAX] = connection;
}

static struct connection *take_idle(struct caller *caller)
{
    struct connection *connection = caller->idle[caller->idle_first];
    caller->idle_first = (caller->idle_first + 1) % CONNECTIONS_MAX;
    caller->idle_count--;
    return connection;
}

static void dial(struct caller *caller, const char *port, struct connection *connection)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(port)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
    int one = 1;
    connection->descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection->descriptor, (struct sockaddr *)&address, sizeof address) != 0 ||
        epoll_ctl(caller->epoll, EPOLL_CTL_ADD, connection->descriptor, &event) != 0)
        fail("cannot connect");
    setsockopt(connection->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    add_idle(caller, connection);
}

static void begin_call(struct caller *caller)
{
    struct connection *connection = take_idle(caller);
    connection->busy = true;
    connection->number = caller->pace.begun++;
    connection->len = 0;
    ssize_t sent = send(connection->descriptor, caller->request, caller->request_len, MSG_NOSIGNAL);
    if (sent != (ssize_t)caller->request_len)
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

static void take_answer(struct caller *caller, struct connection *connection)
{
    ssize_t got = recv(connection->descriptor, connection->answer + connection->len,
                       ANSWER_MAX - connection->len, 0);
    if (got <= 0 || !connection->busy)
        fail("a connection ended");
    connection->len += (size_t)got;
    connection->answer[connection->len] = '\0';
    if (!is_whole(connection))
        return;
    pace_end(&caller->pace, connection->number);
    connection->busy = false;
    add_idle(caller, connection);
}

static void take_answers(struct caller *caller)
{
    struct epoll_event events[ANSWERS_AT_ONCE];
    int count = epoll_wait(caller->epoll, events, ANSWERS_AT_ONCE, 0);
    for (int i = 0; i < count; i++)
        take_answer(caller, events[i].data.ptr);
}

static void run(struct caller *caller, double rate, double seconds)
{
    caller->pace = pace_new(rate, seconds);
    double used = seconds_used();
    while (!pace_over(&caller->pace)) {
        while (pace_due(&caller->pace) && caller->idle_count > 0)
            begin_call(caller);
        struct pollfd waiting = { .fd = caller->epoll, .events = POLLIN };
        pace_wait(&caller->pace, &waiting, 1, caller->idle_count > 0);
        if (waiting.revents != 0)
            take_answers(caller);
    }
    pace_print(&caller->pace, seconds_used() - used);
}

int main(int argc, char **argv)
{
    unsigned connections = argc == 7 ? (unsigned)atoi(argv[3]) : 0;
    if (connections == 0 || connections > CONNECTIONS_MAX)
        fail("usage: http_calls PORT PATH CONNECTIONS RATE SECONDS BYTES");
    struct caller *caller = calloc(1, sizeof *caller);
    if (caller == NULL)
        fail("no memory");
    make_request(caller, argv[2], strtoul(argv[6], NULL, 10));
    caller->epoll = epoll_create1(0);
    for (unsigned i = 0; i < connections; i++)
        dial(caller, argv[1], &caller->connections[i]);
    run(caller, atof(argv[4]), atof(argv[5]));
    return 0;
}

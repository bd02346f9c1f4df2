/* Binding, by hand: libuv knows SO_REUSEPORT only from 1.49 on, and a worker must not find out
 * that an address is taken.
 *
 * Happy path: socket, options, bind, listen; the worker gets the descriptor. Failures: the
 * descriptor is closed and the negative errno returned; for a Unix socket, a file that nobody
 * answers at is removed and binding tried once more.
 */
#include "net/listener.h"

#include <assert.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 4096 }; /* the kernel lowers it to net.core.somaxconn */

static int turn_on(int descriptor, int option)
{
    int on = 1;
    return setsockopt(descriptor, SOL_SOCKET, option, &on, sizeof(on)) == 0 ? 0 : -errno;
}

static int socket_open(const struct address *address)
{
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int descriptor = socket(address->any.sa_family, type, 0);
    return descriptor < 0 ? -errno : descriptor;
}

static int bind_at(int descriptor, const struct address *address)
{
    return bind(descriptor, &address->any, address->len) == 0 ? 0 : -errno;
}

/* Whether it is a socket's file and nobody listens there any more. */
static bool is_stale(const struct address *address)
{
    struct stat what;
    if (lstat(address->un.sun_path, &what) != 0 || !S_ISSOCK(what.st_mode))
        return false;
    int descriptor = socket_open(address);
    if (descriptor < 0)
        return false;
    bool refused = connect(descriptor, &address->any, address->len) != 0 && errno == ECONNREFUSED;
    close(descriptor);
    return refused;
}

static int bind_unix(int descriptor, const struct address *address)
{
    int error = bind_at(descriptor, address);
    if (error != -EADDRINUSE || !is_stale(address))
        return error;
    unlink(address->un.sun_path);
    return bind_at(descriptor, address);
}

/* The first socket of an address is bound without SO_REUSEPORT, which only then is turned on: so
 * a second Shunt does not slip in beside this one, and further sockets of this process do. */
static int bind_inet(int descriptor, const struct address *address, bool beside)
{
    int error = turn_on(descriptor, SO_REUSEADDR);
    if (error == 0 && beside)
        error = turn_on(descriptor, SO_REUSEPORT);
    if (error == 0)
        error = bind_at(descriptor, address);
    if (error == 0 && !beside)
        error = turn_on(descriptor, SO_REUSEPORT);
    return error;
}

static int bind_socket(const struct address *address, bool beside)
{
    assert(address->len > 0);
    int descriptor = socket_open(address);
    if (descriptor < 0)
        return descriptor;
    int error = address->any.sa_family == AF_UNIX ? bind_unix(descriptor, address)
                                                  : bind_inet(descriptor, address, beside);
    if (error == 0 && listen(descriptor, BACKLOG) != 0)
        error = -errno;
    if (error == 0)
        return descriptor;
    close(descriptor);
    return error;
}

int listener_bind(const struct address *address)
{
    return bind_socket(address, false);
}

int listener_bind_beside(const struct address *address)
{
    return bind_socket(address, true);
}

/* Happy path: the kernel is asked for the peer's own socket by its addresses (sock_diag(7), what ss
 * asks too; needs no rights): one that no process holds any more has no inode. Only a socket that
 * is found proves anything: behind a redirection the peer's goes by other addresses. A question costs
 * some ten microseconds, and the first one may load a module of the kernel's: peers on other machines,
 * who could make us ask as often as they like, are never asked about.
 * Failure: whatever the kernel does not tell counts as somebody being there.
 */
#include "net/deserted.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "net/address.h"

struct question {
    struct nlmsghdr head;
    struct inet_diag_req_v2 asks;
};

union reply {
    struct nlmsghdr head;
    char bytes[1024];
};

/* A TCP connection was reset; a Unix socket, on which a half close looks different, was closed. We
 * have not ended our own half, which would hang up as well. */
static bool is_hung_up(int descriptor)
{
    struct pollfd asked = { .fd = descriptor };
    return poll(&asked, 1, 0) == 1 && (asked.revents & POLLHUP) != 0;
}

/* The place of an address in the question, where all are as long as the longest. */
static void put_address(const struct address *address, __be32 ip[4], __be16 *port)
{
    *port = htons(address_port(address));
    if (address->any.sa_family == AF_INET)
        memcpy(ip, &address->in.sin_addr, sizeof address->in.sin_addr);
    else
        memcpy(ip, &address->in6.sin6_addr, sizeof address->in6.sin6_addr);
}

static bool both_ends(int descriptor, struct address *here, struct address *there)
{
    here->len = there->len = sizeof(struct sockaddr_in6);
    return getsockname(descriptor, &here->any, &here->len) == 0 &&
           getpeername(descriptor, &there->any, &there->len) == 0 &&
           here->any.sa_family == there->any.sa_family &&
           (here->any.sa_family == AF_INET || here->any.sa_family == AF_INET6);
}

/* Whoever calls this machine from itself has the address that it calls, unless it chose another. */
static bool is_neighbour(const struct address *here, const struct address *there)
{
    if (address_is_loopback(here) && address_is_loopback(there))
        return true;
    return here->any.sa_family == AF_INET
               ? here->in.sin_addr.s_addr == there->in.sin_addr.s_addr
               : IN6_ARE_ADDR_EQUAL(&here->in6.sin6_addr, &there->in6.sin6_addr);
}

/* Whether the kernel knows the socket at `there` that speaks to `here`, and nobody holds it. */
static bool is_orphan(int netlink, const struct address *here, const struct address *there)
{
    struct question question = {
        .head = { .nlmsg_len = sizeof question,
                  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                  .nlmsg_flags = NLM_F_REQUEST },
        .asks = { .sdiag_family = (__u8)here->any.sa_family,
                  .sdiag_protocol = IPPROTO_TCP,
                  .idiag_states = ~0u,
                  .id.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } },
    };
    put_address(there, question.asks.id.idiag_src, &question.asks.id.idiag_sport);
    put_address(here, question.asks.id.idiag_dst, &question.asks.id.idiag_dport);
    if (send(netlink, &question, sizeof question, 0) != sizeof question)
        return false;
    union reply reply;
    ssize_t len = recv(netlink, &reply, sizeof reply, MSG_DONTWAIT);
    if (len < (ssize_t)NLMSG_LENGTH(sizeof(struct inet_diag_msg)) ||
        reply.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return false;
    const struct inet_diag_msg *told = NLMSG_DATA(&reply.head);
    return told->idiag_inode == 0 && told->idiag_state != TCP_LISTEN;
}

bool socket_is_deserted(int descriptor)
{
    struct address here = { 0 }, there = { 0 };
    if (is_hung_up(descriptor))
        return true;
    if (!both_ends(descriptor, &here, &there) || !is_neighbour(&here, &there))
        return false;
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (netlink < 0)
        return false;
    bool orphan = is_orphan(netlink, &here, &there);
    close(netlink);
    return orphan;
}

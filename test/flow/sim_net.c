/* The network of a simulation: who listens where, what names mean, and what breaks.
 *
 * Happy path of a dial: the SYN arrives after a while, the kernel of the node that listens there
 * makes the other end and keeps it until the node accepts it; the dialled end opens one latency
 * later.
 * Failures: nobody listens, or the node refuses: ECONNREFUSED; an address that no node has, or a
 * hole: silence, with the SYN sent again each second, until who dials gives up.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_world.h"

enum { SYN_AGAIN_US = 1000 * 1000 };

static struct sim_node *self(struct net *net)
{
    return thing_of(net, struct sim_node, net);
}

/* --- addresses -------------------------------------------------------------------------------- */

struct address sim_address(const struct sim_node *node, uint16_t port)
{
    char text[32];
    struct address address;
    snprintf(text, sizeof(text), "10.0.0.%u:%u", node->host, port);
    int bad = address_parse(slice_text(text), &address);
    assert(bad == 0);
    return address;
}

static bool has_host(const struct sim *sim, const struct address *address)
{
    for (unsigned i = 0; i < sim->node_count; i++) {
        struct address own = sim_address(sim->nodes[i], address_port(address));
        if (address_equal(&own, address))
            return true;
    }
    return false;
}

static bool is_wildcard(const struct address *address)
{
    return address->any.sa_family == AF_INET && address->in.sin_addr.s_addr == 0;
}

static bool listens_at(const struct sim_listening *listening, const struct sim_node *from,
                       const struct address *target)
{
    if (address_port(&listening->address) != address_port(target))
        return false;
    if (address_is_loopback(target) && listening->node->host != from->host)
        return false;
    if (address_equal(&listening->address, target))
        return true;
    struct address own = sim_address(listening->node, address_port(target));
    return is_wildcard(&listening->address) &&
           (address_is_loopback(target) || address_equal(&own, target));
}

static struct sim_listening *find_listening(struct sim *sim, const struct sim_node *from,
                                            const struct address *target)
{
    list_each (&sim->listenings, link) {
        struct sim_listening *listening = thing_of(link, struct sim_listening, link);
        if (!listening->closing && listens_at(listening, from, target))
            return listening;
    }
    return NULL;
}

/* --- dialling --------------------------------------------------------------------------------- */

static struct stream *dial(struct net *net, struct worker *worker, const struct address *address,
                           int *error)
{
    struct sim_node *node = self(net);
    assert(worker == &node->worker);
    if (address->any.sa_family != AF_INET) {
        *error = -ENETUNREACH;
        return NULL;
    }
    struct sim_end *end = sim_end_new(node, true);
    end->target = *address;
    sim_schedule(node->sim, &end->connect, sim_latency_us(node->sim));
    return &end->stream;
}

static void answer_dial(struct sim_end *end, bool refused)
{
    end->refused = refused;
    sim_schedule(end->node->sim, &end->opened, sim_latency_us(end->node->sim));
}

static void set_peers(struct sim_end *dialled, struct sim_end *accepted)
{
    struct sim *sim = dialled->node->sim;
    accepted->stream.peer = sim_address(dialled->node, 0);
    if (address_is_loopback(&dialled->target))
        accepted->stream.peer = dialled->target;
    address_set_port(&accepted->stream.peer, sim->next_port++);
}

void sim_net_connect(struct sim_end *end)
{
    struct sim_node *from = end->node;
    struct sim *sim = from->sim;
    struct sim_listening *listening = find_listening(sim, from, &end->target);
    if (from->severed ||
        (listening == NULL && (address_is_loopback(&end->target) || has_host(sim, &end->target)))) {
        answer_dial(end, true);
        return;
    }
    if (listening == NULL)
        return; /* nobody answers, ever */
    struct sim_node *to = listening->node;
    if (sim->hole[from->index][to->index] || sim->hole[to->index][from->index]) {
        sim_schedule(sim, &end->connect, SYN_AGAIN_US);
        return;
    }
    if (to->severed || sim->refused[to->index]) {
        answer_dial(end, true);
        return;
    }
    struct sim_end *accepted = sim_end_new(to, false);
    sim_end_join(end, accepted);
    set_peers(end, accepted);
    list_append(&listening->backlog, &accepted->waiting);
    if (!sim_scheduled(&listening->accept))
        sim_schedule(sim, &listening->accept, 0);
    answer_dial(end, false);
}

/* --- listening -------------------------------------------------------------------------------- */

static void on_accept(struct sim_event *event)
{
    struct sim_listening *own = thing_of(event, struct sim_listening, accept);
    struct link *first = list_first(&own->backlog);
    if (own->listening == NULL || own->paused || own->closing || first == NULL)
        return;
    struct sim_end *end = thing_of(first, struct sim_end, waiting);
    list_leave(first);
    if (!list_empty(&own->backlog))
        sim_schedule(own->sim, &own->accept, 0);
    own->listening->on_accept(own->listening, &end->stream);
    assert(end->closing || end->stream.events != NULL);
}

static void on_unlistened(struct sim_event *event)
{
    struct sim_listening *own = thing_of(event, struct sim_listening, closed);
    struct listening *listening = own->listening;
    list_leave(&own->link);
    free(own);
    if (listening != NULL)
        listening->on_closed(listening);
}

int sim_bind(struct sim_node *node, const struct address *address)
{
    struct sim *sim = node->sim;
    struct sim_listening *own = calloc(1, sizeof(*own));
    assert(own != NULL);
    own->sim = sim;
    own->node = node;
    own->address = *address;
    own->descriptor = sim->next_descriptor++;
    own->accept = (struct sim_event){ .run = on_accept, .node = node };
    own->closed = (struct sim_event){ .run = on_unlistened, .node = node };
    list_init(&own->backlog);
    list_append(&sim->listenings, &own->link);
    return own->descriptor;
}

static int listen_on(struct net *net, struct worker *worker, int descriptor,
                     struct listening *listening)
{
    struct sim_node *node = self(net);
    assert(worker == &node->worker);
    list_each (&node->sim->listenings, link) {
        struct sim_listening *own = thing_of(link, struct sim_listening, link);
        if (own->descriptor != descriptor)
            continue;
        assert(own->node == node && own->listening == NULL);
        own->listening = listening;
        listening->own = own;
        sim_schedule(node->sim, &own->accept, 0);
        return 0;
    }
    return -EBADF;
}

static void reset_backlog(struct sim_listening *own)
{
    struct link *link;
    while ((link = list_take(&own->backlog)) != NULL) {
        struct sim_end *end = thing_of(link, struct sim_end, waiting);
        if (end->peer != NULL)
            sim_end_send_reset(end->peer, false);
        sim_end_drop(end);
    }
}

static void close_listening(struct sim_listening *own)
{
    assert(!own->closing);
    own->closing = true;
    sim_unschedule(own->sim, &own->accept);
    reset_backlog(own);
    sim_schedule(own->sim, &own->closed, sim_below(own->sim, 50));
}

static void unlisten(struct net *net, struct listening *listening)
{
    (void)net;
    close_listening(listening->own);
}

static void pause_listening(struct net *net, struct listening *listening, bool paused)
{
    (void)net;
    struct sim_listening *own = listening->own;
    own->paused = paused;
    if (!paused && !own->closing && !sim_scheduled(&own->accept))
        sim_schedule(own->sim, &own->accept, 0);
}

/* --- names ------------------------------------------------------------------------------------ */

struct sim_lookup {
    struct sim_event event;
    struct lookup *lookup;
    struct address address;
};

static void on_resolved(struct sim_event *event)
{
    struct sim_lookup *own = thing_of(event, struct sim_lookup, event);
    struct lookup *lookup = own->lookup;
    struct address address = own->address;
    free(own);
    lookup->own = NULL;
    bool known = address.len > 0;
    lookup->on_resolved(lookup, &address, known ? 1 : 0, known ? NULL : "no such name");
}

static struct address find_name(const struct sim *sim, struct slice host)
{
    struct address address;
    if (address_from_host(host, 0, &address) == 0)
        return address;
    if (slice_is_nocase(host, "localhost")) {
        int bad = address_parse(SLICE("127.0.0.1:0"), &address);
        assert(bad == 0);
        return address;
    }
    for (unsigned i = 0; i < sim->name_count; i++) {
        if (slice_is_nocase(host, sim->names[i].name))
            return sim->names[i].address;
    }
    return (struct address){ .len = 0 };
}

static void resolve(struct net *net, struct worker *worker, struct slice host, uint16_t port,
                    struct lookup *lookup)
{
    struct sim_node *node = self(net);
    assert(worker == &node->worker && lookup->own == NULL);
    struct sim_lookup *own = calloc(1, sizeof(*own));
    assert(own != NULL);
    own->lookup = lookup;
    own->address = find_name(node->sim, host);
    if (own->address.len > 0)
        address_set_port(&own->address, port);
    own->event = (struct sim_event){ .run = on_resolved, .node = node };
    lookup->own = own;
    sim_schedule(node->sim, &own->event, sim_latency_us(node->sim));
}

static void forget(struct net *net, struct lookup *lookup)
{
    struct sim_lookup *own = lookup->own;
    if (own == NULL)
        return;
    sim_unschedule(self(net)->sim, &own->event);
    lookup->own = NULL;
    free(own);
}

void sim_name(struct sim *sim, const char *name, const char *ip)
{
    unsigned i = 0;
    while (i < sim->name_count && strcmp(sim->names[i].name, name) != 0)
        i++;
    assert(i < SIM_NAMES);
    if (i == sim->name_count)
        sim->name_count++;
    struct sim_name_row *row = &sim->names[i];
    snprintf(row->name, sizeof(row->name), "%s", name);
    row->address.len = 0;
    if (ip != NULL) {
        int bad = address_from_host(slice_text(ip), 0, &row->address);
        assert(bad == 0);
    }
}

/* --- other people's descriptors: there are none here, a library that has threads has a stand-in - */

static int watch(struct net *net, struct worker *worker, int descriptor, struct watched *watched)
{
    assert(&self(net)->worker == worker && descriptor >= 0 && watched->on_ready != NULL);
    return -ENOSYS;
}

static void unwatch(struct net *net, struct watched *watched)
{
    assert(self(net) != NULL && watched->own == NULL);
}

/* --- what breaks ------------------------------------------------------------------------------ */

void sim_cut(struct sim_node *a, struct sim_node *b)
{
    list_each (&a->ends, link) {
        struct sim_end *end = thing_of(link, struct sim_end, link);
        if (end->peer == NULL || (b != NULL && end->peer_node != b->index))
            continue;
        sim_end_send_reset(end, true);
        sim_end_send_reset(end->peer, true);
    }
}

void sim_hole(struct sim_node *from, struct sim_node *to, bool there)
{
    from->sim->hole[from->index][to->index] = there;
    if (there)
        return;
    list_each (&to->ends, link)
        sim_end_unblock(thing_of(link, struct sim_end, link));
}

void sim_refuse(struct sim_node *node, bool refused)
{
    node->sim->refused[node->index] = refused;
}

void sim_sever(struct sim_node *node)
{
    struct sim *sim = node->sim;
    node->severed = true;
    list_each (&node->ends, link) {
        struct sim_end *end = thing_of(link, struct sim_end, link);
        struct sim_end *peer = end->peer;
        if (peer != NULL) {
            sim_end_send_reset(peer, true);
            peer->peer = NULL;
            end->peer = NULL;
        }
        end->reset = true;
        sim_end_send_reset(end, true);
    }
    list_each (&sim->listenings, link) {
        struct sim_listening *listening = thing_of(link, struct sim_listening, link);
        if (listening->node == node && !listening->closing)
            reset_backlog(listening);
    }
}

void sim_revive(struct sim_node *node)
{
    node->severed = false;
}

/* --- life ------------------------------------------------------------------------------------- */

void sim_net_init(struct sim_node *node)
{
    node->net = (struct net){
        .dial = dial,
        .listen = listen_on,
        .unlisten = unlisten,
        .pause = pause_listening,
        .resolve = resolve,
        .forget = forget,
        .watch = watch,
        .unwatch = unwatch,
    };
}

void sim_net_clear(struct sim *sim)
{
    list_each_leaving (&sim->listenings, link) {
        struct sim_listening *own = thing_of(link, struct sim_listening, link);
        assert(own->listening == NULL || own->closing);
        if (own->closing)
            continue;
        reset_backlog(own);
        list_leave(&own->link);
        free(own);
    }
}

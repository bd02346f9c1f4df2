/* See service.h. One request at a time on each connection; what has come of the next one waits. */
#include "service.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "seeds.h"

struct service {
    struct sim *sim;
    struct sim_node *node;
    struct service_events events;
    struct listening listening;
    struct list connections;
    bool leaving;
};

struct visit {
    struct link link;
    struct service *service;
    struct stream *stream;
    struct http_text text;
    struct service_answer answer;
    struct sim_event answering;
    bool busy, at_end;
};

static void send_answer(struct visit *visit)
{
    const struct service_answer *answer = &visit->answer;
    struct bytes out = { 0 };
    bytes_printf(&out, "HTTP/1.1 %d Simulated\r\n%s", answer->status, answer->fields);
    bool bodyless = answer->status == 204 || answer->status == 304;
    if (!bodyless)
        bytes_printf(&out, "Content-Length: %zu\r\n", strlen(answer->body));
    bytes_text(&out, "\r\n");
    if (!bodyless)
        bytes_text(&out, answer->body);
    struct slice bytes = bytes_slice(&out);
    if (answer->break_off)
        bytes.len = (size_t)sim_below(visit->service->sim, bytes.len);
    stream_write_slice(visit->stream, bytes);
    bytes_free(&out);
}

static void take_request(struct visit *visit);

static void on_answering(struct sim_event *event)
{
    struct visit *visit = thing_of(event, struct visit, answering);
    send_answer(visit);
    if (visit->answer.break_off) {
        stream_reset(visit->stream);
        return;
    }
    visit->busy = false;
    http_text_next(&visit->text);
    take_request(visit);
}

static void take_request(struct visit *visit)
{
    if (visit->busy)
        return;
    int whole = http_text_parse(&visit->text, false);
    must(whole >= 0);
    if (whole == 0) {
        if (visit->at_end)
            stream_close(visit->stream);
        return;
    }
    struct service *service = visit->service;
    visit->busy = true;
    visit->answer = (struct service_answer){ .status = 200 };
    service->events.on_request(service->events.context, &visit->text, &visit->answer);
    if (!visit->answer.hang)
        sim_schedule(service->sim, &visit->answering, visit->answer.after_us);
}

static void on_read(struct stream *stream, struct slice bytes)
{
    struct visit *visit = stream->owner;
    bytes_add(&visit->text.bytes, bytes);
    take_request(visit);
}

static void on_eof(struct stream *stream)
{
    struct visit *visit = stream->owner;
    visit->at_end = true;
    if (!visit->busy || visit->answer.hang)
        stream_close(stream);
}

static void on_close(struct stream *stream, int error)
{
    (void)error;
    struct visit *visit = stream->owner;
    sim_unschedule(visit->service->sim, &visit->answering);
    http_text_free(&visit->text);
    list_leave(&visit->link);
    free(visit);
}

static const struct stream_events events = {
    .on_read = on_read,
    .on_eof = on_eof,
    .on_close = on_close,
};

static void on_accept(struct listening *listening, struct stream *stream)
{
    struct service *service = thing_of(listening, struct service, listening);
    struct visit *visit = calloc(1, sizeof(*visit));
    assert(visit != NULL);
    visit->service = service;
    visit->stream = stream;
    visit->answering = (struct sim_event){ .run = on_answering, .node = service->node };
    stream->events = &events;
    stream->owner = visit;
    list_append(&service->connections, &visit->link);
    if (service->leaving)
        stream_reset(stream);
    else
        stream_read(stream, true);
}

static void on_unlistened(struct listening *listening)
{
    struct service *service = thing_of(listening, struct service, listening);
    assert(list_empty(&service->connections));
    free(service);
}

struct service *service_new(struct sim *sim, const char *name, unsigned host, uint16_t port,
                            struct service_events of)
{
    struct service *service = calloc(1, sizeof(*service));
    assert(service != NULL);
    service->sim = sim;
    service->node = sim_node_new(sim, name, host);
    service->events = of;
    list_init(&service->connections);
    service->listening = (struct listening){ .on_accept = on_accept, .on_closed = on_unlistened };
    struct address any;
    int bad = address_parse(SLICE("0.0.0.0:0"), &any);
    assert(bad == 0);
    address_set_port(&any, port);
    struct net *net = &service->node->net;
    int error = net->listen(net, &service->node->worker, sim_bind(service->node, &any),
                            &service->listening);
    assert(error == 0);
    return service;
}

struct sim_node *service_node(struct service *service)
{
    return service->node;
}

static void reset_all(struct service *service)
{
    list_each_leaving (&service->connections, link)
        stream_reset(thing_of(link, struct visit, link)->stream);
}

void service_kill(struct service *service)
{
    sim_continue(service->node);
    sim_refuse(service->node, true);
    sim_cut(service->node, NULL);
    list_each (&service->connections, link)
        sim_unschedule(service->sim, &thing_of(link, struct visit, link)->answering);
    reset_all(service);
}

void service_start(struct service *service)
{
    sim_refuse(service->node, false);
}

static bool has_no_visit(void *context)
{
    return list_empty(&((struct service *)context)->connections);
}

void service_free(struct service *service)
{
    service->leaving = true;
    sim_continue(service->node);
    reset_all(service);
    bool gone = sim_run(service->sim, 5000, has_no_visit, service);
    assert(gone);
    struct net *net = &service->node->net;
    net->unlisten(net, &service->listening);
}

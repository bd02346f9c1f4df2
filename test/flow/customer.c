/* See customer.h. A connection for each call; the answer is read to its end, or to the
 * connection's. */
#include "customer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "seeds.h"

struct customer {
    struct sim *sim;
    struct sim_node *node;
    struct list purchases;
    unsigned made;
};

static void copy_text(char *to, size_t room, struct slice text)
{
    snprintf(to, room, "%.*s", (int)text.len, text.at != NULL ? (const char *)text.at : "");
}

static void take_answer(struct purchase *purchase)
{
    struct http_text *text = &purchase->text;
    purchase->status = text->status;
    struct slice body = bytes_slice(&text->body);
    copy_text(purchase->body, sizeof(purchase->body), body);
    if (slice_starts(http_text_field(text, "content-type"), SLICE("application/problem+json"))) {
        copy_text(purchase->executed, sizeof(purchase->executed), http_text_json(body, "executed"));
        copy_text(purchase->reason, sizeof(purchase->reason), http_text_json(body, "reason"));
    }
    copy_text(purchase->message_id, sizeof(purchase->message_id),
              http_text_field(text, "shunt-message-id"));
}

static void end(struct purchase *purchase)
{
    if (purchase->over)
        return;
    purchase->over = true;
    purchase->ended_ms = sim_now_ms(purchase->customer->sim);
    trace(purchase->customer->sim, "%s: call %u: %d %s %s", purchase->customer->node->name,
          purchase->number, purchase->status, purchase->reason, purchase->executed);
}

static void on_open(struct stream *stream)
{
    struct purchase *purchase = stream->owner;
    stream_write_slice(stream, bytes_slice(&purchase->request));
    stream_read(stream, true);
}

static void look(struct purchase *purchase, bool at_end)
{
    int whole = http_text_parse(&purchase->text, at_end);
    must(whole >= 0);
    if (whole == 0 && !at_end)
        return;
    if (whole == 1)
        take_answer(purchase);
    end(purchase);
    stream_close(purchase->stream);
}

static void on_read(struct stream *stream, struct slice bytes)
{
    struct purchase *purchase = stream->owner;
    bytes_add(&purchase->text.bytes, bytes);
    look(purchase, false);
}

static void on_eof(struct stream *stream)
{
    look(stream->owner, true);
}

static void on_close(struct stream *stream, int error)
{
    (void)error;
    struct purchase *purchase = stream->owner;
    purchase->stream = NULL;
    http_text_free(&purchase->text);
    bytes_free(&purchase->request);
    end(purchase);
}

static const struct stream_events events = {
    .on_open = on_open,
    .on_read = on_read,
    .on_eof = on_eof,
    .on_close = on_close,
};

struct purchase *customer_call(struct customer *customer, const struct address *address,
                               const char *method, const char *target, const char *fields,
                               struct slice body)
{
    struct purchase *purchase = calloc(1, sizeof(*purchase));
    assert(purchase != NULL);
    purchase->customer = customer;
    purchase->number = ++customer->made;
    purchase->text.response = true;
    purchase->text.to_head = slice_is(slice_text(method), "HEAD");
    purchase->began_ms = sim_now_ms(customer->sim);
    bytes_printf(&purchase->request,
                 "%s %s HTTP/1.1\r\nHost: inventory\r\n%sContent-Length: %zu\r\n\r\n", method,
                 target, fields, body.len);
    bytes_add(&purchase->request, body);
    list_append(&customer->purchases, &purchase->link);
    int error;
    purchase->stream = stream_dial(&customer->node->worker, address, 2000, &events, purchase,
                                   &error);
    assert(purchase->stream != NULL);
    return purchase;
}

void customer_hang_up(struct purchase *purchase)
{
    if (purchase->stream != NULL)
        stream_reset(purchase->stream);
}

bool customer_done(const struct customer *customer)
{
    list_each (&customer->purchases, link) {
        if (!thing_of(link, struct purchase, link)->over)
            return false;
    }
    return true;
}

struct customer *customer_new(struct sim *sim, const char *name, unsigned host)
{
    struct customer *customer = calloc(1, sizeof(*customer));
    assert(customer != NULL);
    customer->sim = sim;
    customer->node = sim_node_new(sim, name, host);
    list_init(&customer->purchases);
    return customer;
}

struct sim_node *customer_node(struct customer *customer)
{
    return customer->node;
}

static bool all_closed(void *context)
{
    list_each (&((struct customer *)context)->purchases, link) {
        if (thing_of(link, struct purchase, link)->stream != NULL)
            return false;
    }
    return true;
}

void customer_free(struct customer *customer)
{
    list_each (&customer->purchases, link)
        customer_hang_up(thing_of(link, struct purchase, link));
    bool gone = sim_run(customer->sim, 5000, all_closed, customer);
    assert(gone);
    struct link *link;
    while ((link = list_take(&customer->purchases)) != NULL)
        free(thing_of(link, struct purchase, link));
    free(customer);
}

/* The window is a ring of tickets by the broker's numbers. Happy path: add at `next`, settle anywhere, and `low`
 * follows over what is settled. A ticket leaves the ring before its verdict is told, since the teller may publish
 * again at once. Failures: growing the ring aborts without memory (a few bytes a message, bounded by the window). */
#include "plugins/amqp/confirms.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 64 };

void confirms_init(struct confirms *confirms, size_t max_count, size_t max_bytes)
{
    assert(max_count > 0 && max_bytes > 0);
    *confirms =
        (struct confirms){ .low = 1, .next = 1, .max_count = max_count, .max_bytes = max_bytes };
}

void confirms_free(struct confirms *confirms)
{
    assert(confirms->count == 0 && confirms->bytes == 0);
    free(confirms->ring);
    confirms->ring = NULL;
    confirms->room = 0;
}

static struct ticket **place(const struct confirms *confirms, uint64_t tag)
{
    assert(confirms->room > 0 && tag >= confirms->low && tag < confirms->next);
    return &confirms->ring[tag & (confirms->room - 1)];
}

/* Confirms out of order leave settled places between open ones: twice the window is the span that they may have. */
bool confirms_fits(const struct confirms *confirms, size_t bytes)
{
    return confirms->count < confirms->max_count && bytes <= confirms->max_bytes &&
           confirms->bytes <= confirms->max_bytes - bytes &&
           confirms->next - confirms->low < 2 * (uint64_t)confirms->max_count;
}

static void grow(struct confirms *confirms)
{
    size_t room = confirms->room == 0 ? FIRST_ROOM : confirms->room * 2;
    struct ticket **ring = calloc(room, sizeof *ring);
    if (ring == NULL) {
        fprintf(stderr, "shunt: out of memory for %zu confirms\n", room);
        abort();
    }
    for (uint64_t tag = confirms->low; tag < confirms->next; tag++)
        ring[tag & (room - 1)] = *place(confirms, tag);
    free(confirms->ring);
    confirms->ring = ring;
    confirms->room = room;
}

void confirms_add(struct confirms *confirms, struct ticket *ticket, uint64_t now_ms)
{
    assert(ticket->on_verdict != NULL && ticket->tag == 0);
    assert(confirms_fits(confirms, ticket->bytes));
    if (confirms->next - confirms->low == confirms->room)
        grow(confirms);
    ticket->tag = confirms->next++;
    ticket->sent_ms = now_ms;
    *place(confirms, ticket->tag) = ticket;
    confirms->count++;
    confirms->bytes += ticket->bytes;
}

/* Takes a ticket out; NULL when its verdict was given before. */
static struct ticket *take(struct confirms *confirms, uint64_t tag)
{
    struct ticket **at = place(confirms, tag);
    struct ticket *ticket = *at;
    *at = NULL;
    while (confirms->low < confirms->next && *place(confirms, confirms->low) == NULL)
        confirms->low++;
    if (ticket == NULL)
        return NULL;
    assert(ticket->tag == tag && confirms->count > 0 && confirms->bytes >= ticket->bytes);
    confirms->count--;
    confirms->bytes -= ticket->bytes;
    ticket->tag = 0;
    return ticket;
}

static int give(struct confirms *confirms, uint64_t tag, enum verdict verdict, const char *why)
{
    struct ticket *ticket = take(confirms, tag);
    if (ticket == NULL)
        return 0;
    ticket->on_verdict(ticket, verdict, why);
    return 1;
}

int confirms_settle(struct confirms *confirms, uint64_t tag, bool multiple, enum verdict verdict)
{
    assert(verdict < VERDICTS);
    if (multiple && tag == 0)
        tag = confirms->next - 1;
    if (tag >= confirms->next || (tag == 0 && !multiple))
        return -1;
    if (!multiple)
        return tag < confirms->low ? 0 : give(confirms, tag, verdict, NULL);
    int closed = 0;
    while (confirms->low <= tag && confirms->low < confirms->next)
        closed += give(confirms, confirms->low, verdict, NULL);
    return closed;
}

bool confirms_return(struct confirms *confirms, const uint8_t token[TOKEN_BYTES])
{
    for (uint64_t tag = confirms->low; tag < confirms->next; tag++) {
        const struct ticket *ticket = *place(confirms, tag);
        if (ticket != NULL && memcmp(ticket->token, token, TOKEN_BYTES) == 0)
            return give(confirms, tag, VERDICT_RETURNED, NULL) == 1;
    }
    return false;
}

void confirms_lose(struct confirms *confirms, const char *why)
{
    uint64_t end = confirms->next;
    while (confirms->low < end)
        give(confirms, confirms->low, VERDICT_LOST, why);
    assert(confirms->count == 0 && confirms->next == end);
    confirms->low = confirms->next = 1;
}

bool confirms_stuck(const struct confirms *confirms, uint32_t destination, uint64_t before_ms)
{
    for (uint64_t tag = confirms->low; tag < confirms->next; tag++) {
        const struct ticket *ticket = *place(confirms, tag);
        if (ticket == NULL)
            continue;
        if (ticket->sent_ms > before_ms)
            return false;
        if (ticket->destination == destination)
            return true;
    }
    return false;
}

/* The window is a row of tickets in the order of the broker's numbers. Happy path: add at its
 * end, settle anywhere, and its beginning follows over what is settled. Where one ticket stays
 * open while others pass, the row is made dense again, so that a queue which never confirms
 * costs others its own place and no more. A ticket leaves the row before its verdict is told,
 * since the teller may publish again at once. Failures: growing the row aborts without memory (a
 * few bytes a message, bounded by the window). */
#include "plugins/amqp/confirms.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 64 };

void confirms_init(struct confirms *confirms, size_t max_count, size_t max_bytes)
{
    assert(max_count > 0 && max_bytes > 0);
    *confirms = (struct confirms){ .next = 1, .max_count = max_count, .max_bytes = max_bytes };
}

void confirms_free(struct confirms *confirms)
{
    assert(confirms->count == 0 && confirms->bytes == 0);
    free(confirms->row);
    confirms->row = NULL;
    confirms->room = 0;
}

bool confirms_fits(const struct confirms *confirms, size_t bytes)
{
    return confirms->count < confirms->max_count && bytes <= confirms->max_bytes &&
           confirms->bytes <= confirms->max_bytes - bytes;
}

static void grow(struct confirms *confirms)
{
    size_t room = confirms->room == 0 ? FIRST_ROOM : confirms->room * 2;
    struct seat *row = realloc(confirms->row, room * sizeof *row);
    if (row == NULL) {
        fprintf(stderr, "shunt: out of memory for %zu confirms\n", room);
        abort();
    }
    confirms->row = row;
    confirms->room = room;
}

/* Makes the row dense; grows it where that frees less than half, so that it is done once per so
 * many messages. */
static void make_room(struct confirms *confirms)
{
    size_t end = 0;
    for (size_t i = confirms->begin; i < confirms->end; i++)
        if (confirms->row[i].ticket != NULL)
            confirms->row[end++] = confirms->row[i];
    assert(end == confirms->count);
    confirms->begin = 0;
    confirms->end = end;
    if (end * 2 >= confirms->room)
        grow(confirms);
}

/* Where the ticket with that number stands; NULL when its verdict was given before. */
static struct seat *find(const struct confirms *confirms, uint64_t tag)
{
    size_t low = confirms->begin, high = confirms->end;
    if (low < high && tag >= confirms->row[low].tag && tag - confirms->row[low].tag < high - low &&
        confirms->row[low + (tag - confirms->row[low].tag)].tag == tag)
        return &confirms->row[low + (tag - confirms->row[low].tag)]; /* the row is dense */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (confirms->row[middle].tag == tag)
            return &confirms->row[middle];
        if (confirms->row[middle].tag < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

void confirms_add(struct confirms *confirms, struct ticket *ticket, uint64_t now_ms)
{
    assert(ticket->on_verdict != NULL && ticket->tag == 0);
    assert(confirms_fits(confirms, ticket->bytes));
    if (confirms->end == confirms->room)
        make_room(confirms);
    ticket->tag = confirms->next++;
    ticket->sent_ms = now_ms;
    confirms->row[confirms->end++] = (struct seat){ .tag = ticket->tag, .ticket = ticket };
    confirms->count++;
    confirms->bytes += ticket->bytes;
}

/* Takes a ticket out; NULL when its verdict was given before. */
static struct ticket *take(struct confirms *confirms, struct seat *seat)
{
    struct ticket *ticket = seat->ticket;
    if (ticket == NULL)
        return NULL;
    assert(ticket->tag == seat->tag && confirms->count > 0 && confirms->bytes >= ticket->bytes);
    seat->ticket = NULL;
    while (confirms->begin < confirms->end && confirms->row[confirms->begin].ticket == NULL)
        confirms->begin++;
    if (confirms->begin == confirms->end)
        confirms->begin = confirms->end = 0;
    confirms->count--;
    confirms->bytes -= ticket->bytes;
    ticket->tag = 0;
    return ticket;
}

/* The row may be another one afterwards. */
static int give(struct confirms *confirms, struct seat *seat, enum verdict verdict, const char *why)
{
    struct ticket *ticket = seat == NULL ? NULL : take(confirms, seat);
    if (ticket == NULL)
        return 0;
    ticket->on_verdict(ticket, verdict, why);
    return 1;
}

/* The oldest open one up to `tag`; NULL: none. What is first in the row is open. */
static struct seat *oldest(const struct confirms *confirms, uint64_t tag)
{
    if (confirms->begin == confirms->end || confirms->row[confirms->begin].tag > tag)
        return NULL;
    return &confirms->row[confirms->begin];
}

int confirms_settle(struct confirms *confirms, uint64_t tag, bool multiple, enum verdict verdict)
{
    assert(verdict < VERDICTS);
    if (multiple && tag == 0)
        tag = confirms->next - 1;
    if (tag >= confirms->next || (tag == 0 && !multiple))
        return -1;
    if (!multiple)
        return give(confirms, find(confirms, tag), verdict, NULL);
    int closed = 0;
    while (oldest(confirms, tag) != NULL)
        closed += give(confirms, oldest(confirms, tag), verdict, NULL);
    return closed;
}

bool confirms_return(struct confirms *confirms, const uint8_t token[TOKEN_BYTES])
{
    for (size_t i = confirms->begin; i < confirms->end; i++) {
        const struct ticket *ticket = confirms->row[i].ticket;
        if (ticket != NULL && memcmp(ticket->token, token, TOKEN_BYTES) == 0)
            return give(confirms, &confirms->row[i], VERDICT_RETURNED, NULL) == 1;
    }
    return false;
}

void confirms_refuse_newest(struct confirms *confirms, const char *why)
{
    size_t i = confirms->end;
    while (i > confirms->begin)
        if (give(confirms, &confirms->row[--i], VERDICT_UNSTORED, why) == 1)
            return;
}

void confirms_lose(struct confirms *confirms, const char *why)
{
    uint64_t next = confirms->next;
    while (oldest(confirms, next - 1) != NULL)
        give(confirms, oldest(confirms, next - 1), VERDICT_LOST, why);
    assert(confirms->count == 0 && confirms->next == next);
    confirms->next = 1;
}

bool confirms_stuck(const struct confirms *confirms, uint32_t destination, uint64_t before_ms)
{
    for (size_t i = confirms->begin; i < confirms->end; i++) {
        const struct ticket *ticket = confirms->row[i].ticket;
        if (ticket == NULL)
            continue;
        if (ticket->sent_ms > before_ms)
            return false;
        if (ticket->destination == destination)
            return true;
    }
    return false;
}

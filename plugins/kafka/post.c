/* Letters, as post.h says. A dead letter keeps the key of its record, and a null value stays null.
 * Nothing is put off through a topic: order per key says that it waits in place (`keeps_order`). */
#include "plugins/kafka/post.h"

#include <assert.h>
#include <stdlib.h>

#include "plugins/kafka/held.h"

/* A letter on its way. */
struct posted {
    struct shipment shipment;
    struct member *member; /* which is there as long as what the letter is about */
    struct done *done;
};

static void on_report(struct shipment *shipment, enum report report, const char *why)
{
    static const int results[REPORTS] = {
        [REPORT_STORED] = OUTCOME_STORED,
        [REPORT_NOT_STORED] = OUTCOME_REFUSED_WHOLE,
        [REPORT_UNKNOWN_TOPIC] = -REASON_unroutable,
        [REPORT_TOO_LARGE] = -REASON_message_too_large,
        [REPORT_UNSURE] = OUTCOME_MAYBE_SENT,
    };
    struct posted *posted = thing_of(shipment, struct posted, shipment);
    struct done *done = posted->done;
    if (report != REPORT_STORED)
        kafka_log(shipment->producer->lane, LEVEL_DEBUG, "a dead letter to %s: %s",
                  shipment->destination->name, why != NULL ? why : "not stored");
    if (report == REPORT_UNKNOWN_TOPIC)
        member_topic_gone(posted->member, shipment->destination->name);
    free(posted);
    done->on_done(done, results[report]);
}

static int ship(struct member *member, const struct record *record, struct done *done)
{
    struct posted *posted = calloc(1, sizeof *posted);
    if (posted == NULL)
        return -REASON_overloaded;
    posted->member = member;
    posted->done = done;
    posted->shipment.on_report = on_report;
    posted->shipment.letter = true;
    int refused = producer_ship(&member->lane->producer, record, &posted->shipment);
    if (refused == -REASON_unroutable)
        member_topic_gone(member, record->topic);
    if (refused < 0)
        free(posted);
    return refused;
}

int post_letter(void *subscription, const struct letter *letter, struct done *done)
{
    struct member *member = subscription;
    assert(letter->kind == LETTER_DEAD && letter->arrival != NULL);
    const struct held *held = letter->arrival->own;
    struct record record = { .topic = member_dead_topic(member, held->record.topic) };
    assert(record.topic != NULL);
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    int refused = -REASON_fields_too_large;
    if (record_write(letter->message, &arena, &record) == 0) {
        record.key = held->record.key;
        if (held->record.value.at == NULL)
            record.value = held->record.value;
        refused = ship(member, &record, done);
    }
    arena_clear(&arena);
    return refused;
}

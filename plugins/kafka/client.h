/* The seam of the Kafka client: librdkafka (library.c), or a stand-in of the simulation.
 *
 * Two kinds of client, each one worker's: a producer, whose every record is reported once; a member
 * of a consumer group, which is assigned partitions, gets their records in order and gives the
 * partitions back. Everything is asynchronous: events come on the worker's thread, never inside a
 * call into the client.
 *
 * Threads: `check` and `try` on the control thread; all else on the worker's.
 */
#ifndef KAFKA_CLIENT_H
#define KAFKA_CLIENT_H

#include "core/worker.h"
#include "plugins/kafka/record.h"

/* Dead letters say more than the records that they are made from: by so much they may be larger
 * than max_message. */
enum { TOPIC_NAME_MAX = 249, LETTER_SLACK = 64 * 1024 };

/* --- producing -------------------------------------------------------------------------------- */

/* What became of a record. Only the first says that it is in the topic. */
enum report {
    REPORT_STORED,        /* on all replicas that must have it */
    REPORT_NOT_STORED,    /* surely not: it never left us, or the broker said so */
    REPORT_UNKNOWN_TOPIC, /* the same: there is no such topic */
    REPORT_TOO_LARGE,     /* the same: the broker takes none of that size */
    REPORT_UNSURE,        /* nobody knows */
    REPORTS
};

struct producer_client;

struct producer_events {
    /* Of each record that was taken, once. `why` is for a person. */
    void (*on_report)(void *owner, void *token, enum report report, const char *why);
    /* The answer to a probe: a broker is there, or was not found in time. */
    void (*on_probed)(void *owner, bool there);
    /* What a broker says of a topic: whether it is there; the largest batch of records that it
     * takes. */
    void (*on_topic)(void *owner, const char *topic, bool there);
    void (*on_limit)(void *owner, const char *topic, size_t bytes);
    /* Something is wrong with a connection; it may heal by itself. */
    void (*on_trouble)(void *owner, const char *why);
    /* This client is of no more use; what it has is still reported. It is to be closed. */
    void (*on_fatal)(void *owner, const char *why);
    /* Of each topic that was asked for, once: it is there now (`why` NULL), or it could not be
     * made. */
    void (*on_declared)(void *owner, const char *topic, const char *why, bool made);
    void (*on_closed)(void *owner);
};

/* A topic that shall be there. */
struct topic_wish {
    const char *name;
    int partitions;  /* -1: as the broker's default says */
    int replication; /* the same */
    bool keep;       /* for ever: retention unlimited */
};

/* --- consuming -------------------------------------------------------------------------------- */

enum start { START_EARLIEST, START_LATEST };

/* A partition, and where it is read from next. */
struct position {
    const char *topic;
    int32_t partition;
    int64_t offset;
    bool fresh; /* the group had no offset there: `offset` is where its start says */
};

struct member_client;

struct member_events {
    /* These are ours, from these offsets on; `assign` is to be called with them. `count` may be
     * 0. */
    void (*on_assigned)(void *owner, const struct position *positions, unsigned count);
    /* All are taken away; `release` is to be called, soon. No record comes from now on. */
    void (*on_revoked)(void *owner);
    /* The same, and too late to do anything about it: others have them already. */
    void (*on_taken)(void *owner);
    /* Valid during the call only. */
    void (*on_record)(void *owner, const struct record *record);
    /* The partition has nothing at its offset any more: it is read no further. */
    void (*on_out_of_range)(void *owner, const char *topic, int32_t partition, const char *why);
    /* A `commit` is over; `why` NULL: it took effect. */
    void (*on_committed)(void *owner, const char *why);
    void (*on_trouble)(void *owner, const char *why);
    void (*on_closed)(void *owner);
};

/* Texts live as long as the client. */
struct membership {
    const char *group;
    const char *const *topics; /* ends with NULL */
    enum start start;
};

/* --- the client ------------------------------------------------------------------------------- */

/* What a client is made from. Everything lives as long as the broker. */
struct client_settings {
    const char *bootstrap;         /* "kafka:9092,…" */
    const char *const *properties; /* "name=value"; ends with NULL; checked */
    const char *client_id;         /* copied */
    size_t max_message, window, window_bytes;
};

struct kafka_library {
    /* What is wrong with a property of that name and value, or NULL. The text may be written into
     * `why`; the value is not in it. */
    const char *(*check)(const char *name, const char *value, char *why, size_t room);
    /* Why no client can be made of all of them together, or NULL. Connects to nobody. */
    const char *(*try)(const struct client_settings *settings, char *why, size_t room);

    /* NULL with a text in `why`. */
    struct producer_client *(*producer_open)(struct worker *worker,
                                             const struct client_settings *settings,
                                             const struct producer_events *events, void *owner,
                                             char *why, size_t room);
    /* Takes a copy. 0, and the token is reported once; or a negative REASON_…, and it is not. */
    int (*produce)(struct producer_client *client, const struct record *record, void *token);
    /* Learns where a topic is before the first record goes there. Asked again: allowed. */
    void (*warm)(struct producer_client *client, const char *topic);
    /* Asks a broker for anything at all; on_probed follows, sooner or later. One at a time. */
    void (*probe)(struct producer_client *client);
    /* Whatever waits to be sent is reported now; what is on its way as well with `in_flight`. */
    void (*purge)(struct producer_client *client, bool in_flight);
    void (*declare)(struct producer_client *client, const struct topic_wish *wish);
    /* Reports what is left, then on_closed. */
    void (*producer_close)(struct producer_client *client);

    struct member_client *(*member_open)(struct worker *worker,
                                         const struct client_settings *settings,
                                         const struct membership *membership,
                                         const struct member_events *events, void *owner, char *why,
                                         size_t room);
    void (*assign)(struct member_client *client, const struct position *positions, unsigned count);
    /* The answer to on_revoked. */
    void (*release)(struct member_client *client);
    /* Pausing a partition that is paused, or resuming one that is not, is a bug of the caller. */
    void (*pause)(struct member_client *client, const char *topic, int32_t partition, bool paused);
    /* The group has handled all below `next` there: the next commit says so. */
    void (*store)(struct member_client *client, const char *topic, int32_t partition, int64_t next);
    /* Commits what was stored; on_committed follows. */
    void (*commit)(struct member_client *client);
    /* Leaves the group; on_revoked may come before on_closed, and is to be answered. */
    void (*member_close)(struct member_client *client);
};

extern const struct kafka_library kafka_library;

#endif

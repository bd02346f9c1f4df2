/* A subscription's settings, read once: what messages may ask for, and what becomes of them. */
#ifndef DELIVERY_POLICY_H
#define DELIVERY_POLICY_H

#include "core/snapshot.h"
#include "delivery/result.h"

struct allowance {
    const struct value *methods; /* none: any */
    struct slice path;           /* a pattern of core/path.h; `at` NULL: any */
    struct path_rules paths;
};

struct policy {
    struct allowance *allow;
    size_t allow_count;
    const char *const *trust;
    uint64_t timeout_ms;
    unsigned concurrency; /* of the process */
    uint64_t max_body, max_reply;
    unsigned attempts;
    uint64_t backoff_ms, max_backoff_ms, max_age_ms, hold_ms;
    struct result_rules result;
};

/* Patterns live in the arena, texts in `values`, which were checked when they were loaded. */
void policy_read(struct policy *policy, const struct values *values, struct arena *arena);

/* Promise 11: settles where `request`, read from `message`, goes. What the message names must be
 * allowed and then stands below `prefix`; a message that names nothing is POST to the prefix
 * itself, which needs no allowance, as does one that names just that. An odd path is read as the
 * allowance says that lets it through. false: not allowed. */
bool policy_aim(const struct policy *policy, const struct message *message, struct slice prefix,
                struct arena *arena, struct head *request) __attribute__((warn_unused_result));

/* The part of the process's concurrency that is this worker's; 0 when there are more workers
 * than that. */
unsigned policy_share(const struct policy *policy, unsigned worker, unsigned workers);

#endif

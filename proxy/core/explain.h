/* What would this call become? Nothing is sent, no broker is asked: the same decisions that run,
 * printed. */
#ifndef CORE_EXPLAIN_H
#define CORE_EXPLAIN_H

#include <stdio.h>

#include "core/snapshot.h"

/* A call as one would type it for curl. */
struct question {
    const char *method; /* NULL: GET, or POST with data */
    const char *url;
    const char *const *headers; /* "Name: value"; ends with NULL */
    const char *data;           /* NULL: no body */
    bool json;
};

/* Prints the plan. 0: it would be carried; 1: it would be refused, and the answer is printed; 2:
 * the question itself is no HTTP request. */
int explain(struct snapshot *snapshot, const struct question *question, FILE *out);

#endif

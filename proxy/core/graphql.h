/* What a GraphQL request asks for, so far as a route may depend on it: kind, name and root fields
 * of its operation (GraphQL specification of October 2021, §2.1 to §2.8).
 *
 * Read from the HTTP request: POST with JSON or application/graphql, or GET (GraphQL over HTTP).
 * The document's tokens are read in one pass, and selections below the root are only skipped.
 * Pure. What is no GraphQL, or more than one reading could be made of, has no operation, and no
 * route that asks for one matches it.
 */
#ifndef CORE_GRAPHQL_H
#define CORE_GRAPHQL_H

#include "core/call.h"

enum graphql_kind {
    GRAPHQL_NONE, /* not to be known: no document, or a malformed one */
    GRAPHQL_QUERY,
    GRAPHQL_MUTATION,
    GRAPHQL_SUBSCRIPTION,
    GRAPHQL_KINDS
};

/* "query", "mutation", "subscription"; NULL for none and at the end. */
extern const char *const graphql_kind_names[GRAPHQL_KINDS + 1];

struct graphql {
    enum graphql_kind kind;
    struct slice name;  /* of the operation; empty: none */
    struct slice field; /* the root's, when all its selections are of one field; else empty */
    struct slice hash;  /* of a persisted query, without its document; empty: none */
};

/* The operation of a document, named if that is not empty, else its only one. False: there is
 * none, or the document is malformed. Slices point into the arguments. */
bool graphql_read(struct slice document, struct slice name, struct graphql *graphql)
    __attribute__((warn_unused_result));

/* A name or hash that is longer than this is none that a route can ask for. */
#define GRAPHQL_TEXT_MAX 1024

/* Whether a request with this head can be GraphQL; then graphql_of_request may need its body. */
bool graphql_is_likely(const struct head *request);

/* The operation of a whole request. False: it has none that can be known. Memory from the
 * arena. */
bool graphql_of_request(const struct head *request, struct slice body, struct arena *arena,
                        struct graphql *graphql) __attribute__((warn_unused_result));

#endif

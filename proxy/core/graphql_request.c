/* Where a request keeps its GraphQL: in JSON, as it is, or in the query. See graphql.h.
 *
 * Only what a route can ask for is copied, and so little that the size of a document decides
 * nothing. Failures: JSON that is malformed, an array of requests, a member of the wrong type: no
 * operation. A persisted query has a hash in place of its document, and then only its name and
 * hash are known.
 */
#include <assert.h>
#include <jansson.h>

#include "base/percent.h"
#include "core/graphql.h"

/* --- finding ---------------------------------------------------------------------------------- */

static bool type_is(const struct head *request, const char *name)
{
    const struct field *type = fields_find(&request->fields, FIELD_CONTENT_TYPE);
    return type != NULL &&
           slice_is_nocase(slice_trim(slice_first(type->value, slice_find(type->value, ';'))),
                           name);
}

bool graphql_is_likely(const struct head *request)
{
    if (slice_is(request->method, "GET"))
        return request->has_query;
    return slice_is(request->method, "POST") &&
           (type_is(request, "application/json") || type_is(request, "application/graphql"));
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* A member's text; `at` NULL without one. False: it is there, and no text. */
static bool member_text(const json_t *object, const char *key, struct slice *text)
{
    const json_t *member = json_object_get(object, key);
    *text = slice_of(NULL, 0);
    if (member == NULL || json_is_null(member))
        return true;
    if (!json_is_string(member))
        return false;
    *text = slice_of(json_string_value(member), json_string_length(member));
    return true;
}

static bool persisted_hash(const json_t *extensions, struct slice *hash)
{
    return member_text(json_object_get(extensions, "persistedQuery"), "sha256Hash", hash);
}

/* What is known of an operation once its parts are found. */
static bool settle(struct slice document, struct slice name, struct slice hash,
                   struct graphql *graphql)
{
    *graphql = (struct graphql){ .kind = GRAPHQL_NONE };
    if (document.len > 0 && !graphql_read(document, name, graphql))
        return false;
    if (document.len == 0)
        graphql->name = name;
    graphql->hash = hash;
    return document.len > 0 || hash.len > 0;
}

/* One that is too long becomes one that no route can ask for. */
static struct slice keep(struct slice text, struct arena *arena)
{
    struct slice kept = text.len <= GRAPHQL_TEXT_MAX ? arena_copy(arena, text) : SLICE("(long)");
    return kept.at != NULL ? kept : SLICE("(long)");
}

static bool of_json(struct slice body, struct arena *arena, struct graphql *graphql)
{
    json_error_t error;
    json_t *root = json_loadb((const char *)body.at, body.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    struct slice document, name, hash, id;
    bool found = json_is_object(root) && member_text(root, "query", &document) &&
                 member_text(root, "operationName", &name) &&
                 member_text(root, "documentId", &id) &&
                 persisted_hash(json_object_get(root, "extensions"), &hash) &&
                 settle(document, name, hash.len > 0 ? hash : id, graphql);
    if (found) {
        graphql->name = keep(graphql->name, arena);
        graphql->field = keep(graphql->field, arena);
        graphql->hash = keep(graphql->hash, arena);
    }
    json_decref(root);
    return found;
}

/* --- the query -------------------------------------------------------------------------------- */

/* A parameter said twice is ambiguous. */
static bool parameter(struct slice query, const char *name, struct arena *arena,
                      struct slice *value)
{
    *value = slice_of(NULL, 0);
    while (query.len > 0) {
        size_t end = slice_find(query, '&');
        struct slice pair = slice_first(query, end);
        query = slice_from(query, end < query.len ? end + 1 : end);
        size_t mark = slice_find(pair, '=');
        if (!slice_is(slice_first(pair, mark), name))
            continue;
        if (value->at != NULL)
            return false;
        *value = form_decode(slice_from(pair, mark < pair.len ? mark + 1 : mark), arena);
        if (value->at == NULL)
            return false;
    }
    return true;
}

static bool of_query(struct slice query, struct arena *arena, struct graphql *graphql)
{
    struct slice document, name, extensions, hash = { 0 };
    if (!parameter(query, "query", arena, &document) ||
        !parameter(query, "operationName", arena, &name) ||
        !parameter(query, "extensions", arena, &extensions))
        return false;
    if (extensions.len > 0) {
        json_error_t error;
        json_t *root = json_loadb((const char *)extensions.at, extensions.len,
                                  JSON_REJECT_DUPLICATES, &error);
        bool readable = persisted_hash(root, &hash);
        hash = keep(hash, arena);
        json_decref(root);
        if (!readable)
            return false;
    }
    return settle(document, name, hash, graphql);
}

bool graphql_of_request(const struct head *request, struct slice body, struct arena *arena,
                        struct graphql *graphql)
{
    assert(graphql_is_likely(request));
    if (slice_is(request->method, "GET"))
        return of_query(request->query, arena, graphql);
    if (type_is(request, "application/json"))
        return of_json(body, arena, graphql);
    struct slice name;
    return parameter(request->query, "operationName", arena, &name) &&
           settle(body, name, slice_of(NULL, 0), graphql);
}

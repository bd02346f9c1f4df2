/* Any bytes as a GraphQL document: what is read as an operation is still read as the same one
 * when it is written without what means nothing, and alone; nothing is read out of bounds.
 *
 * Input: the operation's name; 0x1e; the document.
 *
 * libFuzzer: -max_len=512 -entropic=0 */
#include <assert.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "core/graphql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lies_in(struct slice part, struct slice whole)
{
    return part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

/* A comment, commas and spaces before and behind change nothing. */
static void read_padded(struct slice document, struct slice name, const struct graphql *wanted)
{
    struct bytes padded = { 0 };
    bytes_text(&padded, "# { \" mutation\n,, \t");
    bytes_add(&padded, document);
    bytes_text(&padded, "\n,# }");
    struct graphql graphql;
    bool bom = slice_starts(document, SLICE("\xef\xbb\xbf"));
    bool found = graphql_read(bytes_slice(&padded), name, &graphql);
    assert(bom || (found && graphql.kind == wanted->kind));
    assert(bom ||
           (slice_equal(graphql.name, wanted->name) && slice_equal(graphql.field, wanted->field)));
    bytes_free(&padded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = slice_of(data, size);
    size_t end = slice_find(all, 0x1e);
    struct slice name = slice_first(all, end < size ? end : 0);
    struct slice document = slice_from(all, end < size ? end + 1 : 0);
    struct graphql graphql;
    if (!graphql_read(document, name, &graphql))
        return 0;
    assert(graphql.kind > GRAPHQL_NONE && graphql.kind < GRAPHQL_KINDS);
    assert(lies_in(graphql.name, document) && lies_in(graphql.field, document));
    assert(name.len == 0 || slice_equal(graphql.name, name));
    read_padded(document, name, &graphql);
    return 0;
}

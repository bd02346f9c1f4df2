/* Finding the first route that matches without asking each of them; see route.h.
 *
 * Routes stand in a tree for each host that they name, for each "*.suffix", and in one for those
 * that name none. A tree has a node for each segment of their paths, an open segment ("{id}")
 * being one that takes any; a route hangs where its path ends. Routes with an expression, without
 * a path or with a very long one hang beside their tree.
 *
 * Happy path: the trees of the request's host are walked along its path, one look into a table
 * for each segment. Wherever routes hang, they are tried in the order of the file until one is
 * met that stands below the best so far; a branch that has only such routes is not entered. So
 * the first route of the file wins, whatever was found first. Nothing is allocated, and nothing
 * fails.
 */
#include <assert.h>

#include "core/matcher.h"
#include "http/target.h"

/* A path of more segments hangs beside the tree, since walking down recurses. */
enum { DEPTH_MAX = 64 };

struct entry {
    const struct route *route;
    struct entry *next; /* further below in the file */
};

/* Routes in the order of the file. */
struct entries {
    struct entry *first, *last;
};

struct node {
    const struct route *highest; /* of all that hang here and below */
    struct entries ends;         /* their path ends here */
    struct entries below;        /* theirs goes on with an open end */
    struct node *open;           /* behind "{id}" */
    bool branches;               /* behind other segments there are some too */
};

/* The node behind a segment. */
struct edge {
    const struct node *from;
    struct slice segment;
    struct node *to; /* NULL: this place in the table is empty */
};

struct tree {
    struct node root;
    struct entries beside;
    const struct route *highest;
};

struct host_entry {
    struct slice name; /* "inventory", or ".svc" for what is below; `at` NULL: empty */
    bool below;
    struct tree *tree;
};

struct route_index {
    struct tree any; /* routes that name no host */
    struct host_entry *hosts;
    struct edge *edges;
    size_t host_places, edge_places; /* powers of two */
    struct expression_stock stock;
};

/* --- tables ----------------------------------------------------------------------------------- */

enum { HASH_START = 17 };

static uint64_t hash_add(uint64_t hash, uint8_t byte)
{
    return (hash ^ byte) * 1099511628211u;
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

/* The low bits of a product know only the low bits of what went in. */
static size_t place_of(uint64_t hash, size_t places)
{
    return (size_t)(hash ^ hash >> 32) & (places - 1);
}

/* From the end, so that one pass over a name meets each of its suffixes. */
static uint64_t hash_host(struct slice name)
{
    uint64_t hash = HASH_START;
    for (size_t i = name.len; i > 0; i--)
        hash = hash_add(hash, lower(name.at[i - 1]));
    return hash;
}

static struct host_entry *host_place(const struct route_index *index, struct slice name, bool below,
                                     uint64_t hash)
{
    for (size_t i = place_of(hash, index->host_places);; i = (i + 1) & (index->host_places - 1)) {
        struct host_entry *host = &index->hosts[i];
        if (host->name.at == NULL || (host->below == below && slice_equal_nocase(host->name, name)))
            return host;
    }
}

static struct edge *edge_place(const struct route_index *index, const struct node *from,
                               struct slice segment)
{
    uint64_t hash = hash_add((uint64_t)(uintptr_t)from >> 4, HASH_START);
    for (size_t i = 1; i < segment.len; i++)
        hash = hash_add(hash, segment.at[i]);
    for (size_t i = place_of(hash, index->edge_places);; i = (i + 1) & (index->edge_places - 1)) {
        struct edge *edge = &index->edges[i];
        if (edge->to == NULL || (edge->from == from && slice_equal(edge->segment, segment)))
            return edge;
    }
}

/* Places for so many, at most half of them taken. */
static size_t places_for(size_t count)
{
    size_t places = 2;
    while (places < 2 * count)
        places *= 2;
    return places;
}

/* --- building --------------------------------------------------------------------------------- */

static void hang(struct entries *entries, const struct route *route, struct arena *arena)
{
    assert(entries->last == NULL || entries->last->route <= route);
    if (entries->last != NULL && entries->last->route == route)
        return; /* it names a host twice */
    struct entry *entry = arena_get(arena, sizeof(*entry));
    entry->route = route;
    if (entries->last == NULL)
        entries->first = entry;
    else
        entries->last->next = entry;
    entries->last = entry;
}

static size_t count_segments(struct slice pattern)
{
    size_t count = 0;
    for (; pattern.len > 0; count++)
        path_take_segment(&pattern);
    return count;
}

static struct node *node_behind(struct route_index *index, struct node *from, struct slice segment,
                                struct arena *arena)
{
    struct edge *edge = NULL;
    struct node **to = &from->open;
    if (!segment_is_open(segment)) {
        edge = edge_place(index, from, segment);
        to = &edge->to;
    }
    if (*to == NULL) {
        *to = arena_get(arena, sizeof(**to));
        if (edge != NULL) {
            from->branches = true;
            edge->from = from;
            edge->segment = segment;
        }
    }
    return *to;
}

static void raise(const struct route **highest, const struct route *route)
{
    if (*highest == NULL || route < *highest)
        *highest = route;
}

static void tree_add(struct route_index *index, struct tree *tree, const struct route *route,
                     struct arena *arena)
{
    const struct condition *path = route->matcher == NULL ? NULL : route->matcher->path;
    raise(&tree->highest, route);
    if (path == NULL || !path->indexed) {
        hang(&tree->beside, route, arena);
        return;
    }
    struct node *node = &tree->root;
    struct slice rest = path->pattern;
    raise(&node->highest, route);
    while (rest.len > 0 && !slice_is(rest, "/*")) {
        node = node_behind(index, node, path_take_segment(&rest), arena);
        raise(&node->highest, route);
    }
    hang(rest.len > 0 ? &node->below : &node->ends, route, arena);
}

/* The tree of a host that a route names. */
static struct tree *host_tree(struct route_index *index, struct slice name, struct arena *arena)
{
    bool below = slice_starts(name, SLICE("*."));
    name = slice_from(name, below ? 1 : 0);
    struct host_entry *host = host_place(index, name, below, hash_host(name));
    if (host->name.at == NULL)
        *host = (struct host_entry){ .name = name,
                                     .below = below,
                                     .tree = arena_get(arena, sizeof(*host->tree)) };
    return host->tree;
}

static void add_route(struct route_index *index, const struct route *route, struct arena *arena)
{
    const struct condition *hosts = route->matcher == NULL ? NULL : route->matcher->hosts;
    if (hosts == NULL)
        tree_add(index, &index->any, route, arena);
    for (size_t i = 0; hosts != NULL && i < hosts->count; i++)
        tree_add(index, host_tree(index, hosts->any[i], arena), route, arena);
}

/* What the tables must hold, and which conditions need not be asked again. */
static void survey(struct route_index *index, struct matcher *matcher, size_t *hosts, size_t *edges)
{
    size_t trees = 1;
    if (matcher->hosts != NULL) {
        matcher->hosts->indexed = true;
        trees = matcher->hosts->count;
        *hosts += trees;
    }
    size_t depth = matcher->path == NULL ? 0 : count_segments(matcher->path->pattern);
    if (matcher->path != NULL && depth <= DEPTH_MAX) {
        matcher->path->indexed = true;
        *edges += trees * depth;
    }
    if (matcher->regex != NULL)
        expression_share(matcher->regex->expression, &index->stock);
}

struct route_index *route_index_build(struct route *routes, unsigned count, struct arena *arena)
{
    struct route_index *index = arena_get(arena, sizeof(*index));
    size_t hosts = 0, edges = 0;
    for (unsigned i = 0; i < count; i++)
        if (routes[i].matcher != NULL)
            survey(index, routes[i].matcher, &hosts, &edges);
    index->host_places = places_for(hosts);
    index->edge_places = places_for(edges);
    index->hosts = arena_get(arena, index->host_places * sizeof(*index->hosts));
    index->edges = arena_get(arena, index->edge_places * sizeof(*index->edges));
    for (unsigned i = 0; i < count; i++)
        add_route(index, &routes[i], arena);
    return index;
}

void route_index_free(struct route_index *index)
{
    if (index != NULL)
        expression_stock_clear(&index->stock);
}

/* --- finding ---------------------------------------------------------------------------------- */

struct search {
    const struct route_index *index;
    const struct head *request;
    const struct route *best; /* so far */
};

/* Whether routes from here on can still win. */
static bool may_win(const struct search *search, const struct route *highest)
{
    return highest != NULL && (search->best == NULL || highest < search->best);
}

static bool others_hold(const struct route *route, const struct head *request)
{
    const struct matcher *matcher = route->matcher;
    for (size_t i = 0; matcher != NULL && i < matcher->count; i++) {
        const struct condition *condition = &matcher->conditions[i];
        if (!condition->indexed && !condition->holds(condition, request))
            return false;
    }
    return true;
}

static void try_entries(struct search *search, const struct entries *entries)
{
    for (const struct entry *entry = entries->first; entry != NULL && may_win(search, entry->route);
         entry = entry->next) {
        if (!others_hold(entry->route, search->request))
            continue;
        search->best = entry->route;
        return;
    }
}

/* Recurses as deep as patterns are. */
static void walk(struct search *search, const struct node *node, struct slice path)
{
    if (node == NULL || !may_win(search, node->highest))
        return;
    try_entries(search, &node->below);
    if (path.len == 0) {
        try_entries(search, &node->ends);
        return;
    }
    struct slice segment = path_take_segment(&path);
    if (node->branches)
        walk(search, edge_place(search->index, node, segment)->to, path);
    if (segment.len > 1)
        walk(search, node->open, path);
}

static void search_tree(struct search *search, const struct tree *tree)
{
    if (!may_win(search, tree->highest))
        return;
    try_entries(search, &tree->beside);
    if (search->request->path.len > 0 && search->request->path.at[0] == '/')
        walk(search, &tree->root, search->request->path);
}

/* Each tree of a host, by one pass from the end of its name: those of "*.suffix", its own. */
static bool each_tree(const struct route_index *index, struct slice host,
                      bool (*on_tree)(void *context, const struct tree *tree), void *context)
{
    uint64_t hash = HASH_START;
    for (size_t i = host.len; i > 0; i--) {
        hash = hash_add(hash, lower(host.at[i - 1]));
        bool below = host.at[i - 1] == '.' && i > 1, whole = i == 1;
        if (!below && !whole)
            continue;
        const struct host_entry *found = host_place(index, slice_from(host, i - 1), below, hash);
        if (found->tree != NULL && on_tree(context, found->tree))
            return true;
    }
    return false;
}

static bool on_tree_found(void *context, const struct tree *tree)
{
    search_tree(context, tree);
    return false;
}

const struct route *route_find(const struct snapshot *snapshot, const struct head *request)
{
    const struct route_index *index = snapshot->route_index;
    struct search search = { .index = index, .request = request };
    each_tree(index, plain_host(request->authority), on_tree_found, &search);
    search_tree(&search, &index->any);
    return search.best;
}

const struct route *route_find_odd(const struct snapshot *snapshot, struct head *request,
                                   struct arena *arena)
{
    assert(request->oddities != 0);
    const struct route *first = NULL;
    struct head read = *request;
    for (unsigned how = 0; how < PATH_READINGS; how++) {
        read.path = path_reading(request->path, how, arena);
        if (read.path.at == NULL)
            return NULL;
        const struct route *found = route_find(snapshot, &read);
        if (found != NULL && (first == NULL || found < first))
            first = found;
    }
    if (first == NULL)
        return NULL;
    read.path = path_settle(request->path, request->oddities, &first->paths, arena);
    if (read.path.at == NULL || route_mismatch(first, &read) != NULL)
        return NULL;
    request->path = read.path;
    request->oddities = 0;
    return first;
}

static bool on_tree_known(void *context, const struct tree *tree)
{
    (void)context;
    assert(tree->highest != NULL);
    return true;
}

bool route_matches_host(const struct snapshot *snapshot, struct slice authority)
{
    return each_tree(snapshot->route_index, plain_host(authority), on_tree_known, NULL);
}

/* Our own look at the text before libconfig gets it.
 *
 * It keeps what libconfig drops (columns, the text of a number, where a value came from), takes
 * the stricter reading where versions of libconfig differ, and goes on behind a syntax error, so
 * that all mistakes are told in one run. What it understood is written down again in a form that
 * every version reads alike; libconfig builds its tree from that, with one node of ours hooked
 * to each of its settings.
 */
#ifndef CONFIG_SCANNER_H
#define CONFIG_SCANNER_H

#include <libconfig.h>

#include "base/bytes.h"
#include "config/lexer.h"

struct node {
    struct node *parent;
    struct node *next; /* in the order of the text */
    struct place key;  /* line 0: it has none, as an entry of a list */
    struct place value;
    struct slice name;    /* of the key */
    struct slice literal; /* of a scalar: as written, a string without its quotes */
    bool told;            /* a complaint about its value was made already */
    bool broken;          /* something inside could not be read: what seems missing may be there */
};

struct document {
    struct arena *arena;
    struct node *root; /* first of the chain of nodes */
    struct bytes text; /* for libconfig */
    config_t tree;
};

/* Reads `text`, complains, and builds the tree of all that was understood. */
void document_read(struct document *document, struct arena *arena, const char *path,
                   struct slice text, struct complaints *complaints);
void document_free(struct document *document);

static inline struct node *node_of(const config_setting_t *setting)
{
    return setting->hook;
}

#endif

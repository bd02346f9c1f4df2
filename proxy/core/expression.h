/* A regular expression (PCRE2) for whole paths, with limits that no path can make it pass.
 *
 * Immutable once compiled, used by any worker. What a match needs besides is borrowed from a
 * small stock that all expressions of a configuration share; when every piece of it is in use by
 * other workers at that moment, one is made for this match alone.
 */
#ifndef CORE_EXPRESSION_H
#define CORE_EXPRESSION_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/slice.h"

struct expression;

enum { EXPRESSION_STOCK = 4 };

struct expression_stock {
    _Atomic(void *) at[EXPRESSION_STOCK];
    uint32_t groups; /* of the expression that has the most */
};

/* NULL when it is none: `*at` tells at which byte, and the text what PCRE2 says. */
struct expression *expression_compile(const char *text, size_t *at, char *why, size_t room);
void expression_free(struct expression *expression);

/* From now on it borrows there; the stock is cleared after the expression is freed. */
void expression_share(struct expression *expression, struct expression_stock *stock);
void expression_stock_clear(struct expression_stock *stock);

/* Whether the whole path matches. False as well when the expression passes its limits on it. */
bool expression_matches(const struct expression *expression, struct slice path);

/* Its named groups; ends with NULL. */
const char *const *expression_names(const struct expression *expression);
/* What each named group holds in a path, in their order; empty where it took no part. Slices
 * point into `path`. False: it does not match. */
bool expression_capture(const struct expression *expression, struct slice path,
                        struct slice *values);

#endif

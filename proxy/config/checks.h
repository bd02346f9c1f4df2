/* What no single table can see: names that must exist or must not repeat, addresses, patterns,
 * routes in each other's way. Each check complains by itself; together they see the
 * configuration only after the tables took it. */
#ifndef CONFIG_CHECKS_H
#define CONFIG_CHECKS_H

#include "config/config.h"
#include "config/scanner.h"

/* All of them. `document` tells what could not be read, so that nobody complains of its absence. */
void config_check(const struct config *config, const struct document *document,
                  struct complaints *complaints);

/* patterns.c: `path`, `path_regex`, `host`, `method` of a route's match or of an entry of
 * `allow`. */
void check_match(const struct values *match, const struct document *document,
                 struct complaints *complaints);
void check_allow(const struct values *allow, struct complaints *complaints);

/* rewrites.c: `rewrite`, `request_headers`, `response_headers` of a route. */
void check_rewrites(const struct values *route, struct complaints *complaints);

/* cover.c: routes that can never win. */
void check_cover(const struct value *routes, struct complaints *complaints);

#endif

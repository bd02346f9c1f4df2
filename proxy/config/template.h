/* Text with captures in it: "/v2/{id}", "tenant-{name}". "{{" and "}}" stand for braces. A name
 * has letters, digits, '_' and '-', or is "*": what the end of a path pattern takes.
 */
#ifndef CONFIG_TEMPLATE_H
#define CONFIG_TEMPLATE_H

#include <stdbool.h>

#include "base/slice.h"

struct template_piece {
    struct slice text; /* as it stands, or the name of a capture */
    bool capture;
};

/* Takes the next piece off. 1; 0 at the end; -1 with `*why` when a brace has no partner or the
 * name between two is none. */
int template_next(struct slice *rest, struct template_piece *piece, const char **why)
    __attribute__((warn_unused_result));

#endif

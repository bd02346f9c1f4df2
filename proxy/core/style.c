/* The words of the styles, in the order of the enum. */
#include "core/style.h"

#include <stddef.h>

const char *const style_names[STYLES + 1] = {
    [STYLE_SYNC] = "sync",
    [STYLE_REQUEST_REPLY] = "request_reply",
    [STYLE_EVENT] = "event",
    [STYLES] = NULL,
};

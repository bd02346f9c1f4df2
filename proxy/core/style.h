/* The ways a call can be carried. The word in the file and the word in the log are the same. */
#ifndef CORE_STYLE_H
#define CORE_STYLE_H

enum style {
    STYLE_SYNC,          /* forwarded over HTTP, answered by the upstream */
    STYLE_REQUEST_REPLY, /* a request on a queue with one receiver, answered by its reply */
    STYLE_EVENT,         /* published; answered once the broker has it */
    STYLES
};

#define STYLE_BIT(style) (1u << (style))

/* "sync", "request_reply", "event". */
extern const char *const style_names[STYLES + 1];

#endif

/* The Date line of answers, prepared once a second (RFC 9110 §5.6.7, §6.6.1). */
#ifndef HTTP_DATE_H
#define HTTP_DATE_H

#include "base/slice.h"

#define DATE_TEXT 32

struct date {
    uint64_t second; /* since the epoch; of `text` */
    char text[DATE_TEXT];
};

/* "Sun, 06 Nov 1994 08:49:37 GMT"; valid until the next call. */
struct slice date_text(struct date *date, uint64_t wall_ms);

#endif

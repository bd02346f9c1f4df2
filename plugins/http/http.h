/* The transport that forwards calls over HTTP/1.1: built in, through the same interface as every
 * other. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "plugin.h"

extern const struct transport http_transport;

#endif

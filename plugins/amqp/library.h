/* rabbitmq-c, of which only the codec is used: methods, properties and field tables to bytes and
 * back.
 *
 * Its connection object is not: its sockets block, and its reader keeps a pool of a frame's size
 * for every channel number that a peer writes, loses the connection to one message whose headers
 * it cannot decode, and copies every body. Cutting bytes into frames is frame.c's.
 */
#ifndef AMQP_LIBRARY_H
#define AMQP_LIBRARY_H

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#endif

#include "base/slice.h"

/* The library's structures are not const, although it only reads them when it encodes. */
static inline amqp_bytes_t amqp_from(struct slice slice)
{
    return (amqp_bytes_t){ .len = slice.len, .bytes = (void *)(uintptr_t)slice.at };
}

static inline struct slice amqp_slice(amqp_bytes_t bytes)
{
    return slice_of(bytes.bytes, bytes.len);
}

#endif

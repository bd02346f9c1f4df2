/* What the files of the libuv network share. */
#ifndef NET_UV_NET_H
#define NET_UV_NET_H

#include <uv.h>

#include "net/net.h"

struct resolver;

enum { READ_BUFFER = 64 * 1024 };

struct uv_net {
    struct net net;
    uv_loop_t *loop;
    struct resolver *resolver;     /* made at the first name */
    unsigned handles;              /* open streams and listenings */
    bool leaving;                  /* net_uv_free was called */
    char read_buffer[READ_BUFFER]; /* every read lands here and is passed on at once */
};

/* A handle has closed; the last one of a net that is leaving frees it. */
void uv_net_drop(struct uv_net *net);

/* A stream of the kind that `family` asks for, not yet connected; NULL when memory is out. */
struct uv_stream *uv_stream_new(struct uv_net *net, struct worker *worker, int family);
uv_stream_t *uv_stream_handle(struct uv_stream *stream);
struct stream *uv_stream_of(struct uv_stream *stream);
/* Begins to connect: 0, or a negative errno, and then the stream is discarded. */
int uv_stream_connect(struct uv_stream *stream, const struct address *address);
/* The handle has just been accepted: options, the peer's address. */
void uv_stream_accepted(struct uv_stream *stream);
/* Closes and frees a stream that nobody knows of yet. */
void uv_stream_discard(struct uv_stream *stream);

#endif

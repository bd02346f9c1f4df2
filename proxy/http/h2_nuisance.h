/* What a peer can do to no purpose over HTTP/2, and how much of it is borne.
 *
 * Each kind has a store that refills slowly, and by what is done for the peer: clients and
 * servers of gRPC measure their connection by a PING, and open windows by a few bytes, as often
 * as DATA reaches them. When a store is empty, the connection is to end. Pure.
 */
#ifndef HTTP_H2_NUISANCE_H
#define HTTP_H2_NUISANCE_H

#include <stdint.h>

enum h2_nuisance {
    H2_RESETS,        /* streams it reset soon, before they were answered */
    H2_FORCED_RESETS, /* streams that we had to reset for what it sent */
    H2_SETTINGS,
    H2_PINGS,
    H2_PRIORITIES,
    H2_TINY_WINDOWS, /* windows opened by a few bytes */
    H2_TINY_DATA,    /* bytes of framing beyond those of content */
    H2_NUISANCES
};

struct h2_allowance {
    uint32_t used;
    uint64_t since_ms;
};

/* All stores full. */
void nuisance_start(struct h2_allowance allowances[H2_NUISANCES], uint64_t now_ms);
/* So much of it happened. NULL, or when the store is empty the name of the event to count. */
const char *nuisance_spend(struct h2_allowance allowances[H2_NUISANCES], enum h2_nuisance kind,
                           uint32_t by, uint64_t now_ms);
/* A frame of DATA went to the peer, which may have its reasons to answer now. */
void nuisance_answered(struct h2_allowance allowances[H2_NUISANCES]);

#endif

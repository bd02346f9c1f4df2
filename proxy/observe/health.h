/* `shunt health`: asks a running sidecar whether it is ready, for HEALTHCHECK and exec probes. */
#ifndef OBSERVE_HEALTH_H
#define OBSERVE_HEALTH_H

#include <stdbool.h>
#include <stdio.h>

/* Asks the admin listener at `address_text` ("127.0.0.1:15000", "unix:/run/shunt.sock") within 2
 * seconds, and says on `out` that it is ready or what is missing: in words, or with `json` in
 * the sidecar's own, or {"ready":false,"error":"…"} when there are none. 0: ready; 1: not, or it
 * cannot be asked. Blocks. */
int health_check(const char *address_text, bool json, FILE *out);

#endif

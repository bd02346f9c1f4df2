/* A whole Shunt process in the simulation: configuration, plugins, one worker; its network and
 * clock are the simulation's, the rest is what runs. */
#ifndef FLOW_SIDECAR_H
#define FLOW_SIDECAR_H

#include "sim.h"

struct sidecar;

/* Starts it with the text of a configuration, which must be without a mistake and say
 * `instance`. */
struct sidecar *sidecar_new(struct sim *sim, const char *name, unsigned host, const char *config);
struct sim_node *sidecar_node(struct sidecar *sidecar);
/* SIGHUP with another text. */
void sidecar_reload(struct sidecar *sidecar, const char *config);
/* SIGTERM: begins to drain. */
void sidecar_terminate(struct sidecar *sidecar);
bool sidecar_drained(const struct sidecar *sidecar);
/* SIGKILL, as the others see it. Virtual time passes until its memory is free. */
void sidecar_kill(struct sidecar *sidecar);
/* A new process with the same configuration, after it was killed or has drained. */
void sidecar_start(struct sidecar *sidecar);
/* Kills it if it runs, and frees it; sim_free follows. */
void sidecar_free(struct sidecar *sidecar);

#endif

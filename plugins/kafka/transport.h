/* The plugin's table under a name of its own, for tests that link several plugins into one
 * program. */
#ifndef KAFKA_TRANSPORT_H
#define KAFKA_TRANSPORT_H

#include "plugin.h"

extern const struct transport kafka_transport;

#endif

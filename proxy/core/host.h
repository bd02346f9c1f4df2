/* The table of functions that plugins call Shunt by; see plugin.h. */
#ifndef CORE_HOST_H
#define CORE_HOST_H

#include "plugin.h"

extern const struct host host_table;

#endif

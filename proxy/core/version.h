/* Which version this is, said once. */
#ifndef CORE_VERSION_H
#define CORE_VERSION_H

#define SHUNT_VERSION "0.1.0"

#endif

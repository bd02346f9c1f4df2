/* What the observers and the metrics need of the log beside what observe.h offers to all. */
#ifndef OBSERVE_LOG_H
#define OBSERVE_LOG_H

#include "observe/observe.h"

/* Opens the way of one writer, a worker or the control thread; asking again gives the same.
 * Control thread. */
void log_open(struct log *log, unsigned worker);
/* Puts a whole line (it ends with '\n') on its way; false: there is no room and it is lost. One
 * thread per worker. */
bool log_put(struct log *log, unsigned worker, struct slice line)
    __attribute__((warn_unused_result));

/* What is in force, for any thread: never LOG_AUTO. */
enum log_format log_format_now(const struct log *log);
bool log_wants_calls(const struct log *log);
bool log_wants(const struct log *log, enum level level);
/* Lines that could not be written, or that log_line had no room for. Any thread. */
uint64_t log_lost(const struct log *log);

#endif

/* What the kernel says of this process. */
#ifndef OBSERVE_PROCESS_H
#define OBSERVE_PROCESS_H

#include <stdint.h>

struct process {
    double cpu_seconds, start_seconds; /* used so far; since the epoch */
    uint64_t resident_bytes, virtual_bytes;
    uint64_t open_fds, max_fds;
    uint64_t threads;
};

/* 0, or -1 when /proc cannot be read. */
int process_read(struct process *process) __attribute__((warn_unused_result));

#endif

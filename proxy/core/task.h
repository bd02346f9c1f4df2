/* Work that waits for the end of the loop turn: up-calls that must not run inside a down-call,
 * destruction, flushes. */
#ifndef CORE_TASK_H
#define CORE_TASK_H

#include "base/list.h"

struct task {
    struct link link;
    void (*run)(struct task *task);
};

/* Told once that something asynchronous is over. */
struct done {
    void (*on_done)(struct done *done, int result);
};

#endif

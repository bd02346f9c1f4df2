/* `shunt run`: the control thread and the workers it looks after.
 *
 * Happy path: configuration → snapshot → workers → serve; SIGHUP builds the next snapshot and
 * hands it to each worker, or says what is wrong and changes nothing; SIGTERM or SIGINT drains
 * (promise 23), a second one ends at once.
 */
#ifndef CORE_CONTROL_H
#define CORE_CONTROL_H

#include <stdbool.h>

/* Runs until told to stop. `json`: mistakes and the log are JSON, whatever the configuration and
 * the terminal. The process's exit status: 0 after a drain, 1 when it could not start. */
int control_run(const char *config_path, bool json);

#endif

/* Reads /proc/self (proc(5)): stat for times and memory, fd for descriptors. Asked for once a
 * scrape. */
#include "observe/process.h"

#include <assert.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Fields 14, 15, 20, 22, 23 and 24 of stat, counted behind the command's name, which may hold
 * anything. */
static int read_stat(struct process *process, uint64_t *start_ticks)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL)
        return -1;
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';

    const char *rest = strrchr(text, ')');
    uint64_t user, system, pages;
    if (rest == NULL || sscanf(rest + 1,
                               " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64 " %" SCNu64
                               " %*s %*s %*s %*s %" SCNu64 " %*s %" SCNu64 " %" SCNu64 " %" SCNu64,
                               &user, &system, &process->threads, start_ticks,
                               &process->virtual_bytes, &pages) != 6)
        return -1;
    process->cpu_seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    process->resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return 0;
}

static uint64_t count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return 0;
    uint64_t count = 0;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    assert(count > 0);
    return count - 1; /* the folder's own */
}

/* When ticks since boot began to count, in seconds since the epoch. */
static double boot_seconds(void)
{
    struct timespec wall, boot;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (double)(wall.tv_sec - boot.tv_sec) + (double)(wall.tv_nsec - boot.tv_nsec) / 1e9;
}

int process_read(struct process *process)
{
    *process = (struct process){ 0 };
    uint64_t start_ticks;
    if (read_stat(process, &start_ticks) < 0)
        return -1;
    process->start_seconds = boot_seconds() + (double)start_ticks / (double)sysconf(_SC_CLK_TCK);
    process->open_fds = count_fds();
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        process->max_fds = limit.rlim_cur;
    return 0;
}

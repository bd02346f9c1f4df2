/* What complaint.c keeps for report.c, which writes the complaints down. */
#ifndef CONFIG_REPORT_H
#define CONFIG_REPORT_H

#include "config/complaint.h"

/* The start of a value that may be shown. */
struct revealed {
    struct link link;
    unsigned line, column;
};

/* A file as it was read. */
struct source {
    struct link link;
    const char *file;
    struct slice text;
    struct list revealed;
};

#endif

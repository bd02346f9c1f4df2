/* One row per setting: everything that is known of it, said once.
 *
 * Parsing, defaults, ranges, error texts, help and the reference are all read from these rows. A
 * table is an array of rows that ends with a row whose key is NULL. Tables are constant; plugins
 * bring their own.
 */
#ifndef CONFIG_SETTING_H
#define CONFIG_SETTING_H

#include <stdint.h>

enum setting_type {
    SETTING_FLAG,       /* true or false */
    SETTING_NUMBER,     /* a whole number; a string that holds one serves too */
    SETTING_DURATION,   /* "250ms", "5s", "1m", "24h": milliseconds */
    SETTING_SIZE,       /* "64KB", "10MB": bytes; KB is 1024 */
    SETTING_TEXT,       /* any string */
    SETTING_CHOICE,     /* one of `choices` */
    SETTING_TEXTS,      /* a string or a list (or array) of strings */
    SETTING_HEADERS,    /* a list of "name: value" */
    SETTING_PROPERTIES, /* a list of "name=value" */
    SETTING_ADDRESS,    /* "127.0.0.1:15001", "[::1]:80"; "unix:/path" where UNIX is set */
    SETTING_HOSTPORT,   /* "inventory:8080": a name or an address with a port */
    SETTING_HOSTPORTS,  /* one or several of them */
    SETTING_NETWORKS,   /* one or several of "10.0.0.0/8", "::1" */
    SETTING_URL,        /* with one of the schemes in `choices` */
    SETTING_REFERENCE,  /* the name of a group in the list `refers` */
    SETTING_GROUP,      /* { … } of `children` */
    SETTING_GROUPS,     /* ( { … }, { … } ) of `children` */
};

enum setting_flag {
    SETTING_REQUIRED = 1,
    SETTING_SECRET = 2,     /* its value is never printed */
    SETTING_UNIX = 4,       /* an address may be a Unix socket */
    SETTING_UNIQUE = 8,     /* no two groups of a list may have the same value: names */
    SETTING_NOT_EMPTY = 16, /* an empty string or list is a mistake */
    SETTING_PLUGIN =
        32, /* a group whose further rows come from the plugin that `plugin` or `broker` names */
    SETTING_BARE = 64, /* a host may stand without its port */
};

struct setting {
    const char *key;
    enum setting_type type;
    unsigned flags;
    const char *fallback; /* the default as one would write it, or NULL: none */
    int64_t low,
        high; /* range of numbers, durations (ms), sizes (bytes); both 0: any that is not negative */
    const char *const *choices;     /* ends with NULL */
    const char *refers;             /* the top-level list that a reference points into */
    const struct setting *children; /* ends with a NULL key */
    const char *since;              /* the version that brought it */
    const char *help;               /* one sentence for a user */
};

#endif

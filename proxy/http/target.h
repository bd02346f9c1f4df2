/* Request targets: one meaning each, or none (threats: route bypass).
 *
 * origin-form, absolute-form, authority-form (CONNECT), asterisk-form (RFC 9112 §3.2). A path
 * has one spelling: percent-encoded unreserved characters are decoded (RFC 3986 §6.2.2.2),
 * characters that a path may not hold are encoded, hex digits become upper case. Dot segments
 * (also encoded, also with a parameter: "..;x"), "%5c", "\", "%00", overlong UTF-8, controls and
 * bytes above 0x7e are refused as ambiguous, whoever asks.
 *
 * "%2f" and "//" are ambiguous as well, but some services use them in IDs. A path with them is
 * odd: it is read, said to be odd, and refused unless somebody's rules settle which of its
 * readings counts (core/route.h: a route's; delivery/policy.h: an allowance's).
 */
#ifndef HTTP_TARGET_H
#define HTTP_TARGET_H

#include "core/call.h"

/* What can be odd in a path: bits of head.oddities. */
enum path_oddity { PATH_ENCODED_SLASH = 1, PATH_EMPTY_SEGMENT = 2 };

/* What becomes of one oddity, in the order of the settings' choices. */
enum path_rule {
    PATH_REFUSE,
    PATH_KEEP,   /* part of a segment; an empty segment */
    PATH_RESOLVE /* a slash like any other; one slash */
};

struct path_rules {
    enum path_rule encoded_slash, double_slash;
};

/* How an odd path can be read: bits; 0 takes it as it is written. */
enum path_reading { PATH_DECODED = 1, PATH_MERGED = 2, PATH_READINGS = 4 };

/* Fills scheme ("http"), authority (absolute- and authority-form), path ("*" for asterisk-form,
 * empty for authority-form) with its oddities, query. Slices point into `target`, or into the
 * arena where a path had to be rewritten. 0, or -1 with `*why`. */
int target_parse(struct slice target, struct slice method, struct arena *arena,
                 struct head *request, const char **why) __attribute__((warn_unused_result));
/* A path alone, for what comes in messages: in its one spelling but for what is odd in it; `at`
 * NULL with `*why`. */
struct slice path_read(struct slice path, struct arena *arena, unsigned *oddities,
                       const char **why);
/* The same for who takes nothing odd. */
struct slice path_normalise(struct slice path, struct arena *arena, const char **why);
/* One of the readings of a path that path_read has left; `at` NULL at the arena's cap. */
struct slice path_reading(struct slice path, unsigned how, struct arena *arena);
/* The one reading that the rules settle, or `at` NULL when they refuse the path (or the arena is
 * at its cap). It never begins with "//", which some take for an authority. */
struct slice path_settle(struct slice path, unsigned oddities, const struct path_rules *rules,
                         struct arena *arena);
/* What is wrong with a path that is refused for its oddities. */
const char *path_oddity_text(unsigned oddities);
/* Whether a query, without its '?', holds only printable ASCII and no '#'. */
bool query_valid(struct slice query);
/* Whether host and port are of the form that RFC 3986 §3.2.2 allows: not empty, no userinfo, no
 * percent-encoding, no comma. */
bool authority_valid(struct slice authority);

#endif

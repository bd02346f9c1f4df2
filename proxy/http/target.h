/* Request targets: one meaning each, or none (threats: route bypass).
 *
 * origin-form, absolute-form, authority-form (CONNECT), asterisk-form (RFC 9112 §3.2). A path
 * has one spelling: percent-encoded unreserved characters are decoded (RFC 3986 §6.2.2.2),
 * characters that a path may not hold are encoded, hex digits become upper case. Dot segments
 * (also encoded, also with a parameter: "..;x"), "//", "%2f", "%5c", "\", "%00", overlong UTF-8,
 * controls and bytes above 0x7e are refused as ambiguous.
 */
#ifndef HTTP_TARGET_H
#define HTTP_TARGET_H

#include "core/call.h"

/* Fills scheme ("http"), authority (absolute- and authority-form), path ("*" for asterisk-form,
 * empty for authority-form), query. Slices point into `target`, or into the arena where a path
 * had to be rewritten. 0, or -1 with `*why`. */
int target_parse(struct slice target, struct slice method, struct arena *arena,
                 struct head *request, const char **why) __attribute__((warn_unused_result));
/* A path alone, for what comes in messages. The normalised path, or `at` NULL with `*why`. */
struct slice path_normalise(struct slice path, struct arena *arena, const char **why);
/* Whether a query, without its '?', holds only printable ASCII and no '#'. */
bool query_valid(struct slice query);
/* Whether host and port are of the form that RFC 3986 §3.2.2 allows: not empty, no userinfo, no
 * percent-encoding. */
bool authority_valid(struct slice authority);

#endif

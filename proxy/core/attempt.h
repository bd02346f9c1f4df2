/* What call.c and attempt.c share of a call's life; nobody else includes this. */
#ifndef CORE_ATTEMPT_H
#define CORE_ATTEMPT_H

#include "core/call.h"

/* Moves one of a call's two machines; an illegal move is a bug and aborts. */
void phase_move(enum phase *phase, enum phase next);
/* Tells the caller that no (further) answer comes, and finishes the call. Never inside a
 * down-call. */
void call_tell_failure(struct call *call, enum reason reason);
/* The caller has been told: the call is logged and buried at the end of the turn. */
void call_finish(struct call *call);

/* Hands the planned call to its transport. REASON_none, or why it was refused at once. */
enum reason attempt_begin(struct call *call) __attribute__((warn_unused_result));
/* A tunnel is open: from now on the call may take as long as bytes pass, and core/tunnel.c looks
 * after that. */
void tunnel_begin(struct call *call);
/* One side has said all. */
void tunnel_half(struct call *call);
/* The request of the attempt under way is complete. */
void call_end_attempt(struct call *call);
/* Ends the attempt under way without a callback; how far it had come. */
enum outcome attempt_cancel(struct call *call);
/* Keeps what became of one of several destinations, for the caller. `name` lives in the call's
 * arena. */
void attempt_tell_target(struct call *call, struct slice name, enum outcome outcome);

#endif

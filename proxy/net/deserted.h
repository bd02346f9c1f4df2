/* Whether anybody is left at the other end of a connection that has sent its end: a peer that has only
 * half closed still reads, one that has closed does not, and on the wire of TCP both look alike.
 */
#ifndef NET_DESERTED_H
#define NET_DESERTED_H

#include <stdbool.h>

/* True: surely nobody reads there any more. A reset that came tells it, and for a peer on this
 * machine the kernel, whose socket it is as well. False: somebody does, or that is not known. Not to
 * be asked once we have ended our own half. */
bool socket_is_deserted(int descriptor);

#endif

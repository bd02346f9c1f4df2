/* How the tests ask for a WebSocket. */
#ifndef TEST_WEBSOCKETS_H
#define TEST_WEBSOCKETS_H

#define KEY    "q6urq6urq6urq6urq6urqw==" /* what a worker of pipes.h draws */
#define ACCEPT "5jSu99N61NkfGRivKp2L1TNc+X8="

/* As words for far_head: by HTTP/2. */
#define ASK(path)                                                                \
    ":method=CONNECT :protocol=websocket :scheme=http :authority=up :path=" path \
    " sec-websocket-version=13 sec-websocket-key=theirs"

#endif

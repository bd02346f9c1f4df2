/* Reading a file whole. No configuration is larger than a megabyte, so nothing larger is read. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "config/lexer.h"

enum { LARGEST_FILE = 1 << 20 };

static int read_all(int file, struct bytes *bytes)
{
    for (;;) {
        uint8_t *to = bytes_reserve(bytes, 4096);
        if (to == NULL) {
            errno = EFBIG;
            return -1;
        }
        ssize_t got = read(file, to, 4096);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return (int)got;
        bytes->len += (size_t)got;
    }
}

static int check_kind(int file, bool any)
{
    struct stat stat;
    if (fstat(file, &stat) != 0)
        return -1;
    if (S_ISREG(stat.st_mode) || (any && !S_ISDIR(stat.st_mode)))
        return 0;
    errno = S_ISDIR(stat.st_mode) ? EISDIR : EINVAL;
    return -1;
}

int file_read(struct arena *arena, const char *path, bool any, struct slice *text)
{
    assert(path != NULL);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (any ? 0 : O_NONBLOCK));
    if (file < 0)
        return -1;

    struct bytes bytes = { .cap = LARGEST_FILE };
    int result = check_kind(file, any);
    if (result == 0)
        result = read_all(file, &bytes);
    if (result == 0) {
        *text = arena_copy(arena, bytes_slice(&bytes));
        result = text->at == NULL ? -1 : 0;
    }
    int problem = errno;
    bytes_free(&bytes);
    close(file);
    errno = problem;
    return result;
}

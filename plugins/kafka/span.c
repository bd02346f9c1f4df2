/* A list of marks whose front is never handled, as span.h says. */
#include "plugins/kafka/span.h"

#include <stdlib.h>

void span_begin(struct span *span, int64_t next)
{
    list_init(&span->marks);
    span->count = 0;
    span->next = next;
    span->last = next - 1;
}

/* Its front goes. */
static void drop(struct span *span)
{
    assert(span->count > 0);
    span->count--;
    free(thing_of(list_take(&span->marks), struct mark, link));
}

void span_clear(struct span *span)
{
    while (!list_empty(&span->marks))
        drop(span);
    assert(span->count == 0);
}

struct mark *span_add(struct span *span, int64_t offset)
{
    if (offset <= span->last)
        return NULL;
    struct mark *mark = calloc(1, sizeof *mark);
    if (mark == NULL)
        return NULL;
    mark->offset = offset;
    list_append(&span->marks, &mark->link);
    span->count++;
    span->last = offset;
    return mark;
}

bool span_handled(struct span *span, struct mark *mark)
{
    assert(!mark->handled && link_joined(&mark->link));
    mark->handled = true;
    int64_t before = span->next;
    struct link *first;
    while ((first = list_first(&span->marks)) != NULL) {
        struct mark *front = thing_of(first, struct mark, link);
        if (!front->handled)
            break;
        assert(front->offset >= span->next);
        span->next = front->offset + 1;
        drop(span);
    }
    return span->next != before;
}

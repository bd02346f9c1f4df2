/* See mailbox.h. */
#include "core/mailbox.h"

#include <assert.h>
#include <stdlib.h>

static void on_wake(uv_async_t *wake)
{
    struct mailbox *mailbox = wake->data;
    for (;;) {
        pthread_mutex_lock(&mailbox->lock);
        struct link *link = list_first(&mailbox->posts);
        if (link != NULL)
            list_leave(link);
        pthread_mutex_unlock(&mailbox->lock);
        if (link == NULL)
            return;
        struct post *post = thing_of(link, struct post, link);
        post->run(post);
    }
}

void mailbox_open(struct mailbox *mailbox, uv_loop_t *loop)
{
    list_init(&mailbox->posts);
    int error = pthread_mutex_init(&mailbox->lock, NULL);
    assert(error == 0);
    error = uv_async_init(loop, &mailbox->wake, on_wake);
    if (error != 0)
        abort();
    mailbox->wake.data = mailbox;
}

void mailbox_close(struct mailbox *mailbox)
{
    assert(list_empty(&mailbox->posts));
    uv_close((uv_handle_t *)&mailbox->wake, NULL);
}

void mailbox_post(struct mailbox *mailbox, struct post *post)
{
    pthread_mutex_lock(&mailbox->lock);
    list_append(&mailbox->posts, &post->link);
    pthread_mutex_unlock(&mailbox->lock);
    int error = uv_async_send(&mailbox->wake);
    assert(error == 0);
}

/* An intrusive doubly linked list: a thing carries its own links, so joining and leaving never
 * allocates. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *next, *prev; /* both NULL: on no list */
};

/* A list is a link whose neighbours are the first and the last thing. */
struct list {
    struct link head;
};

#define LIST_INIT(own) ((struct list){ .head = { &(own).head, &(own).head } })

/* The thing of type `type` that carries `link` as its member `member`. */
#define thing_of(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
    list->head.next = list->head.prev = &list->head;
}

static inline bool list_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline bool link_joined(const struct link *link)
{
    return link->next != NULL;
}

static inline void list_append(struct list *list, struct link *link)
{
    assert(!link_joined(link) && list->head.prev != NULL);
    link->prev = list->head.prev;
    link->next = &list->head;
    link->prev->next = link;
    list->head.prev = link;
}

static inline void list_prepend(struct list *list, struct link *link)
{
    assert(!link_joined(link) && list->head.next != NULL);
    link->next = list->head.next;
    link->prev = &list->head;
    link->next->prev = link;
    list->head.next = link;
}

/* Leaving twice is allowed. */
static inline void list_leave(struct link *link)
{
    if (!link_joined(link))
        return;
    assert(link->prev->next == link && link->next->prev == link);
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = link->prev = NULL;
}

/* The first link, or NULL. */
static inline struct link *list_first(const struct list *list)
{
    return list_empty(list) ? NULL : list->head.next;
}

/* Takes the first link off the list: NULL when it is empty. */
static inline struct link *list_take(struct list *list)
{
    struct link *first = list->head.next;
    if (first == &list->head)
        return NULL;
    list->head.next = first->next;
    first->next->prev = &list->head;
    first->next = first->prev = NULL;
    return first;
}

/* Walks a list; `at` must not leave during its own turn. */
#define list_each(list, at) \
    for (struct link *at = (list)->head.next; at != &(list)->head; at = at->next)

/* Walks a list whose current link may leave (and be freed) during its own turn. */
#define list_each_leaving(list, at)                       \
    for (struct link *at = (list)->head.next, *at##_next; \
         at != &(list)->head && (at##_next = at->next, true); at = at##_next)

#endif

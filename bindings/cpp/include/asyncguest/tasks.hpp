// The tasks that run on a guest: who owns their frames, and when those are destroyed. Host thread only.
//
//   spawn --> linked in a list (the guest's or a scope's) --> runs and waits --> finished --> destroyed
//                                                             doom() while it waits ------> destroyed
//                                                             doom() while it runs: destroyed when it next waits
//
// "Runs" means that it is on the stack: it calls doom() itself, or something does in a nested main loop of its. So does a
// task in which a coroutine type of somebody else's began to wait, while the library resumes that: the frame may own it.
#ifndef ASYNCGUEST_TASKS_HPP
#define ASYNCGUEST_TASKS_HPP

#include <exception>
#include <memory>
#include <utility>

namespace asyncguest {
namespace detail {

class awaiting;
struct core;
struct root;
struct task_list;

/// The task that this thread is inside of: the innermost one; null outside, and where none is known.
inline root *&inside() noexcept {
    static thread_local root *here = nullptr;
    return here;
}

/// As long as this is on the stack, the thread is inside `task`.
class stay {
public:
    explicit stay(root *task) noexcept : outside_(std::exchange(inside(), task)) {}
    stay(const stay &) = delete;
    stay &operator=(const stay &) = delete;
    ~stay() { inside() = outside_; }

private:
    root *outside_;
};

/// One spawned task with everything that it awaits: the first part of its coroutine's promise.
struct root {
    core *home = nullptr;      // the guest's; null for what a coroutine type of somebody else's awaits
    task_list *list = nullptr; // null once it is doomed
    root *prev = nullptr, *next = nullptr;
    unsigned depth = 0; // calls on the stack that are inside it
    bool doomed = false, finished = false;
    void *next_part = nullptr;     // the coroutine, a part of this, that goes on next
    void *ended_part = nullptr;    // the one that has ended, and is still to be destroyed
    awaiting *ended_for = nullptr; // who awaits that
    std::exception_ptr thrown; // what nobody took
    void (*end)(root &) = nullptr; // destroys the frame, and with it this
    std::shared_ptr<root *> self;  // what known() gives

    root() = default;
    root(const root &) = delete;
    root &operator=(const root &) = delete;

    inline void link(task_list &to) noexcept;
    inline void unlink() noexcept;

    void enter() noexcept { depth++; }

    /// Throws what the task has thrown, if it has ended by that. The task may be gone afterwards.
    void leave() {
        if (--depth || !(finished || doomed))
            return;
        std::exception_ptr held = std::move(thrown);
        unlink();
        destroy();
        if (held)
            std::rethrow_exception(std::move(held));
    }

    /// Destroys the task, now or when it next waits.
    void doom() noexcept {
        unlink();
        doomed = true;
        if (depth == 0)
            destroy();
    }

    /// For who may outlive it: this, and null as soon as it is being destroyed.
    const std::shared_ptr<root *> &known() {
        if (!self)
            self = std::make_shared<root *>(this);
        return self;
    }

private:
    void destroy() {
        if (self)
            *self = nullptr;
        end(*this);
    }
};

/// Tasks with one owner; itself in the list of its guest's lists, whose head is the guest's own.
struct task_list {
    root *first = nullptr;
    task_list *prev = nullptr, *next = nullptr;

    task_list() = default;
    task_list(const task_list &) = delete;
    task_list &operator=(const task_list &) = delete;

    void link_behind(task_list &head) noexcept {
        prev = &head;
        next = head.next;
        head.next = this;
        if (next)
            next->prev = this;
    }

    void unlink() noexcept {
        prev->next = next;
        if (next)
            next->prev = prev;
    }

    void end() noexcept {
        while (first)
            first->doom();
    }

    /// All lists, `this` being the head. Destructors that run here may empty, make and destroy other lists.
    void end_all() noexcept {
        for (task_list *list = this; list;) {
            if (list->first) {
                list->first->doom();
                list = this;
            } else {
                list = list->next;
            }
        }
    }
};

inline void root::link(task_list &to) noexcept {
    list = &to;
    next = to.first;
    if (next)
        next->prev = this;
    to.first = this;
}

inline void root::unlink() noexcept {
    if (!list)
        return;
    (prev ? prev->next : list->first) = next;
    if (next)
        next->prev = prev;
    list = nullptr;
    prev = next = nullptr;
}

} // namespace detail
} // namespace asyncguest

#endif

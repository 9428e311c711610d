// Counts what this program allocates: for one source file of a program. Any thread.
#ifndef ALLOCATIONS_HPP
#define ALLOCATIONS_HPP

#include <atomic>
#include <cstdlib>
#include <new>

static std::atomic<int> allocations, allocations_alive;

// Not inline: GCC takes them for a mismatched pair then.
[[gnu::noinline]] void *operator new(size_t size) {
    allocations++;
    allocations_alive++;
    if (void *memory = malloc(size))
        return memory;
    throw std::bad_alloc();
}

[[gnu::noinline]] void operator delete(void *memory) noexcept {
    allocations_alive -= memory != nullptr;
    free(memory);
}

[[gnu::noinline]] void operator delete(void *memory, size_t) noexcept {
    operator delete(memory);
}

#endif

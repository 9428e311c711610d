"""The declarations of asyncguest._native: include/asyncguest.h turned into cffi's language, and the helpers of _native.c.

Nobody keeps a second copy of the ABI. The reader knows what cbindgen writes for us and no more C than that: anything
else is an error and not a guess. The compiler has the last word, because cffi has it check every type, size and offset
against the header itself.
"""

import re
import sys

# GUEST_API marks the exports for a Windows linker, the other is the include guard: neither is part of the ABI.
NOT_CONSTANTS = {"GUEST_API", "ASYNCGUEST_H"}

# The helpers of _native.c. The extern "Python" function is the reactor's; only C code calls it.
HELPERS = """
typedef struct {
    void *post;
    void *post_local;
    void *job;
    void *failed;
    void *on_stall;
    int32_t failures;
} asyncguest_py_host_t;
typedef struct {
    guest_t *g;
} asyncguest_py_turn_t;
void asyncguest_py_functions(asyncguest_py_turn_t *turn, void *list);
int32_t asyncguest_py_end(asyncguest_py_turn_t *turn, int32_t set, uint64_t deadline, int32_t wake);
void asyncguest_py_free(guest_t *g);
int32_t asyncguest_c_post(void *data, uint64_t token);
int32_t asyncguest_c_post_local(void *data, uint64_t token);
void asyncguest_c_stall(void *data, uint32_t kind, uint64_t nanoseconds);
int32_t asyncguest_py_finalize(void);
void asyncguest_py_note_fork(void);
extern "Python" void asyncguest_py_meet(void);
"""


class HeaderError(Exception):
    """The header has something that this reader does not know."""


def abi(text: str) -> str:
    """The header's types, constants and functions in cffi's language."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)
    lines = []
    for line in active_lines(text.splitlines()):
        if not line.strip() or line.startswith("#include"):
            continue
        if line.startswith("#"):
            define = re.fullmatch(r"#define (\w+)(?: .+)?", line)
            if not define:
                raise HeaderError(f"asyncguest.h: build_support/declarations.py does not know the line {line!r}")
            if define[1] not in NOT_CONSTANTS:
                lines.append(f"#define {define[1]} ...")  # the compiler fills in the value
            continue
        line = re.sub(r"\bGUEST_API\b", "", line)
        lines.append(re.sub(r"\[GUEST_\w+\]", "[...]", line))  # a length that only the compiler knows
    return "\n".join(line for line in lines if line.strip()) + "\n"


def active_lines(lines: "list[str]") -> "list[str]":
    """The lines that a C compiler of this platform gets to see, without the conditionals."""
    macros = {"_WIN32"} if sys.platform == "win32" else set()
    active = []
    taken: list[bool] = []  # one for each conditional that is open
    for line in lines:
        if re.match(r"#if(n?def)?\b", line):
            taken.append(condition(line, macros))
        elif line.startswith("#else"):
            taken[-1] = not taken[-1]
        elif line.startswith("#endif"):
            taken.pop()
        elif all(taken):
            active.append(line)
    return active


def condition(line: str, macros: "set[str]") -> bool:
    """Whether an #if, #ifdef or #ifndef holds."""
    line = line.strip()
    if match := re.fullmatch(r"#if(n?)def (\w+)", line):
        return (match[2] in macros) != (match[1] == "n")
    if re.fullmatch(r"#if defined\(\w+\)( && defined\(\w+\))*", line):
        return all(name in macros for name in re.findall(r"defined\((\w+)\)", line))
    raise HeaderError(f"asyncguest.h: build_support/declarations.py does not know the condition {line!r}")

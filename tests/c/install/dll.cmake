# The DLL itself: it exports what the header declares and nothing else and needs the system's DLLs alone, and a program that
# loads it by hand finds its version and may let go of it.
set(work "${SCRATCH}/dll")
set(dll "${SCRATCH}/prefix/${SHARED}")
file(REMOVE_RECURSE "${work}")
file(MAKE_DIRECTORY "${work}")

file(READ "${SCRATCH}/prefix/include/asyncguest.h" header)
string(REGEX MATCHALL "\nGUEST_API\n[^(;]*[ *]guest_[a-z_]+\\(" declared "${header}")
list(TRANSFORM declared REPLACE ".*[ *\n](guest_[a-z_]+)\\($" "\\1")
execute_process(COMMAND ${OBJDUMP} -p "${dll}" OUTPUT_VARIABLE headers COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "\\+base\\[ *[0-9]+\\] +[0-9a-f]+ [A-Za-z_][A-Za-z_0-9]*\n" exported "${headers}")
list(TRANSFORM exported REPLACE ".* ([A-Za-z_0-9]+)\n$" "\\1")
list(SORT declared)
list(SORT exported)
if(NOT declared OR NOT declared STREQUAL exported)
    message(FATAL_ERROR "the header declares ${declared}, and the DLL exports ${exported}")
endif()

if(headers MATCHES "DLL Name: lib[^\n]*")
    message(FATAL_ERROR "a user would have to bring along what the DLL wants of the compiler: ${CMAKE_MATCH_0}")
endif()

execute_process(COMMAND ${CC} ${CFLAGS} -std=c99 -Wall -Wextra -Werror "-I${SCRATCH}/prefix/include" "${SOURCE}/dll.c"
    -o "${work}/dll.exe" -lversion COMMAND_ERROR_IS_FATAL ANY)
file(COPY "${dll}" DESTINATION "${work}")
execute_process(COMMAND ${LAUNCHER} ./dll.exe "${VERSION}" WORKING_DIRECTORY "${work}" COMMAND_ERROR_IS_FATAL ANY)

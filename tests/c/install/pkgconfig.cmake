# pkg-config from outside the tree, shared and static; both programs run.
set(work "${SCRATCH}/pkgconfig")
set(lib "${SCRATCH}/prefix/${LIBDIR}")
file(REMOVE_RECURSE "${work}")
file(MAKE_DIRECTORY "${work}")
set(ENV{PKG_CONFIG_PATH} "${lib}/pkgconfig")
separate_arguments(CFLAGS NATIVE_COMMAND "${CFLAGS}")

# `pkg_config(out --libs)`: what pkg-config says, as a list.
function(pkg_config out)
    execute_process(COMMAND ${PKG_CONFIG} ${ARGN} asyncguest OUTPUT_VARIABLE text
                    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    separate_arguments(text NATIVE_COMMAND "${text}")
    set(${out} ${text} PARENT_SCOPE)
endfunction()

pkg_config(version --modversion)
if(NOT version STREQUAL VERSION)
    message(FATAL_ERROR "pkg-config says version ${version}, expected ${VERSION}")
endif()

pkg_config(shared --cflags --libs)
pkg_config(static --static --cflags --libs)
list(TRANSFORM static REPLACE "^-lasyncguest$" "-l:${STATIC}")
foreach(linkage shared static)
    execute_process(COMMAND ${CC} ${CFLAGS} "${SOURCE}/program.c" -o "${work}/${linkage}${EXE}" ${${linkage}}
                    COMMAND_ERROR_IS_FATAL ANY)
endforeach()
execute_process(COMMAND ${LAUNCHER} "${work}/static${EXE}" "${VERSION}" COMMAND_ERROR_IS_FATAL ANY)
set(ENV{LD_LIBRARY_PATH} "${lib}")
if(WINDOWS)
    file(COPY "${SCRATCH}/prefix/${SHARED}" DESTINATION "${work}") # where a program looks for DLLs
endif()
execute_process(COMMAND ${LAUNCHER} "${work}/shared${EXE}" "${VERSION}" COMMAND_ERROR_IS_FATAL ANY)

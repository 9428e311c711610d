# find_package(asyncguest) from a project outside the tree; the program links both ways and runs.
set(work "${SCRATCH}/cmake")
file(REMOVE_RECURSE "${work}")
execute_process(
    COMMAND ${CMAKE_COMMAND} -S "${SOURCE}" -B "${work}" -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${SCRATCH}/prefix"
            "-DCMAKE_C_COMPILER=${CC}" "-DCMAKE_C_FLAGS=${CFLAGS}" "-DCMAKE_TOOLCHAIN_FILE=${TOOLCHAIN}" "-DWANTED_VERSION=${VERSION}"
    COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build "${work}" COMMAND_ERROR_IS_FATAL ANY)
foreach(linkage shared static)
    execute_process(COMMAND ${LAUNCHER} "${work}/program_${linkage}${EXE}" "${VERSION}" COMMAND_ERROR_IS_FATAL ANY)
endforeach()

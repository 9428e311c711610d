# find_package(asyncguest) from a project outside the tree; the program links both ways and runs.
set(work "${SCRATCH}/cmake")
file(REMOVE_RECURSE "${work}")
execute_process(
    COMMAND ${CMAKE_COMMAND} -S "${SOURCE}" -B "${work}" -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${SCRATCH}/prefix"
            "-DCMAKE_C_COMPILER=${CC}" "-DCMAKE_C_FLAGS=${CFLAGS}" "-DWANTED_VERSION=${VERSION}"
    COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build "${work}" COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${work}/program_shared" "${VERSION}" COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${work}/program_static" "${VERSION}" COMMAND_ERROR_IS_FATAL ANY)

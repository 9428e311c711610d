# find_package(asyncguest) from a C++ project outside the tree; the program runs.
set(work "${SCRATCH}/cpp")
file(REMOVE_RECURSE "${work}")
execute_process(
    COMMAND ${CMAKE_COMMAND} -S "${SOURCE}" -B "${work}" -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${SCRATCH}/prefix"
            "-DCMAKE_CXX_COMPILER=${CXX}" "-DCMAKE_CXX_FLAGS=${CXXFLAGS}" "-DWANTED_VERSION=${VERSION}"
    COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build "${work}" COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${work}/program" COMMAND_ERROR_IS_FATAL ANY)

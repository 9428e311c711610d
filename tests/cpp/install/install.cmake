# The installed package, used by a C++ program outside the tree; tests/c/install has installed it.
add_test(NAME install.cpp COMMAND ${CMAKE_COMMAND}
    "-DSOURCE=${CMAKE_CURRENT_LIST_DIR}" "-DSCRATCH=${PROJECT_BINARY_DIR}/tests/c/install" "-DVERSION=${PROJECT_VERSION}"
    "-DCXX=${CMAKE_CXX_COMPILER}" "-DCXXFLAGS=${CMAKE_CXX_FLAGS}" "-DGENERATOR=${CMAKE_GENERATOR}"
    -P "${CMAKE_CURRENT_LIST_DIR}/package.cmake")
set_tests_properties(install.cpp PROPERTIES TIMEOUT 300 LABELS install FIXTURES_REQUIRED installed)

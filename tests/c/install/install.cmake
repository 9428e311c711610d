# The installed package, used by a program outside the tree: by find_package and by pkg-config.
set(install_scratch "${CMAKE_CURRENT_BINARY_DIR}/install")
set(install_arguments
    "-DBUILD=${PROJECT_BINARY_DIR}" "-DSOURCE=${CMAKE_CURRENT_LIST_DIR}" "-DSCRATCH=${install_scratch}"
    "-DLIBDIR=${CMAKE_INSTALL_LIBDIR}" "-DSONAME=${asyncguest_soname}" "-DVERSION=${PROJECT_VERSION}"
    "-DCC=${CMAKE_C_COMPILER}" "-DCFLAGS=${CMAKE_C_FLAGS}" "-DOBJDUMP=${CMAKE_OBJDUMP}" "-DGENERATOR=${CMAKE_GENERATOR}")

function(add_install_test name)
    add_test(NAME install.${name}
             COMMAND ${CMAKE_COMMAND} ${install_arguments} -P "${CMAKE_CURRENT_SOURCE_DIR}/install/${name}.cmake")
    set_tests_properties(install.${name} PROPERTIES TIMEOUT 300 LABELS install ${ARGN})
endfunction()

add_install_test(prefix FIXTURES_SETUP installed)
add_install_test(cmake FIXTURES_REQUIRED installed)
find_program(PKG_CONFIG_EXECUTABLE NAMES pkg-config pkgconf)
if(PKG_CONFIG_EXECUTABLE)
    list(APPEND install_arguments "-DPKG_CONFIG=${PKG_CONFIG_EXECUTABLE}")
    add_install_test(pkgconfig FIXTURES_REQUIRED installed)
endif()

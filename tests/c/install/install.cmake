# The installed package, used by a program outside the tree: by find_package and by pkg-config.
set(install_scratch "${CMAKE_CURRENT_BINARY_DIR}/install")
set(installed_files include/asyncguest.h include/asyncguest_glib.h "${CMAKE_INSTALL_LIBDIR}/pkgconfig/asyncguest.pc"
    "${CMAKE_INSTALL_LIBDIR}/cmake/asyncguest/asyncguest-config.cmake" "${asyncguest_runtime}/${asyncguest_shared}")
if(WIN32)
    list(APPEND installed_files include/asyncguest_win32.h)
endif()
foreach(file IN LISTS asyncguest_files)
    get_filename_component(file "${file}" NAME)
    list(APPEND installed_files "${CMAKE_INSTALL_LIBDIR}/${file}")
endforeach()
set(toolchain "${CMAKE_TOOLCHAIN_FILE}")
if(toolchain) # which CMake finds from here, and not from another project
    get_filename_component(toolchain "${toolchain}" ABSOLUTE BASE_DIR "${CMAKE_SOURCE_DIR}")
endif()
list(JOIN installed_files "," installed_files)
set(install_arguments
    "-DBUILD=${PROJECT_BINARY_DIR}" "-DSOURCE=${CMAKE_CURRENT_LIST_DIR}" "-DSCRATCH=${install_scratch}"
    "-DLIBDIR=${CMAKE_INSTALL_LIBDIR}" "-DSHARED=${asyncguest_runtime}/${asyncguest_shared}" "-DSTATIC=${asyncguest_static}"
    "-DSONAME=${asyncguest_soname}" "-DFILES=${installed_files}" "-DVERSION=${PROJECT_VERSION}" "-DWINDOWS=${WIN32}" "-DEXE=${CMAKE_EXECUTABLE_SUFFIX}"
    "-DCC=${CMAKE_C_COMPILER}" "-DCFLAGS=${CMAKE_C_FLAGS}" "-DOBJDUMP=${CMAKE_OBJDUMP}" "-DGENERATOR=${CMAKE_GENERATOR}"
    "-DTOOLCHAIN=${toolchain}" "-DLAUNCHER=${CMAKE_CROSSCOMPILING_EMULATOR}")

function(add_install_test name)
    add_test(NAME install.${name}
             COMMAND ${CMAKE_COMMAND} ${install_arguments} -P "${CMAKE_CURRENT_SOURCE_DIR}/install/${name}.cmake")
    set_tests_properties(install.${name} PROPERTIES TIMEOUT 300 LABELS install ${ARGN})
endfunction()

add_install_test(prefix FIXTURES_SETUP installed)
add_install_test(cmake FIXTURES_REQUIRED installed)
if(WIN32)
    add_install_test(dll FIXTURES_REQUIRED installed)
endif()
find_program(PKG_CONFIG_EXECUTABLE NAMES pkg-config pkgconf)
if(PKG_CONFIG_EXECUTABLE)
    list(APPEND install_arguments "-DPKG_CONFIG=${PKG_CONFIG_EXECUTABLE}")
    add_install_test(pkgconfig FIXTURES_REQUIRED installed)
endif()

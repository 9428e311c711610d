# asyncguest_glib.h on GLib itself, if it is there, and the header in each language that it promises.
# Debian: libglib2.0-dev
find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
    pkg_check_modules(GLIB QUIET IMPORTED_TARGET glib-2.0)
endif()
if(NOT GLIB_FOUND)
    message(STATUS "C tests: asyncguest_glib.h is not tested, pkg-config does not find glib-2.0")
    return()
endif()

# asyncguest_glib.h is inline: the linkage does not matter.
add_executable(asyncguest_glib_tests glib/glib.c $<TARGET_OBJECTS:harness>)
target_link_libraries(asyncguest_glib_tests PRIVATE asyncguest::asyncguest Threads::Threads PkgConfig::GLIB)
add_c_tests(asyncguest_glib_tests shared glib/glib.c)

list(TRANSFORM GLIB_INCLUDE_DIRS PREPEND -isystem OUTPUT_VARIABLE glib_flags)
set(glib_source "${CMAKE_CURRENT_SOURCE_DIR}/glib/header.c")
add_test(NAME header.glib.c99 COMMAND ${CMAKE_C_COMPILER} -std=c99 ${header_flags} ${glib_flags} ${glib_source})
add_test(NAME header.glib.c11 COMMAND ${CMAKE_C_COMPILER} -std=c11 ${header_flags} ${glib_flags} ${glib_source})
if(CMAKE_CXX_COMPILER)
    add_test(NAME header.glib.cxx17
             COMMAND ${CMAKE_CXX_COMPILER} -std=c++17 ${header_flags} ${glib_flags} -x c++ ${glib_source})
endif()

# cmake --install: headers for C and C++, both libraries, the CMake package and the pkg-config file. Both of the
# latter find the prefix by their own place, so the installed tree may be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Where the shared library goes that a program finds when it starts.
set(asyncguest_runtime "${CMAKE_INSTALL_LIBDIR}")
if(WIN32)
    set(asyncguest_runtime "${CMAKE_INSTALL_BINDIR}")
endif()

set(asyncguest_package "${CMAKE_INSTALL_LIBDIR}/cmake/asyncguest")
configure_package_config_file(cmake/asyncguest-config.cmake.in "${PROJECT_BINARY_DIR}/asyncguest-config.cmake"
    INSTALL_DESTINATION "${asyncguest_package}"
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR asyncguest_runtime)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/asyncguest-config-version.cmake"
    COMPATIBILITY SameMajorVersion) # as the soname does

file(RELATIVE_PATH asyncguest_pc_up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
list(TRANSFORM asyncguest_private_libs PREPEND -l OUTPUT_VARIABLE asyncguest_pc_private)
list(JOIN asyncguest_pc_private " " asyncguest_pc_private)
configure_file(cmake/asyncguest.pc.in "${PROJECT_BINARY_DIR}/asyncguest.pc" @ONLY)

install(FILES include/asyncguest.h include/asyncguest_glib.h bindings/cpp/include/asyncguest.hpp
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
if(WIN32)
    install(FILES include/asyncguest_win32.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
endif()
install(DIRECTORY bindings/cpp/include/asyncguest DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp")
install(FILES ${asyncguest_files} DESTINATION "${CMAKE_INSTALL_LIBDIR}")
if(WIN32)
    install(FILES "${asyncguest_lib}/${asyncguest_shared}" DESTINATION "${asyncguest_runtime}")
endif()
install(FILES
    "${PROJECT_BINARY_DIR}/asyncguest-targets.cmake"
    "${PROJECT_BINARY_DIR}/asyncguest-config.cmake" "${PROJECT_BINARY_DIR}/asyncguest-config-version.cmake"
    DESTINATION "${asyncguest_package}")
install(FILES "${PROJECT_BINARY_DIR}/asyncguest.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

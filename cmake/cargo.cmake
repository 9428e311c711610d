# Calls cargo and gives its libraries, in lib/, the names of a C library:
#   Unix      libasyncguest.so.VERSION, soname libasyncguest.so.MAJOR (set by build.rs); libasyncguest.a
#   mingw     asyncguest.dll, its import library libasyncguest.dll.a; libasyncguest.a
#   MSVC      asyncguest.dll, its import library asyncguest.dll.lib; asyncguest.lib
# asyncguest_cargo always asks cargo, who knows best what is up to date; the copies in lib/ keep
# their time unless they change, so that nothing is linked again for nothing.
find_program(CARGO_EXECUTABLE cargo HINTS "$ENV{HOME}/.cargo/bin" REQUIRED)
find_package(Threads REQUIRED)

set(asyncguest_cargo_environment "CARGO_TARGET_DIR=${ASYNCGUEST_CARGO_TARGET_DIR}")
if(WIN32 AND NOT ASYNCGUEST_CARGO_TARGET)
    # The compiler decides: cargo's own idea of the system may be the other one of the two.
    set(ASYNCGUEST_CARGO_TARGET x86_64-pc-windows-gnu)
    if(MSVC)
        set(ASYNCGUEST_CARGO_TARGET x86_64-pc-windows-msvc)
    endif()
endif()
if(MINGW)
    string(TOUPPER "CARGO_TARGET_${ASYNCGUEST_CARGO_TARGET}_LINKER" asyncguest_linker)
    string(REPLACE "-" "_" asyncguest_linker "${asyncguest_linker}")
    list(APPEND asyncguest_cargo_environment "${asyncguest_linker}=${CMAKE_C_COMPILER}" "WINDRES=${CMAKE_RC_COMPILER}")
elseif(MSVC)
    list(APPEND asyncguest_cargo_environment "RC=${CMAKE_RC_COMPILER}")
endif()
set(asyncguest_cargo_args --manifest-path "${PROJECT_SOURCE_DIR}/Cargo.toml" ${ASYNCGUEST_CARGO_FLAGS})
set(asyncguest_cargo_sub "") # where below its target directory cargo puts the profiles
if(ASYNCGUEST_CARGO_TARGET)
    list(APPEND asyncguest_cargo_args --target ${ASYNCGUEST_CARGO_TARGET})
    set(asyncguest_cargo_sub "/${ASYNCGUEST_CARGO_TARGET}")
endif()
set(asyncguest_cargo_out "${ASYNCGUEST_CARGO_TARGET_DIR}${asyncguest_cargo_sub}/${ASYNCGUEST_CARGO_PROFILE}")
string(REGEX REPLACE "/dev$" "/debug" asyncguest_cargo_out "${asyncguest_cargo_out}")

set(asyncguest_lib "${PROJECT_BINARY_DIR}/lib")
set(asyncguest_copy COMMAND ${CMAKE_COMMAND} -E copy_if_different)
# asyncguest_private_libs: what a program that links the static library needs of the system, as `cargo rustc --
# --print native-static-libs` says. Those of Linux are empty archives in a modern glibc.
if(WIN32)
    set(asyncguest_private_libs kernel32 advapi32 ntdll userenv ws2_32 dbghelp)
    set(asyncguest_shared asyncguest.dll)
    set(asyncguest_import libasyncguest.dll.a)
    set(asyncguest_static libasyncguest.a)
    if(MSVC)
        set(asyncguest_import asyncguest.dll.lib)
        set(asyncguest_static asyncguest.lib)
    endif()
    set(asyncguest_files "${asyncguest_lib}/${asyncguest_import}" "${asyncguest_lib}/${asyncguest_static}")
    set(asyncguest_collect ${asyncguest_copy} "${asyncguest_cargo_out}/${asyncguest_shared}"
        "${asyncguest_cargo_out}/${asyncguest_import}" "${asyncguest_cargo_out}/${asyncguest_static}" "${asyncguest_lib}")
else()
    set(asyncguest_private_libs pthread ${CMAKE_DL_LIBS} m)
    set(asyncguest_soname libasyncguest.so.${PROJECT_VERSION_MAJOR})
    set(asyncguest_shared libasyncguest.so.${PROJECT_VERSION})
    set(asyncguest_static libasyncguest.a)
    set(asyncguest_files "${asyncguest_lib}/${asyncguest_shared}" "${asyncguest_lib}/${asyncguest_soname}"
        "${asyncguest_lib}/libasyncguest.so" "${asyncguest_lib}/${asyncguest_static}")
    set(asyncguest_collect
        ${asyncguest_copy} "${asyncguest_cargo_out}/libasyncguest.so" "${asyncguest_lib}/${asyncguest_shared}"
        ${asyncguest_copy} "${asyncguest_cargo_out}/${asyncguest_static}" "${asyncguest_lib}"
        COMMAND ${CMAKE_COMMAND} -E create_symlink ${asyncguest_shared} "${asyncguest_lib}/${asyncguest_soname}"
        COMMAND ${CMAKE_COMMAND} -E create_symlink ${asyncguest_soname} "${asyncguest_lib}/libasyncguest.so")
endif()

file(MAKE_DIRECTORY "${asyncguest_lib}")
add_custom_target(asyncguest_cargo ALL
    COMMAND ${CMAKE_COMMAND} -E env ${asyncguest_cargo_environment}
            ${CARGO_EXECUTABLE} build --profile ${ASYNCGUEST_CARGO_PROFILE} --lib ${asyncguest_cargo_args}
    ${asyncguest_collect}
    BYPRODUCTS "${asyncguest_lib}/${asyncguest_shared}" ${asyncguest_files}
    COMMENT "cargo build --profile ${ASYNCGUEST_CARGO_PROFILE}"
    USES_TERMINAL VERBATIM)

# The targets of the build tree are those of the installed package.
configure_file(cmake/asyncguest-targets.cmake.in "${PROJECT_BINARY_DIR}/asyncguest-targets.cmake" @ONLY)
set(asyncguest_INCLUDE_DIR "${PROJECT_SOURCE_DIR}/include")
set(asyncguest_LIBRARY_DIR "${asyncguest_lib}")
set(asyncguest_RUNTIME_DIR "${asyncguest_lib}")
set(asyncguest_scope GLOBAL)
include("${PROJECT_BINARY_DIR}/asyncguest-targets.cmake")
add_dependencies(asyncguest::asyncguest asyncguest_cargo)
add_dependencies(asyncguest::static asyncguest_cargo)

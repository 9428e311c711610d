# Calls cargo and gives its libraries the names of a C library:
#   asyncguest::asyncguest   lib/libasyncguest.so, soname libasyncguest.so.MAJOR (set by build.rs)
#   asyncguest::static       lib/libasyncguest.a
# asyncguest_cargo always asks cargo, who knows best what is up to date; the copies in lib/ keep
# their time unless they change, so that nothing is linked again for nothing.
find_program(CARGO_EXECUTABLE cargo HINTS "$ENV{HOME}/.cargo/bin" REQUIRED)
find_package(Threads REQUIRED)

set(asyncguest_lib "${PROJECT_BINARY_DIR}/lib")
set(asyncguest_soname libasyncguest.so.${PROJECT_VERSION_MAJOR})
set(asyncguest_shared "${asyncguest_lib}/libasyncguest.so.${PROJECT_VERSION}")
set(asyncguest_static "${asyncguest_lib}/libasyncguest.a")
# What Rust's standard library needs of the system; empty archives in a modern glibc.
set(asyncguest_private_libs Threads::Threads ${CMAKE_DL_LIBS} m)

set(asyncguest_cargo_args --manifest-path "${PROJECT_SOURCE_DIR}/Cargo.toml" ${ASYNCGUEST_CARGO_FLAGS})
set(asyncguest_cargo_sub "") # where below its target directory cargo puts the profiles
if(ASYNCGUEST_CARGO_TARGET)
    list(APPEND asyncguest_cargo_args --target ${ASYNCGUEST_CARGO_TARGET})
    set(asyncguest_cargo_sub "/${ASYNCGUEST_CARGO_TARGET}")
endif()
set(asyncguest_cargo_out "${ASYNCGUEST_CARGO_TARGET_DIR}${asyncguest_cargo_sub}/release")

file(MAKE_DIRECTORY "${asyncguest_lib}")
add_custom_target(asyncguest_cargo ALL
    COMMAND ${CMAKE_COMMAND} -E env "CARGO_TARGET_DIR=${ASYNCGUEST_CARGO_TARGET_DIR}"
            ${CARGO_EXECUTABLE} build --release --lib ${asyncguest_cargo_args}
    COMMAND ${CMAKE_COMMAND} -E copy_if_different "${asyncguest_cargo_out}/libasyncguest.so" "${asyncguest_shared}"
    COMMAND ${CMAKE_COMMAND} -E copy_if_different "${asyncguest_cargo_out}/libasyncguest.a" "${asyncguest_static}"
    COMMAND ${CMAKE_COMMAND} -E create_symlink libasyncguest.so.${PROJECT_VERSION} "${asyncguest_lib}/${asyncguest_soname}"
    COMMAND ${CMAKE_COMMAND} -E create_symlink ${asyncguest_soname} "${asyncguest_lib}/libasyncguest.so"
    BYPRODUCTS "${asyncguest_shared}" "${asyncguest_static}"
    COMMENT "cargo build --release"
    USES_TERMINAL VERBATIM)

add_library(asyncguest::asyncguest SHARED IMPORTED GLOBAL)
set_target_properties(asyncguest::asyncguest PROPERTIES
    IMPORTED_LOCATION "${asyncguest_shared}"
    IMPORTED_SONAME ${asyncguest_soname}
    INTERFACE_INCLUDE_DIRECTORIES "${PROJECT_SOURCE_DIR}/include")
add_dependencies(asyncguest::asyncguest asyncguest_cargo)

add_library(asyncguest::static STATIC IMPORTED GLOBAL)
set_target_properties(asyncguest::static PROPERTIES
    IMPORTED_LOCATION "${asyncguest_static}"
    INTERFACE_INCLUDE_DIRECTORIES "${PROJECT_SOURCE_DIR}/include"
    INTERFACE_LINK_LIBRARIES "${asyncguest_private_libs}")
add_dependencies(asyncguest::static asyncguest_cargo)

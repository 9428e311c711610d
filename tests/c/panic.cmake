# panic.c needs the library's feature "test-hooks", which no release has: a build of its own.
set(hooks_dir "${ASYNCGUEST_CARGO_TARGET_DIR}/hooks")
set(hooks_lib "${hooks_dir}${asyncguest_cargo_sub}/debug/libasyncguest.a")
add_custom_target(asyncguest_hooks
    COMMAND ${CMAKE_COMMAND} -E env "CARGO_TARGET_DIR=${hooks_dir}"
            ${CARGO_EXECUTABLE} rustc --lib --crate-type staticlib --features test-hooks ${asyncguest_cargo_args}
    BYPRODUCTS "${hooks_lib}"
    COMMENT "cargo rustc --features test-hooks"
    USES_TERMINAL VERBATIM)

add_library(asyncguest_with_hooks STATIC IMPORTED)
set_target_properties(asyncguest_with_hooks PROPERTIES
    IMPORTED_LOCATION "${hooks_lib}"
    INTERFACE_LINK_LIBRARIES "${asyncguest_private_libs}")
add_dependencies(asyncguest_with_hooks asyncguest_hooks)

add_executable(hooks_panic panic.c $<TARGET_OBJECTS:harness>)
target_link_libraries(hooks_panic PRIVATE asyncguest_with_hooks Threads::Threads)
add_c_tests(hooks_panic hooks panic.c)

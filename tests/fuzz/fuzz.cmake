# The fuzzer of the C ABI, with its list of seeds and a fresh one; `make fuzz` runs it for long. See docs/testing.md.
file(GLOB fuzz_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/fuzz/*.c")
add_library(fuzz OBJECT ${fuzz_sources} callbacks.c harness.c system_posix.c)

# `library` is linked; `prefix` as of the other tests.
function(add_fuzzer program library prefix)
    add_executable(${program} $<TARGET_OBJECTS:fuzz>)
    target_link_libraries(${program} PRIVATE ${library} Threads::Threads)
    set(name ${prefix}.random_calls_agree_with_the_model)
    add_test(NAME ${name} COMMAND ${program})
    set_tests_properties(${name} PROPERTIES TIMEOUT 300 LABELS "c;fuzz")
endfunction()

add_fuzzer(asyncguest_fuzz asyncguest::asyncguest shared)
# For the sanitizers.
if(NOT ASYNCGUEST_STATIC_TESTS)
    add_fuzzer(asyncguest_fuzz_static asyncguest::static static)
endif()

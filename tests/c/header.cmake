# The header compiles in each language that it promises, with nothing included before it.
set(header_flags -pedantic -Wall -Wextra -Werror -fsyntax-only "-I${PROJECT_SOURCE_DIR}/include")
set(header_source "${CMAKE_CURRENT_SOURCE_DIR}/header.c")
add_test(NAME header.c99 COMMAND ${CMAKE_C_COMPILER} -std=c99 ${header_flags} ${header_source})
add_test(NAME header.c11 COMMAND ${CMAKE_C_COMPILER} -std=c11 ${header_flags} ${header_source})
if(CMAKE_CXX_COMPILER)
    add_test(NAME header.cxx17 COMMAND ${CMAKE_CXX_COMPILER} -std=c++17 ${header_flags} -x c++ ${header_source})
endif()

# The three ways to make a target here. Warnings are errors and stay private to our own code:
# generated sources and the packages' headers are not ours to mend.

add_library(hvagent_warnings INTERFACE)
target_compile_options(
  hvagent_warnings INTERFACE -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow
                             -Wno-missing-field-initializers
                             -Wnon-virtual-dtor -Woverloaded-virtual)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(hvagent_warnings INTERFACE -Wthread-safety)
endif()
if(HVAGENT_WERROR)
  target_compile_options(hvagent_warnings INTERFACE -Werror)
endif()

if(HVAGENT_SANITIZE)
  list(JOIN HVAGENT_SANITIZE "," _sanitizers)
  add_compile_options(-fsanitize=${_sanitizers} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${_sanitizers})
endif()

# hvagent_add_library(NAME SOURCES a.cc ... [DEPS target ...] [PRIVATE_DEPS target ...])
# Makes hvagent_NAME, with the alias hvagent::NAME. Includes are written from the project's root.
function(hvagent_add_library NAME)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS")
  add_library(hvagent_${NAME} STATIC ${ARG_SOURCES})
  add_library(hvagent::${NAME} ALIAS hvagent_${NAME})
  target_include_directories(hvagent_${NAME} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(
    hvagent_${NAME}
    PUBLIC ${ARG_DEPS}
    PRIVATE hvagent_warnings ${ARG_PRIVATE_DEPS})
endfunction()

# hvagent_add_executable(NAME SOURCES a.cc ... [DEPS target ...]): the program bin/NAME.
function(hvagent_add_executable NAME)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;DEPS")
  add_executable(${NAME} ${ARG_SOURCES})
  target_include_directories(${NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${NAME} PRIVATE hvagent_warnings ${ARG_DEPS})
endfunction()

# What needs neither Ceph nor libvirtd: the unit and contract tests.
add_custom_target(quick_tests)
# Those of them below the gRPC edge.
add_custom_target(inner_tests)

# hvagent_add_test(NAME LABEL unit|contract|integration|... SOURCES a_test.cc ... [DEPS target ...])
# One GoogleTest program, run by ctest as one test under that label.
function(hvagent_add_test NAME)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "LABEL" "SOURCES;DEPS")
  add_executable(${NAME} ${ARG_SOURCES})
  target_include_directories(${NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${NAME} PRIVATE hvagent_warnings ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME ${NAME} COMMAND ${NAME})
  set_tests_properties(
    ${NAME}
    PROPERTIES LABELS ${ARG_LABEL}
               TIMEOUT 300
               ENVIRONMENT
               "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan.supp;LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/lsan.supp")
  if(ARG_LABEL MATCHES "^(unit|contract)$")
    add_dependencies(quick_tests ${NAME})
    if(NOT ARG_DEPS MATCHES "hvagent::(agent|agentctl|service|test_agent)")
      add_dependencies(inner_tests ${NAME})
      set_tests_properties(${NAME} PROPERTIES LABELS "${ARG_LABEL};inner")
    endif()
  endif()
endfunction()

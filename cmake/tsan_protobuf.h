// Read first by everything that uses Protobuf under ThreadSanitizer (cmake/Dependencies.cmake).
//
// Two members of map_field.h exist under ThreadSanitizer only, and Debian's libprotobuf was built
// without: our code and the library would disagree on where a map field's members are. The header
// is read here as the library was built; our own code keeps the macro.
#ifndef HVAGENT_CMAKE_TSAN_PROTOBUF_H_
#define HVAGENT_CMAKE_TSAN_PROTOBUF_H_

#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include <google/protobuf/map_field.h>
#pragma pop_macro("__SANITIZE_THREAD__")

#endif  // HVAGENT_CMAKE_TSAN_PROTOBUF_H_

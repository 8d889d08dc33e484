# librbd and librados ship neither a .pc nor a CMake config file.
# Defines Ceph::rados and Ceph::rbd.
find_path(CEPH_INCLUDE_DIR NAMES rbd/librbd.h)
find_library(CEPH_RADOS_LIBRARY NAMES rados)
find_library(CEPH_RBD_LIBRARY NAMES rbd)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  Ceph REQUIRED_VARS CEPH_RBD_LIBRARY CEPH_RADOS_LIBRARY CEPH_INCLUDE_DIR)
mark_as_advanced(CEPH_INCLUDE_DIR CEPH_RADOS_LIBRARY CEPH_RBD_LIBRARY)

if(Ceph_FOUND AND NOT TARGET Ceph::rbd)
  add_library(Ceph::rados UNKNOWN IMPORTED)
  set_target_properties(
    Ceph::rados PROPERTIES IMPORTED_LOCATION "${CEPH_RADOS_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES
                                                                     "${CEPH_INCLUDE_DIR}")
  add_library(Ceph::rbd UNKNOWN IMPORTED)
  set_target_properties(
    Ceph::rbd PROPERTIES IMPORTED_LOCATION "${CEPH_RBD_LIBRARY}" INTERFACE_LINK_LIBRARIES
                                                                 Ceph::rados)
endif()

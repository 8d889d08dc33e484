// librados and librbd know several kinds of handle, and nearly all are void*. Here each is a type
// of its own that closes itself. Where one stands on another (image on io context on cluster) the
// order of members or variables keeps the lower one alive: declare it first.
#ifndef HVAGENT_AGENT_BLOCK_RBD_HANDLES_H_
#define HVAGENT_AGENT_BLOCK_RBD_HANDLES_H_

#include <rados/librados.h>
#include <rbd/librbd.h>

#include "base/unique_handle.h"

namespace hvagent::block {

struct ClusterTraits {
  using Handle = rados_t;
  static Handle Invalid() { return nullptr; }
  static void Close(Handle handle) { rados_shutdown(handle); }
};
using ClusterHandle = UniqueHandle<ClusterTraits>;

struct PoolTraits {
  using Handle = rados_ioctx_t;
  static Handle Invalid() { return nullptr; }
  static void Close(Handle handle) { rados_ioctx_destroy(handle); }
};
using PoolHandle = UniqueHandle<PoolTraits>;

struct WriteOpTraits {
  using Handle = rados_write_op_t;
  static Handle Invalid() { return nullptr; }
  static void Close(Handle handle) { rados_release_write_op(handle); }
};
using WriteOpHandle = UniqueHandle<WriteOpTraits>;

struct ReadOpTraits {
  using Handle = rados_read_op_t;
  static Handle Invalid() { return nullptr; }
  static void Close(Handle handle) { rados_release_read_op(handle); }
};
using ReadOpHandle = UniqueHandle<ReadOpTraits>;

struct OmapIteratorTraits {
  using Handle = rados_omap_iter_t;
  static Handle Invalid() { return nullptr; }
  static void Close(Handle handle) { rados_omap_get_end(handle); }
};
using OmapIteratorHandle = UniqueHandle<OmapIteratorTraits>;

struct ImageTraits {
  using Handle = rbd_image_t;
  static Handle Invalid() { return nullptr; }
  static void Close(Handle handle) { rbd_close(handle); }
};
using ImageHandle = UniqueHandle<ImageTraits>;

struct ImageOptionsTraits {
  using Handle = rbd_image_options_t;
  static Handle Invalid() { return nullptr; }
  static void Close(Handle handle) { rbd_image_options_destroy(handle); }
};
using ImageOptionsHandle = UniqueHandle<ImageOptionsTraits>;

}  // namespace hvagent::block

#endif  // HVAGENT_AGENT_BLOCK_RBD_HANDLES_H_

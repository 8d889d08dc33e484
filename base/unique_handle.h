// unique_ptr for handles that are not pointers to complete types (rados_t, rbd_image_t and
// rados_ioctx_t are all void*): each gets its own Traits and so its own type.
#ifndef HVAGENT_BASE_UNIQUE_HANDLE_H_
#define HVAGENT_BASE_UNIQUE_HANDLE_H_

#include <utility>

namespace hvagent {

// Traits: `using Handle = ...; static Handle Invalid(); static void Close(Handle);`
// Close is called once for each valid handle, never for Invalid(). Not thread-safe; move-only.
template <typename Traits>
class UniqueHandle {
 public:
  using Handle = typename Traits::Handle;

  UniqueHandle() = default;
  explicit UniqueHandle(Handle handle) : handle_(handle) {}
  ~UniqueHandle() { reset(); }

  UniqueHandle(UniqueHandle&& other) noexcept : handle_(other.release()) {}
  UniqueHandle& operator=(UniqueHandle&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  UniqueHandle(const UniqueHandle&) = delete;
  UniqueHandle& operator=(const UniqueHandle&) = delete;

  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != Traits::Invalid(); }

  // Gives the handle up without closing it.
  Handle release() { return std::exchange(handle_, Traits::Invalid()); }

  // Closes the handle that is held, then holds `handle`.
  void reset(Handle handle = Traits::Invalid()) {
    Handle old = std::exchange(handle_, handle);
    if (old != Traits::Invalid()) Traits::Close(old);
  }

 private:
  Handle handle_ = Traits::Invalid();
};

}  // namespace hvagent

#endif  // HVAGENT_BASE_UNIQUE_HANDLE_H_

// A file descriptor that is closed with its owner.
#ifndef HVAGENT_BASE_UNIQUE_FD_H_
#define HVAGENT_BASE_UNIQUE_FD_H_

#include <unistd.h>

#include "base/unique_handle.h"

namespace hvagent {

struct FdTraits {
  using Handle = int;
  static int Invalid() { return -1; }
  static void Close(int fd) { ::close(fd); }
};
using UniqueFd = UniqueHandle<FdTraits>;

}  // namespace hvagent

#endif  // HVAGENT_BASE_UNIQUE_FD_H_

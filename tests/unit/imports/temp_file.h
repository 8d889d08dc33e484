// A file without a name that holds what a test says.
#ifndef HVAGENT_TESTS_UNIT_IMPORTS_TEMP_FILE_H_
#define HVAGENT_TESTS_UNIT_IMPORTS_TEMP_FILE_H_

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "gtest/gtest.h"

namespace hvagent::imports {

inline UniqueFd FileWith(absl::string_view bytes) {
  UniqueFd fd(open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  EXPECT_EQ(pwrite(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return fd;
}

}  // namespace hvagent::imports

#endif  // HVAGENT_TESTS_UNIT_IMPORTS_TEMP_FILE_H_

// A folder that a test has to itself.
#ifndef HVAGENT_TESTS_UNIT_SECRETS_TEMP_FOLDER_H_
#define HVAGENT_TESTS_UNIT_SECRETS_TEMP_FOLDER_H_

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace hvagent::secrets {

class TempFolder {
 public:
  TempFolder() {
    std::string path = absl::StrCat(::testing::TempDir(), "/secrets.XXXXXX");
    if (mkdtemp(path.data()) == nullptr) abort();
    path_ = path;
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(absl::string_view name) const { return absl::StrCat(path_, "/", name); }

  // Both return the file's path.
  std::string Write(absl::string_view name, absl::string_view text, mode_t mode = 0600) const {
    std::ofstream(file(name), std::ios::binary) << text;
    chmod(file(name).c_str(), mode);
    return file(name);
  }
  std::string MakeFifo(absl::string_view name) const {
    if (mkfifo(file(name).c_str(), 0600) != 0) abort();
    return file(name);
  }

  std::string Read(absl::string_view name) const {
    std::ifstream in(file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  size_t count() const { return std::distance(std::filesystem::directory_iterator(path_), {}); }

 private:
  std::string path_;
};

}  // namespace hvagent::secrets

#endif  // HVAGENT_TESTS_UNIT_SECRETS_TEMP_FOLDER_H_

// A state directory that a test has to itself, and looks into behind the store's back.
#ifndef HVAGENT_TESTS_UNIT_STATE_STATE_DIRECTORY_H_
#define HVAGENT_TESTS_UNIT_STATE_STATE_DIRECTORY_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/state/state_store.h"
#include "gtest/gtest.h"

namespace hvagent::state {

class StateDirectory {
 public:
  StateDirectory() {
    std::string name = absl::StrCat(testing::TempDir(), "/state_test.XXXXXX");
    if (mkdtemp(name.data()) == nullptr) abort();
    root_ = name;
  }
  ~StateDirectory() { std::filesystem::remove_all(root_); }
  StateDirectory(const StateDirectory&) = delete;
  StateDirectory& operator=(const StateDirectory&) = delete;

  // Not there until a store makes it.
  std::string path() const { return root_ + "/state"; }
  std::string file(absl::string_view name) const { return absl::StrCat(path(), "/", name); }

  std::string Read(absl::string_view name) const {
    std::ifstream in(file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void Write(absl::string_view name, const std::string& content) const {
    std::ofstream(file(name), std::ios::binary | std::ios::trunc) << content;
  }

  // A store that must open.
  std::unique_ptr<StateStore> Open() const {
    auto store = StateStore::Open(path());
    if (!store.ok()) {
      ADD_FAILURE() << store.status();
      abort();
    }
    return *std::move(store);
  }

 private:
  std::string root_;
};

// The VM of number `n`: UUIDs and names sort as the numbers do.
inline VmRecord MakeVm(int n) {
  VmRecord vm;
  Uuid::Bytes bytes{};
  bytes[0] = static_cast<uint8_t>(n >> 8);
  bytes[15] = static_cast<uint8_t>(n);
  vm.uuid = Uuid(bytes);
  vm.spec.set_uuid(vm.uuid.ToString());
  vm.spec.set_name(absl::StrCat("instance-", n));
  vm.spec.set_vcpus(1);
  vm.spec.set_memory_mib(256);
  vm.spec.mutable_root_disk()->set_image("d18923bd-86fc-4f77-b5e8-976d3b1c367c");
  vm.generation = 1;
  vm.create_time = absl::FromUnixSeconds(1'700'000'000 + n);
  return vm;
}

}  // namespace hvagent::state

#endif  // HVAGENT_TESTS_UNIT_STATE_STATE_DIRECTORY_H_

// What every BlockStore must do: one test for each sentence of agent/block/block_store.h. An
// implementation registers itself with INSTANTIATE_TEST_SUITE_P(Name, BlockStoreContract, ...).
//
// It may run on a cluster that others use: images have names of their own and are removed again.
#ifndef HVAGENT_TESTS_CONTRACT_BLOCK_BLOCK_STORE_CONTRACT_H_
#define HVAGENT_TESTS_CONTRACT_BLOCK_BLOCK_STORE_CONTRACT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/block/block_store.h"
#include "gtest/gtest.h"

namespace hvagent::block {

// A store that is connected, with the pools "images" and "vms".
class BlockStoreUnderTest {
 public:
  virtual ~BlockStoreUnderTest() = default;
  virtual BlockStore& store() = 0;
  // The seam cannot do this: it is what a careless operator does.
  virtual absl::Status Unprotect(const SnapshotName& snapshot) = 0;
  // The seam leaves the format to the cluster, and the lab's makes clones of format 1.
  virtual absl::Status CloneInFormat2(const SnapshotName& parent, const ImageName& child) = 0;
};

using BlockStoreFactory = std::function<std::unique_ptr<BlockStoreUnderTest>()>;

class BlockStoreContract : public ::testing::TestWithParam<BlockStoreFactory> {
 protected:
  BlockStoreContract();
  ~BlockStoreContract() override;

  BlockStore& store() { return subject_->store(); }
  BlockStoreUnderTest& subject() { return *subject_; }

  // Names of images that the test may make, gone when it ends.
  ImageName Golden(const std::string& suffix = "");
  ImageName Disk(const std::string& suffix = "");

  // An image of 16 MiB in objects of 4 MiB.
  ImageName MakeImage(const ImageName& name);
  void Write(const ImageName& image, uint64_t offset_bytes, const std::string& data);
  std::string Read(const ImageName& image, uint64_t offset_bytes, size_t length_bytes);
  // The snapshot "snap" of `image`, protected.
  SnapshotName MakeSnapshot(const ImageName& image);
  // An image that says "golden" at 1 MiB, with its snapshot.
  SnapshotName MakeGolden();

 private:
  ImageName Named(const std::string& pool, const std::string& suffix);

  std::unique_ptr<BlockStoreUnderTest> subject_;
  std::vector<ImageName> images_;
};

}  // namespace hvagent::block

#endif  // HVAGENT_TESTS_CONTRACT_BLOCK_BLOCK_STORE_CONTRACT_H_

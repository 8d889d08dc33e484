#include "agent/operations/leftovers.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/block/memory_block_store.h"
#include "agent/state/state_store.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::operations {
namespace {

using ::hvagent::testing::Fails;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const char kVm[] = "11111111-0414-4b58-9924-af681091be09";
const char kOperation[] = "22222222-0414-4b58-9924-af681091be09";

class LeftoversTest : public ::testing::Test {
 protected:
  LeftoversTest() {
    for (const char* pool : {"images", "vms", "volumes"}) block_.CreatePool(pool);
  }

  void Make(const block::ImageName& name, const std::string& mark = "") {
    ASSERT_OK(block_.CreateImage(name, MiB(8), MiB(4)));
    if (mark.empty()) return;
    ASSERT_OK(block_.AmendImage(name, {.metadata = {{"hvagent.vm", mark + " compute-2"}}}));
  }
  std::vector<std::string> List(size_t limit = 100) {
    std::vector<std::string> names;
    std::string token;
    do {
      const auto page = leftovers_.List(token, limit);
      EXPECT_OK(page);
      for (const v1::Leftover& leftover : page->leftovers()) names.push_back(leftover.name());
      token = page->next_page_token();
    } while (!token.empty());
    return names;
  }
  void AddVm() {
    state::VmRecord vm{.uuid = *Uuid::Parse(kVm)};
    vm.spec.set_uuid(kVm);
    vm.spec.set_name("web-1");
    ASSERT_OK(state_->PutVm(vm));
  }

  const std::string disk_ = absl::StrCat(kVm, "_disk");
  const std::string staged_ = absl::StrCat("hvagent-import-", kOperation);
  std::unique_ptr<state::StateStore> state_ = *state::StateStore::Open(":memory:");
  block::MemoryBlockStore block_{"", {}};
  Leftovers leftovers_{block_, *state_, {"images", "vms", "volumes"}};
};

TEST_F(LeftoversTest, ListsWhatAgentsMadeForWhatThisNodeDoesNotKnow) {
  Make({"images", "", "jammy"});
  Make({"images", "", staged_});
  Make({"vms", "", disk_}, kVm);
  Make({"vms", "", disk_ + ".config"}, kVm);
  Make({"volumes", "", "hvagent-create-1"});
  Make({"volumes", "", absl::StrCat("volume-", kVm)});
  EXPECT_THAT(List(), ElementsAre(staged_, disk_, disk_ + ".config", "hvagent-create-1"));
  EXPECT_THAT(List(1), ElementsAre(staged_, disk_, disk_ + ".config", "hvagent-create-1"));
  EXPECT_EQ(ErrorField(leftovers_.List("elsewhere/x", 1).status()), "page_token");
}

TEST_F(LeftoversTest, SaysWhoseItIsWhoMadeItAndWhoHasItOpen) {
  Make({"vms", "", disk_}, kVm);
  block_.AddWatcher({"vms", "", disk_}, "10.0.0.1:0/7");
  const auto page = leftovers_.List("vms/", 10);
  ASSERT_OK(page);
  ASSERT_EQ(page->leftovers_size(), 1);
  EXPECT_EQ(page->leftovers(0).owner(), kVm);
  EXPECT_EQ(page->leftovers(0).node(), "compute-2");
  EXPECT_THAT(page->leftovers(0).watchers(), ElementsAre("10.0.0.1:0/7"));
}

TEST_F(LeftoversTest, DiskWithoutOurMarkIsAnotherPrograms) {
  Make({"vms", "", disk_});
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_THAT(leftovers_.Remove({"vms", "", disk_}),
              Fails(absl::StatusCode::kFailedPrecondition, "NOT_A_LEFTOVER"));
}

TEST_F(LeftoversTest, WhatThisNodeKnowsIsNeitherListedNorRemoved) {
  Make({"vms", "", disk_}, kVm);
  Make({"images", "", staged_});
  AddVm();
  v1::Operation operation;
  operation.set_id(kOperation);
  operation.set_state(v1::Operation::RUNNING);
  ASSERT_OK(state_->PutOperation(operation));
  EXPECT_THAT(List(), IsEmpty());
  EXPECT_THAT(*leftovers_.KnownOf({kVm, kOperation, "33333333-0414-4b58-9924-af681091be09"}),
              ElementsAre(kVm, kOperation));
  for (const block::ImageName& name :
       {block::ImageName{"vms", "", disk_}, block::ImageName{"images", "", staged_}}) {
    EXPECT_THAT(leftovers_.Remove(name),
                Fails(absl::StatusCode::kFailedPrecondition, "NOT_A_LEFTOVER"));
    EXPECT_OK(block_.GetImage(name));
  }
}

TEST_F(LeftoversTest, RemovesAStagedImageWithItsSnapshot) {
  Make({"images", "", staged_});
  ASSERT_OK(block_.CreateProtectedSnapshot({{"images", "", staged_}, "snap"}));
  EXPECT_OK(leftovers_.Remove({"images", "", staged_}));
  EXPECT_THAT(List(), IsEmpty());
}

TEST_F(LeftoversTest, WhatIsOpenIsNotRemoved) {
  Make({"vms", "", disk_}, kVm);
  block_.AddWatcher({"vms", "", disk_}, "10.0.0.1:0/7");
  EXPECT_THAT(leftovers_.Remove({"vms", "", disk_}),
              Fails(absl::StatusCode::kFailedPrecondition, "IMAGE_IN_USE"));
}

}  // namespace
}  // namespace hvagent::operations

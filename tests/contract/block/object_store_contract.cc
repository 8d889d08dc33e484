#include "tests/contract/block/object_store_contract.h"

#include <unistd.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/support/status_matchers.h"

namespace hvagent::block {

using hvagent::testing::Fails;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

ObjectStoreContract::ObjectStoreContract() : subject_(GetParam()()) {
  static std::atomic<int> count = 0;
  object_ = {"backups", absl::StrCat("contract-", getpid(), "-", ++count)};
}

ObjectStoreContract::~ObjectStoreContract() { EXPECT_OK(store().Remove(object_)); }

constexpr auto kNotFound = absl::StatusCode::kNotFound;

TEST_P(ObjectStoreContract, WhatWasWrittenIsRead) {
  ASSERT_OK(store().Write(object_, "first and long"));
  ASSERT_OK(store().Write(object_, "second"));
  EXPECT_EQ(store().Read(object_).value_or(""), "second");
}

TEST_P(ObjectStoreContract, AnObjectMayBeEmptyOrHaveManyMiB) {
  ASSERT_OK(store().Write(object_, ""));
  auto nothing = store().Read(object_);
  ASSERT_OK(nothing);
  EXPECT_EQ(*nothing, "");
  for (const size_t size : {1u << 20, 5u << 20}) {
    const std::string data(size, 'x');
    ASSERT_OK(store().Write(object_, data));
    EXPECT_EQ(store().Read(object_).value_or(""), data);
  }
}

TEST_P(ObjectStoreContract, MissingPoolAndObjectAreToldApart) {
  EXPECT_THAT(store().Read(object_), Fails(kNotFound, "OBJECT_NOT_FOUND"));
  const ObjectName nowhere{"no-such-pool", "x"};
  EXPECT_THAT(store().Read(nowhere), Fails(kNotFound, "POOL_NOT_FOUND"));
  EXPECT_THAT(store().Write(nowhere, ""), Fails(kNotFound, "POOL_NOT_FOUND"));
  EXPECT_THAT(store().Remove(nowhere), Fails(kNotFound, "POOL_NOT_FOUND"));
  EXPECT_THAT(store().SetEntries(nowhere, {{"k", "v"}}), Fails(kNotFound, "POOL_NOT_FOUND"));
  EXPECT_THAT(store().RemoveEntries(nowhere, {"k"}), Fails(kNotFound, "POOL_NOT_FOUND"));
  EXPECT_THAT(store().ListEntries(nowhere, "", "", 10), Fails(kNotFound, "POOL_NOT_FOUND"));
}

TEST_P(ObjectStoreContract, RemovingTwiceIsNoError) {
  ASSERT_OK(store().Write(object_, "x"));
  ASSERT_OK(store().Remove(object_));
  ASSERT_OK(store().Remove(object_));
  EXPECT_THAT(store().Read(object_), Fails(kNotFound, "OBJECT_NOT_FOUND"));
}

TEST_P(ObjectStoreContract, EntriesAreSetOneByOne) {
  ASSERT_OK(store().SetEntries(object_, {{"a", "1"}, {"b", "2"}}));
  ASSERT_OK(store().SetEntries(object_, {{"b", "3"}, {"c", ""}}));
  auto entries = store().ListEntries(object_, "", "", 10);
  ASSERT_OK(entries);
  EXPECT_THAT(*entries, ElementsAre(Pair("a", "1"), Pair("b", "3"), Pair("c", "")));
}

TEST_P(ObjectStoreContract, EntriesAreListedInPagesAndByPrefix) {
  ObjectStore::Entries all;
  for (int i = 100; i < 140; ++i) all[absl::StrCat("k", i)] = "v";
  ASSERT_OK(store().SetEntries(object_, all));
  ASSERT_OK(store().SetEntries(object_, {{"a", ""}, {"z", ""}}));
  auto page = store().ListEntries(object_, "k", "", 2);
  ASSERT_OK(page);
  EXPECT_THAT(*page, ElementsAre(Pair("k100", "v"), Pair("k101", "v")));
  page = store().ListEntries(object_, "k", "k137", 100);
  ASSERT_OK(page);
  EXPECT_THAT(*page, ElementsAre(Pair("k138", "v"), Pair("k139", "v")));
}

TEST_P(ObjectStoreContract, EntriesAreRemovedAndAMissingOneIsNoError) {
  ASSERT_OK(store().RemoveEntries(object_, {"a"}));
  ASSERT_OK(store().SetEntries(object_, {{"a", "1"}, {"b", "2"}}));
  ASSERT_OK(store().RemoveEntries(object_, {"a", "never"}));
  auto entries = store().ListEntries(object_, "", "", 10);
  ASSERT_OK(entries);
  EXPECT_THAT(*entries, ElementsAre(Pair("b", "2")));
}

TEST_P(ObjectStoreContract, AMissingObjectHasNoEntries) {
  auto entries = store().ListEntries(object_, "", "", 10);
  ASSERT_OK(entries);
  EXPECT_THAT(*entries, IsEmpty());
}

}  // namespace hvagent::block

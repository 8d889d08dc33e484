// What every ClusterKeys must do: tests for each sentence of secrets/cluster_keys.h. An
// implementation registers itself with INSTANTIATE_TEST_SUITE_P(Name, ClusterKeysContract, ...).
//
// It may run on a cluster that others use: entities have names of their own and are removed again.
#ifndef HVAGENT_TESTS_CONTRACT_BLOCK_CLUSTER_KEYS_CONTRACT_H_
#define HVAGENT_TESTS_CONTRACT_BLOCK_CLUSTER_KEYS_CONTRACT_H_

#include <functional>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "secrets/ceph_key.h"
#include "secrets/cluster_keys.h"

namespace hvagent::block {

// Two nodes of one cluster, connected. Entities that start with "client.vm." may be fetched.
class ClusterKeysUnderTest {
 public:
  virtual ~ClusterKeysUnderTest() = default;
  virtual secrets::ClusterKeys& keys() = 0;
  virtual secrets::ClusterKeys& other_node() = 0;
  // A node whose agent may do nothing but connect, and one that cannot reach the cluster.
  virtual std::unique_ptr<secrets::ClusterKeys> WithoutCaps() = 0;
  virtual std::unique_ptr<secrets::ClusterKeys> CutOff() = 0;

  // What an operator does: makes a guests' user, with a key of its own; or removes it.
  virtual void AddEntity(const std::string& entity) = 0;
  virtual void RemoveEntity(const std::string& entity) = 0;
};

using ClusterKeysFactory = std::function<std::unique_ptr<ClusterKeysUnderTest>()>;

class ClusterKeysContract : public ::testing::TestWithParam<ClusterKeysFactory> {
 protected:
  ClusterKeysContract();
  ~ClusterKeysContract() override;

  ClusterKeysUnderTest& subject() { return *subject_; }
  secrets::ClusterKeys& keys() { return subject_->keys(); }

  // An entity that nobody else uses; no one knows it yet. Gone, with its claim, after the test.
  const std::string entity_;
  // As entity_, and the cluster knows it.
  const std::string& AddedEntity();

 private:
  std::unique_ptr<ClusterKeysUnderTest> subject_;
  bool added_ = false;
};

}  // namespace hvagent::block

#endif  // HVAGENT_TESTS_CONTRACT_BLOCK_CLUSTER_KEYS_CONTRACT_H_

#include "agent/config.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent {
namespace {

using ::testing::HasSubstr;
using v1::AgentConfig;

std::string FileWith(const std::string& text) {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::string path = absl::StrCat(::testing::TempDir(), "config_test.", test->name());
  std::ofstream(path) << text;
  return path;
}

// The field that CheckConfig objects to after `change`; "none" when it does not.
std::string Objection(const std::function<void(AgentConfig&)>& change) {
  AgentConfig config = WithDefaults({});
  change(config);
  return ErrorField(CheckConfig(config)).value_or("none");
}

TEST(ConfigTest, AnEmptyOneHasTheGuidesDefaults) {
  const AgentConfig config = WithDefaults({});
  EXPECT_FALSE(config.node_name().empty());
  EXPECT_EQ(config.unix_socket(), "/run/hypervisor-agent/agentd.sock");
  EXPECT_EQ(config.state_dir(), "/var/lib/hypervisor-agent");
  EXPECT_EQ(config.listen_address(), "") << "no TCP listener unless it is asked for";
  EXPECT_EQ(config.libvirt().uri(), "qemu:///system");
  EXPECT_EQ(config.libvirt().call_timeout_s(), 60u);
  EXPECT_EQ(config.ceph().config_file(), "/etc/ceph/ceph.conf");
  EXPECT_EQ(config.ceph().entity(), "client.hvagent");
  EXPECT_EQ(config.ceph().keyring_file(), "") << "as ceph.conf says";
  EXPECT_EQ(config.ceph().guest_entity(), "client.cinder");
  EXPECT_EQ(config.ceph().pools().images(), "images");
  EXPECT_EQ(config.ceph().pools().vms(), "vms");
  EXPECT_EQ(config.ceph().pools().volumes(), "volumes");
  EXPECT_EQ(config.ceph().pools().hvagent(), "hvagent");
  EXPECT_EQ(config.ceph().op_timeout_s(), 30u);
  EXPECT_EQ(config.ceph().max_clone_depth(), 5u);
  EXPECT_EQ(config.guests().max_parallel(), 32u);
  EXPECT_EQ(config.guests().resync_s(), 60u);
  EXPECT_EQ(config.guests().idle_load_percent(), 50u);
  EXPECT_EQ(config.trash_purge_s(), 60u);
  EXPECT_EQ(config.sealing_key_file(), "/var/lib/hypervisor-agent/sealing.key");
  EXPECT_OK(CheckConfig(config));
}

TEST(ConfigTest, WhatIsSaidIsKept) {
  const auto read =
      ReadConfig(FileWith("node_name: compute-7\n"
                          "state_dir: /srv/agent\n"
                          "ceph: {pools: {vms: guests}, monitor_protocol: V1, op_timeout_s: 5}\n"
                          "guests: {idle_load_percent: 0}\n"));
  ASSERT_OK(read);
  const AgentConfig config = WithDefaults(*read);
  EXPECT_EQ(config.node_name(), "compute-7");
  EXPECT_EQ(config.state_dir(), "/srv/agent");
  EXPECT_EQ(config.ceph().pools().vms(), "guests");
  EXPECT_EQ(config.ceph().pools().images(), "images");
  EXPECT_EQ(config.ceph().monitor_protocol(), AgentConfig::Ceph::V1);
  EXPECT_EQ(config.ceph().op_timeout_s(), 5u);
  EXPECT_EQ(config.guests().idle_load_percent(), 0u) << "never idle";
}

TEST(ConfigTest, AnUnknownFieldIsRefusedByItsPathAndFile) {
  const std::string path = FileWith("ceph:\n  pool: {vms: guests}\n");
  const absl::Status status = ReadConfig(path).status();
  EXPECT_EQ(ErrorField(status), "ceph.pool");
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
}

TEST(ConfigTest, AWrongTypeIsRefusedByItsPath) {
  const absl::Status status = ReadConfig(FileWith("guests: {max_parallel: many}\n")).status();
  EXPECT_EQ(ErrorField(status), "guests.max_parallel");
}

TEST(ConfigTest, AFileThatIsNotThereIsNamed) {
  const absl::Status status = ReadConfig("/no/such/agentd.yaml").status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("/no/such/agentd.yaml"));
}

TEST(ConfigTest, EachBadValueIsRefusedByItsField) {
  EXPECT_EQ(Objection([](auto&) {}), "none");
  EXPECT_EQ(Objection([](auto& c) { c.set_node_name("a/b"); }), "node_name");
  EXPECT_EQ(Objection([](auto& c) { c.set_unix_socket("agentd.sock"); }), "unix_socket");
  EXPECT_EQ(Objection([](auto& c) { c.set_state_dir("state"); }), "state_dir");
  EXPECT_EQ(Objection([](auto& c) { c.mutable_ceph()->set_entity("osd.0"); }), "ceph.entity");
  EXPECT_EQ(Objection([](auto& c) { c.mutable_ceph()->set_guest_entity("cinder"); }),
            "ceph.guest_entity");
  EXPECT_EQ(Objection([](auto& c) { c.mutable_ceph()->mutable_pools()->set_vms("a@b"); }),
            "ceph.pools.vms");
  EXPECT_EQ(Objection([](auto& c) { c.mutable_ceph()->mutable_pools()->set_hvagent("a@b"); }),
            "ceph.pools.hvagent");
  EXPECT_EQ(Objection([](auto& c) { c.set_sealing_key_file("sealing.key"); }), "sealing_key_file");
  EXPECT_EQ(Objection([](auto& c) { c.mutable_guests()->set_serial_log_dir("log"); }),
            "guests.serial_log_dir");
  EXPECT_EQ(Objection([](auto& c) { c.mutable_guests()->set_max_parallel(100'000); }),
            "guests.max_parallel");
}

TEST(ConfigTest, TheAgentsPoolIsNoneThatGuestsCanWrite) {
  for (const char* pool : {"images", "vms", "volumes"}) {
    EXPECT_EQ(Objection([&](auto& c) { c.mutable_ceph()->mutable_pools()->set_hvagent(pool); }),
              "ceph.pools.hvagent");
  }
}

TEST(ConfigTest, TheAgentMakesItsOwnSealingKeyAndNoOther) {
  const AgentConfig own = WithDefaults({});
  EXPECT_TRUE(MakesSealingKey(own));
  AgentConfig given;
  given.set_sealing_key_file(FileWith(""));
  given = WithDefaults(std::move(given));
  EXPECT_FALSE(MakesSealingKey(given));
  EXPECT_OK(CheckConfig(given));
  EXPECT_EQ(Objection([](auto& c) { c.set_sealing_key_file("/no/such/key"); }), "sealing_key_file");
}

TEST(ConfigTest, ASealingKeyThatIsACredentialIsFoundByItsName) {
  setenv("CREDENTIALS_DIRECTORY", ::testing::TempDir().c_str(), 1);
  EXPECT_TRUE(MakesSealingKey(WithDefaults({}))) << "credentials, but not this one";
  const std::string path = absl::StrCat(::testing::TempDir(), "/hypervisor-agent.sealing-key");
  std::ofstream(path) << "";
  const AgentConfig config = WithDefaults({});
  unsetenv("CREDENTIALS_DIRECTORY");
  unlink(path.c_str());
  EXPECT_EQ(config.sealing_key_file(), path);
  EXPECT_FALSE(MakesSealingKey(config));
}

TEST(ConfigTest, ThereIsNoTcpListenerWithoutMutualTls) {
  EXPECT_EQ(Objection([](auto& c) { c.set_listen_address("127.0.0.1:0"); }), "tls");
  EXPECT_EQ(Objection([](auto& c) {
              c.set_listen_address("127.0.0.1:0");
              const std::string present = FileWith("");
              c.mutable_tls()->set_certificate_file(present);
              c.mutable_tls()->set_private_key_file(present);
              c.mutable_tls()->set_ca_file("/no/such/ca.crt");
            }),
            "tls.ca_file");
}

}  // namespace
}  // namespace hvagent

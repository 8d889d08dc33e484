#include "manifest/yaml_proto.h"

#include <google/protobuf/util/message_differencer.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hvagent/v1/config.pb.h"
#include "hvagent/v1/image_service.pb.h"
#include "hvagent/v1/manifest.pb.h"
#include "hvagent/v1/operation.pb.h"
#include "hvagent/v1/vm.pb.h"

namespace hvagent::manifest {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;
using ::testing::StartsWith;

constexpr char kManifest[] = R"yaml(secrets:
- entity: client.cinder
  uuid: 4810c760-dc42-4e5f-9d41-7346db7d7da2   # left out: derived from (fsid, entity)
  usage: client.cinder secret
  key_source: {keyring_file: /etc/ceph/ceph.client.cinder.keyring}
vms:
- uuid: 65bd684f-0414-4b58-9924-af681091be09
  name: instance-00000028
  node: compute-1
  power_state: RUNNING
  vcpus: 1
  memory_mib: 256
  root_disk: {image: d18923bd-86fc-4f77-b5e8-976d3b1c367c, size_gib: 1, cache: WRITEBACK}
  volumes:
  - {id: af7ce6b7-12c2-4bdf-933c-884a4f514617, cache: WRITEBACK, discard: UNMAP}
  nics:
  - {bridge: br0, mac: "52:54:00:12:34:56", model: virtio}
)yaml";

v1::Manifest GuideManifest() {
  v1::Manifest manifest;
  v1::SecretManifest& secret = *manifest.add_secrets();
  secret.set_entity("client.cinder");
  secret.set_uuid("4810c760-dc42-4e5f-9d41-7346db7d7da2");
  secret.set_usage("client.cinder secret");
  secret.mutable_key_source()->set_keyring_file("/etc/ceph/ceph.client.cinder.keyring");
  v1::VmSpec& vm = *manifest.add_vms();
  vm.set_uuid("65bd684f-0414-4b58-9924-af681091be09");
  vm.set_name("instance-00000028");
  vm.set_node("compute-1");
  vm.set_power_state(v1::RUNNING);
  vm.set_vcpus(1);
  vm.set_memory_mib(256);
  vm.mutable_root_disk()->set_image("d18923bd-86fc-4f77-b5e8-976d3b1c367c");
  vm.mutable_root_disk()->set_size_gib(1);
  vm.mutable_root_disk()->set_cache(v1::WRITEBACK);
  v1::VolumeAttachment& volume = *vm.add_volumes();
  volume.set_id("af7ce6b7-12c2-4bdf-933c-884a4f514617");
  volume.set_cache(v1::WRITEBACK);
  volume.set_discard(v1::UNMAP);
  v1::Nic& nic = *vm.add_nics();
  nic.set_bridge("br0");
  nic.set_mac("52:54:00:12:34:56");
  nic.set_model("virtio");
  return manifest;
}

template <typename Message>
Message Read(const std::string& yaml) {
  Message message;
  const absl::Status status = ReadYaml(yaml, &message);
  EXPECT_EQ(status, absl::OkStatus()) << yaml;
  return message;
}

absl::Status ReadError(const std::string& yaml) {
  v1::Manifest manifest;
  const absl::Status status = ReadYaml(yaml, &manifest);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << yaml.substr(0, 200);
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
  return status;
}

TEST(YamlTest, TagsAreReadAndWrittenInTheOrderOfTheirKeys) {
  v1::VmSpec spec;
  ASSERT_EQ(ReadYaml("tags: {team: blue, app/tier: \"1\"}", &spec), absl::OkStatus());
  EXPECT_EQ(spec.tags().at("team"), "blue");
  EXPECT_EQ(spec.tags().at("app/tier"), "1");
  const auto yaml = WriteYaml(spec);
  EXPECT_EQ(*yaml, "tags:\n  app/tier: \"1\"\n  team: blue\n");
  v1::VmSpec read_back;
  ASSERT_EQ(ReadYaml(*yaml, &read_back), absl::OkStatus());
  EXPECT_TRUE(MessageDifferencer::Equals(spec, read_back));

  EXPECT_THAT(ErrorField(ReadYaml("tags: {a: b, a: c}", &spec)), Optional(std::string("tags[a]")));
  EXPECT_THAT(ErrorField(ReadYaml("tags: {a: [b]}", &spec)), Optional(std::string("tags[a]")));
  EXPECT_THAT(ErrorField(ReadYaml("tags: [a]", &spec)), Optional(std::string("tags")));
}

TEST(YamlTest, AFlagThatIsTrueWhenLeftOutCanBeFalse) {
  v1::VmSpec spec;
  ASSERT_EQ(ReadYaml("{guest_agent: false}", &spec), absl::OkStatus());
  EXPECT_TRUE(spec.has_guest_agent());
  EXPECT_EQ(*WriteYaml(spec), "guest_agent: false\n");
}

TEST(ReadYamlTest, ReadsTheManifest) {
  EXPECT_TRUE(MessageDifferencer::Equals(Read<v1::Manifest>(kManifest), GuideManifest()));
}

TEST(ReadYamlTest, ReadsProtoJson) {
  auto json = WriteJson(GuideManifest());
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_TRUE(MessageDifferencer::Equals(Read<v1::Manifest>(*json), GuideManifest()));
  EXPECT_EQ(Read<v1::VmSpec>(R"({"memoryMib": "256"})").memory_mib(), 256);
}

TEST(ReadYamlTest, ReadsABlockScalarAndACommentedConfiguration) {
  const auto config = Read<v1::AgentConfig>(
      "# agentd.yaml\nnode_name: >-\n  compute-1\nceph:\n  monitor_protocol: V1\n"
      "  op_timeout_s: 30\n");
  EXPECT_EQ(config.node_name(), "compute-1");
  EXPECT_EQ(config.ceph().monitor_protocol(), v1::AgentConfig::Ceph::V1);
  EXPECT_EQ(config.ceph().op_timeout_s(), 30);
}

TEST(ReadYamlTest, TextsAreWhatTheyLookLike) {
  for (const char* text : {"no", "0123", "1e3", "0x10", "2024-01-01", "true", "12:30:45", "1.0"}) {
    EXPECT_EQ(Read<v1::VmSpec>(absl::StrCat("name: ", text)).name(), text);
  }
  EXPECT_EQ(Read<v1::VmSpec>("name: 'null'").name(), "null");
}

TEST(ReadYamlTest, NothingIsTheEmptyMessage) {
  for (const char* yaml :
       {"", "\n", "# only a comment\n", "---\n", "null", "{}", "vms:\n", "vms: []", "vms: null"}) {
    EXPECT_TRUE(MessageDifferencer::Equals(Read<v1::Manifest>(yaml), v1::Manifest())) << yaml;
  }
}

TEST(ReadYamlTest, ReplacesWhatWasInTheMessageOnlyOnSuccess) {
  v1::Manifest manifest = GuideManifest();
  EXPECT_FALSE(ReadYaml("vms: [{name: a}, {name: [b]}]", &manifest).ok());
  EXPECT_TRUE(MessageDifferencer::Equals(manifest, GuideManifest()));
  EXPECT_TRUE(ReadYaml("vms: [{name: a}]", &manifest).ok());
  EXPECT_EQ(manifest.secrets_size(), 0);
}

TEST(ReadYamlTest, NamesTheFieldAndTheLineOfWhatIsWrong) {
  const struct {
    const char* yaml;
    const char* field;
    const char* message;
  } kCases[] = {
      {"vms:\n- root_disk:\n    size_gib: ten\n", "vms[0].root_disk.size_gib",
       "vms[0].root_disk.size_gib: must be a whole number from 0 to 18446744073709551615, not "
       "\"ten\" (line 3)"},
      {"vms:\n- vcpus: 4294967296\n", "vms[0].vcpus",
       "vms[0].vcpus: must be a whole number from 0 to 4294967295, not \"4294967296\" (line 2)"},
      {"vms: [{}, {vcpus: -1}]", "vms[1].vcpus",
       "vms[1].vcpus: must be a whole number from 0 to 4294967295, not \"-1\" (line 1)"},
      {"vms: [{vcpus: 010}]", "vms[0].vcpus",
       "vms[0].vcpus: must be a whole number from 0 to 4294967295, not \"010\" (line 1)"},
      {"vms: [{vcpus: 1.5}]", "vms[0].vcpus",
       "vms[0].vcpus: must be a whole number from 0 to 4294967295, not \"1.5\" (line 1)"},
      {"vms: [{vcpus: ' 1'}]", "vms[0].vcpus",
       "vms[0].vcpus: must be a whole number from 0 to 4294967295, not \" 1\" (line 1)"},
      {"vms: [{power_state: ON}]", "vms[0].power_state",
       "vms[0].power_state: must be one of RUNNING, STOPPED, PAUSED, not \"ON\" (line 1)"},
      {"vms: [{power_state: 7}]", "vms[0].power_state",
       "vms[0].power_state: must be one of RUNNING, STOPPED, PAUSED, not \"7\" (line 1)"},
      {"vms:\n- colour: blue\n", "vms[0].colour", "vms[0].colour: unknown field (line 2)"},
      {"ceph: {}", "ceph", "ceph: unknown field (line 1)"},
      {"<<: {vms: []}", "<<", "<<: unknown field (line 1)"},
      {"vms: [{name: a,\n  name: b}]", "vms[0].name", "vms[0].name: is given twice (line 2)"},
      {"vms: [{size_gib: 1}]", "vms[0].size_gib", "vms[0].size_gib: unknown field (line 1)"},
      {"vms: [{memory_mib: 1, memoryMib: 1}]", "vms[0].memory_mib",
       "vms[0].memory_mib: is given twice (line 1)"},
      {"vms: {name: a}", "vms", "vms: must be a list, not a mapping (line 1)"},
      {"vms: many", "vms", "vms: must be a list, not text (line 1)"},
      {"vms: [a]", "vms[0]", "vms[0]: must be a mapping, not text (line 1)"},
      {"vms: [null]", "vms[0]", "vms[0]: must be a mapping, not null (line 1)"},
      {"vms: [{name: [a]}]", "vms[0].name", "vms[0].name: must be text, not a list (line 1)"},
      {"vms: [{root_disk: big}]", "vms[0].root_disk",
       "vms[0].root_disk: must be a mapping, not text (line 1)"},
  };
  for (const auto& c : kCases) {
    const absl::Status status = ReadError(c.yaml);
    EXPECT_EQ(status.message(), c.message);
    EXPECT_THAT(ErrorField(status), Optional(std::string(c.field)));
  }
}

TEST(ReadYamlTest, SaysWhatABoolIs) {
  v1::Image image;
  EXPECT_TRUE(ReadYaml("ready: true", &image).ok());
  EXPECT_TRUE(image.ready());
  EXPECT_EQ(ReadYaml("ready: yes", &image).message(),
            "ready: must be true or false, not \"yes\" (line 1)");
}

TEST(ReadYamlTest, RefusesKindsOfFieldsThatPeopleDoNotWrite) {
  v1::Image image;
  EXPECT_THAT(ErrorField(ReadYaml("create_time: {seconds: 1}", &image)),
              Optional(std::string("create_time")));
  v1::ImportImageRequest chunk;
  EXPECT_THAT(ErrorField(ReadYaml("chunk: aGVsbG8=", &chunk)), Optional(std::string("chunk")));
  v1::Operation operation;
  EXPECT_THAT(ErrorField(ReadYaml("image: {id: a}", &operation)), Optional(std::string("image")));
}

TEST(ReadYamlTest, QuotesHostileTextEscapedAndCut) {
  const std::string message(
      ReadError(absl::StrCat("vms: [{vcpus: \"\\e[31m", std::string(5000, 'x'), "\"}]")).message());
  EXPECT_THAT(message, HasSubstr("\"\\x1b[31mxxx"));
  EXPECT_LT(message.size(), 200);
  EXPECT_LT(ReadError(absl::StrCat(std::string(900, 'k'), ": 1")).message().size(), 200);
  EXPECT_THAT(std::string(ReadError("\"a\\nb\": 1").message()), HasSubstr("a\\nb"));
}

TEST(ReadYamlTest, PlacesErrorsOfSyntax) {
  EXPECT_THAT(std::string(ReadError("vms:\n- name: [a\n").message()), StartsWith("line "));
  EXPECT_THAT(std::string(ReadError("a: b: c").message()), StartsWith("line 1, column "));
  EXPECT_THAT(std::string(ReadError("just text").message()), HasSubstr("must be a mapping"));
  EXPECT_THAT(ErrorReason(ReadError("\tvms: []")), Optional(std::string("INVALID_YAML")));
}

TEST(ReadYamlTest, RefusesMoreThanOneDocument) {
  EXPECT_THAT(std::string(ReadError("vms: []\n---\nvms: []\n").message()),
              HasSubstr("second document"));
}

TEST(ReadYamlTest, RefusesAnchorsAliasesTagsAndOddKeys) {
  EXPECT_THAT(std::string(ReadError("vms: &a []").message()), HasSubstr("anchors"));
  EXPECT_THAT(std::string(ReadError("vms: [&x {name: a}, *x]").message()), HasSubstr("anchors"));
  EXPECT_THAT(std::string(ReadError("vms: *x").message()), StartsWith("line 1"));
  EXPECT_THAT(std::string(ReadError("vms: !!seq []").message()), HasSubstr("tags"));
  EXPECT_THAT(std::string(ReadError("vms: [{name: !!str a}]").message()), HasSubstr("tags"));
  EXPECT_THAT(std::string(ReadError("? [a]\n: b").message()), HasSubstr("a key must be text"));
  EXPECT_THAT(std::string(ReadError("? {a: b}\n: b").message()), HasSubstr("a key must be text"));
  EXPECT_THAT(std::string(ReadError("~: b").message()), HasSubstr("a key must be text"));
}

TEST(ReadYamlTest, RefusesWhatIsNotText) {
  EXPECT_THAT(std::string(ReadError("vms: []\n\x04secrets: []").message()),
              HasSubstr("line 2: holds a control character"));
  EXPECT_THAT(std::string(ReadError(std::string("vms: []\0", 8)).message()),
              HasSubstr("control character"));
  EXPECT_THAT(std::string(ReadError("vms: [\"\xff\"]").message()), HasSubstr("UTF-8"));
  for (const char* escape : {"\\N", "\\_"}) {
    EXPECT_THAT(std::string(ReadError(absl::StrCat("vms:\n- name: \"a", escape, "\"")).message()),
                HasSubstr("line 2, column 9: is not UTF-8 text"))
        << escape;
  }
}

TEST(ReadYamlTest, BoundsDepthSizeAndNumberOfNodes) {
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  EXPECT_THAT(std::string(ReadError("vms: " + deep).message()), HasSubstr("levels deep"));
  EXPECT_FALSE(ReadError("vms: " + std::string(100'000, '[')).ok());
  EXPECT_THAT(std::string(ReadError(std::string((16 << 20) + 1, ' ')).message()),
              HasSubstr("at most 16777216"));
  std::string many = "vms: [";
  for (int i = 0; i < 1'000'001; ++i) many += "a,";
  EXPECT_THAT(std::string(ReadError(many + "]").message()), HasSubstr("1000000 values"));
}

TEST(WriteYamlTest, WritesTheManifestAsPeopleDo) {
  auto yaml = WriteYaml(GuideManifest());
  ASSERT_TRUE(yaml.ok()) << yaml.status();
  EXPECT_EQ(*yaml, R"yaml(secrets:
- entity: client.cinder
  uuid: 4810c760-dc42-4e5f-9d41-7346db7d7da2
  usage: client.cinder secret
  key_source:
    keyring_file: /etc/ceph/ceph.client.cinder.keyring
vms:
- uuid: 65bd684f-0414-4b58-9924-af681091be09
  name: instance-00000028
  node: compute-1
  power_state: RUNNING
  vcpus: 1
  memory_mib: 256
  root_disk:
    image: d18923bd-86fc-4f77-b5e8-976d3b1c367c
    size_gib: 1
    cache: WRITEBACK
  volumes:
  - id: af7ce6b7-12c2-4bdf-933c-884a4f514617
    cache: WRITEBACK
    discard: UNMAP
  nics:
  - bridge: br0
    mac: "52:54:00:12:34:56"
    model: virtio
)yaml");
  EXPECT_TRUE(MessageDifferencer::Equals(Read<v1::Manifest>(*yaml), GuideManifest()));
}

TEST(WriteYamlTest, WritesEmptyMessages) {
  EXPECT_EQ(*WriteYaml(v1::Manifest()), "{}\n");
  v1::Manifest manifest;
  manifest.add_vms()->mutable_root_disk();
  manifest.add_vms();
  EXPECT_EQ(*WriteYaml(manifest), "vms:\n- root_disk: {}\n- {}\n");
  EXPECT_TRUE(MessageDifferencer::Equals(Read<v1::Manifest>(*WriteYaml(manifest)), manifest));
}

TEST(WriteYamlTest, QuotesWhatCouldBeTakenForSomethingElse) {
  for (const std::string text :
       {"no",       "True", "NULL", "~",    "1",    "1.5",      "2024-01-01",
        "12:30:45", "",     " a",   "a ",   "a: b", "a #b",     "- a",
        "*a",       "&a",   "!a",   "{a}",  "[a",   "'a'",      "\"a\"",
        "a\\b",     "a\nb", "a\tb", "\x7f", "\x01", "%a",       "@a",
        "`a",       ".inf", "0x1f", "=",    "<<",   "\xc3\xa9", "\xf0\x9f\x90\xa7",
        "\xc2\x85"}) {
    v1::VmSpec vm;
    vm.set_name(text);
    auto yaml = WriteYaml(vm);
    ASSERT_TRUE(yaml.ok()) << yaml.status();
    if (text.empty()) continue;  // proto3 does not tell it from a field that is not set
    EXPECT_THAT(*yaml, StartsWith("name: \"")) << text;
    EXPECT_EQ(Read<v1::VmSpec>(*yaml).name(), text) << *yaml;
  }
}

TEST(WriteYamlTest, WritesWellKnownTypesAndEnumsOfAStatus) {
  v1::Vm vm;
  vm.mutable_spec()->set_name("a");
  vm.mutable_create_time()->set_seconds(1556258628);
  v1::Condition& condition = *vm.mutable_status()->add_conditions();
  condition.set_type("READY");
  condition.set_status(v1::Condition::TRUE);
  EXPECT_EQ(*WriteYaml(vm), R"yaml(spec:
  name: a
status:
  conditions:
  - type: READY
    status: "TRUE"
create_time: "2019-04-26T06:03:48Z"
)yaml");
}

TEST(WriteYamlTest, RefusesWhatItCannotWrite) {
  v1::ImportImageRequest chunk;
  chunk.set_chunk("bytes");
  EXPECT_EQ(WriteYaml(chunk).status().code(), absl::StatusCode::kInternal);
  v1::Operation operation;
  auto& detail = *operation.mutable_error()->add_details();
  detail.set_type_url("type.googleapis.com/no.such.Type");
  detail.set_value("value");
  EXPECT_EQ(WriteYaml(operation).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(WriteJson(operation).status().code(), absl::StatusCode::kInternal);
}

TEST(WriteJsonTest, KeepsTheProtosNamesAndNamesEnums) {
  v1::VmSpec vm;
  vm.set_power_state(v1::STOPPED);
  vm.set_memory_mib(256);
  EXPECT_EQ(*WriteJson(vm), "{\n \"power_state\": \"STOPPED\",\n \"memory_mib\": \"256\"\n}\n");
}

}  // namespace
}  // namespace hvagent::manifest

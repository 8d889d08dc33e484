// The main job, end to end over gRPC: from a stream of bytes to a running guest, and all the way
// back. One source for both backends. With HVAGENT_TEST_AGENT (an agent's address) in the
// environment it runs against that agent, over TLS, and needs also
//   HVAGENT_TEST_PKI      a folder with ca.crt, operator.crt and operator.key
//   HVAGENT_TEST_KEYRING  the keyring of client.cinder
// (tests/integration/main_job_on_lab does that); else against an agent on the memory backends.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/uuid.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "secrets/ceph_key.h"
#include "tests/integration/api_client.h"
#include "tests/integration/memory_agent.h"
#include "tests/support/status_matchers.h"

namespace hvagent {
namespace {

using ::hvagent::testing::ApiClient;
using ::hvagent::testing::Fails;
using ::hvagent::testing::HeaderOf;
using ::hvagent::testing::MemoryAgent;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string Needed(const char* name) {
  const std::string value = Environment(name);
  EXPECT_FALSE(value.empty()) << name << " is not set: see the head of main_job_test.cc";
  return value;
}

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << "cannot read " << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// The agent that all tests of this program talk to.
class TestAgent {
 public:
  static TestAgent& Get() {
    static TestAgent* const agent = new TestAgent;
    return *agent;
  }
  std::shared_ptr<grpc::Channel> channel;
  std::string key;

 private:
  TestAgent() {
    const std::string address = Environment("HVAGENT_TEST_AGENT");
    if (address.empty()) {
      static MemoryAgent* const memory = new MemoryAgent;
      channel = memory->channel();
      key = hvagent::testing::kTestKey;
      std::atexit([] { delete memory; });
      return;
    }
    const std::string pki = Needed("HVAGENT_TEST_PKI");
    channel = grpc::CreateChannel(
        address, grpc::SslCredentials({.pem_root_certs = Read(pki + "/ca.crt"),
                                       .pem_private_key = Read(pki + "/operator.key"),
                                       .pem_cert_chain = Read(pki + "/operator.crt")}));
    const auto parsed =
        secrets::ParseKeyring(Read(Needed("HVAGENT_TEST_KEYRING")), "client.cinder");
    EXPECT_OK(parsed);
    if (parsed.ok()) key = absl::Base64Escape(parsed->value().Reveal());
  }
};

// 3 MiB, mostly zeros, as disks are, and unlike any other test's.
std::string NewDisk() {
  std::string disk(3 << 20, '\0');
  const std::string mark = Uuid::Random().ToString();
  disk.replace(1 << 20, mark.size(), mark);
  return disk;
}

class MainJobTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(SyncSecret()); }

  void TearDown() override {
    for (const std::string& vm : vms_) {
      const absl::Status status = client_.DeleteVm(vm);
      EXPECT_TRUE(status.ok() || absl::IsNotFound(status)) << status;
    }
    for (const std::string& image : images_) {
      const absl::Status status = client_.DeleteImage(image);
      EXPECT_TRUE(status.ok() || absl::IsNotFound(status)) << status;
    }
  }

  absl::StatusOr<v1::SyncSecretResponse> SyncSecret() {
    v1::SyncSecretRequest request;
    request.set_entity("client.cinder");
    request.set_key(TestAgent::Get().key);
    return ApiClient::Call(*client_.secrets, &v1::SecretService::Stub::Sync, request);
  }

  // A fresh id; whatever has it at the test's end is removed.
  std::string NewImageId() {
    return images_.emplace_back(absl::StrCat("main-job-", Uuid::Random().ToString()));
  }

  std::string ImportNewImage() {
    const std::string id = NewImageId();
    const std::string disk = NewDisk();
    EXPECT_OK(client_.Import(HeaderOf(id, disk), disk));
    return id;
  }

  v1::VmSpec NewVm(const std::string& image) {
    v1::VmSpec spec;
    spec.set_uuid(Uuid::Random().ToString());
    spec.set_name(absl::StrCat("main-job-", spec.uuid().substr(0, 8)));
    spec.set_vcpus(1);
    spec.set_memory_mib(64);
    spec.mutable_root_disk()->set_image(image);
    spec.mutable_root_disk()->set_size_gib(1);
    vms_.push_back(spec.uuid());
    return spec;
  }

  absl::StatusOr<v1::Vm> Start(const std::string& id) {
    v1::StartVmRequest request;
    request.set_id(id);
    request.set_wait(true);
    return ApiClient::Call(*client_.vms, &v1::VmService::Stub::Start, request);
  }

  absl::StatusOr<v1::Vm> CutPower(const std::string& id) {
    v1::StopVmRequest request;
    request.set_id(id);
    request.set_wait(true);
    request.set_force(true);
    return ApiClient::Call(*client_.vms, &v1::VmService::Stub::Stop, request);
  }

  ApiClient client_{TestAgent::Get().channel};

 private:
  std::vector<std::string> vms_;
  std::vector<std::string> images_;
};

// As the VM's status says it is.
void ExpectSettled(const absl::StatusOr<v1::Vm>& vm, v1::PowerState power) {
  ASSERT_OK(vm);
  EXPECT_EQ(vm->status().power_state(), power) << vm->ShortDebugString();
  ASSERT_THAT(vm->status().conditions(), SizeIs(1));
  const v1::Condition& ready = vm->status().conditions(0);
  EXPECT_EQ(ready.type(), "READY");
  EXPECT_EQ(ready.status(), v1::Condition::TRUE) << ready.ShortDebugString();
  EXPECT_EQ(ready.observed_generation(), vm->generation());
}

TEST_F(MainJobTest, TheNodeIsReadyAndSaysWhatItIs) {
  const auto node =
      ApiClient::Call(*client_.node, &v1::NodeService::Stub::GetNode, v1::GetNodeRequest());
  ASSERT_OK(node);
  EXPECT_EQ(node->name(), "compute-1");
  EXPECT_FALSE(node->ceph().fsid().empty());
  EXPECT_FALSE(node->ceph().monitors().empty());
  EXPECT_GT(node->capacity().cpus(), 0u);
  ASSERT_THAT(node->conditions(), SizeIs(4));
  for (const v1::Condition& condition : node->conditions()) {
    EXPECT_EQ(condition.status(), v1::Condition::TRUE) << condition.ShortDebugString();
  }
  const auto serving = client_.IsServing();
  ASSERT_OK(serving);
  EXPECT_TRUE(*serving);
}

// So grpcurl and its like need no copy of the API.
TEST_F(MainJobTest, ReflectionListsTheServicesAndDescribesOurs) {
  const auto services = client_.Reflect("list_services: '*'");
  ASSERT_OK(services);
  for (const char* name : {"NodeService", "SecretService", "ImageService", "VolumeService",
                           "VmService", "OperationService"}) {
    EXPECT_THAT(*services, HasSubstr(absl::StrCat("\"hvagent.v1.", name, "\"")));
  }
  EXPECT_THAT(*services, HasSubstr("\"grpc.health.v1.Health\""));
  const auto file = client_.Reflect("file_containing_symbol: 'hvagent.v1.VmService.Apply'");
  ASSERT_OK(file);
  EXPECT_THAT(*file, AllOf(HasSubstr("file_descriptor_proto"), HasSubstr("ApplyVmRequest")));
}

TEST_F(MainJobTest, ASecretThatIsInSyncIsNotWrittenAgain) {
  const auto again = SyncSecret();
  ASSERT_OK(again);
  EXPECT_THAT(again->actions(), SizeIs(0)) << again->ShortDebugString();
  EXPECT_TRUE(again->secret().has_value());
}

TEST_F(MainJobTest, SecretsAreListedWithoutTheirKeys) {
  const auto listed =
      ApiClient::Call(*client_.secrets, &v1::SecretService::Stub::List, v1::ListSecretsRequest());
  ASSERT_OK(listed);
  const auto ours = std::find_if(listed->secrets().begin(), listed->secrets().end(),
                                 [](const auto& s) { return s.entity() == "client.cinder"; });
  ASSERT_NE(ours, listed->secrets().end());
  EXPECT_TRUE(ours->has_value());
  EXPECT_EQ(listed->SerializeAsString().find(TestAgent::Get().key), std::string::npos);
}

TEST_F(MainJobTest, AnImageIsImportedFoundAndRemoved) {
  const std::string id = NewImageId();
  const std::string disk = NewDisk();
  const auto operation = client_.Import(HeaderOf(id, disk), disk);
  ASSERT_OK(operation);
  EXPECT_EQ(operation->state(), v1::Operation::SUCCEEDED);
  EXPECT_EQ(operation->target(), id);

  const auto image = client_.GetImage(id);
  ASSERT_OK(image);
  EXPECT_EQ(image->SerializeAsString(), operation->image().SerializeAsString());
  EXPECT_TRUE(image->ready());
  EXPECT_EQ(image->size_bytes(), disk.size());
  EXPECT_EQ(image->object_size_bytes(), 8u << 20);
  EXPECT_EQ(image->sha256(), HeaderOf(id, disk).sha256());

  EXPECT_OK(client_.DeleteImage(id));
  EXPECT_THAT(client_.GetImage(id), Fails(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND"));
}

TEST_F(MainJobTest, AnImageOfUnknownSizeIsAsLongAsItsStream) {
  const std::string id = NewImageId();
  const std::string disk = NewDisk();
  v1::ImportImageRequest::Header header;
  header.set_id(id);
  ASSERT_OK(client_.Import(header, disk));
  EXPECT_EQ(client_.GetImage(id)->size_bytes(), disk.size());
  EXPECT_EQ(client_.GetImage(id)->sha256(), HeaderOf(id, disk).sha256());
}

TEST_F(MainJobTest, TheSameImageAgainIsANoOpAndAnotherIsRefused) {
  const std::string id = NewImageId();
  const std::string disk = NewDisk();
  ASSERT_OK(client_.Import(HeaderOf(id, disk), disk));
  EXPECT_OK(client_.Import(HeaderOf(id, disk), disk));
  const std::string other = NewDisk();
  EXPECT_THAT(client_.Import(HeaderOf(id, other), other),
              Fails(absl::StatusCode::kAlreadyExists, "IMAGE_EXISTS"));
  EXPECT_EQ(client_.GetImage(id)->sha256(), HeaderOf(id, disk).sha256());
}

TEST_F(MainJobTest, ImagesAreListedPageByPage) {
  std::vector<std::string> imported = {ImportNewImage(), ImportNewImage(), ImportNewImage()};
  std::sort(imported.begin(), imported.end());
  std::vector<std::string> listed;
  v1::ListImagesRequest request;
  request.set_page_size(2);
  do {
    const auto page = ApiClient::Call(*client_.images, &v1::ImageService::Stub::List, request);
    ASSERT_OK(page);
    ASSERT_LE(page->images_size(), 2);
    for (const v1::Image& image : page->images()) listed.push_back(image.id());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_TRUE(std::is_sorted(listed.begin(), listed.end()));
  EXPECT_TRUE(std::includes(listed.begin(), listed.end(), imported.begin(), imported.end()));
}

TEST_F(MainJobTest, AVmGoesFromAnImageToRunningAndAway) {
  const std::string image = ImportNewImage();
  const v1::VmSpec spec = NewVm(image);

  const auto applied = client_.ApplyVm(spec);
  ExpectSettled(applied, v1::RUNNING);
  EXPECT_EQ(applied->status().root_disk(), absl::StrCat("vms/", spec.uuid(), "_disk"));
  EXPECT_EQ(applied->spec().node(), "compute-1");

  const auto again = client_.ApplyVm(spec);
  ExpectSettled(again, v1::RUNNING);
  EXPECT_EQ(again->generation(), applied->generation()) << "the same again is a no-op";

  // By its name too.
  ExpectSettled(client_.GetVm(spec.name()), v1::RUNNING);
  EXPECT_THAT(client_.DeleteImage(image),
              Fails(absl::StatusCode::kFailedPrecondition, "IMAGE_HAS_CHILDREN"));

  ExpectSettled(CutPower(spec.uuid()), v1::STOPPED);
  ExpectSettled(Start(spec.uuid()), v1::RUNNING);
  v1::RebootVmRequest reboot;
  reboot.set_id(spec.uuid());
  reboot.set_force(true);
  ExpectSettled(ApiClient::Call(*client_.vms, &v1::VmService::Stub::Reboot, reboot), v1::RUNNING);

  EXPECT_OK(client_.DeleteVm(spec.uuid()));
  EXPECT_THAT(client_.GetVm(spec.uuid()), Fails(absl::StatusCode::kNotFound, "VM_NOT_FOUND"));
  EXPECT_OK(client_.DeleteImage(image));
}

TEST_F(MainJobTest, AVmThatShallBeStoppedIsDefinedWithItsDiskAndNotStarted) {
  v1::VmSpec spec = NewVm(ImportNewImage());
  spec.set_power_state(v1::STOPPED);
  ExpectSettled(client_.ApplyVm(spec), v1::STOPPED);
  spec.set_power_state(v1::RUNNING);
  ExpectSettled(client_.ApplyVm(spec), v1::RUNNING);
}

TEST_F(MainJobTest, ADryRunSaysWhatItWouldDoAndDoesNothing) {
  const v1::VmSpec spec = NewVm(ImportNewImage());
  v1::ApplyVmRequest request;
  *request.mutable_spec() = spec;
  request.set_dry_run(true);
  const auto planned = ApiClient::Call(*client_.vms, &v1::VmService::Stub::Apply, request);
  ASSERT_OK(planned);
  std::vector<std::string> actions;
  for (const v1::PlannedAction& action : planned->actions()) actions.push_back(action.action());
  EXPECT_THAT(actions, ::testing::ElementsAre("WRITE_RECORD", "PREPARE_ROOT_DISK", "DEFINE_DOMAIN",
                                              "START_DOMAIN"));
  EXPECT_THAT(client_.GetVm(spec.uuid()), Fails(absl::StatusCode::kNotFound, "VM_NOT_FOUND"));
}

TEST_F(MainJobTest, RenderedXmlNamesTheDiskTheUserAndTheSecret) {
  v1::RenderXmlRequest request;
  *request.mutable_spec() = NewVm("any-image");
  const auto rendered = ApiClient::Call(*client_.vms, &v1::VmService::Stub::RenderXml, request);
  ASSERT_OK(rendered);
  EXPECT_THAT(rendered->xml(),
              AllOf(HasSubstr(absl::StrCat("name=\"vms/", request.spec().uuid(), "_disk\"")),
                    HasSubstr("username=\"cinder\""), HasSubstr(SyncSecret()->secret().uuid()),
                    Not(HasSubstr(TestAgent::Get().key))));
}

TEST_F(MainJobTest, VmsAreListedPageByPage) {
  const std::string image = ImportNewImage();
  std::vector<std::string> created;
  for (int i = 0; i < 3; ++i) {
    v1::CreateVmRequest request;
    *request.mutable_spec() = NewVm(image);
    request.mutable_spec()->set_power_state(v1::STOPPED);
    request.set_wait(true);
    ASSERT_OK(ApiClient::Call(*client_.vms, &v1::VmService::Stub::Create, request));
    created.push_back(request.spec().uuid());
  }
  std::sort(created.begin(), created.end());
  std::vector<std::string> listed;
  v1::ListVmsRequest request;
  request.set_page_size(2);
  do {
    const auto page = ApiClient::Call(*client_.vms, &v1::VmService::Stub::List, request);
    ASSERT_OK(page);
    ASSERT_LE(page->vms_size(), 2);
    for (const v1::Vm& vm : page->vms()) listed.push_back(vm.spec().uuid());
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_TRUE(std::is_sorted(listed.begin(), listed.end()));
  EXPECT_TRUE(std::includes(listed.begin(), listed.end(), created.begin(), created.end()));
}

TEST_F(MainJobTest, ARequestThatIsRepeatedHasOneEffectAndAnotherUnderItsIdNone) {
  v1::CreateVmRequest request;
  *request.mutable_spec() = NewVm(ImportNewImage());
  request.set_request_id(Uuid::Random().ToString());
  request.set_wait(true);
  const auto first = ApiClient::Call(*client_.vms, &v1::VmService::Stub::Create, request);
  ASSERT_OK(first);
  const auto again = ApiClient::Call(*client_.vms, &v1::VmService::Stub::Create, request);
  ASSERT_OK(again);
  EXPECT_EQ(again->generation(), first->generation());

  v1::CreateVmRequest other = request;
  other.mutable_spec()->set_memory_mib(128);
  EXPECT_THAT(ApiClient::Call(*client_.vms, &v1::VmService::Stub::Create, other),
              Fails(absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED"));
  other.clear_request_id();
  EXPECT_THAT(ApiClient::Call(*client_.vms, &v1::VmService::Stub::Create, other),
              Fails(absl::StatusCode::kAlreadyExists, "VM_EXISTS"));

  v1::DeleteVmRequest remove;
  remove.set_id(request.spec().uuid());
  remove.set_request_id(Uuid::Random().ToString());
  remove.set_wait(true);
  remove.set_disks(v1::DeleteVmRequest::REMOVE);
  EXPECT_OK(ApiClient::Call(*client_.vms, &v1::VmService::Stub::Delete, remove));
  EXPECT_OK(ApiClient::Call(*client_.vms, &v1::VmService::Stub::Delete, remove));
  remove.clear_request_id();
  EXPECT_THAT(ApiClient::Call(*client_.vms, &v1::VmService::Stub::Delete, remove),
              Fails(absl::StatusCode::kNotFound, "VM_NOT_FOUND"));
}

TEST_F(MainJobTest, AnOperationCanBeReadListedWatchedAndIsNotUndoneByALateCancel) {
  const std::string disk = NewDisk();
  const auto imported = client_.Import(HeaderOf(NewImageId(), disk), disk);
  ASSERT_OK(imported);

  v1::GetOperationRequest get;
  get.set_id(imported->id());
  const auto read = ApiClient::Call(*client_.operations, &v1::OperationService::Stub::Get, get);
  ASSERT_OK(read);
  EXPECT_EQ(read->bytes_done(), disk.size());

  const auto listed = ApiClient::Call(*client_.operations, &v1::OperationService::Stub::List,
                                      v1::ListOperationsRequest());
  ASSERT_OK(listed);
  EXPECT_EQ(listed->operations(0).id(), imported->id()) << "the newest is first";

  const auto watched = client_.WatchOperation(imported->id());
  ASSERT_OK(watched);
  ASSERT_THAT(*watched, SizeIs(1));
  EXPECT_EQ(watched->front().state(), v1::Operation::SUCCEEDED);

  v1::CancelOperationRequest cancel;
  cancel.set_id(imported->id());
  const auto late =
      ApiClient::Call(*client_.operations, &v1::OperationService::Stub::Cancel, cancel);
  ASSERT_OK(late);
  EXPECT_EQ(late->state(), v1::Operation::SUCCEEDED);
  EXPECT_OK(client_.GetImage(imported->target()));
}

// A client that streams without end, as its watcher sees it.
TEST_F(MainJobTest, ARunningImportCanBeWatchedAndCancelledAndLeavesNothing) {
  const std::string id = NewImageId();
  grpc::ClientContext context;
  v1::Operation ignored;
  const auto writer = client_.images->Import(&context, &ignored);
  v1::ImportImageRequest message;
  message.mutable_header()->set_id(id);
  message.mutable_header()->set_size_bytes(64 << 20);
  ASSERT_TRUE(writer->Write(message));
  writer->WaitForInitialMetadata();
  const auto metadata = context.GetServerInitialMetadata().find("hvagent-operation-id");
  ASSERT_NE(metadata, context.GetServerInitialMetadata().end());
  const std::string operation(metadata->second.data(), metadata->second.size());
  message.set_chunk(std::string(1 << 20, 'x'));
  ASSERT_TRUE(writer->Write(message));

  v1::CancelOperationRequest cancel;
  cancel.set_id(operation);
  EXPECT_OK(ApiClient::Call(*client_.operations, &v1::OperationService::Stub::Cancel, cancel));
  const auto watched = client_.WatchOperation(operation);
  ASSERT_OK(watched);
  EXPECT_EQ(watched->back().state(), v1::Operation::CANCELLED)
      << watched->back().ShortDebugString();
  EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_THAT(client_.GetImage(id), Fails(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND"));
}

}  // namespace
}  // namespace hvagent

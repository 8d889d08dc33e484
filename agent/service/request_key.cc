#include "agent/service/request_key.h"

#include <memory>
#include <string>

#include "agent/operations/sha256.h"
#include "base/error.h"
#include "glog/logging.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"

namespace hvagent::service {
namespace {

constexpr size_t kMaxRequestId = 128;

std::string SerializeDeterministically(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

}  // namespace

absl::StatusOr<state::RequestKey> KeyOf(absl::string_view method,
                                        const google::protobuf::Message& request) {
  std::unique_ptr<google::protobuf::Message> copy(request.New());
  copy->CopyFrom(request);
  return TakeKey(method, *copy);
}

absl::StatusOr<state::RequestKey> TakeKey(absl::string_view method,
                                          google::protobuf::Message& request) {
  const auto* field = request.GetDescriptor()->FindFieldByName("request_id");
  CHECK(field != nullptr) << request.GetTypeName() << " has no request_id";
  state::RequestKey key{.id = request.GetReflection()->GetString(request, field),
                        .method = std::string(method)};
  if (key.id.size() > kMaxRequestId) {
    return InvalidField("request_id", "is longer than 128 bytes");
  }
  request.GetReflection()->ClearField(&request, field);
  operations::Sha256 hash;
  hash.Update(SerializeDeterministically(request));
  key.body_digest = hash.HexDigest();
  return key;
}

}  // namespace hvagent::service

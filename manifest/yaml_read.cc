#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "manifest/yaml_proto.h"
#include "manifest/yaml_tree.h"

namespace hvagent::manifest {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::EnumDescriptor;
using ::google::protobuf::EnumValueDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;

constexpr size_t kQuotedLength = 40;

// In quotes, escaped and cut, so that hostile input cannot fill a terminal.
std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, kQuotedLength)),
                      text.size() > kQuotedLength ? "...\"" : "\"");
}

absl::Status InvalidNode(const YamlNode& node, absl::string_view path, absl::string_view problem) {
  return InvalidField(path, absl::StrCat(problem, " (line ", node.line, ")"));
}

absl::Status ExpectKind(const YamlNode& node, absl::string_view path, YamlNode::Kind kind) {
  if (node.kind == kind) return absl::OkStatus();
  return InvalidNode(node, path,
                     absl::StrCat("must be ", KindName(kind), ", not ", KindName(node.kind)));
}

// Only the decimal notation that JSON has: YAML readers disagree about 010, 0x10 and 1_000.
bool IsWholeNumber(absl::string_view text) {
  if (absl::StartsWith(text, "-")) text.remove_prefix(1);
  return !text.empty() && (text.size() == 1 || text.front() != '0') &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); });
}

template <typename Int>
absl::StatusOr<Int> ReadInteger(const YamlNode& node, absl::string_view path) {
  Int number = 0;
  if (IsWholeNumber(node.text) && absl::SimpleAtoi(node.text, &number)) return number;
  return InvalidNode(
      node, path,
      absl::StrCat("must be a whole number from ", std::numeric_limits<Int>::min(), " to ",
                   std::numeric_limits<Int>::max(), ", not ", Quoted(node.text)));
}

absl::StatusOr<bool> ReadBool(const YamlNode& node, absl::string_view path) {
  if (node.text == "true") return true;
  if (node.text == "false") return false;
  return InvalidNode(node, path, absl::StrCat("must be true or false, not ", Quoted(node.text)));
}

absl::StatusOr<const EnumValueDescriptor*> ReadEnum(const YamlNode& node, absl::string_view path,
                                                    const EnumDescriptor& type) {
  const EnumValueDescriptor* value = type.FindValueByName(node.text);
  int32_t number = 0;
  if (value == nullptr && IsWholeNumber(node.text) && absl::SimpleAtoi(node.text, &number)) {
    value = type.FindValueByNumber(number);
  }
  if (value != nullptr) return value;
  std::vector<absl::string_view> names;
  // The value 0 stands for a field that was left out.
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0) names.push_back(type.value(i)->name());
  }
  return InvalidNode(
      node, path,
      absl::StrCat("must be one of ", absl::StrJoin(names, ", "), ", not ", Quoted(node.text)));
}

absl::Status ReadMessage(const YamlNode& node, absl::string_view path, Message& out);

// A map from texts to texts.
absl::Status ReadMap(const YamlNode& node, absl::string_view path, const FieldDescriptor* field,
                     Message& out) {
  RETURN_IF_ERROR(ExpectKind(node, path, YamlNode::Kind::kMap));
  std::set<absl::string_view> given;
  for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
    const YamlNode& key = node.children[i];
    const YamlNode& value = node.children[i + 1];
    const std::string entry_path =
        absl::StrCat(path, "[", absl::CHexEscape(key.text.substr(0, kQuotedLength)), "]");
    if (!given.insert(key.text).second) return InvalidNode(key, entry_path, "is given twice");
    RETURN_IF_ERROR(ExpectKind(value, entry_path, YamlNode::Kind::kScalar));
    Message& entry = *out.GetReflection()->AddMessage(&out, field);
    entry.GetReflection()->SetString(&entry, field->message_type()->map_key(), key.text);
    entry.GetReflection()->SetString(&entry, field->message_type()->map_value(), value.text);
  }
  return absl::OkStatus();
}

// Sets a singular field, or adds to a repeated one.
absl::Status ReadValue(const YamlNode& node, absl::string_view path, const FieldDescriptor* field,
                       Message& out) {
  const Reflection& reflection = *out.GetReflection();
  const bool repeated = field->is_repeated();
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    return ReadMessage(
        node, path,
        *(repeated ? reflection.AddMessage(&out, field) : reflection.MutableMessage(&out, field)));
  }
  RETURN_IF_ERROR(ExpectKind(node, path, YamlNode::Kind::kScalar));
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      repeated ? reflection.AddString(&out, field, node.text)
               : reflection.SetString(&out, field, node.text);
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_BOOL: {
      ASSIGN_OR_RETURN(const bool value, ReadBool(node, path));
      repeated ? reflection.AddBool(&out, field, value) : reflection.SetBool(&out, field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT32: {
      ASSIGN_OR_RETURN(const auto value, ReadInteger<int32_t>(node, path));
      repeated ? reflection.AddInt32(&out, field, value) : reflection.SetInt32(&out, field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      ASSIGN_OR_RETURN(const auto value, ReadInteger<int64_t>(node, path));
      repeated ? reflection.AddInt64(&out, field, value) : reflection.SetInt64(&out, field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      ASSIGN_OR_RETURN(const auto value, ReadInteger<uint32_t>(node, path));
      repeated ? reflection.AddUInt32(&out, field, value)
               : reflection.SetUInt32(&out, field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      ASSIGN_OR_RETURN(const auto value, ReadInteger<uint64_t>(node, path));
      repeated ? reflection.AddUInt64(&out, field, value)
               : reflection.SetUInt64(&out, field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      ASSIGN_OR_RETURN(const auto* value, ReadEnum(node, path, *field->enum_type()));
      repeated ? reflection.AddEnum(&out, field, value) : reflection.SetEnum(&out, field, value);
      return absl::OkStatus();
    }
    default:
      return InvalidNode(node, path, "cannot be given in YAML");
  }
}

bool IsTextMap(const FieldDescriptor& field) {
  return field.is_map() &&
         field.message_type()->map_key()->type() == FieldDescriptor::TYPE_STRING &&
         field.message_type()->map_value()->type() == FieldDescriptor::TYPE_STRING;
}

// Kinds of fields that no message written by people has.
bool IsUnsupported(const FieldDescriptor& field) {
  return (field.is_map() && !IsTextMap(field)) || field.real_containing_oneof() != nullptr ||
         field.type() == FieldDescriptor::TYPE_BYTES ||
         (field.message_type() != nullptr &&
          field.message_type()->file()->package() == "google.protobuf");
}

absl::Status ReadField(const YamlNode& node, absl::string_view path, const FieldDescriptor* field,
                       Message& out) {
  if (IsUnsupported(*field)) return InvalidNode(node, path, "cannot be given in YAML");
  if (node.kind == YamlNode::Kind::kNull) return absl::OkStatus();
  if (field->is_map()) return ReadMap(node, path, field, out);
  if (!field->is_repeated()) return ReadValue(node, path, field, out);

  RETURN_IF_ERROR(ExpectKind(node, path, YamlNode::Kind::kList));
  for (size_t i = 0; i < node.children.size(); ++i) {
    RETURN_IF_ERROR(ReadValue(node.children[i], absl::StrCat(path, "[", i, "]"), field, out));
  }
  return absl::OkStatus();
}

// By the proto's name, or by the one that proto JSON has for it (sizeGib).
const FieldDescriptor* FindField(const Descriptor& type, const std::string& name) {
  const FieldDescriptor* field = type.FindFieldByName(name);
  if (field != nullptr) return field;
  field = type.FindFieldByCamelcaseName(name);
  return field != nullptr && field->json_name() == name ? field : nullptr;
}

// `path` is empty for the document itself.
absl::Status ReadMessage(const YamlNode& node, absl::string_view path, Message& out) {
  if (path.empty()) {
    if (node.kind != YamlNode::Kind::kMap) {
      return Error(absl::StatusCode::kInvalidArgument, "INVALID_YAML",
                   absl::StrCat("line ", node.line, ": the document must be a mapping, not ",
                                KindName(node.kind)));
    }
  } else {
    RETURN_IF_ERROR(ExpectKind(node, path, YamlNode::Kind::kMap));
  }
  std::set<const FieldDescriptor*> given;
  for (size_t i = 0; i + 1 < node.children.size(); i += 2) {
    const YamlNode& key = node.children[i];
    const FieldDescriptor* field = FindField(*out.GetDescriptor(), key.text);
    const std::string name =
        field != nullptr ? field->name() : absl::CHexEscape(key.text.substr(0, kQuotedLength));
    const std::string field_path = path.empty() ? name : absl::StrCat(path, ".", name);
    if (field == nullptr) return InvalidNode(key, field_path, "unknown field");
    if (!given.insert(field).second) return InvalidNode(key, field_path, "is given twice");
    RETURN_IF_ERROR(ReadField(node.children[i + 1], field_path, field, out));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadYaml(absl::string_view yaml, Message* out) {
  ASSIGN_OR_RETURN(const YamlNode root, ParseYaml(yaml));
  const std::unique_ptr<Message> parsed(out->New());
  if (root.kind != YamlNode::Kind::kNull) RETURN_IF_ERROR(ReadMessage(root, "", *parsed));
  out->GetReflection()->Swap(out, parsed.get());
  return absl::OkStatus();
}

}  // namespace hvagent::manifest

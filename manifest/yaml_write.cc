#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/uuid.h"
#include "manifest/yaml_proto.h"

namespace hvagent::manifest {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;

absl::Status Unwritable(absl::string_view what, absl::string_view problem) {
  return Error(absl::StatusCode::kInternal, "UNWRITABLE_MESSAGE",
               absl::StrCat(what, ": ", problem));
}

absl::StatusOr<std::string> ToJson(const Message& message, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = pretty;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) {
    return Unwritable(message.GetTypeName(), std::string(status.message()));
  }
  return json;
}

// Words that YAML 1.1 or 1.2 readers take for a bool or a null.
bool IsReservedWord(absl::string_view text) {
  for (const char* word : {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}) {
    if (absl::EqualsIgnoreCase(text, word)) return true;
  }
  return false;
}

// Whether every YAML reader takes `text`, unquoted, for that text. Only the clear cases: words
// and paths that begin with a letter or '/', and UUIDs.
bool IsPlain(absl::string_view text) {
  if (text.empty() || IsReservedWord(text)) return false;
  if (Uuid::Parse(text).ok()) return true;
  const auto is_letter = [](char c) { return absl::ascii_isalpha(static_cast<unsigned char>(c)); };
  const auto is_plain = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("._/- ", c);
  };
  return (is_letter(text.front()) || text.front() == '/') && text.back() != ' ' &&
         std::all_of(text.begin(), text.end(), is_plain);
}

std::string Scalar(absl::string_view text) {
  if (IsPlain(text)) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      absl::StrAppend(&quoted, "\\", absl::string_view(&c, 1));
    } else if (c == '\n') {
      absl::StrAppend(&quoted, "\\n");
    } else if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppendFormat(&quoted, "\\x%02x", byte);
    } else {
      quoted.push_back(c);
    }
  }
  quoted.push_back('"');
  return quoted;
}

bool IsWellKnown(const FieldDescriptor& field) {
  return field.message_type() != nullptr &&
         field.message_type()->file()->package() == "google.protobuf";
}

// The value on one line. `index` is that of the element, or -1 for a singular field.
absl::StatusOr<std::string> InlineValue(const Message& message, const FieldDescriptor* field,
                                        int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool repeated = index >= 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      if (field->type() == FieldDescriptor::TYPE_BYTES) break;
      return Scalar(repeated ? reflection.GetRepeatedString(message, field, index)
                             : reflection.GetString(message, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return std::string((repeated ? reflection.GetRepeatedBool(message, field, index)
                                   : reflection.GetBool(message, field))
                             ? "true"
                             : "false");
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(repeated ? reflection.GetRepeatedInt32(message, field, index)
                                   : reflection.GetInt32(message, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(repeated ? reflection.GetRepeatedInt64(message, field, index)
                                   : reflection.GetInt64(message, field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(repeated ? reflection.GetRepeatedUInt32(message, field, index)
                                   : reflection.GetUInt32(message, field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(repeated ? reflection.GetRepeatedUInt64(message, field, index)
                                   : reflection.GetUInt64(message, field));
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = repeated ? reflection.GetRepeatedEnumValue(message, field, index)
                                  : reflection.GetEnumValue(message, field);
      const auto* value = field->enum_type()->FindValueByNumber(number);
      // A value that a newer peer knows.
      return value == nullptr ? absl::StrCat(number) : Scalar(value->name());
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      // JSON is YAML too.
      return ToJson(repeated ? reflection.GetRepeatedMessage(message, field, index)
                             : reflection.GetMessage(message, field),
                    /*pretty=*/false);
    default:
      break;
  }
  return Unwritable(field->full_name(), "this kind of field has no YAML form here");
}

absl::StatusOr<std::string> Block(const Message& message, int indent);

// The value with what comes between it and its key or dash, and the newline that ends it.
absl::StatusOr<std::string> Value(const Message& message, const FieldDescriptor* field, int index,
                                  int indent) {
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || IsWellKnown(*field)) {
    ASSIGN_OR_RETURN(const std::string value, InlineValue(message, field, index));
    return absl::StrCat(" ", value, "\n");
  }
  const Reflection& reflection = *message.GetReflection();
  ASSIGN_OR_RETURN(std::string block,
                   Block(index >= 0 ? reflection.GetRepeatedMessage(message, field, index)
                                    : reflection.GetMessage(message, field),
                         indent));
  if (block.empty()) return std::string(" {}\n");
  // After a dash the first field stands on the same line.
  if (index >= 0) return absl::StrCat(" ", absl::StripLeadingAsciiWhitespace(block));
  return absl::StrCat("\n", block);
}

// The entries of a map from texts to texts, in the order of the keys.
absl::StatusOr<std::string> TextMap(const Message& message, const FieldDescriptor* field,
                                    int indent) {
  const FieldDescriptor* key = field->message_type()->map_key();
  const FieldDescriptor* value = field->message_type()->map_value();
  if (key->type() != FieldDescriptor::TYPE_STRING ||
      value->type() != FieldDescriptor::TYPE_STRING) {
    return Unwritable(field->full_name(), "such a map has no YAML form here");
  }
  const Reflection& reflection = *message.GetReflection();
  std::map<std::string, std::string> entries;
  for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, field, i);
    entries[entry.GetReflection()->GetString(entry, key)] =
        entry.GetReflection()->GetString(entry, value);
  }
  const std::string margin(static_cast<size_t>(indent), ' ');
  std::string block;
  for (const auto& [name, text] : entries) {
    absl::StrAppend(&block, margin, Scalar(name), ": ", Scalar(text), "\n");
  }
  return block;
}

// One line for each field, and more for messages and lists. Empty when nothing is set.
absl::StatusOr<std::string> Block(const Message& message, int indent) {
  const std::string margin(static_cast<size_t>(indent), ' ');
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  std::string block;
  for (const FieldDescriptor* field : fields) {
    absl::StrAppend(&block, margin, field->name(), ":");
    if (field->is_map()) {
      ASSIGN_OR_RETURN(const std::string entries, TextMap(message, field, indent + 2));
      absl::StrAppend(&block, "\n", entries);
      continue;
    }
    if (!field->is_repeated()) {
      ASSIGN_OR_RETURN(const std::string value, Value(message, field, -1, indent + 2));
      absl::StrAppend(&block, value);
      continue;
    }
    absl::StrAppend(&block, "\n");
    for (int i = 0; i < message.GetReflection()->FieldSize(message, field); ++i) {
      ASSIGN_OR_RETURN(const std::string value, Value(message, field, i, indent + 2));
      absl::StrAppend(&block, margin, "-", value);
    }
  }
  return block;
}

}  // namespace

absl::StatusOr<std::string> WriteYaml(const Message& message) {
  ASSIGN_OR_RETURN(std::string block, Block(message, 0));
  return block.empty() ? std::string("{}\n") : std::move(block);
}

absl::StatusOr<std::string> WriteJson(const Message& message) {
  ASSIGN_OR_RETURN(std::string json, ToJson(message, /*pretty=*/true));
  if (!absl::EndsWith(json, "\n")) json.push_back('\n');
  return json;
}

}  // namespace hvagent::manifest

#include "domain_xml/spec_differences.h"

#include <google/protobuf/util/message_differencer.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace hvagent::domain_xml {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::util::MessageDifferencer;

class Collector : public MessageDifferencer::Reporter {
 public:
  explicit Collector(std::vector<Difference>& found) : found_(found) {}

  void ReportAdded(const Message&, const Message&,
                   const std::vector<MessageDifferencer::SpecificField>& path) override {
    Add(path, DifferenceKind::kAdded);
  }
  void ReportDeleted(const Message&, const Message&,
                     const std::vector<MessageDifferencer::SpecificField>& path) override {
    Add(path, DifferenceKind::kRemoved);
  }
  void ReportModified(const Message&, const Message&,
                      const std::vector<MessageDifferencer::SpecificField>& path) override {
    // A message that differs is reported after its fields, which say it better.
    const auto* field = path.back().field;
    if (field != nullptr && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) return;
    Add(path, DifferenceKind::kChanged);
  }

 private:
  void Add(const std::vector<MessageDifferencer::SpecificField>& path, DifferenceKind kind) {
    std::string text;
    for (const MessageDifferencer::SpecificField& step : path) {
      // Of a map's entry, that its value differs says the same as that the entry does.
      if (&step != &path.front() && (&step - 1)->field != nullptr && (&step - 1)->field->is_map()) {
        continue;
      }
      const bool is_removed = kind == DifferenceKind::kRemoved && &step == &path.back();
      absl::StrAppend(&text, text.empty() ? "" : ".", Name(step, is_removed));
    }
    found_.push_back({std::move(text), kind});
  }

  // Of an entry of a map.
  static std::string KeyOf(const MessageDifferencer::SpecificField& step) {
    const Message& entry = step.map_entry1 != nullptr ? *step.map_entry1 : *step.map_entry2;
    return entry.GetReflection()->GetString(entry, step.field->message_type()->map_key());
  }

  static std::string Name(const MessageDifferencer::SpecificField& step, bool is_removed) {
    // Without a descriptor it is a field that a newer peer knows.
    if (step.field == nullptr) return absl::StrCat("field ", step.unknown_field_number);
    if (!step.field->is_repeated()) return step.field->name();
    if (step.field->is_map()) return absl::StrCat(step.field->name(), "[", KeyOf(step), "]");
    // The new index of what is removed is left over from another element.
    return absl::StrCat(step.field->name(), "[", is_removed ? step.index : step.new_index, "]");
  }

  std::vector<Difference>& found_;
};

void MatchByKey(MessageDifferencer& differencer, const Descriptor* message, const char* list,
                const char* key) {
  const FieldDescriptor* field = message->FindFieldByName(list);
  differencer.TreatAsMap(field, field->message_type()->FindFieldByName(key));
}

}  // namespace

std::vector<Difference> FindDifferences(const v1::VmSpec& from, const v1::VmSpec& to,
                                        MatchElements match) {
  std::vector<Difference> found;
  Collector collector(found);
  MessageDifferencer differencer;
  differencer.set_message_field_comparison(MessageDifferencer::EQUIVALENT);
  if (match == MatchElements::kByKey) {
    MatchByKey(differencer, v1::VmSpec::descriptor(), "volumes", "id");
    MatchByKey(differencer, v1::VmSpec::descriptor(), "nics", "mac");
    MatchByKey(differencer, v1::Cpu::descriptor(), "features", "name");
    MatchByKey(differencer, v1::HostPlacement::descriptor(), "vcpu_pins", "vcpu");
  }
  differencer.ReportDifferencesTo(&collector);
  differencer.Compare(from, to);
  return found;
}

}  // namespace hvagent::domain_xml

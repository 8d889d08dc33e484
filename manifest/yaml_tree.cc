#include "manifest/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/utf8.h"

namespace hvagent::manifest {
namespace {

absl::Status InvalidYaml(absl::string_view problem) {
  return Error(absl::StatusCode::kInvalidArgument, "INVALID_YAML", problem);
}

// What yaml-cpp would misread: to it, 0x04 is the end of the file.
bool IsForbidden(char c) {
  return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t';
}

// Builds the tree from the parser's events. Throws YAML::ParserException, as the parser itself
// does, since that is the only way to stop it.
class TreeBuilder : public YAML::EventHandler {
 public:
  YamlNode TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) throw YAML::ParserException(mark, "a second document is not accepted");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseKey(mark);
    Add(mark, "", anchor, YamlNode::Kind::kNull);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    throw YAML::ParserException(mark, "aliases are not accepted");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // yaml-cpp makes a lone byte of the escapes \N and \_.
    if (!IsUtf8(value)) throw YAML::ParserException(mark, "is not UTF-8 text");
    Add(mark, tag, anchor, YamlNode::Kind::kScalar)->text = value;
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    Open(mark, tag, anchor, YamlNode::Kind::kList);
  }
  void OnSequenceEnd() override { open_.pop_back(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    Open(mark, tag, anchor, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { open_.pop_back(); }

 private:
  // Every second child of a map is a key, and a key must be a scalar.
  void RefuseKey(const YAML::Mark& mark) const {
    if (!open_.empty() && open_.back()->kind == YamlNode::Kind::kMap &&
        open_.back()->children.size() % 2 == 0) {
      throw YAML::ParserException(mark, "a key must be text");
    }
  }

  YamlNode* Add(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                YamlNode::Kind kind) {
    if (anchor != 0) throw YAML::ParserException(mark, "anchors are not accepted");
    // The parser's own: "?" for what is plain, "!" for what is quoted.
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw YAML::ParserException(mark, "tags are not accepted");
    }
    if (++nodes_ > kMaxYamlNodes) {
      throw YAML::ParserException(mark, absl::StrCat("has more than ", kMaxYamlNodes, " values"));
    }
    YamlNode* node = &root_;
    if (!open_.empty()) node = &open_.back()->children.emplace_back();
    node->kind = kind;
    node->line = mark.line + 1;
    return node;
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlNode::Kind kind) {
    RefuseKey(mark);
    if (open_.size() == kMaxYamlDepth) {
      throw YAML::ParserException(
          mark, absl::StrCat("is nested more than ", kMaxYamlDepth, " levels deep"));
    }
    open_.push_back(Add(mark, tag, anchor, kind));
  }

  YamlNode root_;
  // From the root down. Stable: a node gets no sibling while it is open.
  std::vector<YamlNode*> open_;
  size_t nodes_ = 0;
  int documents_ = 0;
};

}  // namespace

absl::string_view KindName(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::kNull:
      return "null";
    case YamlNode::Kind::kScalar:
      return "text";
    case YamlNode::Kind::kList:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a mapping";
  }
  return "";
}

absl::StatusOr<YamlNode> ParseYaml(absl::string_view yaml) {
  if (yaml.size() > kMaxYamlBytes) {
    return InvalidYaml(
        absl::StrCat("has ", yaml.size(), " bytes; at most ", kMaxYamlBytes, " are accepted"));
  }
  if (!IsUtf8(yaml)) return InvalidYaml("is not UTF-8 text");
  const auto forbidden = std::find_if(yaml.begin(), yaml.end(), IsForbidden);
  if (forbidden != yaml.end()) {
    return InvalidYaml(absl::StrCat("line ", std::count(yaml.begin(), forbidden, '\n') + 1,
                                    ": holds a control character"));
  }

  std::istringstream stream{std::string(yaml)};
  TreeBuilder builder;
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& e) {
    return InvalidYaml(absl::StrCat("line ", std::max(e.mark.line, 0) + 1, ", column ",
                                    std::max(e.mark.column, 0) + 1, ": ", e.msg));
  }
  return builder.TakeRoot();
}

}  // namespace hvagent::manifest

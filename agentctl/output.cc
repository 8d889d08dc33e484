#include "agentctl/output.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "agentctl/errors.h"
#include "base/status_macros.h"
#include "manifest/yaml_proto.h"

namespace hvagent::agentctl {
namespace {

constexpr size_t kGap = 3;

size_t WidthOf(absl::string_view text) {
  // Code points: continuation bytes take no place of their own.
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string Coloured(const std::string& text, Tone tone, bool colour) {
  if (!colour || tone == Tone::kPlain) return text;
  return absl::StrCat(tone == Tone::kGood ? "\x1b[32m" : "\x1b[31m", text, "\x1b[0m");
}

void WriteTable(std::ostream& out, const Style& style, const Listing& listing) {
  std::vector<std::vector<Cell>> lines;
  const auto shown = [&](size_t i) {
    return style.format == Format::kWide || !listing.columns[i].wide;
  };
  std::vector<Cell> titles;
  if (listing.with_node) titles.push_back({"NODE"});
  for (size_t i = 0; i < listing.columns.size(); ++i) {
    if (shown(i)) titles.push_back({listing.columns[i].title});
  }
  lines.push_back(std::move(titles));
  for (const Row& row : listing.rows) {
    std::vector<Cell> line;
    if (listing.with_node) line.push_back({row.node});
    if (!row.error.ok()) {
      line.push_back(
          {absl::StrCat(absl::StatusCodeToString(row.error.code()), ": ", row.error.message()),
           Tone::kBad});
    }
    for (size_t i = 0; i < row.cells.size(); ++i) {
      if (shown(i)) line.push_back(row.cells[i]);
    }
    for (Cell& cell : line) cell.text = cell.text.empty() ? "-" : OneLine(cell.text);
    lines.push_back(std::move(line));
  }

  std::vector<size_t> widths(lines.front().size(), 0);
  for (const auto& line : lines) {
    // The last cell of a line may be as long as it likes: an error takes no column's width.
    for (size_t i = 0; i + 1 < line.size() || (i < line.size() && line.size() == widths.size());
         ++i) {
      widths[i] = std::max(widths[i], WidthOf(line[i].text));
    }
  }
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      out << Coloured(line[i].text, line[i].tone, style.colour);
      if (i + 1 < line.size()) out << std::string(widths[i] - WidthOf(line[i].text) + kGap, ' ');
    }
    out << "\n";
  }
}

std::string Stripped(absl::string_view text) {
  return std::string(absl::StripAsciiWhitespace(text));
}

// The proto printer's text is composed, not parsed: so the order of the fields stays the proto's.
std::string WithMember(absl::string_view json, absl::string_view key, absl::string_view value) {
  json.remove_prefix(1);  // "{"
  const bool empty = absl::StripAsciiWhitespace(json) == "}";
  return absl::StrCat("{\n \"", key, "\": ", JsonString(value), empty ? "\n" : ",", json);
}

absl::StatusOr<std::string> JsonOf(const Row& row) {
  if (!row.error.ok()) {
    return absl::StrCat("{\n \"node\": ", JsonString(row.node), ",\n \"error\": {\n  \"code\": ",
                        JsonString(absl::StatusCodeToString(row.error.code())),
                        ",\n  \"message\": ", JsonString(row.error.message()), "\n }\n}");
  }
  ASSIGN_OR_RETURN(const std::string text, manifest::WriteJson(*row.message));
  if (row.node.empty()) return Stripped(text);
  return WithMember(Stripped(text), "node", row.node);
}

absl::StatusOr<std::string> YamlOf(const Row& row) {
  // JSON strings are YAML strings.
  const std::string node = absl::StrCat("node: ", JsonString(row.node), "\n");
  if (!row.error.ok()) {
    return absl::StrCat(node, "error:\n  code: ", absl::StatusCodeToString(row.error.code()),
                        "\n  message: ", JsonString(row.error.message()));
  }
  ASSIGN_OR_RETURN(std::string text, manifest::WriteYaml(*row.message));
  text = Stripped(text);
  if (row.node.empty()) return text;
  return text == "{}" ? Stripped(node) : absl::StrCat(node, text);
}

std::string Indented(absl::string_view text, absl::string_view indent) {
  return absl::StrReplaceAll(text, {{"\n", absl::StrCat("\n", indent)}});
}

absl::Status WriteJsonList(std::ostream& out, const Listing& listing) {
  std::vector<std::string> items;
  for (const Row& row : listing.rows) {
    ASSIGN_OR_RETURN(const std::string json, JsonOf(row));
    items.push_back(Indented(json, "  "));
  }
  if (items.empty()) {
    out << "{\n \"items\": []\n}\n";
    return absl::OkStatus();
  }
  out << "{\n \"items\": [\n  " << absl::StrJoin(items, ",\n  ") << "\n ]\n}\n";
  return absl::OkStatus();
}

absl::Status WriteYamlList(std::ostream& out, const Listing& listing) {
  if (listing.rows.empty()) {
    out << "items: []\n";
    return absl::OkStatus();
  }
  out << "items:\n";
  for (const Row& row : listing.rows) {
    ASSIGN_OR_RETURN(const std::string yaml, YamlOf(row));
    out << "- " << Indented(yaml, "  ") << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteListing(std::ostream& out, const Style& style, const Listing& listing) {
  switch (style.format) {
    case Format::kJson:
      return WriteJsonList(out, listing);
    case Format::kYaml:
      return WriteYamlList(out, listing);
    case Format::kName:
      for (const Row& row : listing.rows) {
        if (row.error.ok()) out << OneLine(row.name) << "\n";
      }
      return absl::OkStatus();
    case Format::kTable:
    case Format::kWide:
      WriteTable(out, style, listing);
      return absl::OkStatus();
  }
  return absl::InternalError("no such format");
}

absl::Status WriteObject(std::ostream& out, const Style& style, const std::vector<Column>& columns,
                         const Row& row) {
  Row alone = row;
  if (style.format == Format::kJson || style.format == Format::kYaml) {
    alone.node.clear();
    ASSIGN_OR_RETURN(const std::string text,
                     style.format == Format::kJson ? JsonOf(alone) : YamlOf(alone));
    out << text << "\n";
    return absl::OkStatus();
  }
  return WriteListing(out, style, {columns, {std::move(alone)}, !row.node.empty()});
}

absl::Status WriteNext(std::ostream& out, const Style& style, const std::vector<Column>& columns,
                       const Row& row, bool first) {
  if (style.format == Format::kJson || style.format == Format::kYaml) {
    const bool json = style.format == Format::kJson;
    ASSIGN_OR_RETURN(const std::string text, json ? JsonOf(row) : YamlOf(row));
    out << (json ? "" : "---\n") << text << "\n";
    return absl::OkStatus();
  }
  std::ostringstream listing;
  RETURN_IF_ERROR(WriteListing(listing, style, {columns, {row}, !row.node.empty()}));
  const std::string text = listing.str();
  const bool has_titles = style.format != Format::kName;
  out << (first || !has_titles ? text : text.substr(text.find('\n') + 1));
  return absl::OkStatus();
}

}  // namespace hvagent::agentctl

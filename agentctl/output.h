// The one place where results are written: tables for people; JSON, YAML and names for scripts.
//
// JSON and YAML are the API's own messages in proto JSON mapping. A list is {"items": [...]}; an
// item that came from one of several nodes carries "node" as its first member, and a node that
// did not answer is an item with "node" and "error".
#ifndef HVAGENT_AGENTCTL_OUTPUT_H_
#define HVAGENT_AGENTCTL_OUTPUT_H_

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace hvagent::agentctl {

enum class Format { kTable, kWide, kJson, kYaml, kName };

// Colour, on terminals only.
enum class Tone { kPlain, kGood, kBad };

struct Cell {
  std::string text;
  Tone tone = Tone::kPlain;
};

struct Column {
  std::string title;
  // Only shown by -o wide.
  bool wide = false;
};

struct Row {
  // One for each column.
  std::vector<Cell> cells;
  // "vm/<uuid>"
  std::string name;
  // What JSON and YAML show.
  std::shared_ptr<const google::protobuf::Message> message;
  // The node that it came from; empty when the list is not one of several nodes.
  std::string node;
  // Not OK: the node did not answer, and there is nothing but this and `node`.
  absl::Status error;
};

struct Listing {
  std::vector<Column> columns;
  std::vector<Row> rows;
  // Whether tables begin with a column NODE.
  bool with_node = false;
};

struct Style {
  Format format = Format::kTable;
  bool colour = false;
};

// Writes all rows. Nothing to show is a table with its titles only, and {"items": []}.
// Errors: INTERNAL when a message cannot be written as JSON.
absl::Status WriteListing(std::ostream& out, const Style& style, const Listing& listing);

// Writes one object: in JSON and YAML the message itself, else as a listing of one row.
absl::Status WriteObject(std::ostream& out, const Style& style, const std::vector<Column>& columns,
                         const Row& row);

// Writes one of a row of objects that come over time: tables with their titles before the first
// only, YAML as one document after the other.
absl::Status WriteNext(std::ostream& out, const Style& style, const std::vector<Column>& columns,
                       const Row& row, bool first);

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_OUTPUT_H_

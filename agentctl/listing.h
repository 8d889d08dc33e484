// Results that are gathered from many nodes at once.
#ifndef HVAGENT_AGENTCTL_LISTING_H_
#define HVAGENT_AGENTCTL_LISTING_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agentctl/cli.h"
#include "agentctl/exit_code.h"
#include "agentctl/node.h"
#include "agentctl/output.h"
#include "agentctl/views.h"

namespace hvagent::agentctl {

// What came of the same for each of several targets: the rows to show and the exit code. Not
// thread-safe.
class Outcome {
 public:
  Outcome(Cli& cli, std::vector<Column> columns)
      : cli_(cli), listing_{std::move(columns), {}, /*with_node=*/true} {}

  void AddRow(Row row) { listing_.rows.push_back(std::move(row)); }
  // What became of one target.
  void Count(ExitCode code) { codes_.push_back(code); }
  // A target that failed: a row with its error, and a line on stderr unless it is NotTried.
  void Fail(const std::string& what, const std::string& node, const absl::Status& status);

  // Writes the rows; returns the exit code of the command.
  ExitCode Show();

 private:
  Cli& cli_;
  Listing listing_;
  std::vector<ExitCode> codes_;
};

// The status of a target that was left alone since others failed, who say so themselves. `why`
// completes the sentence "not tried, as <why>".
absl::Status NotTried(const std::string& why);
bool IsNotTried(const absl::Status& status);

// Asks every target at once by `fetch` and shows all rows, each with its node. A node that does
// not answer is a row with its error, and a failure to `what` ("list VMs").
ExitCode ListFromNodes(Cli& cli, const std::string& what, const std::vector<Column>& columns,
                       const std::function<absl::StatusOr<std::vector<Row>>(Node&)>& fetch);

// All pages of a List method, as rows. `items` is a pointer to the response's accessor:
//   AllPages(node, options, &v1::VmService::Stub::List, v1::ListVmsRequest(),
//            &v1::ListVmsResponse::vms)
template <typename Stub, typename Request, typename Response, typename Item>
absl::StatusOr<std::vector<Row>> AllPages(
    Node& node, const CallOptions& options,
    grpc::Status (Stub::*list)(grpc::ClientContext*, const Request&, Response*), Request request,
    const google::protobuf::RepeatedPtrField<Item>& (Response::*items)() const) {
  std::vector<Row> rows;
  request.set_page_size(1000);
  do {
    auto response = node.Read(options, list, request);
    if (!response.ok()) return response.status();
    for (const Item& item : ((*response).*items)()) rows.push_back(RowOf(item));
    request.set_page_token(response->next_page_token());
  } while (!request.page_token().empty());
  return rows;
}

}  // namespace hvagent::agentctl

#endif  // HVAGENT_AGENTCTL_LISTING_H_

// Lists that are gathered from many nodes at once.
#ifndef HVAGENT_AGENTCTL_LISTING_H_
#define HVAGENT_AGENTCTL_LISTING_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agentctl/cli.h"
#include "agentctl/exit_code.h"
#include "agentctl/node.h"
#include "agentctl/output.h"
#include "agentctl/views.h"

namespace hvagent::agentctl {

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

// `node doctor --storage`: what agents made in Ceph and nobody owns.
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "agentctl/command.h"
#include "agentctl/fan_out.h"
#include "agentctl/views.h"
#include "base/status_macros.h"
#include "hvagent/v1/storage_service.grpc.pb.h"

namespace hvagent::agentctl {
namespace {

using Stub = v1::StorageService::Stub;
using Finding = v1::StorageFinding;

constexpr char kDetails[] =
    R"(Looks for root disks, config drives and staged images and volumes that an agent made, and asks
every node of the configuration whether it knows their owners. An orphan is what no node knows. What
cannot be told is "unknown", and left alone: a node does not answer, or is not in the configuration,
or the image is open or young. Exits with 4 when there are orphans.
)";

// What is made at this moment may have no owner yet, or none that anybody remembers.
constexpr absl::Duration kYoung = absl::Hours(1);

absl::StatusOr<std::vector<v1::Leftover>> ListLeftovers(Cli& cli, Node& node) {
  std::vector<v1::Leftover> leftovers;
  v1::ListLeftoversRequest request;
  request.set_page_size(1000);
  do {
    ASSIGN_OR_RETURN(const v1::ListLeftoversResponse page,
                     node.Read(cli.call_options(), &Stub::ListLeftovers, request));
    leftovers.insert(leftovers.end(), page.leftovers().begin(), page.leftovers().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return leftovers;
}

// What all nodes together know.
struct Census {
  std::set<std::string> known;  // owners
  std::set<std::string> asked;  // nodes, as they call themselves
  std::vector<std::string> silent;
};

Census AskAll(Cli& cli, const std::vector<Node*>& nodes,
              const std::vector<v1::Leftover>& leftovers) {
  v1::FindOwnersRequest request;
  for (const v1::Leftover& leftover : leftovers) {
    if (!leftover.owner().empty()) request.add_owners(leftover.owner());
  }
  const auto answers = FanOut(nodes, [&](Node* node) {
    return node->Read(cli.call_options(), &Stub::FindOwners, request);
  });
  Census census;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!answers[i].ok()) {
      census.silent.push_back(nodes[i]->name());
      continue;
    }
    census.asked.insert(answers[i]->node());
    census.known.insert(answers[i]->known().begin(), answers[i]->known().end());
  }
  return census;
}

// Why it cannot be told whether it is an orphan; empty when it is one.
std::string Doubt(const v1::Leftover& leftover, const Census& census) {
  if (!census.silent.empty()) {
    return absl::StrCat("no answer from ", absl::StrJoin(census.silent, ", "));
  }
  if (!leftover.watchers().empty()) {
    return absl::StrCat("open by ", absl::StrJoin(leftover.watchers(), ", "));
  }
  if (absl::Now() - absl::FromUnixSeconds(leftover.create_time().seconds()) < kYoung) {
    return absl::StrCat("made less than ", DurationText(kYoung), " ago");
  }
  if (leftover.kind() != v1::Leftover::VM_DISK) return "";
  if (leftover.node().empty()) return "it does not say which node made it";
  if (!census.asked.contains(leftover.node())) {
    return absl::StrCat("made by ", leftover.node(), ", which is not in the configuration");
  }
  return "";
}

std::string WhyOrphan(const v1::Leftover& leftover) {
  switch (leftover.kind()) {
    case v1::Leftover::VM_DISK:
      return "no node knows the VM";
    case v1::Leftover::STAGED_IMAGE:
      return "no node has the operation under way";
    default:
      return "the call that made it did not finish it";
  }
}

std::vector<Finding> Judge(const std::vector<v1::Leftover>& leftovers, const Census& census) {
  std::vector<Finding> findings;
  for (const v1::Leftover& leftover : leftovers) {
    if (census.known.contains(leftover.owner())) continue;
    Finding finding;
    *finding.mutable_leftover() = leftover;
    const std::string doubt = Doubt(leftover, census);
    finding.set_verdict(doubt.empty() ? Finding::ORPHAN : Finding::UNKNOWN);
    finding.set_reason(doubt.empty() ? WhyOrphan(leftover) : doubt);
    findings.push_back(std::move(finding));
  }
  return findings;
}

Row RowOfFinding(const Finding& finding) {
  const v1::Leftover& leftover = finding.leftover();
  const std::string image = absl::StrCat(leftover.pool(), "/", leftover.name());
  const bool is_good = finding.verdict() == Finding::REMOVED;
  const bool is_unknown = finding.verdict() == Finding::UNKNOWN;
  Row row;
  row.cells = {{image},
               {v1::Leftover::Kind_Name(leftover.kind())},
               {BytesText(leftover.size_bytes())},
               {Finding::Verdict_Name(finding.verdict()), is_good      ? Tone::kGood
                                                          : is_unknown ? Tone::kPlain
                                                                       : Tone::kBad},
               {finding.reason()}};
  row.name = absl::StrCat("rbd/", image);
  row.message = std::make_shared<Finding>(finding);
  return row;
}

Listing ListingOf(const std::vector<Finding>& findings) {
  Listing listing{{{"IMAGE"}, {"KIND"}, {"SIZE"}, {"VERDICT"}, {"REASON"}}, {}, false};
  for (const Finding& finding : findings) listing.rows.push_back(RowOfFinding(finding));
  return listing;
}

size_t Count(const std::vector<Finding>& findings, Finding::Verdict verdict) {
  return static_cast<size_t>(
      std::count_if(findings.begin(), findings.end(),
                    [&](const Finding& finding) { return finding.verdict() == verdict; }));
}

void Clean(Cli& cli, Node& node, std::vector<Finding>& findings) {
  Interrupts interrupts;
  for (Finding& finding : findings) {
    if (finding.verdict() != Finding::ORPHAN || interrupts.interrupted()) continue;
    v1::RemoveLeftoverRequest request;
    request.set_pool(finding.leftover().pool());
    request.set_name(finding.leftover().name());
    const absl::Status removed =
        node.Change(cli.change_options(interrupts), &Stub::RemoveLeftover, request).status();
    // Not there any more is what was wanted.
    const bool gone = removed.ok() || absl::IsNotFound(removed);
    finding.set_verdict(gone ? Finding::REMOVED : Finding::NOT_REMOVED);
    if (!gone) finding.set_reason(std::string(removed.message()));
  }
}

ExitCode ExamineStorage(Cli& cli, bool clean) {
  const std::string what = "examine the storage";
  auto node = cli.HealthyNode();
  if (!node.ok()) return cli.Fail({what, "", node.status()});
  auto session = cli.session();
  if (!session.ok()) return cli.Fail({what, "", session.status()});
  const auto leftovers = ListLeftovers(cli, **node);
  if (!leftovers.ok()) return cli.Fail({what, (*node)->name(), leftovers.status()});
  // All of them, whatever --node says: any may be the owner's.
  std::vector<Finding> findings = Judge(*leftovers, AskAll(cli, (*session)->nodes(), *leftovers));
  const size_t orphans = Count(findings, Finding::ORPHAN);
  if (clean && orphans > 0 && !cli.options.dry_run) {
    cli.NoteTable(ListingOf(findings));
    const absl::Status agreed =
        cli.Confirm(absl::StrCat("Remove ", orphans, " orphans, with their data, for ever?"));
    if (!agreed.ok()) return cli.Fail({what, "", agreed});
    Clean(cli, **node, findings);
  }
  const ExitCode shown = cli.Show(ListingOf(findings));
  if (shown != ExitCode::kDone) return shown;
  return Count(findings, Finding::ORPHAN) + Count(findings, Finding::NOT_REMOVED) == 0
             ? ExitCode::kDone
             : ExitCode::kNotAsItShouldBe;
}

}  // namespace

void AddStorageDoctor(CommandTree& tree, CLI::App& node) {
  Cli& cli = tree.cli;
  const auto clean = std::make_shared<bool>(false);
  // Said out loud, and kept while the command line is read: there is nothing else to examine.
  const auto storage = std::make_shared<bool>(false);
  CLI::App* const doctor =
      AddCommand(tree, node,
                 {"doctor", "Find what is not as it should be", "node doctor --storage",
                  /*has_dry_run=*/true, kDetails},
                 [&cli, clean, storage] { return ExamineStorage(cli, *clean); });
  doctor->add_flag("--storage", *storage, "Look for what agents left in Ceph")->required();
  doctor->add_flag("--clean", *clean, "Remove the orphans; asks first, with --dry-run only lists");
}

}  // namespace hvagent::agentctl

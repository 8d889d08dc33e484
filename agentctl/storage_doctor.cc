// `node doctor --storage`: what agents made in Ceph and nobody owns.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
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
    R"(Looks through the pools for what agents made: disks of VMs, images, volumes and backups that are
not finished, snapshots that were made for them, and what is in the trash. Asks every node of the
configuration whether it knows the owners, and which clients are its own.

ORPHAN         no node knows the owner, or its delay in the trash is over: --clean removes it
UNKNOWN        cannot be told: a node does not answer, or the one that made it is not in the
               configuration, or it is young, or open
STALE_WATCHER  open by a client that is no agent and no guest of any node
IN_TRASH       kept until its delay is over and no clone needs it
KEPT           stayed on purpose when its VM was deleted: `rbd rm` removes it, and a VM with its UUID
               adopts it with root_disk.existing ADOPT

Only orphans are ever removed. Exits with 4 when there are orphans or stale watchers.
)";

struct Options {
  bool clean = false;
  // What is made at this moment may have no owner yet, or none that anybody remembers.
  std::optional<absl::Duration> older_than = absl::Hours(1);
};

absl::StatusOr<std::vector<v1::Leftover>> ListLeftovers(Cli& cli, Node& node) {
  std::vector<v1::Leftover> leftovers;
  v1::ListLeftoversRequest request;
  // Each image is opened, which takes a few milliseconds.
  request.set_page_size(200);
  do {
    ASSIGN_OR_RETURN(const v1::ListLeftoversResponse page,
                     node.Read(cli.call_options(), &Stub::ListLeftovers, request));
    leftovers.insert(leftovers.end(), page.leftovers().begin(), page.leftovers().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return leftovers;
}

using ImageKey = std::pair<std::string, std::string>;  // pool and name

// What all nodes together know.
struct Census {
  std::set<std::string> known;          // owners
  std::set<std::string> agents;         // watchers
  std::map<ImageKey, uint32_t> guests;  // that run with the image
  std::set<std::string> asked;          // nodes, as they call themselves
  std::vector<std::string> silent;
};

v1::FindOwnersRequest QuestionAbout(const std::vector<v1::Leftover>& leftovers) {
  v1::FindOwnersRequest request;
  for (const v1::Leftover& leftover : leftovers) {
    if (!leftover.owner().empty()) request.add_owners(leftover.owner());
    request.mutable_watchers()->MergeFrom(leftover.watchers());
    if (leftover.watchers().empty()) continue;
    v1::ImageName& image = *request.add_images();
    image.set_pool(leftover.pool());
    image.set_name(leftover.name());
  }
  return request;
}

Census AskAll(Cli& cli, const std::vector<Node*>& nodes,
              const std::vector<v1::Leftover>& leftovers) {
  const v1::FindOwnersRequest request = QuestionAbout(leftovers);
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
    census.agents.insert(answers[i]->own_watchers().begin(), answers[i]->own_watchers().end());
    for (int image = 0; image < answers[i]->guests_size(); ++image) {
      census.guests[{request.images(image).pool(), request.images(image).name()}] +=
          answers[i]->guests(image);
    }
  }
  return census;
}

// Why it cannot be told whether anybody needs it, or has it open rightly; else empty.
std::string WhoWasNotAsked(const v1::Leftover& leftover, const Census& census) {
  if (!census.silent.empty()) {
    return absl::StrCat("no answer from ", absl::StrJoin(census.silent, ", "));
  }
  if (!leftover.node().empty() && !census.asked.contains(leftover.node())) {
    return absl::StrCat("node ", leftover.node(),
                        ", which made it, was not asked: it is not in the configuration");
  }
  return "";
}

// The clients that have it open and are none that a node knows. A guest has one watcher; which of
// too many is too much cannot be told.
std::vector<std::string> Strangers(const v1::Leftover& leftover, const Census& census) {
  std::vector<std::string> strangers;
  for (const std::string& watcher : leftover.watchers()) {
    if (!census.agents.contains(watcher)) strangers.push_back(watcher);
  }
  const auto guests = census.guests.find({leftover.pool(), leftover.name()});
  const bool are_guests = guests != census.guests.end() && strangers.size() <= guests->second;
  return are_guests ? std::vector<std::string>() : strangers;
}

std::string WhyStale(const std::vector<std::string>& strangers) {
  return absl::StrCat("open by ", absl::StrJoin(strangers, ", "),
                      ", and no agent's or guest's: one that died is gone in 30 s; else stop it, "
                      "or cut it off with `ceph osd blocklist add ",
                      strangers.front(), "`");
}

// Why it is none that can be removed; empty when it is an orphan.
std::string Doubt(const v1::Leftover& leftover, absl::Duration older_than) {
  if (!leftover.watchers().empty()) {
    return absl::StrCat("open by ", absl::StrJoin(leftover.watchers(), ", "));
  }
  if (absl::Now() - absl::FromUnixSeconds(leftover.create_time().seconds()) < older_than) {
    return absl::StrCat("made less than ", DurationText(older_than), " ago");
  }
  if (leftover.maybe_foreign()) return "another program may have made it: its image is no agent's";
  if (!leftover.owner().empty() && leftover.node().empty()) {
    return "it does not say which node made it";
  }
  return "";
}

std::string WhyOrphan(const v1::Leftover& leftover) {
  switch (leftover.kind()) {
    case v1::Leftover::VM_DISK:
      return "no node knows the VM";
    case v1::Leftover::SNAPSHOT:
      if (leftover.owner().empty()) return "no volume is cloned from it";
      return "no node has the operation under way";
    case v1::Leftover::STAGED_VOLUME:
      if (leftover.owner().empty()) return "the call that made it did not finish it";
      return "no node has the operation under way";
    default:
      return "no node has the operation under way";
  }
}

// In the trash only the cluster's clock and the clones count.
std::pair<Finding::Verdict, std::string> JudgeTrashed(const v1::Leftover& leftover) {
  const absl::Time kept_until = absl::FromUnixSeconds(leftover.kept_until().seconds());
  if (absl::Now() < kept_until) {
    return {Finding::IN_TRASH, absl::StrCat("kept until ", absl::FormatTime(kept_until))};
  }
  if (leftover.has_clones()) return {Finding::IN_TRASH, "images were cloned from it, and need it"};
  return {Finding::ORPHAN, "its delay is over"};
}

// nullopt when all is well with it.
std::optional<std::pair<Finding::Verdict, std::string>> Judge(const v1::Leftover& leftover,
                                                              const Census& census,
                                                              absl::Duration older_than) {
  if (leftover.kind() == v1::Leftover::TRASHED_IMAGE) return JudgeTrashed(leftover);
  if (leftover.kind() == v1::Leftover::KEPT_DISK) {
    return std::pair(Finding::KEPT,
                     absl::StrCat("kept when VM ", leftover.owner(), " was deleted"));
  }
  const bool is_needed =
      leftover.kind() == v1::Leftover::OPEN_IMAGE || census.known.contains(leftover.owner());
  const std::vector<std::string> strangers = Strangers(leftover, census);
  if (is_needed && strangers.empty()) return std::nullopt;
  if (std::string why = WhoWasNotAsked(leftover, census); !why.empty()) {
    return std::pair(Finding::UNKNOWN, std::move(why));
  }
  if (!strangers.empty()) return std::pair(Finding::STALE_WATCHER, WhyStale(strangers));
  if (std::string why = Doubt(leftover, older_than); !why.empty()) {
    return std::pair(Finding::UNKNOWN, std::move(why));
  }
  return std::pair(Finding::ORPHAN, WhyOrphan(leftover));
}

std::vector<Finding> Judge(const std::vector<v1::Leftover>& leftovers, const Census& census,
                           absl::Duration older_than) {
  std::vector<Finding> findings;
  for (const v1::Leftover& leftover : leftovers) {
    const auto judged = Judge(leftover, census, older_than);
    if (!judged.has_value()) continue;
    Finding finding;
    *finding.mutable_leftover() = leftover;
    finding.set_verdict(judged->first);
    finding.set_reason(judged->second);
    findings.push_back(std::move(finding));
  }
  return findings;
}

Row RowOfFinding(const Finding& finding) {
  const v1::Leftover& leftover = finding.leftover();
  const std::string image =
      absl::StrCat(leftover.pool(), "/", leftover.name(), leftover.snapshot().empty() ? "" : "@",
                   leftover.snapshot());
  const bool is_good = finding.verdict() == Finding::REMOVED;
  const bool is_plain = finding.verdict() == Finding::UNKNOWN ||
                        finding.verdict() == Finding::IN_TRASH ||
                        finding.verdict() == Finding::KEPT;
  Row row;
  row.cells = {{image},
               {v1::Leftover::Kind_Name(leftover.kind())},
               {BytesText(leftover.size_bytes())},
               {Finding::Verdict_Name(finding.verdict()), is_good    ? Tone::kGood
                                                          : is_plain ? Tone::kPlain
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
    request.set_snapshot(finding.leftover().snapshot());
    request.set_trash_id(finding.leftover().trash_id());
    const absl::Status removed =
        node.Change(cli.change_options(interrupts), &Stub::RemoveLeftover, request).status();
    // Not there any more is what was wanted.
    const bool gone = removed.ok() || absl::IsNotFound(removed);
    finding.set_verdict(gone ? Finding::REMOVED : Finding::NOT_REMOVED);
    if (!gone) finding.set_reason(std::string(removed.message()));
  }
}

ExitCode ExamineStorage(Cli& cli, const Options& options) {
  const std::string what = "examine the storage";
  auto node = cli.HealthyNode();
  if (!node.ok()) return cli.Fail({what, "", node.status()});
  auto session = cli.session();
  if (!session.ok()) return cli.Fail({what, "", session.status()});
  const auto leftovers = ListLeftovers(cli, **node);
  if (!leftovers.ok()) return cli.Fail({what, (*node)->name(), leftovers.status()});
  // All of them, whatever --node says: any may be the owner's.
  std::vector<Finding> findings =
      Judge(*leftovers, AskAll(cli, (*session)->nodes(), *leftovers), *options.older_than);
  const size_t orphans = Count(findings, Finding::ORPHAN);
  if (options.clean && orphans > 0 && !cli.options.dry_run) {
    cli.NoteTable(ListingOf(findings));
    const absl::Status agreed =
        cli.Confirm(absl::StrCat("Remove ", orphans, " orphans, with their data, for ever?"));
    if (!agreed.ok()) return cli.Fail({what, "", agreed});
    Clean(cli, **node, findings);
  }
  const ExitCode shown = cli.Show(ListingOf(findings));
  if (shown != ExitCode::kDone) return shown;
  return Count(findings, Finding::ORPHAN) + Count(findings, Finding::NOT_REMOVED) +
                     Count(findings, Finding::STALE_WATCHER) ==
                 0
             ? ExitCode::kDone
             : ExitCode::kNotAsItShouldBe;
}

}  // namespace

void AddStorageDoctor(CommandTree& tree, CLI::App& node) {
  Cli& cli = tree.cli;
  const auto options = std::make_shared<Options>();
  // Said out loud, and kept while the command line is read: there is nothing else to examine.
  const auto storage = std::make_shared<bool>(false);
  CLI::App* const doctor =
      AddCommand(tree, node,
                 {"doctor", "Find what is not as it should be", "node doctor --storage",
                  /*has_dry_run=*/true, kDetails},
                 [&cli, options, storage] { return ExamineStorage(cli, *options); });
  doctor->add_flag("--storage", *storage, "Look for what agents left in Ceph")->required();
  doctor->add_flag("--clean", options->clean,
                   "Remove the orphans; asks first, with --dry-run only lists");
  doctor->add_option("--older-than", "What is younger is no orphan yet (1h)")
      ->type_name("DURATION")
      ->check(DurationInto(options->older_than));
}

}  // namespace hvagent::agentctl

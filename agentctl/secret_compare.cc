#include "agentctl/secret_compare.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace hvagent::agentctl {
namespace {

using Cells = std::vector<SecretCell*>;

// Worst first.
constexpr absl::string_view kReasons[] = {
    "SECRET_MISSING",       "SECRET_HAS_NO_VALUE", "SECRET_VALUE_DIFFERS",    "SECRET_UUID_DIFFERS",
    "SECRET_USAGE_DIFFERS", "CEPH_KEY_REFUSED",    "SECRET_ROTATION_DIFFERS", "SECRET_NOT_PROVED"};

// How many nodes a message names.
constexpr size_t kMaxNamed = 3;

bool HasFinding(const v1::SecretReport& report, absl::string_view reason) {
  return std::any_of(report.findings().begin(), report.findings().end(),
                     [&](const v1::SecretFinding& finding) { return finding.reason() == reason; });
}

// What the agent said itself is not said again.
void AddFinding(v1::SecretReport& report, absl::string_view reason, const std::string& message) {
  if (HasFinding(report, reason)) return;
  v1::SecretFinding& finding = *report.add_findings();
  finding.set_reason(std::string(reason));
  finding.set_message(message);
}

void SortFindings(v1::SecretReport& report) {
  const auto rank = [](const v1::SecretFinding& finding) {
    return std::find(std::begin(kReasons), std::end(kReasons), finding.reason());
  };
  std::stable_sort(report.mutable_findings()->begin(), report.mutable_findings()->end(),
                   [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

// Values with the nodes that have them.
using Ballot = std::map<std::string, std::vector<std::string>>;

// "X on compute-1, compute-2 and 3 more; Y on compute-6"
std::string BallotText(const Ballot& ballot) {
  std::vector<std::string> parts;
  for (const auto& [value, nodes] : ballot) {
    const size_t named = std::min(nodes.size(), kMaxNamed);
    std::string part = absl::StrCat(
        value.empty() ? "none" : value, " on ",
        absl::StrJoin(nodes.begin(), nodes.begin() + static_cast<ptrdiff_t>(named), ", "));
    if (nodes.size() > named) absl::StrAppend(&part, " and ", nodes.size() - named, " more");
    parts.push_back(std::move(part));
  }
  return absl::StrJoin(parts, "; ");
}

// The value that more nodes have than any other; nullopt when two have as many.
std::optional<std::string> Winner(const Ballot& ballot) {
  std::optional<std::string> winner;
  size_t most = 0;
  for (const auto& [value, nodes] : ballot) {
    if (nodes.size() > most) {
      most = nodes.size();
      winner = value;
    } else if (nodes.size() == most) {
      winner.reset();
    }
  }
  return winner;
}

// How one property of an entity's cells is compared.
struct Comparison {
  absl::string_view reason;
  // "UUIDs"
  std::string what;
  // nullopt: the cell has no such property, and no finding.
  std::function<std::optional<std::string>(const v1::SecretReport&)> value_of;
  // Ends the sentence of the message.
  std::string advice;
};

// Every cell whose value is not `expected` gets a finding.
void Mark(const Cells& cells, const Comparison& comparison,
          const std::optional<std::string>& expected, const std::string& message) {
  for (SecretCell* const cell : cells) {
    const auto value = comparison.value_of(cell->report);
    if (value.has_value() && value != expected) {
      AddFinding(cell->report, comparison.reason, message);
    }
  }
}

void CompareByMajority(const Cells& cells, const Comparison& comparison) {
  Ballot trusted;
  Ballot all;
  for (const SecretCell* const cell : cells) {
    const auto value = comparison.value_of(cell->report);
    if (!value.has_value()) continue;
    all[*value].push_back(cell->node);
    if (!HasFinding(cell->report, "CEPH_KEY_REFUSED")) trusted[*value].push_back(cell->node);
  }
  if (all.size() <= 1) return;
  Mark(cells, comparison, Winner(trusted.empty() ? all : trusted),
       absl::StrCat("the nodes have different ", comparison.what, ": ", BallotText(all), "; ",
                    comparison.advice));
}

void CompareUuids(const Cells& cells, const std::string& entity) {
  const Comparison comparison{
      "SECRET_UUID_DIFFERS", "UUIDs",
      [](const v1::SecretReport& report) -> std::optional<std::string> {
        return report.secret().uuid();
      },
      absl::StrCat("`agentctl secret sync --entity ", entity, " --uuid UUID` gives all nodes one")};
  Ballot claims;
  for (const SecretCell* const cell : cells) {
    const std::string& claim = cell->report.claimed_uuid();
    if (!claim.empty()) claims[claim].push_back(cell->node);
  }
  if (claims.size() != 1) {
    CompareByMajority(cells, comparison);
    return;
  }
  const std::string& agreed = claims.begin()->first;
  Mark(cells, comparison, agreed,
       absl::StrCat("the cluster agreed on ", agreed, "; the agent follows as soon as it can"));
}

void CompareEntity(const Cells& cells, const std::string& entity) {
  const std::string resync =
      absl::StrCat("`agentctl secret sync --entity ", entity, "` brings them together");
  CompareByMajority(cells, {"SECRET_VALUE_DIFFERS", "keys",
                            [](const v1::SecretReport& report) -> std::optional<std::string> {
                              std::string fingerprint = FingerprintOf(report);
                              if (fingerprint.empty()) return std::nullopt;
                              return fingerprint;
                            },
                            resync});
  CompareUuids(cells, entity);
  CompareByMajority(cells, {"SECRET_USAGE_DIFFERS", "usages",
                            [](const v1::SecretReport& report) -> std::optional<std::string> {
                              return report.secret().usage();
                            },
                            resync});
  CompareByMajority(cells, {"SECRET_ROTATION_DIFFERS", "entities that guests start as instead",
                            [](const v1::SecretReport& report) -> std::optional<std::string> {
                              return report.superseded_by();
                            },
                            "finish or undo it with `agentctl secret rotate`"});
}

// A secret that is not kept, beside one that is kept on some node and has the same UUID or usage.
void CompareOther(SecretCell& cell, const v1::SecretReport& kept) {
  v1::SecretReport& other = cell.report;
  const bool same_uuid = other.secret().uuid() == kept.secret().uuid();
  const bool same_usage = other.secret().usage() == kept.secret().usage();
  const std::string& entity = kept.secret().entity();
  const std::string advice = absl::StrCat("`agentctl secret sync --entity ", entity,
                                          " --adopt` replaces it, if it is meant for that user");
  if (same_usage && !same_uuid) {
    AddFinding(other, "SECRET_UUID_DIFFERS",
               absl::StrCat("has the usage of ", entity, "'s secret, which is kept under ",
                            kept.secret().uuid(), ": ", advice));
  } else if (same_uuid && !same_usage) {
    AddFinding(
        other, "SECRET_USAGE_DIFFERS",
        absl::StrCat("has the UUID of ", entity, "'s secret, which is kept with the usage \"",
                     kept.secret().usage(), "\": ", advice));
  } else if (same_uuid && FingerprintOf(other) != FingerprintOf(kept)) {
    AddFinding(
        other, "SECRET_VALUE_DIFFERS",
        absl::StrCat("is ", entity, "'s secret with another key than where it is kept: ", advice));
  }
  if (!other.findings().empty()) cell.entity = entity;
}

}  // namespace

std::string FingerprintOf(const v1::SecretReport& report) {
  if (!report.fingerprint().empty() || !report.secret().has_value()) return report.fingerprint();
  return report.expected_fingerprint();
}

std::vector<SecretCell> CompareSecrets(
    const std::vector<std::pair<std::string, v1::CheckSecretsResponse>>& nodes) {
  std::map<std::string, std::map<size_t, SecretCell>> kept;  // by entity, then by node
  std::vector<SecretCell> others;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const v1::SecretReport& report : nodes[i].second.secrets()) {
      const std::string& entity = report.secret().entity();
      if (entity.empty()) {
        others.push_back({nodes[i].first, "", report});
      } else {
        kept[entity][i] = {nodes[i].first, entity, report};
      }
    }
  }

  std::vector<SecretCell> cells;
  for (auto& [entity, on_nodes] : kept) {
    Cells present;
    for (auto& [i, cell] : on_nodes) present.push_back(&cell);
    CompareEntity(present, entity);
    for (SecretCell& other : others) {
      for (const SecretCell* const cell : present) CompareOther(other, cell->report);
    }
    for (size_t i = 0; i < nodes.size(); ++i) {
      SecretCell& cell = on_nodes[i];
      if (cell.node.empty()) {
        cell.node = nodes[i].first;
        cell.entity = entity;
        cell.report.mutable_secret()->set_entity(entity);
        AddFinding(cell.report, "SECRET_MISSING",
                   absl::StrCat("this node's agent keeps no secret of ", entity,
                                ", and others do: `agentctl secret sync --entity ", entity, "`"));
      }
      SortFindings(cell.report);
      cells.push_back(std::move(cell));
    }
  }
  std::move(others.begin(), others.end(), std::back_inserter(cells));
  return cells;
}

}  // namespace hvagent::agentctl

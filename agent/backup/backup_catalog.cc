#include "agent/backup/backup_catalog.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "google/protobuf/util/time_util.h"

namespace hvagent::backup {
namespace {

constexpr size_t kPage = 1000;

template <typename Message>
absl::StatusOr<Message> Parse(const std::string& text, const block::ObjectName& object) {
  Message message;
  if (!message.ParseFromString(text)) {
    return Error(absl::StatusCode::kDataLoss, "CLUSTER_RECORD",
                 absl::StrCat("the object ", object.ToString(),
                              " is not what an agent wrote there: somebody else has written it"));
  }
  return message;
}

bool IsMissing(const absl::Status& status) { return ErrorReason(status) == "OBJECT_NOT_FOUND"; }

// Every source's keys begin with its image's name, which has no space in it.
std::string IndexPrefix(absl::string_view source_image) {
  return source_image.empty() ? "" : absl::StrCat(source_image, " ");
}

}  // namespace

block::ObjectName BackupCatalog::RecordOf(absl::string_view id) const {
  return {pool_, absl::StrCat("hvagent.backup.", id)};
}

block::ObjectName BackupCatalog::PartOf(absl::string_view id, uint64_t number) const {
  return {pool_, absl::StrCat("hvagent.backup.", id, ".", number)};
}

block::ObjectName BackupCatalog::WriterOf(absl::string_view base) const {
  return {pool_, absl::StrCat("hvagent.backup-writer.", base)};
}

block::ObjectName BackupCatalog::Index() const { return {pool_, "hvagent.backups"}; }

std::string BackupCatalog::IndexKey(const v1::Backup& backup) {
  using google::protobuf::util::TimeUtil;
  return absl::StrFormat("%s%020d %s", IndexPrefix(backup.source_image()),
                         TimeUtil::TimestampToMicroseconds(backup.create_time()), backup.id());
}

absl::StatusOr<v1::Backup> BackupCatalog::Get(absl::string_view id) {
  const block::ObjectName object = RecordOf(id);
  const absl::StatusOr<std::string> text = objects_.Read(object);
  if (IsMissing(text.status())) {
    return Error(absl::StatusCode::kNotFound, "BACKUP_NOT_FOUND",
                 absl::StrCat("there is no backup ", id, " in pool ", pool_));
  }
  RETURN_IF_ERROR(text.status());
  return Parse<v1::Backup>(*text, object);
}

absl::StatusOr<std::vector<v1::Backup>> BackupCatalog::List(absl::string_view source_image,
                                                            const std::string& after,
                                                            size_t limit) {
  ASSIGN_OR_RETURN(const block::ObjectStore::Entries entries,
                   objects_.ListEntries(Index(), IndexPrefix(source_image), after, limit));
  std::vector<v1::Backup> backups;
  for (const auto& [key, value] : entries) {
    ASSIGN_OR_RETURN(v1::Backup backup, Parse<v1::Backup>(value, Index()));
    backups.push_back(std::move(backup));
  }
  return backups;
}

absl::StatusOr<std::vector<v1::Backup>> BackupCatalog::ListOf(absl::string_view source_image) {
  std::vector<v1::Backup> all;
  std::string after;
  while (true) {
    ASSIGN_OR_RETURN(std::vector<v1::Backup> page, List(source_image, after, kPage));
    const bool is_last = page.size() < kPage;
    for (v1::Backup& backup : page) all.push_back(std::move(backup));
    if (is_last) return all;
    after = IndexKey(all.back());
  }
}

absl::Status BackupCatalog::Put(const v1::Backup& backup) {
  const std::string text = backup.SerializeAsString();
  RETURN_IF_ERROR(objects_.Write(RecordOf(backup.id()), text));
  return objects_.SetEntries(Index(), {{IndexKey(backup), text}});
}

absl::Status BackupCatalog::Remove(const v1::Backup& backup) {
  RETURN_IF_ERROR(RemoveParts(backup.id(), PartCount(Bytes(backup.size_bytes()))));
  RETURN_IF_ERROR(objects_.Remove(RecordOf(backup.id())));
  return objects_.RemoveEntries(Index(), {IndexKey(backup)});
}

absl::Status BackupCatalog::RemoveFromIndex(absl::string_view id) {
  ASSIGN_OR_RETURN(const std::vector<v1::Backup> all, ListOf(/*source_image=*/""));
  for (const v1::Backup& backup : all) {
    if (backup.id() == id) return objects_.RemoveEntries(Index(), {IndexKey(backup)});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<v1::BackupPart>> BackupCatalog::ReadPart(absl::string_view id,
                                                                      uint64_t number) {
  const block::ObjectName object = PartOf(id, number);
  const absl::StatusOr<std::string> text = objects_.Read(object);
  if (IsMissing(text.status())) return std::nullopt;
  RETURN_IF_ERROR(text.status());
  ASSIGN_OR_RETURN(v1::BackupPart part, Parse<v1::BackupPart>(*text, object));
  return part;
}

absl::Status BackupCatalog::WritePart(absl::string_view id, uint64_t number,
                                      const v1::BackupPart& part) {
  return objects_.Write(PartOf(id, number), part.SerializeAsString());
}

absl::Status BackupCatalog::RemoveParts(absl::string_view id, uint64_t count) {
  for (uint64_t number = 0; number < count; ++number) {
    RETURN_IF_ERROR(objects_.Remove(PartOf(id, number)));
  }
  return absl::OkStatus();
}

absl::StatusOr<BackupCatalog::Writer> BackupCatalog::GetWriter(absl::string_view base) {
  const absl::StatusOr<std::string> text = objects_.Read(WriterOf(base));
  if (IsMissing(text.status())) return Writer{};
  RETURN_IF_ERROR(text.status());
  const std::pair<std::string, std::string> parts = absl::StrSplit(*text, absl::MaxSplits(' ', 1));
  return Writer{parts.first, parts.second};
}

absl::Status BackupCatalog::SetWriter(absl::string_view base, const Writer& writer) {
  return objects_.Write(WriterOf(base), absl::StrCat(writer.id, " ", writer.node));
}

absl::Status BackupCatalog::ClearWriter(absl::string_view base) {
  return objects_.Remove(WriterOf(base));
}

}  // namespace hvagent::backup

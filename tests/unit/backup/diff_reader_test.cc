// What is taken of the `rbd diff` format, and what is refused before anybody believes it.
#include "agent/backup/diff_reader.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/backup/diff_writer.h"
#include "agent/backup/read_ahead.h"
#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace hvagent::backup {
namespace {

using ::hvagent::testing::Fails;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr uint64_t kSize = 64 << 20;

std::string Number(uint64_t value, int bytes = 8) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}
std::string Name(char tag, const std::string& name) {
  return absl::StrCat(std::string(1, tag), Number(name.size(), 4), name);
}
std::string Size(uint64_t size = kSize) { return absl::StrCat("s", Number(size)); }
std::string Data(uint64_t offset, const std::string& data) {
  return absl::StrCat("w", Number(offset), Number(data.size()), data);
}
std::string Zeros(uint64_t offset, uint64_t length) {
  return absl::StrCat("z", Number(offset), Number(length));
}
std::string Diff(const std::vector<std::string>& records) {
  return absl::StrCat("rbd diff v1\n", absl::StrJoin(records, ""));
}

// The stream in pieces of `piece` bytes.
DiffReader::Source Pieces(std::string stream, size_t piece = 7) {
  auto at = std::make_shared<size_t>(0);
  return [stream = std::move(stream), piece, at]() -> absl::StatusOr<std::string> {
    std::string next = stream.substr(std::min(*at, stream.size()), piece);
    *at += next.size();
    return next;
  };
}

struct Read {
  DiffHeader header;
  std::vector<DiffReader::Change> changes;
};

absl::StatusOr<Read> ReadAll(DiffReader::Source source) {
  DiffReader reader(std::move(source), GiB(1));
  Read read;
  auto header = reader.ReadHeader();
  if (!header.ok()) return header.status();
  read.header = *std::move(header);
  while (true) {
    auto change = reader.Next();
    if (!change.ok()) return change.status();
    if (!change->has_value()) return read;
    read.changes.push_back(**std::move(change));
  }
}

TEST(DiffReaderTest, ReadsWhatRbdWritesWhateverThePieces) {
  const std::string stream = Diff({Name('f', "one"), Name('t', "two"), Size(), Data(4096, "hello"),
                                   Zeros(8192, 512), Data(kSize - 3, "end"), "e"});
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{13}, stream.size()}) {
    const auto read = ReadAll(Pieces(stream, piece));
    ASSERT_OK(read);
    EXPECT_EQ(read->header, (DiffHeader{"one", "two", kSize}));
    ASSERT_THAT(read->changes, SizeIs(3));
    EXPECT_EQ(read->changes[0].extent, (block::Extent{4096, 5, true}));
    EXPECT_EQ(read->changes[0].data, "hello");
    EXPECT_EQ(read->changes[1].extent, (block::Extent{8192, 512, false}));
    EXPECT_EQ(read->changes[2].data, "end");
  }
}

TEST(DiffReaderTest, CutsLongRecordsAtTheBordersOfReads) {
  std::string data(kReadBytes + 10, 'x');
  const auto read = ReadAll(
      Pieces(Diff({Size(), Data(kReadBytes - 5, data), Zeros(kReadBytes * 4, kReadBytes * 2), "e"}),
             1 << 20));
  ASSERT_OK(read);
  std::vector<uint64_t> lengths;
  for (const auto& change : read->changes) lengths.push_back(change.extent.length_bytes);
  EXPECT_THAT(lengths, ::testing::ElementsAre(5, kReadBytes, 5, kReadBytes, kReadBytes));
}

TEST(DiffReaderTest, ReadsWhatTheWriterWrites) {
  std::string stream;
  DiffWriter writer([&](const std::string& chunk) {
    stream += chunk;
    return absl::OkStatus();
  });
  const DiffHeader header{"", "snap", kSize};
  std::string data(3 << 20, 'd');
  ASSERT_OK(writer.WriteHeader(header));
  ASSERT_OK(writer.WriteData(0, data));
  ASSERT_OK(writer.WriteZeros(8 << 20, 100));
  ASSERT_OK(writer.WriteEnd());
  EXPECT_EQ(stream, Diff({Name('t', "snap"), Size(), Data(0, data), Zeros(8 << 20, 100), "e"}));
  const auto read = ReadAll(Pieces(stream, DiffWriter::kChunkBytes));
  ASSERT_OK(read);
  EXPECT_EQ(read->header, header);
  EXPECT_EQ(read->changes.front().data, data);
}

TEST(DiffReaderTest, RefusesEveryCutOfAStream) {
  const std::string stream = Diff(
      {Name('f', "one"), Name('t', "two"), Size(), Data(4096, "hello"), Zeros(8192, 512), "e"});
  for (size_t length = 0; length < stream.size(); ++length) {
    EXPECT_THAT(ReadAll(Pieces(stream.substr(0, length))), Fails(kInvalid, "TRUNCATED_STREAM"))
        << length;
  }
}

TEST(DiffReaderTest, RefusesWhatIsNotInOrder) {
  const struct {
    const char* says;
    std::string stream;
  } kCases[] = {
      {"does not begin", "rbd diff v2\n" + Size() + "e"},
      {"does not begin", std::string(100, '\0')},
      {"use `rbd export-diff`", "rbd image v2\n" + std::string(20, 'x')},
      {"before the disk's size", Diff({"e"})},
      {"before the disk's size", Diff({Data(0, "x"), Size(), "e"})},
      {"a second size", Diff({Size(), Size(), "e"})},
      {"a second name", Diff({Name('t', "a"), Name('t', "b"), Size(), "e"})},
      {"name of 0 bytes", Diff({Name('t', ""), Size(), "e"})},
      {"name of 4294967295 bytes", Diff({"f" + Number(0xffffffff, 4)})},
      {"not printable", Diff({Name('f', "a\nb"), Size(), "e"})},
      {"not printable", Diff({Name('t', "\xff"), Size(), "e"})},
      {"a disk of 0 bytes", Diff({Size(0), "e"})},
      {"are allowed here", Diff({Size((1 << 30) + 1), "e"})},
      {"are allowed here", Diff({Size(~uint64_t{0}), "e"})},
      {"unknown kind 'q'", Diff({"q"})},
      {"the kind '\\x00'", Diff({Size(), Data(0, "x"), std::string(1, '\0')})},
      {"among the changes", Diff({Size(), Data(0, "x"), Name('t', "late"), "e"})},
      {"among the changes", Diff({Size(), Data(0, "x"), Size(), "e"})},
      {"the disk has 67108864", Diff({Size(), Data(kSize - 1, "xy"), "e"})},
      {"the disk has 67108864", Diff({Size(), Zeros(kSize + 1, 0), "e"})},
      {"the disk has 67108864", Diff({Size(), Zeros(1, ~uint64_t{0}), "e"})},
      {"the disk has 67108864", Diff({Size(), "w" + Number(0) + Number(uint64_t{1} << 62)})},
      {"not behind the one", Diff({Size(), Data(100, "abc"), Data(102, "x"), "e"})},
      {"not behind the one", Diff({Size(), Zeros(4096, 4096), Data(0, "x"), "e"})},
      {"behind its end", Diff({Size(), "ee"})},
  };
  for (const auto& bad : kCases) {
    const auto read = ReadAll(Pieces(bad.stream));
    EXPECT_THAT(read, Fails(kInvalid, "DIFF_REFUSED")) << bad.says;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(bad.says));
    EXPECT_THAT(std::string(read.status().message()), HasSubstr("at byte "));
  }
}

TEST(DiffReaderTest, AnErrorOfTheSourceIsHandedOn) {
  const absl::Status gone = absl::CancelledError("gone");
  int calls = 0;
  const auto read = ReadAll([&]() -> absl::StatusOr<std::string> {
    if (++calls == 1) return Diff({Size()});
    return gone;
  });
  EXPECT_EQ(read.status(), gone);
}

}  // namespace
}  // namespace hvagent::backup

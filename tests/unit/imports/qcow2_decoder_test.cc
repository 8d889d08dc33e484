#include "agent/imports/qcow2_decoder.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/imports/qcow2_bytes.h"
#include "tests/unit/imports/temp_file.h"

namespace hvagent::imports {
namespace {

using ::hvagent::testing::Fails;
using ::testing::HasSubstr;

absl::Status GoOn() { return absl::OkStatus(); }

absl::StatusOr<Qcow2Decoder> Decode(const UniqueFd& file, DecoderOptions options = {}) {
  return Qcow2Decoder::Start(file.get(), options, GoOn);
}

std::string Data() { return std::string(kTestClusterBytes, 'd'); }

TEST(Qcow2DecoderTest, DataComesAndHolesDoNot) {
  const UniqueFd file = FileWith(Qcow2File(MiB(300).count(), Data()));
  auto decoder = Decode(file);
  ASSERT_OK(decoder);
  EXPECT_EQ(decoder->size(), MiB(300));
  std::map<uint64_t, std::string> pieces;
  ASSERT_OK(decoder->ReadData([&](uint64_t offset, std::string data) {
    pieces[offset] = std::move(data);
    return absl::OkStatus();
  }));
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_TRUE(pieces[0] == Data());
}

TEST(Qcow2DecoderTest, WhatTheSinkSaysEndsTheReading) {
  const UniqueFd file = FileWith(Qcow2File(MiB(1).count(), Data()));
  auto decoder = Decode(file);
  ASSERT_OK(decoder);
  const absl::Status full = absl::ResourceExhaustedError("full");
  EXPECT_EQ(decoder->ReadData([&](uint64_t, std::string) { return full; }), full);
}

// A mapping that leads out of the file: the header is in order.
TEST(Qcow2DecoderTest, ADamagedTableFailsTheReadingAndNothingElse) {
  std::string bytes = Qcow2File(MiB(1).count(), Data());
  Poke(bytes, 4 * kTestClusterBytes, uint64_t{1} << 63 | 512, 8);
  const UniqueFd file = FileWith(bytes);
  auto decoder = Decode(file);
  ASSERT_OK(decoder);
  EXPECT_THAT(decoder->ReadData([](uint64_t, std::string) { return absl::OkStatus(); }),
              Fails(absl::StatusCode::kInvalidArgument, "QCOW2_UNREADABLE"));
}

TEST(Qcow2DecoderTest, AFileThatTheDecoderCannotOpenIsUnreadable) {
  std::string bytes = Qcow2File(MiB(1).count());
  Poke(bytes, 3 * kTestClusterBytes, ~uint64_t{0}, 8);
  Poke(bytes, 96, 99, 4);
  const UniqueFd file = FileWith(bytes);
  const auto decoder = Decode(file);
  EXPECT_THAT(decoder, Fails(absl::StatusCode::kInvalidArgument, "QCOW2_UNREADABLE"));
  EXPECT_THAT(std::string(decoder.status().message()), HasSubstr("qemu-nbd"));
}

// Past our own look at the header the sandbox is what keeps the node's files away.
TEST(Qcow2DecoderTest, ABackingFileOfTheNodeIsNotThereForTheDecoder) {
  std::string bytes = Qcow2File(MiB(1).count());
  Poke(bytes, 8, 512, 8);
  Poke(bytes, 16, 11, 4);
  bytes.replace(512, 11, "/etc/passwd");
  const UniqueFd file = FileWith(bytes);
  const auto decoder = Decode(file);
  EXPECT_THAT(decoder, Fails(absl::StatusCode::kInvalidArgument, "QCOW2_UNREADABLE"));
  EXPECT_THAT(std::string(decoder.status().message()), HasSubstr("No such file"));
}

TEST(Qcow2DecoderTest, WithoutASandboxNothingIsDecoded) {
  const UniqueFd file = FileWith(Qcow2File(MiB(1).count()));
  EXPECT_THAT(Decode(file, {.sandbox_program = "/nowhere/bwrap"}),
              Fails(absl::StatusCode::kFailedPrecondition, "SANDBOX_UNAVAILABLE"));
  EXPECT_THAT(Decode(file, {.decoder_program = "/nowhere/qemu-nbd"}),
              Fails(absl::StatusCode::kFailedPrecondition, "SANDBOX_UNAVAILABLE"));
}

// The decoder itself: bubblewrap's child.
pid_t InnerProcess(pid_t sandbox) {
  for (;;) {
    std::string path = absl::StrCat("/proc/", sandbox, "/task/", sandbox, "/children");
    FILE* const file = fopen(path.c_str(), "r");
    int child = 0;
    const int found = file == nullptr ? 0 : fscanf(file, "%d", &child);
    if (file != nullptr) fclose(file);
    if (found != 1) return sandbox;
    sandbox = child;
  }
}

TEST(Qcow2DecoderTest, ADecoderThatIsKilledFailsTheReading) {
  const UniqueFd file = FileWith(Qcow2File(MiB(1).count(), Data()));
  auto decoder = Decode(file);
  ASSERT_OK(decoder);
  ASSERT_EQ(kill(InnerProcess(decoder->pid()), SIGKILL), 0);
  EXPECT_THAT(decoder->ReadData([](uint64_t, std::string) { return absl::OkStatus(); }),
              Fails(absl::StatusCode::kAborted, "DECODER_FAILED"));
}

TEST(Qcow2DecoderTest, ADecoderThatHangsIsGivenUp) {
  const UniqueFd file = FileWith(Qcow2File(MiB(1).count(), Data()));
  auto decoder = Decode(file, {.patience = absl::Milliseconds(600)});
  ASSERT_OK(decoder);
  ASSERT_EQ(kill(InnerProcess(decoder->pid()), SIGSTOP), 0);
  const absl::Status status =
      decoder->ReadData([](uint64_t, std::string) { return absl::OkStatus(); });
  EXPECT_THAT(status, Fails(absl::StatusCode::kAborted, "DECODER_FAILED"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("not answered"));
}

TEST(Qcow2DecoderTest, NoProcessIsLeftWhenItGoes) {
  const UniqueFd file = FileWith(Qcow2File(MiB(1).count(), Data()));
  pid_t sandbox = 0;
  {
    auto decoder = Decode(file);
    ASSERT_OK(decoder);
    sandbox = decoder->pid();
    EXPECT_EQ(kill(sandbox, 0), 0);
  }
  EXPECT_EQ(kill(sandbox, 0), -1);
}

}  // namespace
}  // namespace hvagent::imports

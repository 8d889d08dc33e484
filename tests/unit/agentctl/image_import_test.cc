#include "agentctl/image_import.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/unit/agentctl/fake_agent.h"

namespace hvagent::agentctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Not a multiple of a chunk, and no two chunks alike.
std::string Disk() {
  std::string bytes;
  for (int i = 0; bytes.size() < (5u << 19); ++i) absl::StrAppend(&bytes, i, " ");
  return bytes;
}

class ImageImportTest : public ::testing::Test {
 protected:
  RunResult Import(const std::string& file, std::vector<std::string> more = {"--id", "jammy"}) {
    std::vector<std::string> arguments = {"image", "import", file};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunAgentctl({&agent_}, arguments);
  }

  FakeAgent agent_{"compute-1"};
  TempDir dir_;
};

TEST_F(ImageImportTest, SendsEveryByteOfAFile) {
  const std::string disk = Disk();
  const RunResult result = Import(dir_.Write("disk.raw", disk));
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_TRUE(agent_.imported("jammy") == disk);
  EXPECT_THAT(result.out, HasSubstr("jammy"));
  EXPECT_THAT(result.err, IsEmpty());
}

TEST_F(ImageImportTest, SendsEveryByteOfAPipeWhoseSizeIsNotKnown) {
  const std::string fifo = dir_.path() + "/pipe";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const std::string disk = Disk();
  std::thread writer([&] { dir_.Write("pipe", disk); });
  const RunResult result = Import(fifo);
  writer.join();
  EXPECT_EQ(result.exit, ExitCode::kDone) << result.err;
  EXPECT_TRUE(agent_.imported("jammy") == disk);
}

TEST_F(ImageImportTest, PrintsTheIdThatItChose) {
  const RunResult result = Import(dir_.Write("disk.raw", "x"), {"-o", "name"});
  ASSERT_EQ(result.exit, ExitCode::kDone) << result.err;
  const std::string id = result.out.substr(6, 36);
  EXPECT_EQ(result.out, absl::StrCat("image/", id, "\n"));
  EXPECT_EQ(agent_.imported(id), "x");
}

TEST_F(ImageImportTest, AFileThatBeginsAsQcow2IsNotSentWhereNoFormatWasSaid) {
  const RunResult result = Import(dir_.Write("disk.qcow2", "QFI\xfb rest"));
  EXPECT_EQ(result.exit, ExitCode::kFailed);
  EXPECT_THAT(result.err, AllOf(HasSubstr("--format qcow2"), HasSubstr("--format raw")));
  EXPECT_THAT(agent_.request_ids("ImageService.Import"), IsEmpty());
}

TEST_F(ImageImportTest, SendsTheFormatThatWasSaidAndTheBytesAsTheyAre) {
  const std::string bytes = "QFI\xfb rest";
  const std::string file = dir_.Write("disk.qcow2", bytes);
  EXPECT_EQ(Import(file, {"--id", "as-qcow2", "--format", "qcow2"}).exit, ExitCode::kDone);
  EXPECT_EQ(Import(file, {"--id", "as-raw", "--format", "raw"}).exit, ExitCode::kDone);
  EXPECT_EQ(Import(dir_.Write("disk.raw", "disk"), {"--id", "default"}).exit, ExitCode::kDone);
  EXPECT_EQ(agent_.imported("as-qcow2"), bytes);
  EXPECT_EQ(agent_.imported("as-raw"), bytes);
  EXPECT_EQ(agent_.import_format("as-qcow2"), v1::Image::QCOW2);
  EXPECT_EQ(agent_.import_format("as-raw"), v1::Image::RAW);
  EXPECT_EQ(agent_.import_format("default"), v1::Image::RAW);
}

TEST_F(ImageImportTest, AFormatThatIsNotKnownIsWrongUsage) {
  EXPECT_EQ(Import(dir_.Write("disk.vmdk", "KDMV"), {"--format", "vmdk"}).exit, ExitCode::kUsage);
}

TEST_F(ImageImportTest, MissingFileAndFolderAreNamed) {
  EXPECT_THAT(Import("/nowhere/disk.raw").err, HasSubstr("/nowhere/disk.raw"));
  EXPECT_THAT(Import(dir_.path()).err, HasSubstr(dir_.path()));
}

TEST_F(ImageImportTest, InterruptCancelsTheUploadAndSaysSo) {
  // A pipe that stays open: without the interrupt the upload would wait for ever.
  const std::string fifo = dir_.path() + "/pipe";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const int keep_open = ::open(fifo.c_str(), O_RDWR);
  ASSERT_GE(keep_open, 0);
  const std::string megabyte(1 << 20, 'x');
  std::thread writer([&] {
    size_t done = 0;
    while (done < megabyte.size()) {
      const ssize_t count = ::write(keep_open, megabyte.data() + done, megabyte.size() - done);
      ASSERT_GT(count, 0);
      done += static_cast<size_t>(count);
    }
  });
  agent_.on_chunk = [](grpc::ServerContext*, size_t) { ::raise(SIGINT); };
  const RunResult result = Import(fifo);
  writer.join();
  ::close(keep_open);
  EXPECT_EQ(result.exit, ExitCode::kFailed);
  EXPECT_THAT(result.err, AllOf(HasSubstr("interrupted"), HasSubstr("cancelled")));
  EXPECT_THAT(agent_.imported("jammy"), IsEmpty());
}

TEST_F(ImageImportTest, SecondInterruptLeavesAtOnce) {
  // In a process of its own: a fork of this one, with gRPC's threads, is no place for more of them.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const Interrupts interrupts;
        ::raise(SIGINT);
        ::raise(SIGINT);
      },
      ::testing::ExitedWithCode(static_cast<int>(ExitCode::kInDoubt)), "");
}

}  // namespace
}  // namespace hvagent::agentctl

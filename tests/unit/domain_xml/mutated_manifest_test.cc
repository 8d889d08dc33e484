// Manifests with something wrong in them, the same ones each time. tests/fuzz/vm_spec_fuzzer looks
// for more.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "tests/support/manifest_properties.h"

namespace hvagent {
namespace {

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Good manifests, by name.
std::vector<std::string> Manifests() {
  std::set<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(HVAGENT_MANIFESTS)) {
    paths.insert(entry.path());
  }
  std::vector<std::string> texts;
  for (const std::string& path : paths) texts.push_back(Read(path));
  return texts;
}

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  // One or a few words are replaced by what is just possible, or by what is not; or bytes are.
  std::string Mutate(const std::string& text) {
    std::string mutated = text;
    for (size_t i = Below(3) + 1; i > 0; --i) {
      mutated = Below(4) == 0 ? WithOtherByte(std::move(mutated)) : WithOtherValue(mutated);
    }
    return mutated;
  }

 private:
  size_t Below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }

  std::string WithOtherByte(std::string text) {
    text[Below(text.size())] = static_cast<char>(Below(256));
    return text;
  }

  // Everything after one of the ": ", up to the next separator.
  std::string WithOtherValue(const std::string& text) {
    static const char* const kValues[] = {"0",
                                          "1",
                                          "-1",
                                          "4294967295",
                                          "18446744073709551615",
                                          "1.5",
                                          "true",
                                          "null",
                                          "\"\"",
                                          "{}",
                                          "[]",
                                          "\"\\0\"",
                                          "\"\\n\"",
                                          "0-4095",
                                          "^1",
                                          "NONE",
                                          "SCSI",
                                          "SATA",
                                          "UEFI",
                                          "NAMED",
                                          "clean-traffic",
                                          "\"<a/>\"",
                                          "\"&#10;\"",
                                          "../..",
                                          "{a: b}",
                                          "[1, 1]",
                                          "\"fe:00:00:00:00:00\""};
    std::vector<std::string> parts = absl::StrSplit(text, ": ");
    std::string& part = parts[1 + Below(parts.size() - 1)];
    const size_t end = part.find_first_of(",}]\n");
    part = kValues[Below(std::size(kValues))] + (end == std::string::npos ? "" : part.substr(end));
    return absl::StrJoin(parts, ": ");
  }

  std::mt19937_64 random_;
};

TEST(ManifestTest, GoodOnesBecomeXml) {
  const std::vector<std::string> manifests = Manifests();
  ASSERT_GE(manifests.size(), 3);
  for (const std::string& manifest : manifests) {
    EXPECT_TRUE(testing::CheckManifest(manifest)) << manifest;
  }
}

TEST(ManifestTest, MutatedOnesAreRefusedOrMeanSomething) {
  const std::vector<std::string> manifests = Manifests();
  int became_xml = 0;
  constexpr uint64_t kRuns = 6000;
  for (uint64_t seed = 0; seed < kRuns; ++seed) {
    if (testing::CheckManifest(Mutator(seed).Mutate(manifests[seed % manifests.size()]))) {
      ++became_xml;
    }
  }
  // Neither are all of them nonsense, nor is nonsense taken for a VM.
  EXPECT_GT(became_xml, 100);
  EXPECT_LT(became_xml, 3000);
}

}  // namespace
}  // namespace hvagent

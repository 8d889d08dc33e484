#include "secrets/secret_bytes.h"

#include <algorithm>
#include <concepts>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace {

// What one block of memory held at the moment when it was freed. Only one at a time.
class FreedMemory {
 public:
  FreedMemory(const void* block, size_t size) {
    watched_ = block;
    watched_size_ = size;
    seen_ = false;
  }
  ~FreedMemory() { watched_ = nullptr; }

  std::string content() const { return seen_ ? std::string(copy_, watched_size_) : "not freed"; }

  static void OnFree(const void* block) {
    if (block == nullptr || block != watched_) return;
    memcpy(copy_, block, std::min(watched_size_, sizeof(copy_)));
    watched_ = nullptr;
    seen_ = true;
  }

 private:
  static inline const void* watched_ = nullptr;
  static inline size_t watched_size_ = 0;
  static inline bool seen_ = false;
  static inline char copy_[128];
};

}  // namespace

void* operator new(size_t size) {
  void* block = malloc(size);
  if (block == nullptr) abort();
  return block;
}
void operator delete(void* block) noexcept {
  FreedMemory::OnFree(block);
  free(block);
}
void operator delete(void* block, size_t) noexcept { operator delete(block); }

namespace hvagent::secrets {
namespace {

template <typename T>
concept Streamable = requires(std::ostream& out, const T& value) {
  out << value;
};
template <typename T>
concept Concatenable = requires(const T& value) {
  absl::StrCat(value);
};
template <typename T>
concept EqualityComparable = requires(const T& a, const T& b) {
  a == b;
};

// The concepts do tell the two sorts apart.
static_assert(Streamable<std::string> && Concatenable<std::string>);

static_assert(!Streamable<SecretBytes>, "a secret must not reach a log or a stream");
static_assert(!Concatenable<SecretBytes>, "a secret must not reach a message");
static_assert(!std::convertible_to<SecretBytes, absl::string_view>);
static_assert(!std::convertible_to<SecretBytes, std::string>);
static_assert(!std::convertible_to<std::string, SecretBytes>, "must be made on purpose");
static_assert(!EqualityComparable<SecretBytes>, "== suggests a comparison that leaks its timing");
static_assert(!std::is_copy_constructible_v<SecretBytes>);
static_assert(!std::is_copy_assignable_v<SecretBytes>);
static_assert(std::is_nothrow_move_constructible_v<SecretBytes>);
static_assert(std::is_nothrow_move_assignable_v<SecretBytes>);

constexpr char kKey[] = "0123456789abcdef";

TEST(SecretBytesTest, RevealsWhatItWasMadeOf) {
  const std::string with_nul("a\0b", 3);
  EXPECT_EQ(SecretBytes(with_nul).Reveal(), with_nul);
  EXPECT_TRUE(SecretBytes().empty());
  EXPECT_TRUE(SecretBytes("").Reveal().empty());
}

TEST(SecretBytesTest, MoveTakesTheBufferAndLeavesNothing) {
  SecretBytes from(kKey);
  const char* buffer = from.Reveal().data();
  SecretBytes to = std::move(from);
  EXPECT_EQ(to.Reveal().data(), buffer);
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): that is what is proved
}

TEST(SecretBytesTest, MoveAssignmentReplaces) {
  SecretBytes to("old value");
  to = SecretBytes(kKey);
  EXPECT_EQ(to.Reveal(), kKey);
}

TEST(SecretBytesTest, SelfMoveKeepsTheValue) {
  SecretBytes bytes(kKey);
  SecretBytes& same = bytes;
  bytes = std::move(same);
  EXPECT_EQ(bytes.Reveal(), kKey);
}

TEST(SecretBytesTest, CloneIsIndependent) {
  const SecretBytes original(kKey);
  SecretBytes clone = original.Clone();
  EXPECT_NE(clone.Reveal().data(), original.Reveal().data());
  EXPECT_TRUE(clone.Equals(original));
}

TEST(SecretBytesTest, EqualsComparesSizeAndContent) {
  EXPECT_TRUE(SecretBytes(kKey).Equals(SecretBytes(kKey)));
  EXPECT_TRUE(SecretBytes().Equals(SecretBytes("")));
  EXPECT_FALSE(SecretBytes(kKey).Equals(SecretBytes("0123456789abcdeX")));
  EXPECT_FALSE(SecretBytes(kKey).Equals(SecretBytes("0123456789abcde")));
  EXPECT_FALSE(SecretBytes(kKey).Equals(SecretBytes()));
}

TEST(SecretBytesTest, WipesItsMemoryWhenItGoes) {
  auto bytes = std::make_unique<SecretBytes>(kKey);
  FreedMemory freed(bytes->Reveal().data(), bytes->size());
  bytes.reset();
  EXPECT_EQ(freed.content(), std::string(strlen(kKey), '\0'));
}

TEST(SecretBytesTest, WipesTheOldValueWhenReplaced) {
  SecretBytes bytes(kKey);
  FreedMemory freed(bytes.Reveal().data(), bytes.size());
  bytes = SecretBytes("another value");
  EXPECT_EQ(freed.content(), std::string(strlen(kKey), '\0'));
}

TEST(WipeStringTest, OverwritesTheWholeBuffer) {
  auto text = std::make_unique<std::string>(absl::StrCat(kKey, kKey, kKey));
  const size_t capacity = text->capacity();
  FreedMemory freed(text->data(), capacity);
  text->resize(5);  // the rest of the key is still in the buffer, past the end
  WipeString(*text);
  EXPECT_TRUE(text->empty());
  text.reset();
  EXPECT_EQ(freed.content(), std::string(capacity, '\0'));
}

}  // namespace
}  // namespace hvagent::secrets

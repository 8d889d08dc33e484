#include "base/utf8.h"

#include "gtest/gtest.h"

namespace hvagent {
namespace {

TEST(Utf8Test, AcceptsTextOfEveryLength) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("vm-1"));
  EXPECT_TRUE(IsUtf8("\xc3\xa9"));          // U+00E9
  EXPECT_TRUE(IsUtf8("\xe4\xb8\xad"));      // U+4E2D
  EXPECT_TRUE(IsUtf8("\xf4\x8f\xbf\xbf"));  // U+10FFFF
}

TEST(Utf8Test, RefusesWhatIsNoText) {
  EXPECT_FALSE(IsUtf8("\x80"));       // a continuation alone
  EXPECT_FALSE(IsUtf8("a\xc3"));      // cut short
  EXPECT_FALSE(IsUtf8("\xc3("));      // no continuation
  EXPECT_FALSE(IsUtf8("\xe4\xb8("));  // no second continuation
  EXPECT_FALSE(IsUtf8("\xff\xfe"));   // never a lead
}

TEST(Utf8Test, RefusesOverlongFormsSurrogatesAndTooLargeCodePoints) {
  EXPECT_FALSE(IsUtf8("\xc0\xaf"));          // '/' in two bytes
  EXPECT_FALSE(IsUtf8("\xe0\x80\xaf"));      // '/' in three
  EXPECT_FALSE(IsUtf8("\xf0\x80\x80\xaf"));  // '/' in four
  EXPECT_FALSE(IsUtf8("\xed\xa0\x80"));      // U+D800
  EXPECT_FALSE(IsUtf8("\xf4\x90\x80\x80"));  // U+110000
}

}  // namespace
}  // namespace hvagent

#include "agentctl/output.h"

#include <gtest/gtest.h>

#include <sstream>

#include "agentctl/views.h"
#include "hvagent/v1/secret_service.pb.h"

namespace hvagent::agentctl {
namespace {

Row SecretRow(const std::string& node, const std::string& entity, bool has_value) {
  v1::Secret secret;
  secret.set_uuid("4810c760-dc42-4e5f-9d41-7346db7d7da2");
  secret.set_entity(entity);
  secret.set_usage("client.cinder secret");
  secret.set_has_value(has_value);
  Row row = RowOf(secret);
  row.node = node;
  return row;
}

Row SilentNode(const std::string& node) {
  Row row;
  row.node = node;
  row.error = absl::UnavailableError("nobody listens");
  return row;
}

Listing Secrets() {
  return {SecretColumns(),
          {SecretRow("compute-1", "client.cinder", true), SilentNode("compute-10"),
           SecretRow("compute-2", "", false)},
          /*with_node=*/true};
}

std::string Written(Format format, const Listing& listing, bool colour = false) {
  std::ostringstream out;
  EXPECT_TRUE(WriteListing(out, {format, colour}, listing).ok());
  return out.str();
}

TEST(OutputTest, TableHasANodeColumnAndARowForASilentNode) {
  EXPECT_EQ(
      Written(Format::kTable, Secrets()),
      R"(NODE         UUID                                   ENTITY          USAGE                  VALUE
compute-1    4810c760-dc42-4e5f-9d41-7346db7d7da2   client.cinder   client.cinder secret   set
compute-10   UNAVAILABLE: nobody listens
compute-2    4810c760-dc42-4e5f-9d41-7346db7d7da2   -               client.cinder secret   none
)");
}

TEST(OutputTest, WideShowsColumnsThatTheTableLeavesOut) {
  v1::Image image;
  image.set_id("jammy");
  image.set_size_bytes(1536ull << 20);
  image.set_object_size_bytes(8 << 20);
  image.set_ready(true);
  image.set_pool("images");
  image.set_sha256("abc");
  const Listing listing{ImageColumns(), {RowOf(image)}, /*with_node=*/false};
  EXPECT_EQ(Written(Format::kTable, listing),
            "ID      SIZE      READY   AGE\n"
            "jammy   1.5 GiB   True    -\n");
  EXPECT_EQ(Written(Format::kWide, listing),
            "ID      SIZE      READY   AGE   POOL     OBJECTS   SHA256\n"
            "jammy   1.5 GiB   True    -     images   8 MiB     abc\n");
}

TEST(OutputTest, ColourIsUsedOnlyWhenAskedFor) {
  EXPECT_EQ(Written(Format::kTable, Secrets()).find('\x1b'), std::string::npos);
  EXPECT_NE(Written(Format::kTable, Secrets(), /*colour=*/true).find("\x1b[32mset\x1b[0m"),
            std::string::npos);
}

TEST(OutputTest, CellsCannotDriveTheTerminal) {
  v1::Secret secret;
  secret.set_uuid("u");
  secret.set_usage("evil\x1b]0;title\x07\nrow");
  const std::string text = Written(Format::kTable, {SecretColumns(), {RowOf(secret)}, false});
  EXPECT_NE(text.find("evil\\x1b]0;title\\x07 row"), std::string::npos) << text;
}

TEST(OutputTest, JsonListCarriesNodeFirstAndErrorsAsItems) {
  EXPECT_EQ(Written(Format::kJson, Secrets()), R"({
 "items": [
  {
   "node": "compute-1",
   "uuid": "4810c760-dc42-4e5f-9d41-7346db7d7da2",
   "usage": "client.cinder secret",
   "entity": "client.cinder",
   "has_value": true
  },
  {
   "node": "compute-10",
   "error": {
    "code": "UNAVAILABLE",
    "message": "nobody listens"
   }
  },
  {
   "node": "compute-2",
   "uuid": "4810c760-dc42-4e5f-9d41-7346db7d7da2",
   "usage": "client.cinder secret"
  }
 ]
}
)");
}

TEST(OutputTest, JsonOfAnEmptyMessageStillCarriesItsNode) {
  Row row = RowOf(v1::Secret());
  row.node = "compute-1";
  EXPECT_EQ(Written(Format::kJson, {SecretColumns(), {row}, true}),
            "{\n \"items\": [\n  {\n   \"node\": \"compute-1\"\n  }\n ]\n}\n");
}

TEST(OutputTest, YamlListIsTheSameShape) {
  EXPECT_EQ(Written(Format::kYaml, Secrets()), R"(items:
- node: "compute-1"
  uuid: 4810c760-dc42-4e5f-9d41-7346db7d7da2
  usage: client.cinder secret
  entity: client.cinder
  has_value: true
- node: "compute-10"
  error:
    code: UNAVAILABLE
    message: "nobody listens"
- node: "compute-2"
  uuid: 4810c760-dc42-4e5f-9d41-7346db7d7da2
  usage: client.cinder secret
)");
}

TEST(OutputTest, NamesAreOneALineAndSkipErrors) {
  EXPECT_EQ(Written(Format::kName, Secrets()),
            "secret/4810c760-dc42-4e5f-9d41-7346db7d7da2\n"
            "secret/4810c760-dc42-4e5f-9d41-7346db7d7da2\n");
}

TEST(OutputTest, EmptyListsAreStillLists) {
  const Listing none{SecretColumns(), {}, /*with_node=*/false};
  EXPECT_EQ(Written(Format::kTable, none), "UUID   ENTITY   USAGE   VALUE\n");
  EXPECT_EQ(Written(Format::kJson, none), "{\n \"items\": []\n}\n");
  EXPECT_EQ(Written(Format::kYaml, none), "items: []\n");
}

TEST(OutputTest, ObjectIsTheMessageItself) {
  std::ostringstream out;
  const Row row = SecretRow("compute-1", "client.cinder", true);
  ASSERT_TRUE(WriteObject(out, {Format::kYaml, false}, SecretColumns(), row).ok());
  EXPECT_EQ(out.str(),
            "uuid: 4810c760-dc42-4e5f-9d41-7346db7d7da2\n"
            "usage: client.cinder secret\n"
            "entity: client.cinder\n"
            "has_value: true\n");
}

}  // namespace
}  // namespace hvagent::agentctl

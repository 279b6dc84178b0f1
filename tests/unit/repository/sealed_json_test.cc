// SPDX-License-Identifier: MIT
#include "repository/sealed_json.hh"

#include "base/error.hh"
#include "catch.hh"
#include "crypto/sha256.hh"

using namespace tmb;
using namespace tmb::repository;

TEST_CASE("sealed JSON opens to what was sealed and is JSON for everybody") {
  const Json object{{"a", 1}, {"sha", "x"}, {"b", {1, 2, "\n\"}\n"}}};
  const std::string bytes = seal_json(object);
  CHECK(open_sealed_json(bytes, "x") == object);
  CHECK(Json::parse(bytes).at("a") == 1);
  CHECK(bytes.ends_with("\"\n}\n"));
}

TEST_CASE("a checksum of its own inside the object does not pass for the seal") {
  const std::string inner = seal_json({{"a", 1}});
  CHECK_THROWS_AS(open_sealed_json("{\"x\":" + inner + "}", "x"), base::Error);
  CHECK_THROWS_AS(open_sealed_json(inner + inner, "x"), base::Error);
  CHECK_THROWS_AS(open_sealed_json("", "x"), base::Error);
}

TEST_CASE("right checksums over what is not JSON are damaged") {
  for (const std::string& body :
       {std::string("["), std::string("{\"a\":"), std::string("\xff\xfe,\n"), std::string(5000, '[')}) {
    const std::string bytes = body + "  \"sha256\": \"" + crypto::hex(crypto::sha256(body)) + "\"\n}\n";
    try {
      open_sealed_json(bytes, "the file");
      FAIL("accepted");
    } catch (const base::Error& error) {
      CHECK(error.code() == base::ExitCode::damaged);
      CHECK_THAT(error.message(), test::ContainsSubstring("the file"));
    }
  }
}

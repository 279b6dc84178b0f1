// SPDX-License-Identifier: MIT
#include "base/secret.hh"

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "catch.hh"

using tmb::base::Secret;

namespace {

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};

}  // namespace

TEST_CASE("a secret can be read only by the name reveal") {
  STATIC_REQUIRE_FALSE(Printable<Secret>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<Secret, std::string>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<Secret, std::string_view>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<std::string, Secret>);
  CHECK(Secret("open sesame").reveal() == "open sesame");
}

TEST_CASE("a copied secret is another one with the same bytes, a moved one leaves nothing behind") {
  Secret first("open sesame, and this is longer than any small string");
  const Secret copy = first;
  CHECK(copy.reveal() == first.reveal());
  const Secret moved = std::move(first);
  CHECK(moved.reveal() == copy.reveal());
  CHECK(first.empty());  // NOLINT(bugprone-use-after-move): that it is empty is the point
  Secret target("old");
  target = copy;
  CHECK(target.reveal() == copy.reveal());
  target = Secret("new");
  CHECK(target.reveal() == "new");
}

TEST_CASE("a short secret, kept inside the object, is wiped from the one it was moved from") {
  Secret first("hunter2");
  const char* inside = first.reveal().data();
  const Secret moved = std::move(first);
  CHECK(moved.reveal() == "hunter2");
  for (std::size_t i = 0; i < 7; ++i) CHECK(inside[i] == '\0');
}

TEST_CASE("an assignment to itself keeps the secret") {
  Secret secret("open sesame");
  Secret& same = secret;
  secret = same;
  CHECK(secret.reveal() == "open sesame");
}

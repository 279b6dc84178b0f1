// SPDX-License-Identifier: MIT
#include "diff/primary_keys.hh"

#include "catch.hh"

namespace {

using tmb::diff::read_primary_keys;

std::string integer(int value) {
  std::string out(5, '\0');
  out[0] = value < 0 ? '\1' : '\0';
  const unsigned size = static_cast<unsigned>(value < 0 ? -value : value);
  for (unsigned i = 0; i < 4; ++i) out[1 + i] = static_cast<char>(size >> (8 * i));
  return out;
}

std::string text(const std::string& value) { return integer(static_cast<int>(value.size())) + value; }
std::string null() { return integer(-1); }

std::string entry(const std::string& description, const std::string& definition) {
  return integer(1) + integer(0) + text("0") + text("0") + text("tag") + text(description) + integer(4) +
         text(definition) + text("") + null() + text("public") + text("") + null() + integer(0) + text("me") +
         text("false") + text("7") + null() + std::string(9, '\0');
}

// As pg_dump 17 writes it.
std::string archive(const std::vector<std::string>& entries) {
  std::string out("PGDMP\1\20\0\4\10\1\0", 12);
  for (int i = 0; i < 7; ++i) out += integer(i);
  out += text("teslamate") + text("17.6") + text("17.6") + integer(static_cast<int>(entries.size()));
  for (const std::string& e : entries) out += e;
  return out;
}

}  // namespace

TEST_CASE("the primary keys of an archive are found, others are not", "[diff]") {
  const auto keys = read_primary_keys(archive({
      entry("TABLE", "CREATE TABLE public.cars (id integer);\n"),
      entry("CONSTRAINT", "ALTER TABLE ONLY public.cars\n    ADD CONSTRAINT cars_pkey PRIMARY KEY (id);\n"),
      entry("CONSTRAINT", "ALTER TABLE ONLY public.cars\n    ADD CONSTRAINT cars_u UNIQUE (vin);\n"),
      entry("CONSTRAINT",
            "ALTER TABLE ONLY \"a \"\"b\"\".c\".\"d.e\"\n    ADD CONSTRAINT \"x y\" PRIMARY KEY (\"g,h)\", "
            "i);\n"),
  }));
  CHECK(keys.size() == 2);
  CHECK(keys.at({"public", "cars"}) == std::vector<std::string>{"id"});
  CHECK(keys.at({"a \"b\".c", "d.e"}) == std::vector<std::string>{"g,h)", "i"});
}

TEST_CASE("an archive that is cut off or is none gives the keys before the cut", "[diff]") {
  const std::string whole = archive(
      {entry("CONSTRAINT", "ALTER TABLE ONLY public.cars\n    ADD CONSTRAINT cars_pkey PRIMARY KEY (id);\n"),
       entry("CONSTRAINT", "ALTER TABLE ONLY public.b\n    ADD CONSTRAINT b_pkey PRIMARY KEY (id);\n")});
  CHECK(read_primary_keys(whole).size() == 2);
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK(read_primary_keys(whole.substr(0, size)).size() < 2);
  CHECK(read_primary_keys("").empty());
  CHECK(read_primary_keys(std::string(1000, 'x')).empty());
}

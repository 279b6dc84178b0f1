// SPDX-License-Identifier: MIT
#include "transfer/sql_text.hh"

#include "base/error.hh"
#include "catch.hh"
#include "transfer/file_kind.hh"

using namespace tmb;

TEST_CASE("identifiers are quoted where they have to be", "[transfer]") {
  using transfer::identifier;
  CHECK(identifier("positions") == "positions");
  CHECK(identifier("_x1") == "_x1");
  for (const char* name : {"", "1x", "Upper", "a b", "a-b", "ä", "select", "user", "position", "a.b"})
    CHECK(identifier(name) == "\"" + std::string(name) + "\"");
  CHECK(identifier("a\"b") == "\"a\"\"b\"");
  CHECK(transfer::literal("it's \\ here") == "'it''s \\ here'");
}

TEST_CASE("a line break in a name cannot end a comment", "[transfer]") {
  repository::TableData table;
  table.schema = "public";
  table.name = "x\n\\! touch /tmp/evil\r\n--";
  const std::string text = transfer::copy_begin(table);
  CHECK(text.starts_with("--\n-- Data for Name: x \\! touch /tmp/evil  --; Type: TABLE DATA"));
  CHECK(text.ends_with("COPY public.\"x\n\\! touch /tmp/evil\r\n--\"  FROM stdin;\n"));
}

TEST_CASE("a materialised view is refreshed under its own name", "[transfer]") {
  CHECK(transfer::refresh("\"public\".\"per_car\"")
            .ends_with("REFRESH MATERIALIZED VIEW public.per_car;\n\n\n"));
  CHECK(transfer::refresh("\"a\"\".b\".\"c\"").ends_with("REFRESH MATERIALIZED VIEW \"a\"\".b\".c;\n\n\n"));
  for (const char* bad : {"", "x", "\"x\"", "\"x\".\"y\".\"z\"", "\"x\".\"y\"; DROP TABLE cars", "\"x\".\"y"})
    CHECK_THROWS_AS(transfer::refresh(bad), base::Error);
}

TEST_CASE("two sections make one script", "[transfer]") {
  const std::string end = "\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict T\n\n";
  const std::string head = "--\n-- PostgreSQL database dump\n--\n\n\\restrict T\n\nSET x = 1;\n";
  const std::string pre = "\n--\n-- Name: a; Type: TABLE\n--\n\nCREATE TABLE a ();\n\n";
  const std::string post = "\n--\n-- Name: i; Type: INDEX\n--\n\nCREATE INDEX i;\n\n";
  const transfer::Script script = transfer::join_sections(head + pre + end, head + post + end);
  CHECK(script.before + script.after + script.end ==
        head + pre + "\n" + post.substr(1) + "\n" + end.substr(1));
  CHECK(transfer::join_sections(head + pre + end, head + end).after.empty());
  CHECK_THROWS_AS(transfer::join_sections(head + pre, head + end), base::Error);
}

TEST_CASE("the kind of a file is told by its suffixes alone", "[transfer]") {
  using transfer::kind_of_file;
  CHECK(kind_of_file("/x/teslamate.bck").content == transfer::Content::sql);
  CHECK(kind_of_file("a.tmb").content == transfer::Content::tmb);
  CHECK(kind_of_file("a.sql.gz").compression == archive::Compression::gzip);
  CHECK(kind_of_file("a.tmb.zst").compression == archive::Compression::zstd);
  for (const char* bad : {"", "a", "sql", "a.gz", "a.sql.bz2", "a.SQL", "a.sql.gz.gz", "a.dump"})
    CHECK_THROWS_AS(kind_of_file(bad), base::Error);
}

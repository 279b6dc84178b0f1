// SPDX-License-Identifier: MIT
#include "teslamate/undo_file.hh"

#include <sys/stat.h>

#include "base/error.hh"
#include "catch.hh"
#include "folder.hh"
#include "teslamate/row_source.hh"

using namespace tmb;
using namespace tmb::teslamate;

namespace {

const UndoSection drives{{"public", "drives"}, Change::deleted, {}, {"id", "name"}};
const UndoSection positions{{"public", "positions"}, Change::changed, {"id"}, {"drive_id"}};

void write(const base::Path& path, const UndoSeal* seal, int rows) {
  UndoWriter writer(
      path, {"delete-drive", "drive 42", {42}, "2026-11-20T17:15:00Z", {"123", "db", "5"}, "77"}, seal);
  writer.begin(drives);
  writer.row("42\tä \\\\N\n");
  writer.end();
  writer.begin(positions);
  for (int i = 0; i < rows; ++i) writer.row(std::to_string(i) + "\t42\t\\N\n");
  writer.end();
  writer.publish();
}

// Not a cipher: it shows which piece is meant to be where.
const UndoSeal marked{[](std::string_view piece, std::uint64_t number, bool last) {
                        return std::to_string(number) + (last ? "!" : "?") + std::string(piece);
                      },
                      [](std::string_view piece, std::uint64_t number, bool last) {
                        const std::string head = std::to_string(number) + (last ? "!" : "?");
                        if (!piece.starts_with(head))
                          throw base::Error(base::ExitCode::damaged, "another piece");
                        return std::string(piece.substr(head.size()));
                      }};

}  // namespace

TEST_CASE("an undo file gives back what was written, plain and sealed", "[teslamate]") {
  const test::Folder folder;
  for (const UndoSeal* seal : {static_cast<const UndoSeal*>(nullptr), &marked}) {
    for (const int rows : {0, 1, 200000}) {  // the last are several pieces
      const base::Path path = folder.path() / ("u" + std::to_string(rows) + (seal != nullptr ? "s" : "p"));
      write(path, seal, rows);
      const UndoReader reader(path, seal);
      CHECK(reader.header().ids == std::vector<std::int64_t>{42});
      CHECK(reader.header().transaction == "77");
      REQUIRE(reader.sections().size() == 2);
      CHECK(reader.sections()[1].change == Change::changed);
      CHECK(reader.rows_of(1) == static_cast<std::uint64_t>(rows));
      std::uint64_t seen = 0;
      reader.read([&](std::size_t section, std::string_view line) {
        if (section == 0) CHECK(line == "42\tä \\\\N\n");
        if (section == 1) ++seen;
      });
      CHECK(seen == static_cast<std::uint64_t>(rows));
      struct stat status {};
      REQUIRE(::stat(path.c_str(), &status) == 0);
      CHECK((status.st_mode & 07777U) == 0600U);
    }
  }
}

namespace {

std::string text_of(const UndoReader& reader) {
  std::string out = reader.header().act + reader.header().title + reader.header().transaction;
  reader.read([&](std::size_t section, std::string_view line) {
    out += reader.sections()[section].table.text();
    out += line;
  });
  return out;
}

}  // namespace

// A few bits of a compressed frame mean nothing: then it says the same as before.
TEST_CASE("an undo file that was cut, changed or is sealed with another key is refused", "[teslamate]") {
  const test::Folder folder;
  const base::Path path = folder.path() / "u";
  write(path, nullptr, 3);
  const std::string whole = base::read_file(path, 1 << 20);
  const std::string text = text_of(UndoReader(path, nullptr));
  std::size_t unnoticed = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string changed = whole;
      changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ (1U << bit));
      base::publish_file(path, changed, base::Overwrite::yes);
      try {
        const std::string now = text_of(UndoReader(path, nullptr));
        ++unnoticed;
        CHECK(now == text);
      } catch (const base::Error&) {  // as it should be
      }
    }
    base::publish_file(path, whole.substr(0, at), base::Overwrite::yes);
    CHECK_THROWS_AS(UndoReader(path, nullptr), base::Error);
  }
  CHECK(unnoticed < whole.size() / 4);
  write(folder.path() / "sealed", &marked, 3);
  CHECK_THROWS_AS(UndoReader(folder.path() / "sealed", nullptr), base::Error);
}

TEST_CASE("a file that is not published leaves nothing behind, and none is overwritten", "[teslamate]") {
  const test::Folder folder;
  {
    UndoWriter writer(folder.path() / "u", {}, nullptr);
    writer.begin(drives);
  }
  CHECK(std::filesystem::is_empty(folder.path()));
  write(folder.path() / "u", nullptr, 1);
  CHECK_THROWS_AS(write(folder.path() / "u", nullptr, 2), base::Error);
  CHECK(UndoReader(folder.path() / "u", nullptr).rows_of(1) == 1);
}

TEST_CASE("a filter takes rows by values in columns, or by one value and a time", "[teslamate]") {
  const std::string rows =
      "1\t7\t2026-01-01 10:00:00\n2\t\\N\t2026-01-02 10:00:00.5\n3\t8\t2026-01-03 10:00:00\n";
  std::string out;
  RowFilter all;
  CHECK(all.select(rows, out) == 3);
  CHECK(out == rows);
  RowFilter some;
  some.any_of = {{1, {"7"}}, {0, {"3", "17"}}};
  out.clear();
  CHECK(some.select(rows, out) == 2);
  CHECK(out == "1\t7\t2026-01-01 10:00:00\n3\t8\t2026-01-03 10:00:00\n");
  RowFilter timed;
  timed.within = RowFilter::Values{1, {"7", "8", "\\N"}};
  timed.date_column = 2;
  timed.since = "2026-01-02 00:00:00";
  timed.until = "2026-01-03 10:00:00";
  out.clear();
  CHECK(timed.select(rows, out) == 1);
  CHECK(out.starts_with("2\t"));
}

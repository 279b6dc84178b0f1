// SPDX-License-Identifier: MIT
#include "files/extract.hh"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "base/error.hh"
#include "catch.hh"
#include "files/collect.hh"
#include "folder.hh"

namespace {

using namespace tmb;
using base::ExitCode;
using repository::CarriedFile;
namespace fs = std::filesystem;

// Pieces in memory, named by their number.
struct Pieces {
  std::map<std::string, std::string> content;
  files::Store store() {
    return [this](std::string_view piece) {
      const std::string id = std::to_string(content.size());
      content[id] = piece;
      return repository::ObjectRef{id, piece.size()};
    };
  }
  files::Fetch fetch() {
    return [this](const repository::ObjectRef& ref, std::string& out) { out = content.at(ref.id); };
  }
};

CarriedFile file(const std::string& path, CarriedFile::Kind kind = CarriedFile::Kind::file) {
  CarriedFile out;
  out.path = path;
  out.kind = kind;
  out.mode = 0600;
  out.uid = ::geteuid();
  out.gid = ::getegid();
  return out;
}

ExitCode outcome(const std::vector<CarriedFile>& list, const base::Path& folder) {
  Pieces pieces;
  try {
    files::extract(list, folder, pieces.fetch());
    return ExitCode::ok;
  } catch (const base::Error& error) {
    return error.code();
  }
}

void write(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace

TEST_CASE("no path in a manifest leads out of the folder", "[files]") {
  for (const std::string path :
       {"../x", "/../x", "/a/../../x", "/a/./b", "a/b", "", "/", "//x", "/a//b", "/a/", "/a/.."}) {
    const test::Folder folder;
    INFO(path);
    CHECK(outcome({file("/good"), file(path)}, folder / "out") == ExitCode::damaged);
    // Nothing at all was made.
    CHECK_FALSE(fs::exists(folder / "out"));
    CHECK_FALSE(fs::exists(folder / "x"));
  }
  const test::Folder folder;
  CHECK(outcome({file(std::string("/a\0b", 4))}, folder / "out") == ExitCode::damaged);
}

TEST_CASE("nothing is written through a link of the manifest", "[files]") {
  const test::Folder folder;
  fs::create_directory(folder / "outside");
  CarriedFile link = file("/etc", CarriedFile::Kind::link);
  link.target = (folder / "outside").string();
  CHECK(outcome({link, file("/etc/passwd")}, folder / "out") == ExitCode::local_io);
  CHECK(fs::is_empty(folder / "outside"));
  CHECK(outcome({link, file("/etc")}, folder / "out2") == ExitCode::local_io);
  CHECK(outcome({link, file("/etc/inner", CarriedFile::Kind::folder)}, folder / "out3") ==
        ExitCode::local_io);
  CHECK(fs::is_empty(folder / "outside"));
}

TEST_CASE("a folder that is not empty, a link or a file is refused", "[files]") {
  const test::Folder folder;
  write(folder / "full/x", "x");
  CHECK(outcome({file("/a")}, folder / "full") == ExitCode::refused);
  fs::create_directory(folder / "empty");
  fs::create_symlink(folder / "empty", folder / "link");
  CHECK(outcome({file("/a")}, folder / "link") != ExitCode::ok);
  CHECK(fs::is_empty(folder / "empty"));
  CHECK(outcome({file("/a")}, folder / "full/x") == ExitCode::local_io);
}

TEST_CASE("what was collected comes back with modes, times, links and bytes", "[files]") {
  const test::Folder folder;
  const fs::path from = folder / "from";
  write(from / "a", "one");
  write(from / "inner/big", std::string((std::size_t{8} << 20U) + 5, 'b'));
  write(from / "inner/empty", "");
  write(from / "inner/exact", std::string(std::size_t{8} << 20U, 'e'));
  fs::create_symlink("../a", from / "inner/link");
  ::chmod((from / "a").c_str(), 0640);
  ::chmod((from / "inner").c_str(), 0500);
  Pieces pieces;
  files::Wanted wanted;
  wanted.paths = {from};
  const files::Collected collected = files::collect(wanted, pieces.store());
  CHECK(collected.problems.empty());
  CHECK(collected.files.size() == 7);
  const mode_t mask = ::umask(077);  // as our programs have it
  const files::Extracted done = files::extract(collected.files, folder / "out", pieces.fetch());
  ::umask(mask);
  CHECK(done.files == 5);
  const fs::path to = folder.path() / "out" / from.relative_path();
  // Copied over a system, folders that were not carried must not close it; the one around them is private.
  CHECK(fs::status(folder / "out").permissions() == fs::perms(0700));
  for (fs::path up = to.parent_path(); up != folder / "out"; up = up.parent_path())
    CHECK(fs::status(up).permissions() == fs::perms(0755));
  for (const char* name : {"a", "inner/big", "inner/empty", "inner/exact"}) {
    CHECK(base::read_file(to / name, 1 << 25) == base::read_file(from / name, 1 << 25));
    CHECK(std::chrono::floor<std::chrono::seconds>(fs::last_write_time(to / name)) ==
          std::chrono::floor<std::chrono::seconds>(fs::last_write_time(from / name)));
  }
  CHECK(fs::status(to / "a").permissions() == fs::perms(0640));
  CHECK(fs::status(to / "inner").permissions() == fs::perms(0500));
  CHECK(fs::read_symlink(to / "inner/link") == "../a");
  ::chmod((from / "inner").c_str(), 0700);
  ::chmod((to / "inner").c_str(), 0700);
}

TEST_CASE("a file of another length than the manifest says is damage", "[files]") {
  const test::Folder folder;
  Pieces pieces;
  CarriedFile f = file("/a");
  f.objects = {pieces.store()("abc")};
  f.bytes = 4;
  try {
    files::extract({f}, folder / "out", pieces.fetch());
    FAIL("was accepted");
  } catch (const base::Error& error) {
    CHECK(error.code() == ExitCode::damaged);
  }
}

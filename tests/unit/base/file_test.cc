// SPDX-License-Identifier: MIT
#include "base/file.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.hh"
#include "catch.hh"
#include "folder.hh"

using tmb::base::Error;
using tmb::base::ExitCode;
using tmb::base::Overwrite;
using tmb::base::Path;
using tmb::test::Folder;

namespace {

void put(const Path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

unsigned mode_of(const Path& path) {
  struct stat status {};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status.st_mode & 07777U;
}

std::vector<std::string> names_in(const Path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

template <typename Action>
ExitCode code_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return ExitCode::ok;
}

}  // namespace

TEST_CASE("a file is read whole, with its zero bytes") {
  const Folder folder;
  const std::string text("a\0b\n\xff", 5);
  put(folder / "f", text);
  CHECK(tmb::base::read_file(folder / "f", 5) == text);
  put(folder / "empty", "");
  CHECK(tmb::base::read_file(folder / "empty", 0).empty());
}

TEST_CASE("a file longer than its limit is refused as damaged") {
  const Folder folder;
  put(folder / "f", "123456");
  CHECK(code_of([&] { tmb::base::read_file(folder / "f", 5); }) == ExitCode::damaged);
}

TEST_CASE("a missing file is local_io, or nothing where that is expected") {
  const Folder folder;
  CHECK(code_of([&] { tmb::base::read_file(folder / "f", 5); }) == ExitCode::local_io);
  CHECK_FALSE(tmb::base::read_file_if_there(folder / "f", 5).has_value());
  put(folder / "f", "x");
  CHECK(tmb::base::read_file_if_there(folder / "f", 5) == "x");
}

TEST_CASE("a folder, a pipe and a symbolic link in place of a file are refused without waiting") {
  const Folder folder;
  std::filesystem::create_directory(folder / "folder");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  put(folder / "file", "x");
  std::filesystem::create_symlink(folder / "file", folder / "link");
  for (const char* name : {"folder", "pipe", "link"}) {
    INFO(name);
    CHECK(code_of([&] { tmb::base::read_file(folder / name, 5); }) == ExitCode::local_io);
    CHECK(code_of([&] { tmb::base::read_file_if_there(folder / name, 5); }) == ExitCode::local_io);
  }
}

TEST_CASE("a published file has its bytes and its mode, whatever the umask is, and leaves no other file") {
  const Folder folder;
  const mode_t before = ::umask(0);
  tmb::base::publish_file(folder / "open", "abc", Overwrite::no);
  tmb::base::publish_file(folder / "fixed", "abc", Overwrite::no, 0400);
  ::umask(0777);
  tmb::base::publish_file(folder / "closed", "abc", Overwrite::no);
  ::umask(before);
  CHECK(mode_of(folder / "open") == 0600);
  CHECK(mode_of(folder / "closed") == 0600);
  CHECK(mode_of(folder / "fixed") == 0400);
  CHECK(tmb::base::read_file(folder / "open", 10) == "abc");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"closed", "fixed", "open"});
}

TEST_CASE("publishing over an existing file replaces it only when told to") {
  const Folder folder;
  tmb::base::publish_file(folder / "f", "old", Overwrite::no);
  CHECK(code_of([&] { tmb::base::publish_file(folder / "f", "new", Overwrite::no); }) == ExitCode::refused);
  CHECK(tmb::base::read_file(folder / "f", 10) == "old");
  tmb::base::publish_file(folder / "f", "new", Overwrite::yes);
  CHECK(tmb::base::read_file(folder / "f", 10) == "new");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"f"});
}

TEST_CASE("publishing over a symbolic link replaces the link, not what it points to") {
  const Folder folder;
  put(folder / "victim", "precious");
  std::filesystem::create_symlink(folder / "victim", folder / "f");
  tmb::base::publish_file(folder / "f", "new", Overwrite::yes);
  CHECK(tmb::base::read_file(folder / "victim", 10) == "precious");
  CHECK(tmb::base::read_file(folder / "f", 10) == "new");
}

TEST_CASE("publishing into a missing folder is local_io") {
  const Folder folder;
  CHECK(code_of([&] { tmb::base::publish_file(folder / "no" / "f", "x", Overwrite::no); }) ==
        ExitCode::local_io);
}

TEST_CASE("a failed rename leaves neither the file nor a temporary one") {
  const Folder folder;
  std::filesystem::create_directories(folder.path() / "f" / "full");  // a rename over it fails
  CHECK(code_of([&] { tmb::base::publish_file(folder / "f", "x", Overwrite::yes); }) == ExitCode::local_io);
  CHECK(names_in(folder.path()) == std::vector<std::string>{"f"});
}

TEST_CASE("a folder is made once, closed to others, and never in place of something else") {
  const Folder folder;
  const mode_t before = ::umask(0);
  CHECK(tmb::base::make_directory(folder / "d"));
  ::umask(before);
  CHECK(mode_of(folder / "d") == 0700);
  CHECK_FALSE(tmb::base::make_directory(folder / "d"));
  put(folder / "f", "x");
  CHECK(code_of([&] { tmb::base::make_directory(folder / "f"); }) == ExitCode::local_io);
  std::filesystem::create_directory_symlink(folder / "d", folder / "link");
  CHECK(code_of([&] { tmb::base::make_directory(folder / "link"); }) == ExitCode::local_io);
  CHECK(code_of([&] { tmb::base::make_directory(folder.path() / "no" / "d"); }) == ExitCode::local_io);
}

TEST_CASE("only leftovers of publishing are removed") {
  const Folder folder;
  put(folder / ".tmp-17-0-object", "half");
  put(folder / "object", "whole");
  put(folder / ".hidden", "of somebody");
  CHECK(tmb::base::remove_temporary_files(folder.path()) == 1);
  CHECK(names_in(folder.path()) == std::vector<std::string>{".hidden", "object"});
}

TEST_CASE("a file in memory is on no disk, reads back by its path, and is closed to others") {
  const auto file = tmb::base::memory_file("pgpass", "secret");
  std::ifstream in(tmb::base::memory_file_path(file));
  std::string text;
  in >> text;
  CHECK(text == "secret");
  struct stat status {};
  REQUIRE(::fstat(file.get(), &status) == 0);
  CHECK((status.st_mode & 07777U) == 0600);
  CHECK(status.st_nlink == 0);
}

TEST_CASE("the free space of a folder is known, that of nothing is local_io") {
  const Folder folder;
  CHECK(tmb::base::free_space(folder.path()) > 0);
  CHECK(code_of([&] { tmb::base::free_space(folder / "no"); }) == ExitCode::local_io);
}

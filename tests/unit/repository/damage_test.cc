// SPDX-License-Identifier: MIT
// Every bit and every length of every file of a small repository, in process.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catch.hh"
#include "repository/encrypted_sample.hh"

namespace {

using namespace tmb;
using base::ExitCode;
using test::files_of;
using test::read;
using test::write;

constexpr const char* id = "20261120T021503Z-7f3a";

ExitCode outcome(const base::Path& repository) {
  return test::outcome([&] { test::read_whole_snapshot(repository); });
}

struct Sample {
  Sample() {
    const auto repository = repository::Repository::create(folder / "r");
    repository.publish(test::sample_manifest(repository, id));
  }
  base::Path path() const { return folder / "r"; }
  test::Folder folder;
};

}  // namespace

TEST_CASE("a whole snapshot reads without an error") {
  const Sample sample;
  CHECK(outcome(sample.path()) == ExitCode::ok);
  CHECK(files_of(sample.path()).size() == 5);  // format, manifest, three objects
}

TEST_CASE("every flipped bit of every file is found") {
  const Sample sample;
  for (const base::Path& file : files_of(sample.path())) {
    const std::string good = read(file);
    std::string bytes = good;
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      write(file, bytes);
      if (outcome(sample.path()) != ExitCode::damaged) FAIL("bit " << bit << " of " << file);
      bytes[bit / 8] = good[bit / 8];
    }
    write(file, good);
  }
  CHECK(outcome(sample.path()) == ExitCode::ok);
}

TEST_CASE("every truncation and every appended byte of every file is found") {
  const Sample sample;
  for (const base::Path& file : files_of(sample.path())) {
    const std::string good = read(file);
    for (std::size_t size = 0; size < good.size(); ++size) {
      write(file, std::string_view(good).substr(0, size));
      if (outcome(sample.path()) != ExitCode::damaged) FAIL("first " << size << " bytes of " << file);
    }
    for (const char more : {'\0', '\n', 'x'}) {
      write(file, good + more);
      if (outcome(sample.path()) != ExitCode::damaged) FAIL("a byte behind " << file);
    }
    write(file, good);
  }
  CHECK(outcome(sample.path()) == ExitCode::ok);
}

TEST_CASE(
    "a missing object is damage, a missing manifest is no snapshot, a missing format file damage as well") {
  const Sample sample;
  for (const base::Path& file : files_of(sample.path())) {
    const std::string good = read(file);
    std::filesystem::remove(file);
    const bool manifest = file.extension() == ".json" && file.filename() != "format.json";
    const ExitCode expected = manifest ? ExitCode::not_found : ExitCode::damaged;
    CHECK(outcome(sample.path()) == expected);
    write(file, good);
  }
}

TEST_CASE("objects that take each other's place are found") {
  const Sample sample;
  std::vector<base::Path> objects = files_of(sample.path() / "objects");
  REQUIRE(objects.size() == 3);
  for (const base::Path& a : objects) {
    for (const base::Path& b : objects) {
      if (a == b) continue;
      const std::string good = read(a);
      write(a, read(b));
      CHECK(outcome(sample.path()) == ExitCode::damaged);
      write(a, good);
    }
  }
}

TEST_CASE("a manifest of another repository or under another name is found") {
  const Sample sample;
  const Sample other;
  const base::Path name = base::Path("snapshots") / (std::string(id) + ".json");
  const std::string good = read(sample.path() / name);
  write(sample.path() / name, read(other.path() / name));
  CHECK(outcome(sample.path()) == ExitCode::damaged);
  write(sample.path() / name, good);
  CHECK(outcome(sample.path()) == ExitCode::ok);
  write(sample.path() / "snapshots" / "20271120T021503Z-7f3a.json", good);
  CHECK(outcome(sample.path()) == ExitCode::damaged);
}

TEST_CASE("a FIFO, a folder or a link in place of a file ends neither in a hang nor in its content") {
  const Sample sample;
  for (const base::Path& file : files_of(sample.path())) {
    const base::Path aside = sample.folder / "aside";
    std::filesystem::rename(file, aside);
    REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
    CHECK(outcome(sample.path()) == ExitCode::local_io);
    std::filesystem::remove(file);
    std::filesystem::create_directory(file);
    CHECK(outcome(sample.path()) == ExitCode::local_io);
    std::filesystem::remove(file);
    std::filesystem::create_symlink(aside, file);
    CHECK(outcome(sample.path()) == ExitCode::local_io);
    std::filesystem::remove(file);
    std::filesystem::rename(aside, file);
  }
}

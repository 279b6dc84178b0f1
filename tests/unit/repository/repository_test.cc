// SPDX-License-Identifier: MIT
#include "repository/repository.hh"

#include <sys/stat.h>

#include <fstream>

#include "base/error.hh"
#include "catch.hh"
#include "folder.hh"
#include "repository/key_text.hh"
#include "repository/removal.hh"
#include "repository/sample_snapshot.hh"

using namespace tmb;
using base::ExitCode;
using repository::Repository;

namespace {

template <class Action>
ExitCode outcome(Action&& action) {
  try {
    action();
    return ExitCode::ok;
  } catch (const base::Error& error) {
    return error.code();
  }
}

constexpr crypto::ScryptCost cheap{1024, 8, 1};

void touch(const base::Path& path) { std::ofstream(path) << "x"; }

}  // namespace

TEST_CASE("a repository is made in a new or an empty folder, with private folders, and opened again") {
  const test::Folder folder;
  const auto made = Repository::create(folder / "new");
  CHECK(Repository::open(folder / "new").id() == made.id());
  CHECK(made.id().size() == 32);
  CHECK(Repository::create(folder.path() / "trailing/").id() != made.id());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / "new")) {
    struct stat status {};
    REQUIRE(::stat(entry.path().c_str(), &status) == 0);
    CHECK((status.st_mode & 077) == 0);
  }
  CHECK(std::filesystem::exists(folder / "new/objects/00"));
  CHECK(std::filesystem::exists(folder / "new/objects/ff"));
}

TEST_CASE("a half-made repository is completed, a whole one never made anew") {
  const test::Folder folder;
  const auto id = Repository::create(folder / "r").id();
  CHECK(outcome([&] { Repository::create(folder / "r"); }) != ExitCode::ok);
  CHECK(Repository::open(folder / "r").id() == id);
  std::filesystem::remove(folder / "r/format.json");
  std::filesystem::remove(folder / "r/objects/7f");
  touch(folder / "r/.tmp-1-0-format.json");
  Repository::create(folder / "r");
  CHECK(std::filesystem::exists(folder / "r/objects/7f"));
}

TEST_CASE("what is no repository is refused and left as it is") {
  const test::Folder folder;
  CHECK(outcome([&] { Repository::open(folder / "none"); }) == ExitCode::no_repository);
  CHECK(outcome([&] { Repository::create(folder / "none/deeper"); }) == ExitCode::local_io);
  touch(folder / "file");
  CHECK(outcome([&] { Repository::open(folder / "file"); }) == ExitCode::local_io);
  CHECK(outcome([&] { Repository::create(folder / "file"); }) == ExitCode::local_io);
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  CHECK(outcome([&] { Repository::open(folder / "fifo"); }) == ExitCode::local_io);
  std::filesystem::create_directory(folder / "foreign");
  touch(folder / "foreign/letter");
  CHECK(outcome([&] { Repository::create(folder / "foreign"); }) == ExitCode::no_repository);
  CHECK_FALSE(std::filesystem::exists(folder / "foreign/objects"));
}

TEST_CASE("a repository that has lost format.json alone is never made anew, and its keys stay") {
  const test::Folder folder;
  const base::Secret key = repository::generate_key_text();
  const repository::NewKey first{key, "first", {}, cheap};
  const auto made = Repository::create(folder / "r", first);
  made.publish(test::sample_manifest(made, "20261120T021503Z-7f3a"));
  std::filesystem::rename(folder / "r/format.json", folder / "aside");
  const auto refused = [&] {
    const repository::NewKey other{repository::generate_key_text(), "other", {}, cheap};
    CHECK(outcome([&] { Repository::create(folder / "r", other); }) == ExitCode::damaged);
    CHECK(outcome([&] { Repository::create(folder / "r"); }) == ExitCode::damaged);
    const auto open = [&] { Repository::open(folder / "r"); };
    CHECK(outcome(open) == ExitCode::damaged);
  };
  refused();
  std::filesystem::rename(folder / "r/snapshots", folder / "snapshots");
  refused();  // its objects are there
  std::filesystem::rename(folder / "r/objects", folder / "objects");
  touch(folder / "r/keys/0123abcd.json");
  refused();  // more keys than a first run leaves
  std::filesystem::remove(folder / "r/keys/0123abcd.json");
  // One key is what a killed first run leaves; a plain repository is not made in its place.
  CHECK(outcome([&] { Repository::create(folder / "r"); }) == ExitCode::damaged);
  for (const char* name : {"objects", "snapshots"}) {
    std::filesystem::remove_all(folder / "r" / name);
    std::filesystem::rename(folder / name, folder / "r" / name);
  }
  std::filesystem::rename(folder / "aside", folder / "r/format.json");
  const auto again = Repository::open(folder / "r", [&](const std::string&) { return key; });
  CHECK(again.read_latest()->id == "20261120T021503Z-7f3a");
}

TEST_CASE("two first runs in one folder make one repository") {
  const test::Folder folder;
  std::filesystem::remove(Repository::create(folder / "r").path() / "format.json");
  {
    const auto other = base::FileLock::try_acquire(folder / "r/lock", 1, base::LockMode::exclusive);
    REQUIRE(other);
    CHECK(outcome([&] { Repository::create(folder / "r"); }) == ExitCode::locked);
  }
  const auto id = Repository::create(folder / "r").id();
  CHECK(outcome([&] { Repository::create(folder / "r"); }) == ExitCode::locked);
  CHECK(Repository::open(folder / "r").id() == id);
}

TEST_CASE("folders of objects that a copy left out are made again by the next writer, and read as empty") {
  const test::Folder folder;
  const auto repository = Repository::create(folder / "r");
  repository.publish(test::sample_manifest(repository, "20261120T021503Z-7f3a"));
  std::size_t dropped = 0;
  for (const auto& shard : std::filesystem::directory_iterator(folder / "r/objects")) {
    std::error_code not_empty;
    if (std::filesystem::remove(shard.path(), not_empty)) ++dropped;
  }
  CHECK(dropped > 250);
  using repository::Removal;
  CHECK(Removal(repository, Removal::Access::look).list_objects().size() == 256 - dropped);
  CHECK(outcome([&] { repository.lock_for_writing(); }) == ExitCode::ok);
  CHECK(std::filesystem::exists(folder / "r/objects/00"));
  CHECK(std::filesystem::exists(folder / "r/objects/ff"));
}

TEST_CASE("a slot that cannot be read shuts nobody out who holds another") {
  const test::Folder folder;
  const base::Secret key = repository::generate_key_text();
  Repository::create(folder / "r", repository::NewKey{key, "first", {}, cheap});
  std::filesystem::create_symlink("/dev/zero", folder / "r/keys/00000000.json");
  std::filesystem::create_directory(folder / "r/keys/11111111.json");
  touch(folder / "r/keys/22222222.json");
  std::filesystem::resize_file(folder / "r/keys/22222222.json", 1 << 20);
  const auto again = Repository::open(folder / "r", [&](const std::string&) { return key; });
  CHECK(repository::read_slots(again.read_key_files()).damaged.size() == 3);
  std::filesystem::remove_all(folder / "r/keys");
  touch(folder / "r/keys");
  const auto open = [&] { Repository::open(folder / "r", [&](const std::string&) { return key; }); };
  CHECK(outcome(open) == ExitCode::local_io);
}

TEST_CASE("one writer, any number of readers, and readers beside the writer") {
  const test::Folder folder;
  const auto repository = Repository::create(folder / "r");
  std::optional<base::FileLock> writer = repository.lock_for_writing();
  CHECK(outcome([&] { repository.lock_for_writing(); }) == ExitCode::locked);
  const auto reader = repository.lock_for_reading();
  const auto another = repository.lock_for_reading();
  writer.reset();
  CHECK(outcome([&] { repository.lock_for_writing(); }) == ExitCode::ok);
}

TEST_CASE("the writer sweeps temporary files of dead runs, wherever one can be") {
  const test::Folder folder;
  const auto repository = Repository::create(folder / "r");
  for (const char* name : {"r/.tmp-1-0-format.json", "r/.tmp-1-1-lock", "r/snapshots/.tmp-1-2-x.json",
                           "r/objects/00/.tmp-1-3-00", "r/objects/ff/.tmp-1-4-ff"}) {
    touch(folder / name);
  }
  touch(folder / "r/objects/00/kept");
  const auto lock = repository.lock_for_writing();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / "r")) {
    CHECK_FALSE(entry.path().filename().string().starts_with(".tmp-"));
  }
  CHECK(std::filesystem::exists(folder / "r/objects/00/kept"));
}

TEST_CASE("snapshots are listed oldest first, and nothing else that lies in their folder") {
  const test::Folder folder;
  const auto repository = Repository::create(folder / "r");
  CHECK(repository.snapshot_ids().empty());
  CHECK_FALSE(repository.read_latest());
  for (const char* id : {"20261121T000000Z-0000", "20261120T000000Z-ffff", "20261120T235959Z-0000"}) {
    repository.publish(test::sample_manifest(repository, id));
  }
  for (const char* name :
       {"r/snapshots/.tmp-1-0-20261122T000000Z-0000.json", "r/snapshots/note.json",
        "r/snapshots/20261122T000000Z-0000.json.bak", "r/snapshots/20261122T000000Z-0000"}) {
    touch(folder / name);
  }
  CHECK(repository.snapshot_ids() ==
        std::vector<std::string>{"20261120T000000Z-ffff", "20261120T235959Z-0000", "20261121T000000Z-0000"});
  CHECK(repository.read_latest()->id == "20261121T000000Z-0000");
}

TEST_CASE("a folder of snapshots that cannot be listed is an error and never an empty one") {
  const test::Folder folder;
  const auto repository = Repository::create(folder / "r");
  std::filesystem::remove(folder / "r/snapshots");
  CHECK(outcome([&] { static_cast<void>(repository.snapshot_ids()); }) == ExitCode::local_io);
  touch(folder / "r/snapshots");
  CHECK(outcome([&] { static_cast<void>(repository.snapshot_ids()); }) == ExitCode::local_io);
}

TEST_CASE("a snapshot's id is taken once") {
  const test::Folder folder;
  const auto repository = Repository::create(folder / "r");
  auto manifest = test::sample_manifest(repository, "20261120T021503Z-7f3a");
  repository.publish(manifest);
  const std::string before = base::read_file(folder / "r/snapshots/20261120T021503Z-7f3a.json", 1 << 20);
  manifest.tag = "another";
  CHECK(outcome([&] { repository.publish(manifest); }) == ExitCode::refused);
  CHECK(base::read_file(folder / "r/snapshots/20261120T021503Z-7f3a.json", 1 << 20) == before);
}

TEST_CASE("names are resolved when they are one snapshot's, and never become paths") {
  const test::Folder folder;
  const auto repository = Repository::create(folder / "r");
  CHECK(outcome([&] { static_cast<void>(repository.resolve("latest")); }) == ExitCode::not_found);
  for (const char* id : {"20261120T021503Z-7f3a", "20261121T021503Z-0001"}) {
    repository.publish(test::sample_manifest(repository, id));
  }
  CHECK(repository.resolve("latest") == "20261121T021503Z-0001");
  CHECK(repository.resolve("20261120") == "20261120T021503Z-7f3a");
  CHECK(repository.resolve("7f3a") == "20261120T021503Z-7f3a");
  for (const char* name : {"2026", "", "20261122", "../../format", "20261120T021503Z-7f3a.json"}) {
    CHECK(outcome([&] { static_cast<void>(repository.resolve(name)); }) == ExitCode::not_found);
  }
  for (const char* name : {"../format", "", "20261122T021503Z-0000"}) {
    CHECK(outcome([&] { static_cast<void>(repository.read_manifest(name)); }) == ExitCode::not_found);
  }
}

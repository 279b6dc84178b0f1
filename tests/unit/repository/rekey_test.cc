// SPDX-License-Identifier: MIT
// Changing the key: cut off after every step, everything is readable with the old key or the new one.
#include "repository/rekey.hh"

#include "catch.hh"
#include "repository/encrypted_sample.hh"
#include "repository/key_text.hh"
#include "repository/last_seen.hh"
#include "repository/objects_of.hh"

namespace {

using namespace tmb;
using base::ExitCode;
using namespace tmb::repository;
using test::answer;
using test::cheap;
using test::outcome;
namespace fs = std::filesystem;

constexpr const char* ids[] = {"20261120T021503Z-7f3a", "20261121T021503Z-0b2c", "20261122T021503Z-ffff"};
NewKey new_key(const base::Secret& secret) { return {secret, "test", {}, cheap}; }

void fill(const Repository& repository) {
  int rows = 40;
  std::uint64_t sequence = 0;
  for (const char* id : ids) {
    Manifest m = test::sample_manifest(repository, id, rows += 10);
    m.sequence = ++sequence;
    repository.publish(m);
  }
}

// All that there is to read, as one text.
std::string everything(const Repository& repository) {
  std::string out;
  Workspace workspace;
  std::string content;
  for (const std::string& id : repository.snapshot_ids()) {
    const Manifest m = repository.read_manifest(id);
    out += id + "\n";
    for_each_object(m, [&](ObjectType type, const ObjectRef& ref) {
      repository.objects().get(type, ref, workspace, content);
      out += content;
    });
  }
  return out;
}

std::size_t plain_objects(const base::Path& path) {
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path / "objects")) {
    if (entry.is_regular_file() && base::read_file(entry.path(), 1 << 24)[6] == 0) ++count;
  }
  return count;
}

struct Cut {};  // thrown where the process would have died

}  // namespace

TEST_CASE("a plain repository becomes an encrypted one with the same content", "[rekey]") {
  const test::Folder folder;
  const auto plain = Repository::create(folder / "r");
  fill(plain);
  const std::string before = everything(plain);
  const base::Secret key = generate_key_text();
  const Rekeyed done = rekey(plain, new_key(key), {}, {});
  CHECK(done.snapshots == 3);
  CHECK(done.repository.encrypted());
  const auto again = Repository::open(folder / "r", answer(key));
  CHECK(again.id() == plain.id());
  CHECK(everything(again) == before);
  CHECK(plain_objects(again.path()) == 0);
  CHECK(again.format().rekey_from.empty());
  CHECK(outcome([&] { Repository::open(folder / "r"); }) == ExitCode::wrong_key);
}

TEST_CASE("a new master key opens everything, and the old one nothing", "[rekey]") {
  const test::Folder folder;
  const base::Secret old_key = generate_key_text();
  const base::Secret key = generate_key_text();
  const auto repository = Repository::create(folder / "r", new_key(old_key));
  fill(repository);
  const std::string before = everything(repository);
  const crypto::Key local = *repository.local_key("undo");
  const Rekeyed done = rekey(repository, new_key(key), {}, {});
  CHECK(done.objects == 5);
  const auto again = Repository::open(folder / "r", answer(key));
  CHECK(everything(again) == before);
  CHECK(again.format().key_id != repository.format().key_id);
  CHECK(outcome([&] { Repository::open(folder / "r", answer(old_key)); }) == ExitCode::wrong_key);
  CHECK(outcome([&] { everything(repository); }) == ExitCode::damaged);  // the keys of before open nothing
  // Files outside that were sealed before still open.
  CHECK(again.local_key("undo")->reveal() != local.reveal());
  REQUIRE(again.earlier_local_keys("undo").size() == 1);
  CHECK(again.earlier_local_keys("undo")[0].reveal() == local.reveal());
}

TEST_CASE("a change of the key cut off anywhere leaves all snapshots readable, and is finished", "[rekey]") {
  for (const bool from_plain : {true, false}) {
    for (std::size_t cut = 1; cut < 40; ++cut) {
      const test::Folder folder;
      const base::Secret old_key = generate_key_text();
      const base::Secret key = generate_key_text();
      const auto repository =
          Repository::create(folder / "r", from_plain ? std::nullopt : std::optional(new_key(old_key)));
      fill(repository);
      const std::string before = everything(repository);
      std::size_t steps = 0;
      bool was_cut = false;
      try {
        rekey(repository, new_key(key),
              [&](std::uint64_t, std::uint64_t) {
                if (++steps == cut) throw Cut();
              },
              {});
      } catch (const Cut&) {
        was_cut = true;
      }
      INFO("cut at " << cut);
      const auto again = Repository::open(folder / "r", answer(key));
      CHECK(everything(again) == before);
      CHECK(again.format().rekey_from.empty() != was_cut);
      CHECK(outcome([&] { rekey(again, new_key(old_key), {}, {}); }) ==
            (was_cut ? ExitCode::refused : ExitCode::ok));
      if (!was_cut) break;
      const Rekeyed done = finish_rekey(again, {}, {});
      CHECK(everything(done.repository) == before);
      CHECK(done.repository.format().rekey_from.empty());
      CHECK(plain_objects(folder / "r") == 0);
    }
  }
}

TEST_CASE("what was opened before the key was changed neither writes nor reads afterwards", "[rekey]") {
  const test::Folder folder;
  const auto plain = Repository::create(folder / "r");
  fill(plain);
  const base::Secret key = generate_key_text();
  const auto encrypted = rekey(plain, new_key(key), {}, {}).repository;
  CHECK(outcome([&] { plain.lock_for_writing(); }) == ExitCode::locked);
  CHECK(outcome([&] { plain.lock_for_reading(); }) == ExitCode::locked);
  CHECK(outcome([&] { encrypted.lock_for_writing(); }) == ExitCode::ok);
  const auto later = rekey(encrypted, new_key(key), {}, {}).repository;
  CHECK(outcome([&] { encrypted.lock_for_writing(); }) == ExitCode::locked);
  CHECK(outcome([&] { later.lock_for_reading(); }) == ExitCode::ok);
}

TEST_CASE("a snapshot taken since a change of the key was cut off is whole when that is finished",
          "[rekey]") {
  for (const bool from_plain : {true, false}) {
    const test::Folder folder;
    const base::Secret key = generate_key_text();
    const auto repository = Repository::create(
        folder / "r", from_plain ? std::nullopt : std::optional(new_key(generate_key_text())));
    fill(repository);
    CHECK_THROWS_AS(rekey(repository, new_key(key), [](std::uint64_t, std::uint64_t) { throw Cut(); }, {}),
                    Cut);
    const auto again = Repository::open(folder / "r", answer(key));
    // Its manifest is sealed with the new key, the objects that it has taken over are not.
    Manifest late = again.read_manifest(ids[0]);
    late.id = "20261123T021503Z-0000";
    again.publish(late);
    const std::string before = everything(again);
    finish_rekey(again, {}, {});
    CHECK(everything(Repository::open(folder / "r", answer(key))) == before);
  }
}

TEST_CASE("damage stops a change of the key before anything is written", "[rekey]") {
  const test::Folder folder;
  const auto plain = Repository::create(folder / "r");
  fill(plain);
  const Manifest m = plain.read_manifest(ids[0]);
  fs::remove(plain.objects().path_of(m.tables[0].chunks[0].objects[0].id));
  CHECK(outcome([&] { rekey(plain, new_key(generate_key_text()), {}, {}); }) == ExitCode::damaged);
  const auto again = Repository::open(folder / "r");
  CHECK_FALSE(again.encrypted());
  CHECK(again.read_manifest(ids[2]).id == ids[2]);
}

TEST_CASE("while a writer or a reader is at work the key is not changed", "[rekey]") {
  const test::Folder folder;
  const auto plain = Repository::create(folder / "r");
  const auto lock = plain.lock_for_writing();
  CHECK(outcome([&] { rekey(plain, new_key(generate_key_text()), {}, {}); }) == ExitCode::locked);
}

TEST_CASE("an older, a thinned and a decrypted repository are noticed where it is remembered", "[rekey]") {
  const test::Folder folder;
  const base::Path state = folder / "state";
  fs::create_directory(state);
  const base::Secret key = generate_key_text();
  const auto repository = Repository::create(folder / "r", new_key(key));
  fill(repository);
  remember(state, repository, {repository.id(), 3, ids[2]});
  const auto compare = [&] {
    return outcome([&] { compare_with_memory(Repository::open(folder / "r", answer(key)), state); });
  };
  CHECK(compare() == ExitCode::ok);
  const auto hide = [&](const char* id) {
    fs::rename(repository.path() / "snapshots" / (std::string(id) + ".json"), folder / id);
  };
  const auto show = [&](const char* id) {
    fs::rename(folder / id, repository.path() / "snapshots" / (std::string(id) + ".json"));
  };
  hide(ids[2]);  // the newest
  CHECK(compare() == ExitCode::damaged);
  show(ids[2]);
  hide(ids[1]);  // one in the middle
  CHECK(compare() == ExitCode::damaged);
  record_removed(repository, {ids[1]});
  CHECK(compare() == ExitCode::ok);
  // Who does not have the key cannot say so.
  const auto plain = Repository::create(folder / "plain");
  record_removed(plain, {ids[1], ids[2]});
  fs::copy_file(folder / "plain/removed.json", folder / "r/removed.json",
                fs::copy_options::overwrite_existing);
  CHECK(compare() == ExitCode::damaged);
  fs::remove(folder / "r/removed.json");
  show(ids[1]);
  CHECK(compare() == ExitCode::ok);

  const std::string old_format = base::read_file(folder / "r/format.json", 1 << 16);
  record_removed(repository, {ids[0]});
  const Rekeyed done = rekey(repository, new_key(key), {}, {});
  remember(state, done.repository, {done.repository.id(), 3, ids[2]});
  CHECK(compare() == ExitCode::ok);
  hide(ids[0]);  // removed on purpose before the key was changed
  CHECK(compare() == ExitCode::ok);
  show(ids[0]);
  base::publish_file(folder / "r/format.json", old_format, base::Overwrite::yes);
  CHECK(compare() == ExitCode::damaged);
}

TEST_CASE("a memory that cannot be read is an error and never 'nothing remembered'", "[rekey]") {
  const test::Folder folder;
  const base::Path state = folder / "state";
  const auto repository = Repository::create(folder / "r");
  CHECK_FALSE(recall(state, folder / "r"));
  fs::create_directory(state);
  CHECK_FALSE(recall(state, folder / "r"));
  remember(state, repository, {repository.id(), 1, ids[0]});
  REQUIRE(recall(state, folder / "r"));
  const base::Path memory = test::files_of(state).at(0);
  fs::remove(memory);
  fs::create_directory(memory);
  CHECK(outcome([&] { recall(state, folder / "r"); }) == ExitCode::local_io);
  OpenOptions options;
  CHECK(outcome([&] { open_for_backup(folder / "r", state, options); }) == ExitCode::local_io);
}

// SPDX-License-Identifier: MIT
// What is said of a snapshot later: sealed where the repository is, and missed when it is gone.
#include "repository/tags.hh"

#include "catch.hh"
#include "repository/encrypted_sample.hh"
#include "repository/last_seen.hh"
#include "repository/rekey.hh"
#include "repository/sealed_json.hh"

namespace {

using namespace tmb;
using base::ExitCode;
using namespace tmb::repository;
using namespace tmb::test;
namespace fs = std::filesystem;

const base::Time now = base::parse_iso_utc("2026-11-21T00:00:00Z");
const SnapshotTag pinned{"before the sale", true, false};

SnapshotTag tag_of(const EncryptedSample& sample) { return read_tag(sample.repository, sample.manifest); }

ExitCode reading(const EncryptedSample& sample) {
  return outcome([&] { static_cast<void>(tag_of(sample)); });
}

}  // namespace

TEST_CASE("a tag comes back, and in an encrypted repository nobody else reads it", "[encrypted]") {
  const EncryptedSample sample;
  CHECK_FALSE(tag_of(sample).pinned);
  write_tag(sample.repository, EncryptedSample::id, pinned, now);
  CHECK(tag_of(sample).text == "before the sale");
  CHECK(tag_of(sample).pinned);
  CHECK_FALSE(tag_of(sample).scheduled);
  const std::string bytes = read(tag_path(sample.repository, EncryptedSample::id));
  CHECK(bytes.find("sale") == std::string::npos);
  CHECK(bytes.find("pinned") == std::string::npos);
}

TEST_CASE("every flipped bit, cut and foreign tag is damage", "[encrypted]") {
  const EncryptedSample sample;
  write_tag(sample.repository, EncryptedSample::id, pinned, now);
  const base::Path file = tag_path(sample.repository, EncryptedSample::id);
  const std::string good = read(file);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    write(file, bad);
    if (reading(sample) != ExitCode::damaged) FAIL("bit " << bit);
  }
  for (std::size_t length = 0; length < good.size(); ++length) {
    write(file, good.substr(0, length));
    if (reading(sample) != ExitCode::damaged) FAIL("length " << length);
  }
  // Not sealed, by somebody who knows the format but not the key.
  write(file, seal_json({{"snapshot", EncryptedSample::id},
                         {"repository", sample.repository.id()},
                         {"tag", ""},
                         {"pinned", false},
                         {"scheduled", true},
                         {"changed", 9999999999}}));
  CHECK(reading(sample) == ExitCode::damaged);
  // A manifest of the same name, which is sealed with the same key.
  write(file, read(sample.path() / "snapshots" / (std::string(EncryptedSample::id) + ".json")));
  CHECK(reading(sample) == ExitCode::damaged);
  // That of another snapshot.
  const char* other = "20261121T021503Z-0b2c";
  sample.repository.publish(sample_manifest(sample.repository, other));
  write_tag(sample.repository, other, {"", false, true}, now);
  write(file, read(tag_path(sample.repository, other)));
  CHECK(reading(sample) == ExitCode::damaged);
  write(file, good);
  CHECK(reading(sample) == ExitCode::ok);
}

TEST_CASE("a tag that is taken away or put back as it was before is noticed where it is remembered",
          "[encrypted]") {
  const EncryptedSample sample;
  const base::Path state = sample.folder / "state";
  fs::create_directory(state);
  const auto compare = [&] { return outcome([&] { compare_with_memory(sample.repository, state); }); };
  write_tag(sample.repository, EncryptedSample::id, {"", false, true}, now);
  const base::Path file = tag_path(sample.repository, EncryptedSample::id);
  const std::string unpinned = read(file);
  // In the same second: the number grows all the same.
  write_tag(sample.repository, EncryptedSample::id, {"", true, false, tag_of(sample).changed}, now);
  remember(state, sample.repository, {sample.repository.id(), 1, EncryptedSample::id});
  CHECK(compare() == ExitCode::ok);
  const std::string good = read(file);
  write(file, unpinned);
  CHECK(compare() == ExitCode::damaged);
  fs::remove(file);
  CHECK(compare() == ExitCode::damaged);
  // One that is damaged is still remembered after the next backup.
  write(file, "damaged");
  remember(state, sample.repository, {sample.repository.id(), 1, EncryptedSample::id});
  fs::remove(file);
  CHECK(compare() == ExitCode::damaged);
  write(file, good);
  CHECK(compare() == ExitCode::ok);
  write_tag(sample.repository, EncryptedSample::id, {"", false, false, tag_of(sample).changed}, now);
  CHECK(compare() == ExitCode::ok);
}

TEST_CASE("tags are sealed anew with the rest, and a damaged one stops that before anything is written",
          "[rekey]") {
  const EncryptedSample sample;
  write_tag(sample.repository, EncryptedSample::id, pinned, now);
  const base::Path file = tag_path(sample.repository, EncryptedSample::id);
  const std::string good = read(file);
  write(file, good.substr(1));
  const base::Secret key = generate_key_text();
  const auto change = [&] { static_cast<void>(rekey(sample.repository, {key, "", {}, cheap}, {}, {})); };
  CHECK(outcome(change) == ExitCode::damaged);
  CHECK(sample.read_all() == ExitCode::ok);
  write(file, good);
  CHECK(outcome(change) == ExitCode::ok);
  const auto again = Repository::open(sample.path(), answer(key));
  CHECK(read_tag(again, sample.manifest).text == "before the sale");
  CHECK(read(file) != good);
  // As it was before, under the key of before.
  write(file, good);
  CHECK(outcome([&] { static_cast<void>(read_tag(again, sample.manifest)); }) == ExitCode::damaged);
}

TEST_CASE("a plain repository's tags are sealed when it is encrypted", "[rekey]") {
  const Folder folder;
  const auto plain = Repository::create(folder / "r");
  const Manifest manifest = sample_manifest(plain, EncryptedSample::id);
  plain.publish(manifest);
  write_tag(plain, EncryptedSample::id, pinned, now);
  const base::Secret key = generate_key_text();
  const Rekeyed done = rekey(plain, {key, "", {}, cheap}, {}, {});
  CHECK(read_tag(done.repository, manifest).text == "before the sale");
  CHECK(read(tag_path(plain, EncryptedSample::id)).find("sale") == std::string::npos);
}

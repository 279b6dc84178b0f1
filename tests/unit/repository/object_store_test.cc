// SPDX-License-Identifier: MIT
#include "repository/object_store.hh"

#include <sys/stat.h>

#include <random>

#include "base/error.hh"
#include "catch.hh"
#include "crypto/sha256.hh"
#include "folder.hh"
#include "repository/sample_snapshot.hh"

using namespace tmb;
using base::ExitCode;
using repository::ObjectRef;
using repository::ObjectStore;
using repository::ObjectType;
using repository::Workspace;

namespace {

struct Store {
  Store()
      : store(repository::Repository::create(folder / "r")
                  .objects()
                  .path_of("00")
                  .parent_path()
                  .parent_path()) {}
  test::Folder folder;
  ObjectStore store;
  Workspace workspace;

  std::string get(ObjectType type, const ObjectRef& ref) {
    std::string content;
    store.get(type, ref, workspace, content);
    return content;
  }
  ExitCode outcome(ObjectType type, const ObjectRef& ref) {
    try {
      get(type, ref);
      return ExitCode::ok;
    } catch (const base::Error& error) {
      return error.code();
    }
  }
};

std::string noise(std::size_t size) {
  std::mt19937 random(7);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

}  // namespace

TEST_CASE("content comes back to the byte, whatever it is") {
  Store s;
  for (const std::string& content :
       {std::string(), std::string("\n"), std::string("\n\n\n"), std::string("a"), std::string("a\tb"),
        std::string("a\tb\nc\n"), std::string("\\N\t\\N\n\\N\tx\n"), std::string("1\t2\n3\t4\n"),
        std::string("\0\0\n", 3), noise(100000), test::rows_text(5000),
        test::rows_text(5000) + "cut in the mid", std::string(200000, '\t') + "\n"}) {
    for (const ObjectType type : {ObjectType::rows, ObjectType::schema}) {
      const auto stored = s.store.put(type, content, s.workspace);
      CHECK(stored.ref.id == crypto::hex(crypto::sha256(content)));
      CHECK(stored.ref.plain_bytes == content.size());
      CHECK((s.get(type, stored.ref) == content));
      std::filesystem::remove(s.store.path_of(stored.ref.id));
    }
  }
}

TEST_CASE("the same content is stored once, read-only") {
  Store s;
  const auto first = s.store.put(ObjectType::rows, test::rows_text(100), s.workspace);
  const auto again = s.store.put(ObjectType::rows, test::rows_text(100), s.workspace);
  CHECK(first.new_bytes == s.store.stored_bytes(first.ref));
  CHECK(again.new_bytes == 0);
  CHECK_FALSE(again.healed);
  struct stat status {};
  REQUIRE(::stat(s.store.path_of(first.ref.id).c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0400);
}

TEST_CASE("an object that is there under the right name with other content is never trusted") {
  Store s;
  const std::string content = test::rows_text(100);
  const auto good = s.store.put(ObjectType::rows, content, s.workspace);
  const base::Path path = s.store.path_of(good.ref.id);
  const std::string file = base::read_file(path, 1 << 20);
  for (std::string bad : {std::string(), file.substr(0, 63), file.substr(0, 64),
                          file.substr(0, file.size() - 1), file + "x", std::string(file.size(), '\0')}) {
    base::publish_file(path, bad, base::Overwrite::yes, 0400);
    const auto healed = s.store.put(ObjectType::rows, content, s.workspace);
    CHECK(healed.healed);
    CHECK(healed.new_bytes == file.size());
    CHECK((s.get(ObjectType::rows, good.ref) == content));
  }
}

TEST_CASE("a reference with another type, length or id is refused") {
  Store s;
  const auto stored = s.store.put(ObjectType::rows, "1\n", s.workspace);
  CHECK(s.outcome(ObjectType::rows, stored.ref) == ExitCode::ok);
  CHECK(s.outcome(ObjectType::schema, stored.ref) == ExitCode::damaged);
  CHECK(s.outcome(ObjectType::rows, {stored.ref.id, 3}) == ExitCode::damaged);
  CHECK(s.outcome(ObjectType::rows, {std::string(64, '0'), 2}) == ExitCode::damaged);
  for (const std::string& id : {std::string(), std::string("../../../../etc/passwd"), std::string(64, 'A'),
                                std::string(63, '0'), std::string(64, '/'), stored.ref.id + "0"}) {
    CHECK(s.outcome(ObjectType::rows, {id, 2}) == ExitCode::damaged);
  }
}

TEST_CASE("a whole object of the same type and length under another's name is found by its hash") {
  Store s;
  const auto one = s.store.put(ObjectType::rows, test::rows_text(50, 1000), s.workspace);
  const auto other = s.store.put(ObjectType::rows, test::rows_text(50, 2000), s.workspace);
  REQUIRE(one.ref.plain_bytes == other.ref.plain_bytes);
  base::publish_file(s.store.path_of(one.ref.id), base::read_file(s.store.path_of(other.ref.id), 1 << 20),
                     base::Overwrite::yes, 0400);
  CHECK(s.outcome(ObjectType::rows, one.ref) == ExitCode::damaged);
  CHECK(s.store.put(ObjectType::rows, test::rows_text(50, 1000), s.workspace).healed);
}

TEST_CASE("looks_intact sees what is missing, cut off, of another length or not a file") {
  Store s;
  const auto stored = s.store.put(ObjectType::rows, test::rows_text(100), s.workspace);
  const base::Path path = s.store.path_of(stored.ref.id);
  const std::string file = base::read_file(path, 1 << 20);
  CHECK(s.store.looks_intact(stored.ref));
  CHECK_FALSE(s.store.looks_intact({stored.ref.id, stored.ref.plain_bytes + 1}));
  for (const std::string& bad :
       {std::string(), file.substr(0, file.size() - 1), file + "x", "x" + file.substr(1)}) {
    base::publish_file(path, bad, base::Overwrite::yes, 0400);
    CHECK_FALSE(s.store.looks_intact(stored.ref));
  }
  std::filesystem::remove(path);
  CHECK_FALSE(s.store.looks_intact(stored.ref));
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK_FALSE(s.store.looks_intact(stored.ref));
}

TEST_CASE("a header that claims too much is refused without the memory for it") {
  Store s;
  const auto stored = s.store.put(ObjectType::rows, test::rows_text(100), s.workspace);
  const base::Path path = s.store.path_of(stored.ref.id);
  const std::string file = base::read_file(path, 1 << 20);
  for (std::size_t at = 4; at < 32; ++at) {
    std::string forged = file;
    forged[at] = '\x7f';
    crypto::Sha256 hash;  // with its checksum put right
    hash.update(std::string_view(forged).substr(0, 32));
    hash.update(std::string_view(forged).substr(64));
    const crypto::Digest digest = hash.finish();
    std::copy(digest.begin(), digest.end(), forged.begin() + 32);
    base::publish_file(path, forged, base::Overwrite::yes, 0400);
    CHECK(s.outcome(ObjectType::rows, stored.ref) == ExitCode::damaged);
    CHECK(s.outcome(ObjectType::rows, {stored.ref.id, 0x7f7f}) == ExitCode::damaged);
  }
}

TEST_CASE("more than 64 MiB is never stored") {
  Store s;
  CHECK_THROWS_AS(
      s.store.put(ObjectType::rows, std::string(repository::max_plain_bytes + 1, 'x'), s.workspace),
      base::Error);
}

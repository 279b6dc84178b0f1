// SPDX-License-Identifier: MIT
// An encrypted repository under a reader's eyes: what can be seen without the key, and what is done to it.
#include <chrono>
#include <set>

#include "catch.hh"
#include "repository/encrypted_sample.hh"
#include "repository/key_text.hh"
#include "repository/objects_of.hh"
#include "repository/sealed_json.hh"

namespace {

using namespace tmb;
using base::ExitCode;
using namespace tmb::repository;
using namespace tmb::test;
namespace fs = std::filesystem;

using Sample = EncryptedSample;
constexpr const char* first = EncryptedSample::id;
constexpr const char* second = "20261121T021503Z-0b2c";

}  // namespace

TEST_CASE("an encrypted repository shows nothing of its content without the key", "[encrypted]") {
  const Sample sample;
  CHECK(sample.read_all() == ExitCode::ok);
  for (const base::Path& file : files_of(sample.path())) {
    const std::string bytes = read(file);
    for (const char* word : {"positions", "2026-01-01", "PGDMP", "any bytes", "text\tx"}) {
      INFO(file << " shows " << word);
      CHECK(bytes.find(word) == std::string::npos);
    }
  }
  // Nor do names confirm a guess of the content.
  for_each_object(sample.manifest, [&](ObjectType type, const ObjectRef& ref) {
    Workspace workspace;
    std::string content;
    sample.repository.objects().get(type, ref, workspace, content);
    CHECK(crypto::hex(crypto::sha256(content)) != ref.id);
  });
}

TEST_CASE("the same content is stored once in an encrypted repository, too", "[encrypted]") {
  const Sample sample;
  Workspace workspace;
  const auto again = sample.repository.objects().put(ObjectType::rows, test::rows_text(40), workspace);
  CHECK(again.new_bytes == 0);
  CHECK(again.ref == sample.manifest.tables[0].chunks[0].objects[0]);
  // The same bytes as another type are another object.
  CHECK(sample.repository.objects().put(ObjectType::file, test::rows_text(40), workspace).new_bytes > 0);
}

TEST_CASE("every flipped bit of every file of an encrypted repository is damage", "[encrypted]") {
  const Sample sample;
  for (const base::Path& file : files_of(sample.path())) {
    const std::string good = read(file);
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      std::string bad = good;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
      write(file, bad);
      if (const ExitCode code = sample.read_all(); code != ExitCode::damaged)
        FAIL("bit " << bit << " of " << file << " gives " << static_cast<int>(code));
    }
    write(file, good);
  }
  CHECK(sample.read_all() == ExitCode::ok);
}

TEST_CASE("every file of an encrypted repository cut off or longer is damage", "[encrypted]") {
  const Sample sample;
  for (const base::Path& file : files_of(sample.path())) {
    const std::string good = read(file);
    for (std::size_t length = 0; length <= good.size(); ++length) {
      write(file, length == good.size() ? good + '\0' : good.substr(0, length));
      if (const ExitCode code = sample.read_all(); code != ExitCode::damaged)
        FAIL("length " << length << " of " << file << " gives " << static_cast<int>(code));
    }
    write(file, good);
  }
}

// Checksums are no secret: whoever changes a file can mend them. Only the seal stops him.
TEST_CASE("a changed object whose checksum was mended is damage", "[encrypted]") {
  const Sample sample;
  const base::Path file = sample.object(sample.manifest.schema);
  const std::string good = read(file);
  for (std::size_t at = 64; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    const crypto::Digest digest = crypto::sha256(bad.substr(0, 32) + bad.substr(64));
    std::ranges::copy(digest, bad.begin() + 32);
    write(file, bad);
    if (sample.read_all() != ExitCode::damaged) FAIL("byte " << at);
  }
}

TEST_CASE("objects that changed places, or come from another repository, are damage", "[encrypted]") {
  const Sample sample;
  const base::Path a = sample.object(sample.manifest.tables[0].chunks[0].objects[0]);
  const base::Path b = sample.object(sample.manifest.tables[0].chunks[0].objects[1]);
  const std::string a_bytes = read(a);
  const std::string b_bytes = read(b);
  write(a, b_bytes);
  write(b, a_bytes);
  CHECK(sample.read_all() == ExitCode::damaged);
  write(b, b_bytes);
  CHECK(sample.read_all() == ExitCode::damaged);
  const Sample other;
  write(a, read(other.object(other.manifest.tables[0].chunks[0].objects[0])));
  CHECK(sample.read_all() == ExitCode::damaged);
  // Not sealed at all, though its name is right for a plain repository.
  const test::Folder folder;
  const auto plain = Repository::create(folder / "plain");
  const Manifest m = test::sample_manifest(plain, first);
  write(a, read(plain.objects().path_of(m.tables[0].chunks[0].objects[0].id)));
  CHECK(sample.read_all() == ExitCode::damaged);
  CHECK_FALSE(sample.repository.objects().looks_intact(sample.manifest.tables[0].chunks[0].objects[0]));
  write(a, a_bytes);
  CHECK(sample.read_all() == ExitCode::ok);
}

TEST_CASE("a manifest under another name, of another repository or not sealed is damage", "[encrypted]") {
  const Sample sample;
  const base::Path snapshots = sample.path() / "snapshots";
  // The old one again, as if it were the newest.
  write(snapshots / (std::string(second) + ".json"), read(snapshots / (std::string(first) + ".json")));
  CHECK(sample.read_all() == ExitCode::damaged);
  Manifest forged = sample.manifest;
  forged.id = second;
  write(snapshots / (std::string(second) + ".json"), to_file(forged));
  CHECK(sample.read_all() == ExitCode::damaged);
  const Sample other;
  write(snapshots / (std::string(first) + ".json"),
        read(other.path() / "snapshots" / (std::string(first) + ".json")));
  fs::remove(snapshots / (std::string(second) + ".json"));
  CHECK(sample.read_all() == ExitCode::damaged);
}

TEST_CASE("a repository that says it is not encrypted any more is damage", "[encrypted]") {
  const Sample sample;
  Format format;
  format.id = sample.repository.id();
  write(sample.path() / "format.json", to_file(format, nullptr));
  CHECK(sample.read_all() == ExitCode::damaged);
  // Nor can somebody without the key say that plain manifests are good for now.
  format = sample.repository.format();
  format.rekey_from = "plain";
  const RepositoryKeys wrong(crypto::Key::random(), format.id);
  write(sample.path() / "format.json", to_file(format, &wrong));
  CHECK(sample.read_all() == ExitCode::damaged);
}

TEST_CASE("a wrong passphrase is 12, no slot left is 13, and a good slot opens beside a damaged one",
          "[encrypted]") {
  const Sample sample;
  CHECK(outcome([&] { Repository::open(sample.path()); }) == ExitCode::wrong_key);
  CHECK(outcome([&] { Repository::open(sample.path(), answer("wrong")); }) == ExitCode::wrong_key);
  CHECK(outcome([&] { Repository::open(sample.path(), answer("")); }) == ExitCode::wrong_key);
  CHECK(outcome([&] { Repository::open(sample.path(), answer(generate_key_text())); }) ==
        ExitCode::wrong_key);
  const KeySlot slot =
      make_slot(*sample.repository.keys().current, base::Secret("open sesame"), "", {}, cheap);
  const base::Path file = sample.path() / "keys" / slot.file_name();
  write(file, to_file(slot));
  CHECK(sample.read_all() == ExitCode::ok);
  std::string damaged = to_file(slot);
  damaged[40] = static_cast<char>(damaged[40] ^ 1);
  write(file, damaged);
  CHECK(sample.read_all() == ExitCode::ok);
  CHECK(outcome([&] { Repository::open(sample.path(), answer("wrong")); }) == ExitCode::wrong_key);
  for (const KeyFile& key : sample.repository.read_key_files()) fs::remove(sample.path() / "keys" / key.name);
  CHECK(sample.read_all() == ExitCode::damaged);
}

TEST_CASE("a slot opens with its own passphrase, byte for byte, and with no other", "[encrypted]") {
  const RepositoryKeys keys(crypto::Key::random(), "00112233445566778899aabbccddeeff");
  for (const std::string& passphrase :
       {std::string("open sesame"), std::string("pässwörd \t"), std::string(" x"), std::string(4096, 'p')}) {
    const KeySlot slot = make_slot(keys, base::Secret(passphrase), "label", {}, cheap);
    const KeySlot back = slot_from_file(to_file(slot), "slot");
    const auto master = open_slot(back, base::Secret(passphrase), any_cost);
    REQUIRE(master);
    CHECK(master->reveal() == keys.master.reveal());
    CHECK_FALSE(open_slot(back, base::Secret(passphrase + "\n"), any_cost));
    CHECK_FALSE(open_slot(back, base::Secret(passphrase.substr(1)), any_cost));
  }
  CHECK(outcome([&] { make_slot(keys, base::Secret(""), "", {}, cheap); }) == ExitCode::wrong_key);
}

TEST_CASE("no field of a slot can be changed, even with a mended checksum", "[encrypted]") {
  const RepositoryKeys keys(crypto::Key::random(), "00112233445566778899aabbccddeeff");
  const base::Secret secret("open sesame");
  const KeySlot good = make_slot(keys, secret, "label", {}, cheap);
  const auto opens = [&](const std::function<void(KeySlot&)>& change) {
    KeySlot slot = good;
    change(slot);
    try {
      return open_slot(slot, secret, any_cost).has_value();
    } catch (const base::Error& error) {
      return error.code() != ExitCode::damaged;
    }
  };
  CHECK(opens([](KeySlot&) {}));
  CHECK_FALSE(opens([](KeySlot& s) { s.repository_id[0] = 'f'; }));
  CHECK_FALSE(opens([](KeySlot& s) { s.key_id = std::string(32, '0'); }));
  CHECK_FALSE(opens([](KeySlot& s) { s.label = "other"; }));
  CHECK_FALSE(opens([](KeySlot& s) { s.slot = "00000000"; }));
  CHECK_FALSE(opens([](KeySlot& s) { s.created += std::chrono::seconds(1); }));
  CHECK_FALSE(opens([](KeySlot& s) { s.cost.n *= 2; }));
  CHECK_FALSE(opens([](KeySlot& s) { s.salt = std::string(64, '0'); }));
  CHECK_FALSE(opens([](KeySlot& s) { s.commit = std::string(64, '0'); }));
  CHECK_FALSE(opens([](KeySlot& s) { s.wrapped[80] = s.wrapped[80] == '0' ? '1' : '0'; }));
}

TEST_CASE("a slot that asks for absurd work is damage, at once", "[encrypted]") {
  const Sample sample;
  KeySlot slot = make_slot(*sample.repository.keys().current, base::Secret("x"), "", {}, cheap);
  const auto began = std::chrono::steady_clock::now();
  for (const crypto::ScryptCost cost :
       {crypto::ScryptCost{std::uint64_t{1} << 60U, 8, 1}, crypto::ScryptCost{1U << 17U, UINT32_MAX, 1},
        crypto::ScryptCost{1U << 17U, 8, UINT32_MAX}, crypto::ScryptCost{1U << 18U, 16, 1},
        crypto::ScryptCost{0, 8, 1}, crypto::ScryptCost{100000, 8, 1}, crypto::ScryptCost{1024, 8, 1},
        crypto::ScryptCost{1U << 17U, 0, 1}, crypto::ScryptCost{1U << 17U, 8, 0}}) {
    slot.cost = cost;
    INFO(cost.n << " " << cost.r << " " << cost.p);
    CHECK(outcome([&] { open_slot(slot, base::Secret("x")); }) == ExitCode::damaged);
  }
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(1));
}

TEST_CASE("a newer format, an unknown feature or a newer kind of slot is 14", "[encrypted]") {
  const auto edited = [](std::string text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
    Json json = Json::parse(text);
    json.erase("sha256");
    return seal_json(json);
  };
  const Sample sample;
  const std::string format = read(sample.path() / "format.json");
  const auto code = [&](const std::string& bytes) {
    return outcome([&] { static_cast<void>(format_from_file(bytes, "format.json")); });
  };
  CHECK(code(format) == ExitCode::ok);
  CHECK(code(edited(format, "\"version\":1", "\"version\":999")) == ExitCode::unsupported);
  CHECK(code(edited(format, "[\"encrypted\"]", "[\"encrypted\",\"teleported\"]")) == ExitCode::unsupported);
  CHECK(code(edited(format, "\"generation\":1", "\"generation\":-1")) == ExitCode::damaged);
  const KeySlot slot = make_slot(*sample.repository.keys().current, base::Secret("x"), "", {}, cheap);
  CHECK(outcome([&] { slot_from_file(edited(to_file(slot), "passphrase", "hpke"), "slot"); }) ==
        ExitCode::unsupported);
}

TEST_CASE("a generated key reads back however it is typed, and a slip is noticed", "[encrypted]") {
  for (int i = 0; i < 200; ++i) {
    const base::Secret text = generate_key_text();
    const auto bytes = parse_key_text(text);
    REQUIRE(bytes);
    CHECK(bytes->reveal().size() == 20);
    std::string sloppy;
    for (const char c : text.reveal()) {
      if (c == '-') {
        sloppy += i % 2 == 0 ? "" : " ";
      } else if (c == '0' && i % 3 == 0) {
        sloppy += 'o';
      } else if (c == '1' && i % 3 == 0) {
        sloppy += 'l';
      } else {
        sloppy += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      }
    }
    CHECK(parse_key_text(base::Secret(sloppy))->reveal() == bytes->reveal());
    std::string slip = text.reveal();
    const std::size_t at = 5 + static_cast<std::size_t>(i) % (slip.size() - 5);
    if (slip[at] == '-') continue;
    slip[at] = slip[at] == 'Z' ? 'Y' : 'Z';
    CHECK(outcome([&] { static_cast<void>(parse_key_text(base::Secret(slip))); }) == ExitCode::wrong_key);
  }
  CHECK_FALSE(parse_key_text(base::Secret("TMBK")));
  CHECK_FALSE(parse_key_text(base::Secret("correct horse battery staple and so on for a while")));
}

TEST_CASE("a first run cut off before format.json is begun anew with other keys", "[encrypted]") {
  const test::Folder folder;
  const base::Secret key = generate_key_text();
  const auto made = Repository::create(folder / "r", NewKey{key, "", {}, cheap});
  fs::remove(folder.path() / "r/format.json");
  const base::Secret other = generate_key_text();
  const auto again = Repository::create(folder / "r", NewKey{other, "", {}, cheap});
  CHECK(again.read_key_files().size() == 1);
  CHECK(outcome([&] { Repository::open(again.path(), answer(other)); }) == ExitCode::ok);
  CHECK(outcome([&] { Repository::open(again.path(), answer(key)); }) == ExitCode::wrong_key);
}

TEST_CASE("a snapshot taken while the nonces come from one key never uses one twice", "[encrypted]") {
  const Sample sample;
  Workspace workspace;
  std::set<std::string> nonces;
  std::string file;
  for (int i = 0; i < 2000; ++i) {
    sample.repository.objects().make_file(ObjectType::rows, "the same content\n", workspace, file);
    nonces.insert(file.substr(64, 24));
  }
  CHECK(nonces.size() == 2000);
}

// SPDX-License-Identifier: MIT
// Somebody who can write into the folder of an encrypted repository but has no key.
#include <sys/resource.h>

#include <chrono>
#include <set>

#include "catch.hh"
#include "repository/encrypted_sample.hh"
#include "repository/objects_of.hh"
#include "repository/rekey.hh"
#include "repository/sealed_json.hh"

// The sanitizers' own memory is no measure.
#if defined(__SANITIZE_ADDRESS__)
#define TMB_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TMB_SANITIZED 1
#endif
#endif

namespace {

using namespace tmb;
using base::ExitCode;
using namespace tmb::repository;
using namespace tmb::test;
namespace fs = std::filesystem;

const base::Secret passphrase("open sesame street");

bool is_refusal(ExitCode code) {
  return code == ExitCode::damaged || code == ExitCode::wrong_key || code == ExitCode::unsupported;
}

// The sample with one slot of a passphrase, which is tried whatever it costs.
struct PassphraseSample {
  PassphraseSample() : slot(make_slot(*sample.repository.keys().current, passphrase, "Anna", {}, cheap)) {
    fs::remove_all(sample.path() / "keys");
    fs::create_directory(sample.path() / "keys");
    write(file(), to_file(slot));
  }
  base::Path file() const { return sample.path() / "keys" / slot.file_name(); }
  ExitCode unlocking(const base::Secret& secret = passphrase) const {
    return outcome([&] {
      static_cast<void>(unlock(Repository::read_format(sample.path()), read_key_files(sample.path()),
                               answer(secret), "r", any_cost));
    });
  }
  EncryptedSample sample;
  KeySlot slot;
};

// The JSON of a file with another checksum.
std::string mended(const std::string& bytes) {
  constexpr std::size_t tail = 12 + 1 + 64 + 4;  // `  "sha256": "`, the digits, `"\n}\n`
  const std::string body = bytes.substr(0, bytes.size() - tail);
  std::string out = bytes;
  return out.replace(bytes.size() - 64 - 4, 64, crypto::hex(crypto::sha256(body)));
}

std::uint64_t peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) << 10U;
}

}  // namespace

TEST_CASE("every flipped bit and every length of a passphrase slot is damage, never a wrong passphrase",
          "[hostile]") {
  const PassphraseSample sample;
  CHECK(sample.unlocking() == ExitCode::ok);
  CHECK(sample.unlocking(base::Secret("open sesame streat")) == ExitCode::wrong_key);
  const std::string good = read(sample.file());
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    write(sample.file(), bad);
    if (sample.unlocking() != ExitCode::damaged) FAIL("bit " << bit);
  }
  for (std::size_t length = 0; length < good.size(); ++length) {
    write(sample.file(), good.substr(0, length));
    if (sample.unlocking() != ExitCode::damaged) FAIL("length " << length);
  }
}

TEST_CASE("every changed byte of a slot or of format.json is refused, though its checksum was mended",
          "[hostile]") {
  const PassphraseSample sample;
  for (const base::Path& file : {sample.file(), sample.sample.path() / "format.json"}) {
    const std::string good = read(file);
    REQUIRE(mended(good) == good);
    for (std::size_t at = 0; at + 81 < good.size(); ++at) {
      for (const char other : {'0', '9', 'f', '"', ',', '\0', '\xff'}) {
        if (good[at] == other) continue;
        std::string bad = good;
        bad[at] = other;
        write(file, mended(bad));
        if (const ExitCode code = sample.unlocking(); !is_refusal(code))
          FAIL("byte " << at << " of " << file << " as " << static_cast<int>(other) << ": "
                       << static_cast<int>(code));
      }
    }
    write(file, good);
  }
  CHECK(sample.unlocking() == ExitCode::ok);
}

TEST_CASE("members of a slot that are missing, of another type or huge are refused at once", "[hostile]") {
  const PassphraseSample sample;
  const auto began = std::chrono::steady_clock::now();
  Json good = Json::parse(to_file(sample.slot));
  good.erase("sha256");
  for (const auto& [name, value] : good.items()) {
    Json without = good;
    without.erase(name);
    write(sample.file(), seal_json(without));
    CHECK(is_refusal(sample.unlocking()));
    for (const Json& other :
         {Json(nullptr), Json(-1), Json(1e300), Json(UINT64_MAX), Json(true), Json("x"), Json::array(),
          Json::object(), Json(std::string(20000, 'a')), Json(std::string("a\0b", 3))}) {
      if (other == value) continue;
      Json changed = good;
      changed[name] = other;
      write(sample.file(), seal_json(changed));
      INFO(name << " as " << other.dump().substr(0, 40));
      CHECK(is_refusal(sample.unlocking()));
    }
  }
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(20));
}

TEST_CASE("levels without end in any member end in a refusal, not on the stack", "[hostile]") {
  constexpr std::size_t levels = 75000;
  const std::string deep = std::string(levels, '[') + std::string(levels, ']');
  const auto with_deep = [&](const std::string& good, const std::string& member) {
    Json json = Json::parse(good);
    json.erase("sha256");
    json[member] = "@";
    std::string text = seal_json(json);
    text.replace(text.find("\"@\""), 3, deep);
    return mended(text);
  };
  const test::Folder folder;
  const auto plain = Repository::create(folder / "r");
  const Manifest m = test::sample_manifest(plain, EncryptedSample::id);
  for (const char* member : {"format", "rows", "engine", "features", "tables", "schema", "tag", "sequence"}) {
    INFO(member);
    CHECK(outcome([&] { manifest_from_file(with_deep(to_file(m), member)); }) == ExitCode::damaged);
  }
  for (const char* member : {"version", "features", "id"}) {
    INFO(member);
    const std::string bytes = with_deep(read(folder / "r/format.json"), member);
    CHECK(outcome([&] { static_cast<void>(format_from_file(bytes, "format.json")); }) == ExitCode::damaged);
  }
  const PassphraseSample sample;
  for (const char* member : {"magic", "version", "kind", "label", "n"}) {
    INFO(member);
    CHECK(outcome([&] { slot_from_file(with_deep(to_file(sample.slot), member), "slot"); }) ==
          ExitCode::damaged);
  }
  // What is not deep is only named.
  Json json = Json::parse(to_file(m));
  json.erase("sha256");
  json["format"] = Json::array({Json::array({1})});
  try {
    manifest_from_file(seal_json(json));
    FAIL("nothing was thrown");
  } catch (const base::Error& error) {
    CHECK(error.code() == ExitCode::unsupported);
    CHECK(error.message().find("format an array") != std::string::npos);
  }
}

TEST_CASE("no slot makes us work much harder than our own do", "[hostile]") {
  const PassphraseSample sample;
  std::uint64_t most = 0;
  for (std::uint32_t n = 10; n <= 20; ++n) {
    for (const std::uint32_t r : {1U, 2U, 4U, 8U, 16U, 17U}) {
      for (const std::uint32_t p : {1U, 2U, 3U, 4U}) {
        KeySlot slot = sample.slot;
        slot.cost = {std::uint64_t{1} << n, r, p};
        // A slot that is let through is tried, and then it is somebody else's; not tried here, it takes long.
        const ScryptBounds bounds;
        const bool allowed = slot.cost.n >= bounds.least_n && slot.cost.n <= bounds.most_n && r <= 16 &&
                             p <= 2 && slot.cost.memory() <= bounds.most_memory / p;
        if (allowed) {
          most = std::max(most, slot.cost.n * r * p);
        } else {
          CHECK(outcome([&] { static_cast<void>(open_slot(slot, passphrase)); }) == ExitCode::damaged);
        }
      }
    }
  }
  CHECK(most <= 2 * default_cost.n * default_cost.r * default_cost.p);
  // The dearest that is let through.
  KeySlot slot = sample.slot;
  slot.cost = {1U << 18U, 8, 1};
  CHECK_FALSE(open_slot(slot, passphrase));
#ifndef TMB_SANITIZED
  CHECK(peak_memory() < (std::uint64_t{400} << 20U));  // of all tests that ran in this process
#endif
}

TEST_CASE("more slots than there can be are not tried", "[hostile]") {
  const PassphraseSample sample;
  for (std::size_t i = 0; i < max_slots; ++i) {
    const KeySlot slot =
        make_slot(*sample.sample.repository.keys().current, base::Secret("another"), "", {}, cheap);
    write(sample.sample.path() / "keys" / slot.file_name(), to_file(slot));
  }
  CHECK(sample.unlocking() == ExitCode::damaged);
}

TEST_CASE("a damaged record of the master key before does not keep anybody out", "[hostile]") {
  const EncryptedSample sample;
  const Rekeyed done = rekey(sample.repository, {sample.key, "", {}, cheap}, {}, {});
  const base::Path file =
      sample.path() / "keys" / ("previous-" + sample.repository.format().key_id + ".json");
  const std::string good = read(file);
  for (const std::string& bad : {good.substr(1), good.substr(0, 40), std::string(), std::string(60000, 'x'),
                                 mended(std::string(good).replace(good.find("wrapped") + 12, 1, "z"))}) {
    write(file, bad);
    const auto again = Repository::open(sample.path(), answer(sample.key));
    CHECK(again.earlier_local_keys("undo").empty());
    CHECK(sample.read_all() == ExitCode::ok);
    CHECK(read_slots(again.read_key_files()).damaged.size() == 1);
  }
  write(file, good);
  CHECK(Repository::open(sample.path(), answer(sample.key)).earlier_local_keys("undo").size() == 1);
}

TEST_CASE("any two files of the repository that changed places are damage", "[hostile]") {
  const EncryptedSample sample;
  const std::vector<base::Path> files = files_of(sample.path());
  REQUIRE(files.size() == 6);  // format, slot, manifest, three objects
  for (const base::Path& a : files) {
    for (const base::Path& b : files) {
      if (a >= b) continue;
      const std::string a_bytes = read(a);
      const std::string b_bytes = read(b);
      write(a, b_bytes);
      write(b, a_bytes);
      INFO(a << " " << b);
      CHECK(sample.read_all() == ExitCode::damaged);
      write(a, a_bytes);
      write(b, b_bytes);
    }
  }
  CHECK(sample.read_all() == ExitCode::ok);
}

TEST_CASE("what another repository of the same owner holds is damage in this one", "[hostile]") {
  const EncryptedSample sample;
  // The worst case: the same master key and key, another id.
  const base::Secret key = sample.key;
  const EncryptedSample other("other");
  for (const char* kind : {"snapshots", "keys"}) {
    const base::Path mine = files_of(sample.path() / kind).front();
    const std::string good = read(mine);
    write(mine, read(files_of(other.path() / kind).front()));
    INFO(kind);
    CHECK(sample.read_all() == ExitCode::damaged);
    write(mine, good);
  }
  const base::Path format = sample.path() / "format.json";
  const std::string good = read(format);
  write(format, read(other.path() / "format.json"));
  CHECK(sample.read_all() == ExitCode::damaged);
  write(format, good);
  CHECK(sample.read_all() == ExitCode::ok);
}

TEST_CASE("what the repository held before its key was changed is refused afterwards", "[hostile]") {
  const EncryptedSample sample;
  std::map<base::Path, std::string> before;
  for (const base::Path& file : files_of(sample.path())) before[file] = read(file);
  const Rekeyed done = rekey(sample.repository, {sample.key, "", {}, cheap}, {}, {});
  REQUIRE(sample.read_all() == ExitCode::ok);
  for (const auto& [file, bytes] : before) {
    const bool there = fs::exists(file);
    const std::string now = there ? read(file) : std::string();
    write(file, bytes);
    INFO(file);
    // An old slot or object that nothing names does no harm; what is in use must not be replaced by it.
    CHECK(sample.read_all() == (there ? ExitCode::damaged : ExitCode::ok));
    if (there) {
      write(file, now);
    } else {
      fs::remove(file);
    }
  }
  CHECK(sample.read_all() == ExitCode::ok);
}

TEST_CASE("links, FIFOs, folders and huge files in place of any file end in an error, at once", "[hostile]") {
  const EncryptedSample sample;
  for (const base::Path& file : files_of(sample.path())) {
    const base::Path aside = sample.folder / "aside";
    fs::rename(file, aside);
    const auto expect = [&](const char* what) {
      INFO(what << " in place of " << file);
      CHECK(sample.read_all() != ExitCode::ok);
      CHECK(sample.read_all() != ExitCode::internal);
      fs::remove_all(file);
    };
    fs::create_symlink(aside, file);
    expect("a link");
    fs::create_symlink("/dev/zero", file);
    expect("a link to a device");
    REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
    expect("a FIFO");
    fs::create_directory(file);
    expect("a folder");
    write(file, "");
    fs::resize_file(file, std::uintmax_t{1} << 40U);
    expect("a terabyte of nothing");
    fs::rename(aside, file);
  }
  CHECK(sample.read_all() == ExitCode::ok);
}

TEST_CASE("folders of the repository that are links or FIFOs are refused", "[hostile]") {
  const EncryptedSample sample;
  for (const char* name : {"keys", "snapshots", "objects"}) {
    const base::Path aside = sample.folder / "aside";
    fs::rename(sample.path() / name, aside);
    REQUIRE(::mkfifo((sample.path() / name).c_str(), 0600) == 0);
    INFO(name);
    CHECK(sample.read_all() != ExitCode::ok);
    CHECK(sample.read_all() != ExitCode::internal);
    fs::remove(sample.path() / name);
    fs::rename(aside, sample.path() / name);
  }
  CHECK(sample.read_all() == ExitCode::ok);
}

TEST_CASE("an encrypted repository that says it is plain takes no sealed object for a plain one",
          "[hostile]") {
  const EncryptedSample sample;
  Format format;
  format.id = sample.repository.id();
  write(sample.path() / "format.json", to_file(format, nullptr));
  CHECK(sample.read_all() == ExitCode::damaged);
  // Nor is a plain manifest taken that names sealed objects.
  Manifest forged = sample.manifest;
  forged.id = "20261121T021503Z-0b2c";
  write(sample.path() / "snapshots" / (forged.id + ".json"), to_file(forged));
  CHECK(sample.read_all() == ExitCode::damaged);
}

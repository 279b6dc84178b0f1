// SPDX-License-Identifier: MIT
// A .tmb is read only if every byte of it is what the writer writes.
#include "archive/tmb.hh"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <functional>

#include "archive/tar.hh"
#include "base/error.hh"
#include "catch.hh"
#include "folder.hh"
#include "repository/sample_snapshot.hh"

namespace {

using namespace tmb;
using archive::NamedBytes;

constexpr const char* snapshot_id = "20261120T021503Z-7f3a";

struct Sample {
  Sample() : repository(repository::Repository::create(folder / "r")) {
    manifest = test::sample_manifest(repository, snapshot_id);
    repository.publish(manifest);
  }

  // All members in their order.
  std::vector<NamedBytes> members() const {
    std::vector<NamedBytes> out{{"format.json", base::read_file(repository.path() / "format.json", 65536)}};
    repository::for_each_object(manifest, [&](repository::ObjectType, const repository::ObjectRef& ref) {
      out.push_back({archive::object_member(ref.id), repository.objects().read_file(ref.id)});
    });
    out.push_back({archive::manifest_member(manifest.id), repository.read_manifest_file(manifest.id)});
    return out;
  }

  static std::string tar(const std::vector<NamedBytes>& members) {
    std::string out;
    archive::TmbWriter writer([&](std::string_view bytes) { out.append(bytes); },
                              base::parse_iso_utc("2026-11-20T02:15:03Z"));
    for (const NamedBytes& member : members) writer.add(member.name, member.bytes);
    writer.finish();
    return out;
  }

  std::unique_ptr<archive::TmbSource> open(const std::string& bytes) const {
    std::ofstream(folder / "x.tmb", std::ios::binary) << bytes;
    return archive::open_tmb(folder / "x.tmb");
  }

  // Opens and reads all objects; the code that this ends with.
  base::ExitCode code_of(const std::string& bytes) const {
    try {
      const auto source = open(bytes);
      repository::Workspace workspace;
      std::string content;
      repository::for_each_object(source->manifest(),
                                  [&](repository::ObjectType type, const repository::ObjectRef& ref) {
                                    source->read(type, ref, workspace, content);
                                  });
      return base::ExitCode::ok;
    } catch (const base::Error& error) {
      return error.code();
    }
  }

  test::Folder folder;
  repository::Repository repository;
  repository::Manifest manifest;
};

}  // namespace

TEST_CASE("a .tmb gives back every object of its snapshot", "[tmb]") {
  const Sample sample;
  const auto source = sample.open(Sample::tar(sample.members()));
  CHECK(source->manifest().id == sample.manifest.id);
  CHECK(repository::to_file(source->manifest()) == repository::to_file(sample.manifest));
  repository::Workspace workspace;
  std::string content;
  std::string expected;
  repository::for_each_object(sample.manifest,
                              [&](repository::ObjectType type, const repository::ObjectRef& ref) {
                                source->read(type, ref, workspace, content);
                                sample.repository.objects().get(type, ref, workspace, expected);
                                CHECK(content == expected);
                              });
}

TEST_CASE("a .tmb that is cut off anywhere is refused", "[tmb]") {
  const Sample sample;
  const std::string whole = Sample::tar(sample.members());
  for (std::size_t size = 0; size < whole.size(); size += 97)
    CHECK(sample.code_of(whole.substr(0, size)) == base::ExitCode::damaged);
  for (std::size_t cut = 1; cut <= 1024; cut += 31)
    CHECK(sample.code_of(whole.substr(0, whole.size() - cut)) == base::ExitCode::damaged);
}

TEST_CASE("every flipped bit of a .tmb is found", "[tmb]") {
  const Sample sample;
  const std::string whole = Sample::tar(sample.members());
  std::size_t passed = 0;
  for (std::size_t bit = 0; bit < whole.size() * 8; bit += 5) {
    std::string changed = whole;
    changed[bit / 8] = static_cast<char>(static_cast<unsigned char>(changed[bit / 8]) ^ (1U << (bit % 8)));
    const base::ExitCode code = sample.code_of(changed);
    if (code != base::ExitCode::damaged && code != base::ExitCode::unsupported) ++passed;
  }
  CHECK(passed == 0);
}

TEST_CASE("members that have no place in a .tmb are refused", "[tmb]") {
  const Sample sample;
  const std::vector<NamedBytes> good = sample.members();
  const auto changed = [&](const std::function<void(std::vector<NamedBytes>&)>& change) {
    std::vector<NamedBytes> members = good;
    change(members);
    return sample.code_of(Sample::tar(members));
  };
  const auto insert = [&](const std::string& name, const std::string& bytes) {
    return changed([&](auto& m) { m.insert(m.end() - 1, {name, bytes}); });
  };
  const std::string foreign_id(64, 'a');
  CHECK(changed([](auto&) {}) == base::ExitCode::ok);
  for (const char* name : {"../evil", "/etc/passwd", "objects/../../evil", "objects/aa", "objects/", "lock",
                           "snapshots/x.json", "snapshots/../x.json", "keys/../x.json", "OBJECTS/aa/a"})
    CHECK(insert(name, "x") == base::ExitCode::damaged);
  // An object that the manifest does not name, a second one of a name, one under another's folder.
  CHECK(insert(archive::object_member(foreign_id), good[1].bytes) == base::ExitCode::damaged);
  CHECK(insert(good[1].name, good[1].bytes) == base::ExitCode::damaged);
  CHECK(insert("objects/ab/" + foreign_id, "x") == base::ExitCode::damaged);
  // Members left out, in another order, twice.
  for (std::size_t i = 0; i < good.size(); ++i)
    CHECK(changed([&](auto& m) { m.erase(m.begin() + static_cast<std::ptrdiff_t>(i)); }) ==
          base::ExitCode::damaged);
  CHECK(changed([](auto& m) { std::swap(m.front(), m.back()); }) == base::ExitCode::damaged);
  CHECK(changed([](auto& m) { m.push_back(m.back()); }) == base::ExitCode::damaged);
  CHECK(changed([](auto& m) { m.insert(m.begin(), m.front()); }) == base::ExitCode::damaged);
  CHECK(changed([](auto& m) { m.push_back(m[1]); }) == base::ExitCode::damaged);
  CHECK(changed([](auto& m) { m.push_back({"keys/late.json", "{}"}); }) == base::ExitCode::damaged);
  // Objects that changed places.
  CHECK(changed([](auto& m) { std::swap(m[1].bytes, m[2].bytes); }) == base::ExitCode::damaged);
  // The manifest under another snapshot's name.
  CHECK(changed([](auto& m) { m.back().name = archive::manifest_member("20261120T021503Z-7f3b"); }) ==
        base::ExitCode::damaged);
  CHECK(sample.code_of(Sample::tar(good) + std::string(512, '\0')) == base::ExitCode::damaged);
  CHECK(sample.code_of(Sample::tar(good) + "x") == base::ExitCode::damaged);
}

TEST_CASE("a header that claims more than there is ends at once", "[tmb]") {
  const Sample sample;
  std::string whole = Sample::tar(sample.members());
  const auto header = archive::tar_header({"format.json", (std::uint64_t{1} << 33U) - 1, 0});
  std::copy(header.begin(), header.end(), whole.begin());
  CHECK(sample.code_of(whole) == base::ExitCode::damaged);
  const std::string id(64, 'b');
  const auto object = archive::tar_header({archive::object_member(id), (std::uint64_t{1} << 33U) - 1, 0});
  CHECK(sample.code_of(Sample::tar({sample.members().front()}).substr(0, 1024) +
                       std::string(object.data(), object.size())) == base::ExitCode::damaged);
}

TEST_CASE("only headers that tar_header writes are headers", "[tmb]") {
  const archive::TarMember member{"objects/aa/x", 12345, 1763604903};
  const auto block = archive::tar_header(member);
  const std::string good(block.data(), block.size());
  const auto read = archive::parse_tar_header(good);
  REQUIRE(read);
  CHECK(read->name == member.name);
  CHECK(read->size == member.size);
  CHECK(read->time == member.time);
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] + 1);
    CHECK_FALSE(archive::parse_tar_header(bad));
  }
  CHECK_FALSE(archive::parse_tar_header(good.substr(1)));
  CHECK_THROWS_AS(archive::tar_header({std::string(100, 'x'), 1, 0}), base::Error);
}

// SPDX-License-Identifier: MIT
// A small repository made in-process, then damaged in every way that one bit or one length can be wrong.
#include "verify/verify.hh"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <functional>

#include "base/error.hh"
#include "base/file.hh"
#include "catch.hh"
#include "folder.hh"
#include "verify/describe.hh"
#include "verify/usage.hh"

using namespace tmb;
using base::Error;
using base::ExitCode;
using repository::ObjectRef;
using repository::ObjectType;
using repository::Repository;

namespace {

namespace fs = std::filesystem;

repository::Manifest manifest_of(const Repository& repository, const std::string& id,
                                 std::uint64_t sequence) {
  repository::Manifest m;
  m.id = id;
  m.repository_id = repository.id();
  m.sequence = sequence;
  m.time = base::parse_iso_utc("2026-11-20T02:15:03Z");
  m.host = "host";
  m.tool_version = "0.1.0";
  m.server_version = "17.6";
  m.server_version_number = 170006;
  m.dump_tool_version = "17.6";
  m.role = "teslamate";
  m.database.name = "teslamate";
  m.database.owner = "teslamate";
  m.database.encoding = "UTF8";
  m.database.locale_provider = "c";
  return m;
}

// Two snapshots that share the first chunk of "positions" and the schema.
class Sample {
 public:
  Sample() : repository_(Repository::create(folder_ / "r")) {
    schema_ = put(ObjectType::schema, "PGDMP schema");
    shared_ = put(ObjectType::rows, "1\tone\n2\ttwo\n");
    second_ = put(ObjectType::rows, "3\tthree\n");
    publish(first, 1, {{shared_, 2}});
    publish(newest, 2, {{shared_, 2}, {second_, 1}});
  }

  static constexpr const char* first = "20261120T021503Z-0001";
  static constexpr const char* newest = "20261121T021503Z-0002";

  const Repository& repository() const { return repository_; }
  fs::path root() const { return folder_ / "r"; }
  fs::path object(const ObjectRef& ref) const { return repository_.objects().path_of(ref.id); }
  const ObjectRef& shared() const { return shared_; }
  const ObjectRef& second() const { return second_; }
  const ObjectRef& schema() const { return schema_; }

  ObjectRef put(ObjectType type, const std::string& content) {
    return repository_.objects().put(type, content, workspace_).ref;
  }

  void publish(const std::string& id, std::uint64_t sequence,
               const std::vector<std::pair<ObjectRef, std::uint64_t>>& chunks,
               std::vector<repository::CarriedFile> files = {}) {
    repository::Manifest m = manifest_of(repository_, id, sequence);
    m.schema = schema_;
    repository::TableData table;
    table.schema = "public";
    table.name = "positions";
    table.columns = {"id", "name"};
    std::uint64_t page = 0;
    for (const auto& [ref, rows] : chunks) {
      repository::Chunk chunk;
      chunk.first_page = page;
      chunk.end_page = ++page;
      chunk.rows = rows;
      chunk.objects = {ref};
      table.rows += rows;
      table.chunks.push_back(chunk);
    }
    table.chunks.back().end_page = repository::Chunk::open_end;
    m.tables.push_back(table);
    m.files = std::move(files);
    repository_.publish(m);
  }

  verify::Report verify(bool read_data = true, std::vector<std::string> snapshots = {}) const {
    report::SilentReporter reporter;
    return verify::verify(repository_, {.snapshots = std::move(snapshots), .read_data = read_data, .jobs = 2},
                          reporter, {});
  }

 private:
  test::Folder folder_;
  Repository repository_;
  repository::Workspace workspace_;
  ObjectRef schema_;
  ObjectRef shared_;
  ObjectRef second_;
};

std::string read(const fs::path& path) { return base::read_file(path, 1U << 20U); }

void overwrite(const fs::path& path, const std::string& bytes) {
  ::chmod(path.c_str(), 0600);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::vector<fs::path> files_of(const fs::path& root) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.is_regular_file() && entry.path().filename() != "lock") out.push_back(entry.path());
  }
  return out;
}

// True when opening or verifying says that the repository is not whole.
bool is_found(const Sample& sample) {
  try {
    const Repository again = Repository::open(sample.root());
    report::SilentReporter reporter;
    return !verify::verify(again, {.read_data = true, .jobs = 1}, reporter, {}).intact();
  } catch (const Error& error) {
    return error.code() == ExitCode::damaged || error.code() == ExitCode::no_repository ||
           error.code() == ExitCode::unsupported;
  }
}

// The sweeps list the folders once for each bit: 3 shards instead of 256 make them quick.
void remove_empty_shards(const Sample& sample) {
  for (const auto& shard : fs::directory_iterator(sample.root() / "objects")) {
    if (fs::is_empty(shard)) fs::remove(shard);
  }
}

ExitCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return ExitCode::ok;
}

}  // namespace

TEST_CASE("an untouched repository is intact, with and without reading the data") {
  const Sample sample;
  for (const bool read_data : {false, true}) {
    const verify::Report report = sample.verify(read_data);
    CHECK(report.intact());
    CHECK(report.complete_snapshots() == 2);
    CHECK(report.objects == 3);
    CHECK(report.orphans == 0);
    CHECK(report.strays.empty());
    CHECK(report.plain_bytes == 12 + 8 + 12);
  }
}

TEST_CASE("every single flipped bit of every file is found") {
  const Sample sample;
  remove_empty_shards(sample);
  const std::vector<fs::path> files = files_of(sample.root());
  REQUIRE(files.size() == 6);
  std::size_t missed = 0;
  for (const fs::path& file : files) {
    const std::string good = read(file);
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      std::string bad = good;
      bad[bit / 8] = static_cast<char>(static_cast<unsigned char>(bad[bit / 8]) ^ (1U << (bit % 8)));
      overwrite(file, bad);
      if (is_found(sample)) continue;
      ++missed;
      CAPTURE(file.string(), bit);
      CHECK(missed == 0);
    }
    overwrite(file, good);
  }
  CHECK(missed == 0);
  CHECK(sample.verify().intact());
}

TEST_CASE("every truncation, a byte too many and the absence of every object is found") {
  const Sample sample;
  remove_empty_shards(sample);
  for (const fs::path& file : files_of(sample.root())) {
    const std::string good = read(file);
    for (std::size_t length = 0; length < good.size(); ++length) {
      overwrite(file, good.substr(0, length));
      CAPTURE(file.string(), length);
      REQUIRE(is_found(sample));
    }
    overwrite(file, good + "\n");
    CHECK(is_found(sample));
    overwrite(file, good);
  }
  for (const ObjectRef& ref : {sample.schema(), sample.shared(), sample.second()}) {
    const std::string good = read(sample.object(ref));
    fs::remove(sample.object(ref));
    CHECK(is_found(sample));
    CHECK_FALSE(sample.verify(false).intact());
    overwrite(sample.object(ref), good);
  }
  CHECK(sample.verify().intact());
}

TEST_CASE("damage is told for each snapshot: the one without the object stays complete") {
  const Sample sample;
  overwrite(sample.object(sample.second()), "rubbish");
  const verify::Report report = sample.verify();
  REQUIRE(report.snapshots.size() == 2);
  CHECK(report.snapshots[0].complete);
  CHECK_FALSE(report.snapshots[1].complete);
  REQUIRE(report.snapshots[1].damaged_tables.size() == 1);
  CHECK(report.snapshots[1].damaged_tables[0].name == "public.positions");
  CHECK(report.snapshots[1].damaged_tables[0].rows == 3);
  CHECK(report.snapshots[1].damaged_tables[0].rows_damaged == 1);
  CHECK(report.damage.size() == 1);
  CHECK(sample.verify(true, {Sample::first}).intact());
}

TEST_CASE("a snapshot that carries a damaged file is not complete, and the file is named") {
  Sample sample;
  repository::CarriedFile good;
  good.path = "/etc/teslamate/good";
  good.objects = {sample.put(ObjectType::file, "SECRET=1\n")};
  repository::CarriedFile bad = good;
  bad.path = "/etc/teslamate/bad";
  bad.objects.push_back(sample.put(ObjectType::file, "SECRET=2\n"));
  sample.publish("20261122T021503Z-0003", 3, {{sample.shared(), 2}}, {good, bad});
  REQUIRE(sample.verify().complete_snapshots() == 3);
  overwrite(sample.object(bad.objects.back()), "rubbish");
  const verify::Report report = sample.verify();
  CHECK(report.complete_snapshots() == 2);
  CHECK_FALSE(report.snapshots[2].complete);
  CHECK(report.snapshots[2].damaged_files == std::vector<std::string>{"/etc/teslamate/bad"});
  const auto lines = verify::describe(report, {.read_data = true});
  CHECK(std::ranges::any_of(lines, [](const std::string& line) {
    return line.find("damaged: /etc/teslamate/bad") != std::string::npos;
  }));
}

TEST_CASE(
    "what is known to be damaged is read whatever else is, until it is good or gone with its snapshot") {
  Sample sample;
  sample.publish("20261122T021503Z-0003", 3, {{sample.shared(), 5}});  // counts other rows than there are
  const std::string good = read(sample.object(sample.second()));
  std::string bad = good;
  bad.back() = static_cast<char>(bad.back() ^ 1);
  overwrite(sample.object(sample.second()), bad);
  CHECK(sample.verify(false).intact());
  const repository::KnownDamage known = sample.verify(true).damaged;
  CHECK(known.objects == std::set<std::string>{sample.second().id});
  CHECK(known.snapshots == std::set<std::string>{"20261122T021503Z-0003"});

  report::SilentReporter reporter;
  const auto again = [&](std::vector<std::string> snapshots) {
    return verify::verify(sample.repository(), {.snapshots = std::move(snapshots), .known = known, .jobs = 2},
                          reporter, {});
  };
  CHECK(again({}).damaged.objects == known.objects);
  CHECK(again({}).damaged.snapshots == known.snapshots);
  CHECK(again({}).mended.empty());
  CHECK(again({Sample::first}).mended.empty());
  overwrite(sample.object(sample.second()), good);
  CHECK(again({Sample::newest}).mended.objects == known.objects);
  CHECK(again({Sample::newest}).mended.snapshots.empty());
  fs::remove(sample.root() / "snapshots" / "20261122T021503Z-0003.json");
  CHECK(again({}).mended.snapshots == known.snapshots);
  fs::remove(sample.root() / "snapshots" / (std::string(Sample::newest) + ".json"));
  overwrite(sample.object(sample.second()), bad);
  CHECK(again({}).mended.objects == known.objects);
}

TEST_CASE("all damage is reported, not the first alone") {
  const Sample sample;
  overwrite(sample.object(sample.second()), "");
  fs::remove(sample.object(sample.schema()));
  overwrite(sample.root() / "snapshots" / (std::string(Sample::first) + ".json"), "{}");
  const verify::Report report = sample.verify();
  CHECK(report.damage.size() == 3);
  CHECK(report.complete_snapshots() == 0);
  CHECK(report.snapshots[1].schema_damaged);
  CHECK_FALSE(report.snapshots[0].manifest_readable);
}

TEST_CASE("an object with other content under its name is damage") {
  const Sample sample;
  overwrite(sample.object(sample.second()), read(sample.object(sample.shared())));
  CHECK_FALSE(sample.verify().intact());
}

TEST_CASE("a manifest that counts other rows than its objects hold is damage") {
  Sample sample;
  sample.publish("20261122T021503Z-0003", 3, {{sample.shared(), 5}});
  CHECK(sample.verify(false).intact());
  const verify::Report report = sample.verify(true);
  CHECK_FALSE(report.intact());
  CHECK(report.complete_snapshots() == 2);
}

TEST_CASE("a manifest under another snapshot's name is damage") {
  const Sample sample;
  const fs::path folder = sample.root() / "snapshots";
  fs::copy_file(folder / (std::string(Sample::first) + ".json"), folder / "20261123T021503Z-0009.json");
  CHECK_FALSE(sample.verify(false).intact());
}

TEST_CASE("orphans and strays are counted and are no damage, temporary files are neither") {
  Sample sample;
  sample.put(ObjectType::rows, "orphan\n");
  overwrite(sample.root() / "notes.txt", "x");
  overwrite(sample.root() / "objects" / "aa" / "x", "x");
  overwrite(sample.root() / "snapshots" / "x.json", "x");
  overwrite(sample.root() / "snapshots" / ".tmp-1", "x");
  const verify::Report report = sample.verify();
  CHECK(report.intact());
  CHECK(report.orphans == 1);
  CHECK(report.orphan_bytes > 0);
  CHECK(report.strays == std::vector<std::string>{"notes.txt", "objects/aa/x", "snapshots/x.json"});
}

TEST_CASE("with an unreadable manifest no object is called an orphan") {
  const Sample sample;
  overwrite(sample.root() / "snapshots" / (std::string(Sample::newest) + ".json"), "{}");
  CHECK(sample.verify(false).orphans == 0);
}

TEST_CASE("verify stops when it is asked to") {
  const Sample sample;
  std::stop_source source;
  source.request_stop();
  report::SilentReporter reporter;
  CHECK(code_of([&] {
          verify::verify(sample.repository(), {.read_data = true, .jobs = 2}, reporter, source.get_token());
        }) == ExitCode::interrupted);
}

TEST_CASE("a snapshot that is not there is not found") {
  const Sample sample;
  CHECK(code_of([&] { sample.verify(true, {"20200101T000000Z-0000"}); }) == ExitCode::not_found);
}

TEST_CASE("usage tells what is new, what only one snapshot holds, and lists a damaged one") {
  Sample sample;
  const auto bytes = [&](const ObjectRef& ref) { return sample.repository().objects().stored_bytes(ref); };
  std::vector<verify::SnapshotUsage> usage = verify::measure_usage(sample.repository());
  REQUIRE(usage.size() == 2);
  CHECK(usage[0].stored_bytes == bytes(sample.schema()) + bytes(sample.shared()));
  CHECK(usage[0].new_bytes == usage[0].stored_bytes);
  CHECK(usage[0].own_bytes == 0);
  CHECK(usage[1].stored_bytes == usage[0].stored_bytes + bytes(sample.second()));
  CHECK(usage[1].new_bytes == bytes(sample.second()));
  CHECK(usage[1].own_bytes == bytes(sample.second()));

  overwrite(sample.root() / "snapshots" / (std::string(Sample::first) + ".json"), "{}");
  usage = verify::measure_usage(sample.repository());
  REQUIRE(usage.size() == 2);
  CHECK_FALSE(usage[0].manifest);
  CHECK_FALSE(usage[0].damage.empty());
  CHECK(usage[1].new_bytes == usage[1].stored_bytes);
  const auto lines = verify::describe_list(usage, base::parse_iso_utc("2026-11-22T02:15:03Z"));
  REQUIRE(lines.size() == 3);
  CHECK(lines[1].find("DAMAGED") != std::string::npos);
  CHECK(lines[2].find("2 days") != std::string::npos);
}

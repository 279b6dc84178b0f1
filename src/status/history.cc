// SPDX-License-Identifier: MIT
#include "status/history.hh"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>

#include "base/error.hh"
#include "repository/owned_file.hh"

namespace tmb::status {

using report::Json;

namespace {

constexpr std::uint64_t max_bytes = 65536;
constexpr std::size_t longest_error = 2000;
constexpr std::size_t most_warnings = 10;
constexpr std::size_t longest_warning = 500;
constexpr unsigned readable_mode = 0644;  // also by the account of the timers, when root wrote it

base::Path folder_of(const base::Path& state_dir) { return state_dir / "history"; }

bool is_folder(const base::Path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::string new_name(const RunRecord& record) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::random_device random;
  // Behind the kind, because by it and the time the newest of two in one second is known.
  const auto micros = record.started.time_since_epoch().count() % 1000000;
  const std::string fraction = std::to_string(1000000 + (micros < 0 ? 0 : micros)).substr(1);
  std::string out = base::compact_utc(record.started) + "-" + record.kind + "-" + fraction;
  for (int i = 0; i < 4; ++i) out += digits[random() % digits.size()];
  return out + ".json";
}

// "20261120T021503Z-backup-1f3a77.json" to "backup"; empty for any other name.
std::string kind_of(const std::string& name) {
  const std::size_t first = name.find('-');
  const std::size_t last = name.rfind('-');
  if (!name.ends_with(".json") || first != 16 || last <= first) return "";
  return name.substr(first + 1, last - first - 1);
}

// In the order of their times.
std::vector<std::string> names_in(const base::Path& folder) {
  std::vector<std::string> out;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (!kind_of(name).empty()) out.push_back(std::move(name));
  }
  std::ranges::sort(out);
  return out;
}

void drop_oldest(const base::Path& folder) {
  std::map<std::string, std::size_t> count;
  const std::vector<std::string> names = names_in(folder);
  std::for_each(names.rbegin(), names.rend(), [&](const std::string& name) {
    if (++count[kind_of(name)] > most_records) ::unlink((folder / name).c_str());
  });
}

Json warnings_of(const RunRecord& record) {
  Json out = Json::array();
  for (const std::string& warning : record.warnings) {
    if (out.size() == most_warnings) break;
    out.push_back(base::printable(std::string_view(warning).substr(0, longest_warning)));
  }
  return out;
}

Json to_json(const RunRecord& record) {
  return {{"kind", record.kind},
          {"started", base::iso_utc(record.started)},
          {"seconds", record.seconds},
          {"exit_code", record.exit_code},
          {"error", base::printable(std::string_view(record.error).substr(0, longest_error))},
          {"snapshot", record.snapshot},
          {"facts", record.facts},
          {"warnings", warnings_of(record)}};
}

RunRecord from_json(const Json& json) {
  RunRecord out;
  out.kind = json.at("kind");
  out.started = base::parse_iso_utc(json.at("started").get<std::string>());
  out.seconds = json.at("seconds");
  out.exit_code = json.at("exit_code");
  out.error = json.at("error");
  out.snapshot = json.at("snapshot");
  out.facts = json.at("facts");
  if (!out.facts.is_object()) out.facts = Json::object();
  out.warnings = json.value("warnings", std::vector<std::string>());
  return out;
}

void copy(const Json& from, Json& to, std::initializer_list<const char*> names) {
  if (!from.is_object()) return;
  for (const char* name : names) {
    const auto found = from.find(name);
    if (found != from.end() && !found->is_null()) to[name] = *found;
  }
}

// The worst of the repositories that were looked at is not told apart here: with one, the rule, it is all.
void copy_verification(const Json& document, Json& to) {
  const auto found = document.find("repositories");
  if (found == document.end() || !found->is_array() || found->empty()) return;
  const Json& one = found->front();
  copy(one, to, {"read_data", "intact", "objects", "stored_bytes", "plain_bytes", "repository_id"});
  copy(document, to, {"rotation"});
  const auto snapshots = one.find("snapshots");
  if (snapshots == one.end() || !snapshots->is_array()) return;
  Json& damaged = to["damaged_snapshots"] = Json::array();
  for (const Json& snapshot : *snapshots) {
    if (!snapshot.value("complete", true)) damaged.push_back(snapshot.value("id", ""));
  }
  to["snapshots"] = snapshots->size();
}

}  // namespace

double RunRecord::number(const char* fact) const {
  const auto found = facts.find(fact);
  return found != facts.end() && found->is_number() ? found->get<double>() : 0.0;
}

void add_record(const base::Path& state_dir, const RunRecord& record) {
  if (!is_folder(state_dir)) return;
  const base::Path folder = folder_of(state_dir);
  // Made by root for a restore, it must still belong to whom the state folder belongs to.
  repository::make_owned_directory(folder);
  base::publish_file(folder / new_name(record), to_json(record).dump() + "\n", base::Overwrite::no,
                     readable_mode);
  drop_oldest(folder);
}

std::vector<RunRecord> read_records(const base::Path& state_dir) {
  std::vector<RunRecord> out;
  const base::Path folder = folder_of(state_dir);
  for (const std::string& name : names_in(folder)) {
    try {
      out.push_back(from_json(Json::parse(base::read_file(folder / name, max_bytes))));
    } catch (const base::Error&) {
      continue;
    } catch (const Json::exception&) {
      continue;
    }
  }
  return out;
}

Json facts_of(const std::string& kind, const Json& document) {
  Json out = Json::object();
  copy(document, out,
       {"rows", "plain_bytes", "read_bytes", "stored_bytes", "new_bytes", "kept", "objects_removed",
        "bytes_removed", "objects_waiting", "bytes_waiting", "operation", "down_seconds", "phases",
        "recovery_seconds", "recovery_point_seconds", "cluster", "repository_id"});
  if (kind == "verify") copy_verification(document, out);
  if (kind == "prune" && document.is_object() && document.contains("removed"))
    out["removed"] = document["removed"].size();
  return out;
}

}  // namespace tmb::status

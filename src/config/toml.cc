// SPDX-License-Identifier: MIT
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.hh"
#include "config/broken_file.hh"
#include "config/settings.hh"

// Third-party headers are not held to our warnings.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <toml++/toml.h>
#pragma GCC diagnostic pop

namespace tmb::config {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

// One node of the file with what an error about it needs.
struct Value {
  const toml::node& node;
  const std::string& file;
  std::string key;  // restore.units

  Error error(const std::string& why) const {
    return {ExitCode::usage, printable(file) + ", line " + std::to_string(node.source().begin.line) + ": " +
                                 printable(key) + " " + why};
  }

  std::string text() const {
    const auto* value = node.as_string();
    if (value == nullptr) throw error("must be text in quotes");
    if (value->get().find('\0') != std::string::npos) throw error("has a NUL byte in it");
    return value->get();
  }

  std::string text_not_empty() const {
    std::string value = text();
    if (value.empty()) throw error("is empty");
    return value;
  }

  base::Path absolute_path() const {
    base::Path path = text();
    if (!path.is_absolute()) throw error("must be an absolute path");
    return path;
  }

  std::int64_t number(std::int64_t least, std::int64_t most) const {
    const auto* value = node.as_integer();
    if (value == nullptr) throw error("must be a whole number");
    if (value->get() < least || value->get() > most) {
      throw error("must be from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return value->get();
  }

  // "90s", "30m", "36h", "14d", "4w": a whole number and a unit.
  std::chrono::seconds duration(std::chrono::seconds least) const {
    const std::string value = text();
    std::int64_t count = 0;
    const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), count);
    static const std::map<std::string_view, std::int64_t> units{
        {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};
    const auto unit =
        units.find(std::string_view(value).substr(static_cast<std::size_t>(end - value.data())));
    if (failed != std::errc{} || unit == units.end() || count < 0 || count > 100000000)
      throw error("must be a time such as \"30m\", \"36h\", \"14d\" or \"4w\"");
    const std::chrono::seconds out(count * unit->second);
    if (out < least) throw error("must be at least " + std::to_string(least.count()) + " s");
    return out;
  }

  bool truth() const {
    const auto* value = node.as_boolean();
    if (value == nullptr) throw error("must be true or false");
    return value->get();
  }

  std::string port() const {
    if (node.is_integer()) return std::to_string(number(1, 65535));
    std::string value = text();
    unsigned parsed = 0;
    const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (failed != std::errc{} || end != value.data() + value.size() || parsed < 1 || parsed > 65535) {
      throw error("must be from 1 to 65535");
    }
    return value;
  }

  std::vector<std::string> texts() const {
    const auto* array = node.as_array();
    if (array == nullptr) throw error("must be a list of texts, such as [\"a\", \"b\"]");
    std::vector<std::string> out;
    for (const toml::node& entry : *array) out.push_back(Value{entry, file, key}.text_not_empty());
    return out;
  }

  std::vector<base::Path> absolute_paths() const {
    std::vector<base::Path> out;
    for (std::string& path : texts()) {
      out.emplace_back(std::move(path));
      if (!out.back().is_absolute()) throw error("must be a list of absolute paths");
    }
    return out;
  }
};

using Apply = std::function<void(const Value&)>;
using Keys = std::map<std::string, Apply, std::less<>>;

std::string known_keys(const Keys& keys) {
  std::string out;
  for (const auto& [name, apply] : keys) out += (out.empty() ? "" : ", ") + name;
  return out;
}

void apply_table(const toml::table& table, const Keys& keys, const std::string& prefix,
                 const std::string& file) {
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const Value value{node, file, prefix + name};
    const auto found = keys.find(name);
    if (found == keys.end()) {
      const bool secret = name == "password" || name == "passphrase";
      throw value.error("is not a setting")
          .with_hint(secret
                         ? "secrets are not written here: name a file with password_file"
                         : (prefix.empty() ? "known here: " : "known in this section: ") + known_keys(keys));
    }
    found->second(value);
  }
}

Apply section(Keys keys) {
  return [keys = std::move(keys)](const Value& value) {
    const auto* table = value.node.as_table();
    if (table == nullptr) throw value.error("must be a section: [" + value.key + "]");
    apply_table(*table, keys, value.key + ".", value.file);
  };
}

Keys retention_keys(RetentionSettings& r) {
  const auto count = [](unsigned& into) {
    return [&into](const Value& v) { into = static_cast<unsigned>(v.number(0, 1000000)); };
  };
  using std::chrono::seconds;
  return {{"keep_last", count(r.keep_last)},
          {"hourly", count(r.hourly)},
          {"daily", count(r.daily)},
          {"weekly", count(r.weekly)},
          {"monthly", count(r.monthly)},
          {"yearly", count(r.yearly)},
          {"minimum", [&](const Value& v) { r.minimum = static_cast<unsigned>(v.number(1, 1000000)); }},
          {"within", [&](const Value& v) { r.within = v.duration(seconds(0)); }},
          {"grace", [&](const Value& v) { r.grace = v.duration(seconds(0)); }}};
}

Keys goal_keys(GoalSettings& g) {
  using std::chrono::seconds;
  return {{"preset",
           [&](const Value& v) {
             g.preset = v.text();
             if (g.preset != "hobby" && g.preset != "serious" && g.preset != "production")
               throw v.error("must be hobby, serious or production");
           }},
          {"rpo", [&](const Value& v) { g.rpo = v.duration(seconds(60)); }},
          {"rto", [&](const Value& v) { g.rto = v.duration(seconds(1)); }},
          {"verify_every", [&](const Value& v) { g.verify_every = v.duration(seconds(0)); }},
          {"read_all_within", [&](const Value& v) { g.read_all_within = v.duration(seconds(0)); }},
          {"drill_every", [&](const Value& v) { g.drill_every = v.duration(seconds(0)); }}};
}

Keys notify_keys(NotifySettings& n) {
  const auto address = [](std::string& into) {
    return [&into](const Value& v) {
      into = v.text();
      if (!into.starts_with("https://") && !into.starts_with("http://"))
        throw v.error("must begin with https:// or http://");
    };
  };
  return {{"command",
           [&](const Value& v) {
             n.command = v.texts();
             if (n.command.empty() || !n.command.front().starts_with('/'))
               throw v.error("must begin with the absolute path of a program");
           }},
          {"webhook", address(n.webhook)},
          {"webhook_file", [&](const Value& v) { n.webhook_file = v.absolute_path(); }},
          {"ntfy", address(n.ntfy)},
          {"ntfy_file", [&](const Value& v) { n.ntfy_file = v.absolute_path(); }},
          {"ntfy_token_file", [&](const Value& v) { n.ntfy_token_file = v.absolute_path(); }},
          {"healthchecks", address(n.healthchecks)},
          {"healthchecks_file", [&](const Value& v) { n.healthchecks_file = v.absolute_path(); }},
          {"on_success", [&](const Value& v) { n.on_success = v.truth(); }},
          {"timeout", [&](const Value& v) { n.timeout = v.duration(std::chrono::seconds(1)); }}};
}

Keys status_keys(StatusSettings& s) {
  return {{"metrics_file", [&](const Value& v) { s.metrics_file = v.absolute_path(); }},
          {"html_file", [&](const Value& v) { s.html_file = v.absolute_path(); }}};
}

Keys maintenance_keys(MaintenanceSettings& m) {
  return {{"rpc_command",
           [&](const Value& v) {
             m.rpc_command = v.texts();
             if (m.rpc_command.empty()) throw v.error("is empty");
           }},
          {"rpc_user", [&](const Value& v) { m.rpc_user = v.text_not_empty(); }},
          {"node", [&](const Value& v) { m.node = v.text_not_empty(); }},
          {"cookie_file", [&](const Value& v) { m.cookie_file = v.absolute_path(); }},
          {"migrations", [&](const Value& v) { m.migrations = v.absolute_path(); }}};
}

Keys file_keys(FileSettings& f) {
  return {{"environment_file", [&](const Value& v) { f.environment_file = v.truth(); }},
          {"paths", [&](const Value& v) { f.paths = v.absolute_paths(); }},
          {"sqlite", [&](const Value& v) { f.sqlite = v.absolute_paths(); }},
          {"exclude", [&](const Value& v) { f.exclude = v.texts(); }},
          {"max_mib",
           [&](const Value& v) { f.max_bytes = static_cast<std::uint64_t>(v.number(1, 1 << 20U)) << 20U; }}};
}

Apply command(CommandLine& into) {
  return [&into](const Value& v) {
    into = v.texts();
    if (into.empty()) throw v.error("is empty");
  };
}

Keys hook_keys(HookSettings& h) {
  return {{"before_backup", command(h.before_backup)},
          {"after_backup", command(h.after_backup)},
          {"before_stop", command(h.before_stop)},
          {"after_start", command(h.after_start)},
          {"on_failure", command(h.on_failure)},
          {"timeout", [&](const Value& v) { h.timeout = v.duration(std::chrono::seconds(1)); }}};
}

// What no key can know alone.
void check_together(const toml::table& table, const Settings& settings, const std::string& file) {
  const ServiceCommandSettings& commands = settings.restore.commands;
  const auto fail = [&](const std::string& why) {
    throw Error(ExitCode::usage, printable(file) + ": " + why);
  };
  if (commands.stop.empty() != commands.start.empty()) {
    fail(std::string("restore.") + (commands.stop.empty() ? "start_command" : "stop_command") +
         " is set and restore." + (commands.stop.empty() ? "stop_command" : "start_command") +
         " is not: they belong together");
  }
  if (!commands.status.empty() && commands.stop.empty())
    fail("restore.status_command is set and restore.stop_command is not");
  const auto* units = table["restore"]["units"].as_array();
  if (!commands.stop.empty() && units != nullptr && !units->empty()) {
    fail(
        "restore.units and restore.stop_command are both set: TeslaMate is either a unit of systemd or it is "
        "stopped"
        " by a command");
  }
}

Keys all_keys(Settings& settings) {
  DatabaseSettings& db = settings.database;
  RestoreSettings& restore = settings.restore;
  using std::chrono::seconds;
  return {
      {"database", section({
                       {"host", [&](const Value& v) { db.host = v.text(); }},
                       {"port", [&](const Value& v) { db.port = v.port(); }},
                       {"name", [&](const Value& v) { db.name = v.text_not_empty(); }},
                       {"user", [&](const Value& v) { db.user = v.text_not_empty(); }},
                       {"password_file", [&](const Value& v) { db.password_file = v.absolute_path(); }},
                       {"environment_file", [&](const Value& v) { db.environment_file = v.absolute_path(); }},
                       {"os_user", [&](const Value& v) { db.os_user = v.text_not_empty(); }},
                       {"ssl_mode", [&](const Value& v) { db.ssl_mode = v.text_not_empty(); }},
                       {"ssl_root_certificate",
                        [&](const Value& v) { db.ssl_root_certificate = v.absolute_path().string(); }},
                       {"pg_bin_dir", [&](const Value& v) { db.pg_bin_dir = v.absolute_path().string(); }},
                   })},
      {"repository",
       section({{"path", [&](const Value& v) { settings.repository = v.absolute_path(); }},
                {"key_file", [&](const Value& v) { settings.key.key_file = v.absolute_path(); }},
                {"initialize", [&](const Value& v) { settings.store.initialize = v.truth(); }},
                {"min_free_mib",
                 [&](const Value& v) {
                   settings.store.keep_free = static_cast<std::uint64_t>(v.number(0, 1 << 30U)) << 20U;
                 }}})},
      {"files", section(file_keys(settings.files))},
      {"restore",
       section({
           {"units", [&](const Value& v) { restore.units = v.texts(); }},
           {"health_url", [&](const Value& v) { restore.health_url = v.text(); }},
           {"health_timeout", [&](const Value& v) { restore.health_timeout = seconds(v.number(1, 86400)); }},
           {"settle", [&](const Value& v) { restore.settle = seconds(v.number(0, 3600)); }},
           {"keep_old_days",
            [&](const Value& v) { restore.keep_old_days = static_cast<unsigned>(v.number(0, 36500)); }},
           {"inhibit_sleep", [&](const Value& v) { restore.inhibit_sleep = v.truth(); }},
           {"stop_command", command(restore.commands.stop)},
           {"start_command", command(restore.commands.start)},
           {"status_command", command(restore.commands.status)},
           {"command_timeout", [&](const Value& v) { restore.commands.timeout = v.duration(seconds(1)); }},
       })},
      {"hooks", section(hook_keys(settings.hooks))},
      {"retention", section(retention_keys(settings.retention))},
      {"goals", section(goal_keys(settings.goals))},
      {"notify", section(notify_keys(settings.notify))},
      {"status", section(status_keys(settings.status))},
      {"maintenance", section(maintenance_keys(settings.maintenance))},
      {"state_dir", [&](const Value& v) { settings.state_dir = v.absolute_path(); }},
      {"jobs", [&](const Value& v) { settings.jobs = static_cast<unsigned>(v.number(0, 256)); }},
  };
}

// The lines of a section, as far as they can be told without understanding the others.
std::string lines_of(std::string_view text, std::string_view section) {
  std::string out;
  bool inside = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t first = std::min(line.find_first_not_of(" \t"), line.size());
    if (line.substr(first).starts_with('[')) inside = line.substr(first).starts_with(section);
    if (inside) out += std::string(line) + "\n";
  }
  return out;
}

toml::table parse_what_can_be(std::string_view text) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error&) {
  }
  try {
    return toml::parse(lines_of(text, "[notify]"));
  } catch (const toml::parse_error&) {
    return {};
  }
}

}  // namespace

NotifySettings notify_of_broken(std::string_view text) {
  NotifySettings out;
  const toml::table table = parse_what_can_be(text);
  const auto* section = table["notify"].as_table();
  if (section == nullptr) return out;
  const std::string file = "the settings file";
  for (const auto& [name, apply] : notify_keys(out)) {
    const toml::node* node = section->get(name);
    if (node == nullptr) continue;
    try {
      apply({*node, file, "notify." + name});
    } catch (const Error&) {
      if (name == "command") out.command.clear();
    }
  }
  return out;
}

void apply_toml(Settings& settings, std::string_view text, const std::string& file_name) {
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw Error(ExitCode::usage, printable(file_name) + ", line " +
                                     std::to_string(error.source().begin.line) + ": " +
                                     printable(error.description()));
  }
  apply_table(table, all_keys(settings), "", file_name);
  check_together(table, settings, file_name);
}

}  // namespace tmb::config

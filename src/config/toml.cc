// SPDX-License-Identifier: MIT
#include <charconv>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.hh"
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
      {"repository", section({{"path", [&](const Value& v) { settings.repository = v.absolute_path(); }}})},
      {"restore",
       section({
           {"units", [&](const Value& v) { restore.units = v.texts(); }},
           {"health_url", [&](const Value& v) { restore.health_url = v.text(); }},
           {"health_timeout", [&](const Value& v) { restore.health_timeout = seconds(v.number(1, 86400)); }},
           {"settle", [&](const Value& v) { restore.settle = seconds(v.number(0, 3600)); }},
           {"keep_old_days",
            [&](const Value& v) { restore.keep_old_days = static_cast<unsigned>(v.number(0, 36500)); }},
       })},
      {"state_dir", [&](const Value& v) { settings.state_dir = v.absolute_path(); }},
      {"jobs", [&](const Value& v) { settings.jobs = static_cast<unsigned>(v.number(0, 256)); }},
  };
}

}  // namespace

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
}

}  // namespace tmb::config

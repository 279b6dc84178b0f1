// SPDX-License-Identifier: MIT
#include "repository/format.hh"

#include "base/error.hh"
#include "crypto/derive.hh"
#include "repository/sealed_json.hh"

namespace tmb::repository {

using base::Error;
using base::ExitCode;

namespace {

constexpr std::string_view magic = "teslamate-backup repository";
constexpr int version = 1;

std::string mac_of(const Format& f, const RepositoryKeys& keys) {
  return crypto::hex(crypto::hmac_sha256(keys.format, "teslamate-backup format 1\n" + f.id + "\n" + f.key_id +
                                                          "\n" + std::to_string(f.generation) + "\n" +
                                                          f.rekey_from + "\n"));
}

[[noreturn]] void refuse(const Json& json, const std::string& what) {
  std::string features;
  for (const Json& feature : json.at("features")) features += (features.empty() ? "" : ", ") + shown(feature);
  throw Error(ExitCode::unsupported, what + " has version " + shown(json.at("version")) + " and features [" +
                                         features + "]" +
                                         ", this program knows version 1 with or without \"encrypted\"")
      .with_hint("use a newer teslamate-backup");
}

}  // namespace

Format format_from_file(const std::string& bytes, const std::string& what) {
  const Json json = open_sealed_json(bytes, what);
  return reading_json(what, [&] {
    if (json.at("magic") != magic) throw Error(ExitCode::damaged, what + " is not that of a repository");
    if (json.at("version") != version) refuse(json, what);
    Format out;
    out.id = json.at("id").get<std::string>();
    for (const Json& feature : json.at("features")) {
      if (feature != "encrypted") refuse(json, what);
      out.encrypted = true;
    }
    if (!out.encrypted) return out;
    out.key_id = json.at("key").get<std::string>();
    if (!json.at("generation").is_number_unsigned())
      throw Error(ExitCode::damaged, what + " is not what this program writes");
    out.generation = json.at("generation").get<std::uint64_t>();
    out.rekey_from = json.value("rekey_from", "");
    out.mac = json.at("mac").get<std::string>();
    return out;
  });
}

std::string to_file(const Format& format, const RepositoryKeys* keys) {
  Json json{{"magic", magic}, {"version", version}, {"id", format.id}, {"features", Json::array()}};
  if (keys != nullptr) {
    json["features"].push_back("encrypted");
    json["key"] = format.key_id;
    json["generation"] = format.generation;
    if (!format.rekey_from.empty()) json["rekey_from"] = format.rekey_from;
    json["mac"] = mac_of(format, *keys);
  }
  return seal_json(json);
}

void check_mac(const Format& format, const RepositoryKeys& keys, const std::string& what) {
  if (crypto::equal_secrets(format.mac, mac_of(format, keys))) return;
  throw Error(ExitCode::damaged, what + " was changed by somebody who does not have the key");
}

}  // namespace tmb::repository

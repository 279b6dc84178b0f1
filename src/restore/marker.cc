// SPDX-License-Identifier: MIT
#include "restore/marker.hh"

#include <nlohmann/json.hpp>

#include "base/error.hh"

namespace tmb::restore {

using Json = nlohmann::ordered_json;

namespace {

// Also the first bytes of the comment: what a person sees in \l+.
constexpr const char* key = "teslamate-backup";

std::string name_of(Marker::Kind kind) {
  switch (kind) {
    case Marker::Kind::kept: return "kept";
    case Marker::Kind::rejected: return "rejected";
    case Marker::Kind::staging: break;
  }
  return "staging";
}

}  // namespace

std::string to_comment(const Marker& m) {
  Json json = {{key, name_of(m.kind)},
               {"run", m.run},
               {"database", m.database},
               {"snapshot", m.snapshot},
               {"since", base::iso_utc(m.since)},
               {"comment", nullptr}};
  if (m.comment) json["comment"] = *m.comment;
  // ASCII only: the comment must be storable whatever encoding the maintenance database has. A comment that
  // is not valid UTF-8 (another encoding) is kept byte by byte as hexadecimal.
  try {
    return json.dump(-1, ' ', true);
  } catch (const Json::type_error&) {
    constexpr const char* digits = "0123456789abcdef";
    std::string hex;
    for (const char c : m.comment.value_or("")) {
      const auto byte = static_cast<unsigned char>(c);
      hex += digits[byte >> 4U];
      hex += digits[byte & 15U];
    }
    json["comment"] = nullptr;
    json["comment_hex"] = hex;
    return json.dump(-1, ' ', true, Json::error_handler_t::replace);
  }
}

std::optional<Marker> parse_marker(const std::optional<std::string>& comment) {
  if (!comment || !comment->starts_with(std::string("{\"") + key + "\"")) return std::nullopt;
  try {
    const Json json = Json::parse(*comment);
    Marker m;
    const std::string kind = json.at(key).get<std::string>();
    if (kind == "kept") {
      m.kind = Marker::Kind::kept;
    } else if (kind == "rejected") {
      m.kind = Marker::Kind::rejected;
    } else if (kind != "staging") {
      return std::nullopt;
    }
    m.run = json.at("run").get<std::string>();
    m.database = json.at("database").get<std::string>();
    m.snapshot = json.at("snapshot").get<std::string>();
    m.since = base::parse_iso_utc(json.at("since").get<std::string>());
    if (!json.at("comment").is_null()) m.comment = json.at("comment").get<std::string>();
    if (json.contains("comment_hex")) {
      const std::string hex = json.at("comment_hex").get<std::string>();
      std::string bytes;
      for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
      }
      m.comment = bytes;
    }
    return m;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace tmb::restore

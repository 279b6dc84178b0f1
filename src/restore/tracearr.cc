// SPDX-License-Identifier: MIT
#include "restore/tracearr.hh"

#include <nlohmann/json.hpp>

#include "base/error.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using Json = nlohmann::json;

namespace {

Error failed(ExitCode code, const std::string& why) {
  return Error(code, "it is not a usable Tracearr backup: " + why).with_hint("take it again with Tracearr");
}

std::string text_of(const Json& json, const char* name) {
  const auto it = json.find(name);
  return it != json.end() && it->is_string() ? it->get<std::string>() : "";
}

}  // namespace

TracearrFacts read_tracearr(const std::string& metadata) {
  const Json json = Json::parse(metadata, nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    throw failed(ExitCode::damaged, "Failed to parse metadata.json");
  }
  const auto format = json.find("format");
  if (format == json.end() || !format->is_number_integer() || format->get<std::int64_t>() != 1) {
    const std::string said =
        format == json.end() ? "undefined" : base::printable(format->dump().substr(0, 20));
    throw failed(ExitCode::unsupported, "Unknown backup format version: " + said);
  }
  const auto database = json.find("database");
  const auto app = json.find("app");
  const bool there = !text_of(json, "createdAt").empty() && app != json.end() && app->is_object() &&
                     database != json.end() && database->is_object();
  if (!there) throw failed(ExitCode::damaged, "Metadata is missing required fields");
  TracearrFacts out;
  out.app_version = text_of(*app, "version");
  out.created = text_of(json, "createdAt");
  out.postgres_version = text_of(*database, "pgVersion");
  out.timescale_version = text_of(*database, "timescaleVersion");
  if (out.timescale_version == "unknown") out.timescale_version.clear();
  return out;
}

}  // namespace tmb::restore

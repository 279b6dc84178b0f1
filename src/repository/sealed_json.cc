// SPDX-License-Identifier: MIT
#include "repository/sealed_json.hh"

#include <vector>

#include "base/error.hh"
#include "crypto/sha256.hh"

namespace tmb::repository {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr std::string_view checksum_key = "  \"sha256\": \"";
constexpr std::string_view ending = "\"\n}\n";
constexpr std::size_t tail_bytes = checksum_key.size() + 64 + ending.size();

// Deeper than any file of ours. What calls itself for each level, as copying and printing do, would run out
// of stack; the parser copies what it has whenever an object grows. So this is counted in the text.
constexpr std::size_t most_levels = 16;

bool is_too_deep(std::string_view text) {
  std::size_t level = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++level > most_levels) return true;
    } else if ((c == ']' || c == '}') && level > 0) {
      --level;
    }
  }
  return false;
}

// Fractions that no member of ours has: what they become as an integer is not defined.
bool has_wild_number(const Json& root) {
  constexpr double too_much = 2147483648.0;
  std::vector<const Json*> todo{&root};
  while (!todo.empty()) {
    const Json& value = *todo.back();
    todo.pop_back();
    if (value.is_number_float() && !(value.get<double>() >= 0 && value.get<double>() < too_much)) return true;
    if (!value.is_structured()) continue;  // which would be its own content
    for (const Json& inner : value) {
      if (inner.is_structured() || inner.is_number_float()) todo.push_back(&inner);
    }
  }
  return false;
}

}  // namespace

std::string shown(const Json& value) {
  if (value.is_structured()) return std::string("an ") + value.type_name();
  return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string seal_json(const Json& object) {
  std::string text = object.dump();
  text.pop_back();  // "}"
  text += ",\n";
  const std::string checksum = crypto::hex(crypto::sha256(text));
  return text.append(checksum_key).append(checksum).append(ending);
}

void throw_bad_json(std::string_view what, const std::string& why) {
  throw Error(ExitCode::damaged, std::string(what) + " is not what this program writes: " + printable(why));
}

Json open_sealed_json(std::string_view bytes, std::string_view what) {
  const auto damaged = [&](const char* why) {
    return Error(ExitCode::damaged, std::string(what) + " " + why);
  };
  if (bytes.size() < tail_bytes) throw damaged("is cut off");
  const std::string_view body = bytes.substr(0, bytes.size() - tail_bytes);
  const std::string_view tail = bytes.substr(body.size());
  if (!tail.starts_with(checksum_key) || !tail.ends_with(ending))
    throw damaged("is cut off or changed at its end");
  if (tail.substr(checksum_key.size(), 64) != crypto::hex(crypto::sha256(body)))
    throw damaged("does not have its checksum");
  if (is_too_deep(body)) throw damaged("has more levels than any such file");
  return reading_json(what, [&] {
    Json object = Json::parse(bytes);
    if (has_wild_number(object)) throw damaged("has a number that no such file has");
    object.erase("sha256");
    return object;
  });
}

}  // namespace tmb::repository

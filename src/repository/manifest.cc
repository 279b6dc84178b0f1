// SPDX-License-Identifier: MIT
#include "repository/manifest.hh"

#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>

#include "base/error.hh"
#include "repository/sealed_json.hh"

namespace tmb::repository {

using base::Error;
using base::ExitCode;

namespace {

constexpr int format_version = 1;
constexpr std::string_view what = "the manifest";

// Names are bytes in the database's encoding; those that are not UTF-8 are written as {"hex": …}.
Json bytes_to_json(const std::string& bytes) {
  Json text = bytes;
  try {
    static_cast<void>(text.dump());
    return text;
  } catch (const Json::exception&) {
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string hex;
    for (const char c : bytes) {
      const auto byte = static_cast<unsigned char>(c);
      hex += {digits[byte >> 4U], digits[byte & 15U]};
    }
    return Json{{"hex", hex}};
  }
}

std::string bytes_from_json(const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  const auto hex = json.at("hex").get<std::string>();
  std::string bytes;
  if (hex.size() % 2 != 0 || hex.find_first_not_of("0123456789abcdef") != std::string::npos) {
    throw Error(ExitCode::damaged, "the manifest holds a name that is not hexadecimal");
  }
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

// get<std::uint64_t> would take -1 and 1.5 too.
std::uint64_t natural(const Json& json) {
  if (!json.is_number_unsigned())
    throw Error(ExitCode::damaged, "the manifest holds " + shown(json) + " where a number is due");
  return json.get<std::uint64_t>();
}

Json to_json(const ObjectRef& ref) { return {{"id", ref.id}, {"bytes", ref.plain_bytes}}; }

ObjectRef object_from_json(const Json& json) {
  ObjectRef ref{json.at("id"), natural(json.at("bytes"))};
  check_object_id(ref.id);
  if (ref.plain_bytes > max_plain_bytes)
    throw Error(ExitCode::damaged, "the manifest names an object over 64 MiB");
  return ref;
}

// An array, not an object, keeps manifests small: [first page, end page or null, rows, object id, its bytes,
// …].
Json to_json(const Chunk& chunk) {
  Json json = Json::array({chunk.first_page, nullptr, chunk.rows});
  if (chunk.end_page != Chunk::open_end) json[1] = chunk.end_page;
  for (const ObjectRef& ref : chunk.objects) json.push_back(ref.id), json.push_back(ref.plain_bytes);
  return json;
}

Chunk chunk_from_json(const Json& json) {
  Chunk chunk;
  chunk.first_page = natural(json.at(0));
  chunk.end_page = json.at(1).is_null() ? Chunk::open_end : natural(json.at(1));
  chunk.rows = natural(json.at(2));
  for (std::size_t i = 3; i < json.size(); i += 2) {
    chunk.objects.push_back(object_from_json({{"id", json.at(i)}, {"bytes", json.at(i + 1)}}));
  }
  return chunk;
}

Json to_json(const TableData& table) {
  Json columns = Json::array();
  for (const std::string& column : table.columns) columns.push_back(bytes_to_json(column));
  Json chunks = Json::array();
  for (const Chunk& chunk : table.chunks) chunks.push_back(to_json(chunk));
  return {{"schema", bytes_to_json(table.schema)},
          {"name", bytes_to_json(table.name)},
          {"columns", columns},
          {"signature", table.signature},
          {"pages", table.pages},
          {"rows", table.rows},
          {"chunks", chunks}};
}

TableData table_from_json(const Json& json) {
  TableData table;
  table.schema = bytes_from_json(json.at("schema"));
  table.name = bytes_from_json(json.at("name"));
  for (const Json& column : json.at("columns")) table.columns.push_back(bytes_from_json(column));
  table.signature = json.at("signature");
  table.pages = json.at("pages");
  table.rows = json.at("rows");
  for (const Json& chunk : json.at("chunks")) table.chunks.push_back(chunk_from_json(chunk));
  return table;
}

Json to_json(const DatabaseProperties& d) {
  return {{"name", bytes_to_json(d.name)},
          {"owner", bytes_to_json(d.owner)},
          {"encoding", d.encoding},
          {"collate", d.collate},
          {"ctype", d.ctype},
          {"locale_provider", d.locale_provider},
          {"locale", d.locale},
          {"icu_rules", d.icu_rules}};
}

DatabaseProperties database_from_json(const Json& json) {
  return {bytes_from_json(json.at("name")),
          bytes_from_json(json.at("owner")),
          json.at("encoding"),
          json.at("collate"),
          json.at("ctype"),
          json.at("locale_provider"),
          json.at("locale"),
          json.at("icu_rules")};
}

Json to_json(const Origin& o) {
  return {{"system_identifier", o.system_identifier},
          {"timeline", o.timeline},
          {"server_started", o.server_started},
          {"database_oid", o.database_oid},
          {"oldest_transaction", o.oldest_transaction},
          {"next_transaction", o.next_transaction},
          {"wal_position", o.wal_position}};
}

Origin origin_from_json(const Json& json) {
  return {json.at("system_identifier"), json.at("timeline"),           json.at("server_started"),
          json.at("database_oid"),      json.at("oldest_transaction"), json.at("next_transaction"),
          json.at("wal_position")};
}

template <class T, class Convert>
Json list_to_json(const std::vector<T>& list, Convert convert) {
  Json json = Json::array();
  for (const T& item : list) json.push_back(convert(item));
  return json;
}

template <class Convert>
auto list_from_json(const Json& json, Convert convert) {
  std::vector<decltype(convert(json))> list;
  for (const Json& item : json) list.push_back(convert(item));
  return list;
}

Json sequence_to_json(const SequenceState& s) {
  return {{"schema", bytes_to_json(s.schema)},
          {"name", bytes_to_json(s.name)},
          {"last_value", s.last_value},
          {"is_called", s.is_called}};
}

SequenceState sequence_from_json(const Json& json) {
  return {bytes_from_json(json.at("schema")), bytes_from_json(json.at("name")), json.at("last_value"),
          json.at("is_called")};
}

Json extension_to_json(const ExtensionInfo& e) {
  return {{"name", bytes_to_json(e.name)}, {"version", e.version}, {"schema", bytes_to_json(e.schema)}};
}

ExtensionInfo extension_from_json(const Json& json) {
  return {bytes_from_json(json.at("name")), json.at("version"), bytes_from_json(json.at("schema"))};
}

Json car_to_json(const CarSummary& c) {
  return {{"id", c.id},           {"name", bytes_to_json(c.name)}, {"drives", c.drives},
          {"charges", c.charges}, {"first_date", c.first_date},    {"last_date", c.last_date}};
}

CarSummary car_from_json(const Json& json) {
  return {json.at("id"),         bytes_from_json(json.at("name")),
          json.at("drives"),     json.at("charges"),
          json.at("first_date"), json.at("last_date")};
}

constexpr std::array<std::string_view, 3> file_kinds{"file", "folder", "link"};

Json file_to_json(const CarriedFile& f) {
  Json objects = Json::array();
  for (const ObjectRef& ref : f.objects) objects.push_back(ref.id), objects.push_back(ref.plain_bytes);
  return {{"path", bytes_to_json(f.path)},
          {"kind", file_kinds.at(static_cast<std::size_t>(f.kind))},
          {"mode", f.mode},
          {"owner", bytes_to_json(f.owner)},
          {"group", bytes_to_json(f.group)},
          {"uid", f.uid},
          {"gid", f.gid},
          {"modified", f.modified},
          {"bytes", f.bytes},
          {"target", bytes_to_json(f.target)},
          {"objects", objects}};
}

CarriedFile file_from_json(const Json& json) {
  CarriedFile f;
  f.path = bytes_from_json(json.at("path"));
  const auto* const kind = std::ranges::find(file_kinds, json.at("kind").get<std::string>());
  if (kind == file_kinds.end())
    throw Error(ExitCode::damaged, "the manifest holds a file of an unknown kind");
  f.kind = static_cast<CarriedFile::Kind>(kind - file_kinds.begin());
  f.mode = static_cast<unsigned>(natural(json.at("mode")) & 07777U);
  f.owner = bytes_from_json(json.at("owner"));
  f.group = bytes_from_json(json.at("group"));
  f.uid = static_cast<std::uint32_t>(natural(json.at("uid")));
  f.gid = static_cast<std::uint32_t>(natural(json.at("gid")));
  f.modified = json.at("modified");
  f.bytes = natural(json.at("bytes"));
  f.target = bytes_from_json(json.at("target"));
  const Json& objects = json.at("objects");
  for (std::size_t i = 0; i < objects.size(); i += 2)
    f.objects.push_back(object_from_json({{"id", objects.at(i)}, {"bytes", objects.at(i + 1)}}));
  return f;
}

Json core_to_json(const Manifest& m) {
  return {{"format", format_version},
          {"id", m.id},
          {"repository", m.repository_id},
          {"sequence", m.sequence},
          {"parent", m.parent},
          {"tag", m.tag},
          {"scheduled", m.scheduled},
          {"time", base::iso_utc(m.time)},
          {"seconds", m.seconds},
          {"host", bytes_to_json(m.host)},
          {"tool_version", m.tool_version},
          {"server_version", m.server_version},
          {"server_version_number", m.server_version_number},
          {"dump_tool_version", m.dump_tool_version},
          {"role", bytes_to_json(m.role)},
          {"database", to_json(m.database)},
          {"origin", to_json(m.origin)},
          {"migration_version", m.migration_version},
          {"catalog_fingerprint", m.catalog_fingerprint},
          {"extensions", list_to_json(m.extensions, extension_to_json)},
          {"roles", list_to_json(m.roles, bytes_to_json)},
          {"schema", to_json(m.schema)},
          {"tables", list_to_json(m.tables, [](const TableData& t) { return to_json(t); })},
          {"sequences", list_to_json(m.sequences, sequence_to_json)},
          {"materialized_views", list_to_json(m.materialized_views, bytes_to_json)},
          {"cars", list_to_json(m.cars, car_to_json)}};
}

// Members that came later stand only where they say something: older programs' manifests have none.
Json to_json(const Manifest& m) {
  Json json = core_to_json(m);
  if (!m.vault_fingerprint.empty()) json["vault_fingerprint"] = m.vault_fingerprint;
  if (m.by_pg_dump()) {
    json["engine"] = "pg_dump";
    json["dump"] = list_to_json(m.dump, [](const ObjectRef& ref) { return to_json(ref); });
    json["dump_rows"] = m.dump_rows;
  }
  if (!m.scope.empty()) json["scope"] = m.scope;
  if (!m.files.empty()) json["files"] = list_to_json(m.files, file_to_json);
  return json;
}

Manifest from_json(const Json& json) {
  Manifest m;
  m.id = json.at("id");
  m.repository_id = json.at("repository");
  m.sequence = json.at("sequence");
  m.parent = json.at("parent");
  m.tag = json.at("tag");
  m.scheduled = json.value("scheduled", false);
  m.time = base::parse_iso_utc(json.at("time").get<std::string>());
  m.seconds = json.at("seconds");
  m.host = bytes_from_json(json.at("host"));
  m.tool_version = json.at("tool_version");
  m.server_version = json.at("server_version");
  m.server_version_number = json.at("server_version_number");
  m.dump_tool_version = json.at("dump_tool_version");
  m.role = bytes_from_json(json.at("role"));
  m.database = database_from_json(json.at("database"));
  m.origin = origin_from_json(json.at("origin"));
  m.migration_version = json.at("migration_version");
  m.catalog_fingerprint = json.at("catalog_fingerprint");
  m.extensions = list_from_json(json.at("extensions"), extension_from_json);
  m.roles = list_from_json(json.at("roles"), bytes_from_json);
  m.schema = object_from_json(json.at("schema"));
  m.tables = list_from_json(json.at("tables"), table_from_json);
  m.sequences = list_from_json(json.at("sequences"), sequence_from_json);
  m.materialized_views = list_from_json(json.at("materialized_views"), bytes_from_json);
  m.cars = list_from_json(json.at("cars"), car_from_json);
  m.vault_fingerprint = json.value("vault_fingerprint", "");
  if (json.contains("engine")) {
    if (json.at("engine") != "pg_dump") {
      throw Error(ExitCode::unsupported, "the manifest is of the engine " + shown(json.at("engine")))
          .with_hint("use a newer teslamate-backup");
    }
    m.dump = list_from_json(json.at("dump"), object_from_json);
    m.dump_rows = natural(json.at("dump_rows"));
  }
  m.scope = json.value("scope", "");
  if (json.contains("files")) m.files = list_from_json(json.at("files"), file_from_json);
  if (!is_snapshot_id(m.id)) throw Error(ExitCode::damaged, "the manifest has no proper snapshot id");
  return m;
}

}  // namespace

std::uint64_t Chunk::plain_bytes() const {
  return std::accumulate(objects.begin(), objects.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const ObjectRef& ref) { return sum + ref.plain_bytes; });
}

std::uint64_t Manifest::rows() const {
  return std::accumulate(tables.begin(), tables.end(), dump_rows,
                         [](std::uint64_t sum, const TableData& table) { return sum + table.rows; });
}

std::uint64_t Manifest::plain_bytes() const {
  std::uint64_t sum = schema.plain_bytes;
  for (const TableData& table : tables) {
    for (const Chunk& chunk : table.chunks) sum += chunk.plain_bytes();
  }
  for (const ObjectRef& ref : dump) sum += ref.plain_bytes;
  return sum;
}

const TableData* Manifest::find_table(const std::string& schema_name, const std::string& table_name) const {
  const auto found = std::ranges::find_if(tables, [&](const TableData& table) {
    return table.schema == schema_name && table.name == table_name;
  });
  return found == tables.end() ? nullptr : &*found;
}

void Manifest::narrow_to(const std::string& new_scope, std::span<const std::string_view> names) {
  scope = new_scope;
  std::erase_if(tables, [&](const TableData& table) {
    return table.schema != "public" || std::ranges::find(names, table.name) == names.end();
  });
  sequences.clear();
  materialized_views.clear();
  for (CarSummary& car : cars) car = {car.id, car.name, 0, 0, "", ""};
  vault_fingerprint.clear();
  files.clear();
  host.clear();
  tag.clear();
}

std::string to_file(const Manifest& manifest) { return seal_json(to_json(manifest)); }

Manifest manifest_from_file(const std::string& bytes) {
  const Json json = open_sealed_json(bytes, what);
  return reading_json(what, [&] {
    if (json.at("format") != format_version) {
      throw Error(ExitCode::unsupported, "the manifest has format " + shown(json.at("format")) +
                                             ", this program knows format " + std::to_string(format_version))
          .with_hint("use a newer teslamate-backup");
    }
    return from_json(json);
  });
}

bool is_snapshot_id(const std::string& text) {
  // yyyymmddThhmmssZ-xxxx
  if (text.size() != 21) return false;
  const auto digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool right = i == 8    ? c == 'T'
                       : i == 15 ? c == 'Z'
                       : i == 16 ? c == '-'
                       : i < 15  ? digit(c)
                                 : digit(c) || (c >= 'a' && c <= 'f');
    if (!right) return false;
  }
  return true;
}

}  // namespace tmb::repository

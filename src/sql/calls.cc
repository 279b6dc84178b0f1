// SPDX-License-Identifier: MIT
// Which functions a dump's expressions may call without anybody having looked at them.
#include <algorithm>
#include <array>
#include <string_view>

#include "sql/statement_parts.hh"

namespace tmb::sql {

namespace {

// What may stand in front of a parenthesis: words of the grammar, types, kinds of index, and functions of the
// server that compute from their arguments, read the clock or the catalog, or take the next number of a
// sequence. None of them runs SQL out of a string, writes, or reaches beyond the database. In lower case,
// sorted by group alone: it is sorted once below.
// Not deduced: that takes clang too deep with so many.
constexpr auto words = std::to_array<std::string_view>({
    // clang-format off
    // grammar
    "all", "and", "any", "array", "as", "atomic", "between", "by", "case", "cast", "check", "conflict", "default",
    "distinct", "else", "enum", "escape", "except", "exclude", "exists", "extract", "filter", "from", "group",
    "grouping", "having", "identity", "ilike", "in", "include", "inherits", "intersect", "join", "key", "lateral",
    "like", "limit", "list", "materialized", "not", "null", "offset", "on", "operator", "options", "or", "over",
    "range", "repeatable", "reset", "return", "returns", "rollup", "row", "select", "set", "sets", "some",
    "symmetric", "table", "then", "to", "treat", "union", "unique", "using", "values", "when", "where", "with",
    "zone",
    // kinds of index and partition
    "brin", "btree", "gin", "gist", "hash", "hnsw", "ivfflat", "spgist", "system", "bernoulli",
    // types
    "bigint", "bit", "bool", "boolean", "box", "bpchar", "bytea", "char", "character", "cidr", "circle", "date",
    "decimal", "dec", "float", "float4", "float8", "inet", "int", "int2", "int4", "int8", "integer", "interval",
    "json", "jsonb", "line", "lseg", "macaddr", "money", "name", "nchar", "numeric", "oid", "path", "point",
    "polygon", "precision", "real", "smallint", "text", "time", "timestamp", "timestamptz", "timetz", "uuid",
    "varbit", "varchar", "varying", "vector", "halfvec",
    // numbers
    "abs", "acos", "asin", "atan", "atan2", "cbrt", "ceil", "ceiling", "cos", "cot", "degrees", "div", "exp",
    "factorial", "floor", "gcd", "greatest", "lcm", "least", "ln", "log", "log10", "min_scale", "mod", "pi", "pow",
    "power", "radians", "random", "round", "scale", "sign", "sin", "sqrt", "tan", "trim_scale", "trunc",
    "width_bucket",
    // texts
    "ascii", "bit_length", "btrim", "char_length", "character_length", "chr", "concat", "concat_ws", "decode",
    "encode", "format", "hashtext", "initcap", "left", "length", "like_escape", "lower", "lpad", "ltrim", "md5",
    "normalize", "octet_length", "overlay", "position", "quote_ident", "quote_literal", "quote_nullable",
    "regexp_count", "regexp_instr", "regexp_like", "regexp_match", "regexp_matches", "regexp_replace",
    "regexp_split_to_array", "regexp_split_to_table", "regexp_substr", "repeat", "replace", "reverse", "right",
    "rpad", "rtrim", "sha224", "sha256", "sha384", "sha512", "similar_to_escape", "split_part", "starts_with",
    "string_to_array", "string_to_table", "strpos", "substr", "substring", "to_char", "to_date", "to_hex",
    "to_number", "to_timestamp", "translate", "trim", "upper", "unaccent",
    // times
    "age", "clock_timestamp", "current_time", "current_timestamp", "date_bin", "date_part", "date_trunc",
    "isfinite", "justify_days", "justify_hours", "justify_interval", "localtime", "localtimestamp", "make_date",
    "make_interval", "make_time", "make_timestamp", "make_timestamptz", "now", "overlaps", "statement_timestamp",
    "timezone", "transaction_timestamp",
    // whatever is there
    "coalesce", "nullif", "num_nonnulls", "num_nulls", "pg_typeof",
    // many rows
    "array_agg", "avg", "bit_and", "bit_or", "bool_and", "bool_or", "corr", "count", "covar_pop", "covar_samp",
    "cume_dist", "dense_rank", "every", "first_value", "json_agg", "json_object_agg", "jsonb_agg",
    "jsonb_object_agg", "lag", "last_value", "lead", "max", "min", "mode", "nth_value", "ntile", "percent_rank",
    "percentile_cont", "percentile_disc", "range_agg", "rank", "regr_avgx", "regr_avgy", "regr_count",
    "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "row_number", "stddev",
    "stddev_pop", "stddev_samp", "string_agg", "sum", "var_pop", "var_samp", "variance",
    // arrays and documents
    "array_append", "array_cat", "array_dims", "array_fill", "array_length", "array_lower", "array_ndims",
    "array_position", "array_positions", "array_prepend", "array_remove", "array_replace", "array_to_string",
    "array_upper", "cardinality", "generate_series", "generate_subscripts", "json_array_elements",
    "json_array_elements_text", "json_array_length", "json_build_array", "json_build_object", "json_each",
    "json_each_text", "json_extract_path", "json_extract_path_text", "json_object", "json_object_keys",
    "json_typeof", "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_array_length",
    "jsonb_build_array", "jsonb_build_object", "jsonb_each", "jsonb_each_text", "jsonb_extract_path",
    "jsonb_extract_path_text", "jsonb_object", "jsonb_object_keys", "jsonb_path_exists", "jsonb_path_query",
    "jsonb_path_query_array", "jsonb_path_query_first", "jsonb_set", "jsonb_strip_nulls", "jsonb_typeof",
    "row_to_json", "to_json", "to_jsonb", "unnest",
    // ranges, addresses, words to search for
    "daterange", "host", "int4multirange", "int4range", "int8range", "isempty", "lower_inc", "lower_inf",
    "masklen", "network", "numrange", "plainto_tsquery", "range_merge", "setweight", "to_tsquery", "to_tsvector",
    "ts_rank", "tsrange", "tstzrange", "upper_inc", "upper_inf", "websearch_to_tsquery",
    // sequences, identifiers, the session and sizes
    "currval", "nextval", "gen_random_uuid", "uuid_generate_v4", "current_setting", "version", "col_description",
    "format_type", "obj_description", "pg_column_size", "pg_database_size", "pg_indexes_size",
    "pg_relation_size", "pg_size_pretty", "pg_table_size", "pg_total_relation_size",
    // places, of the extensions that TeslaMate makes: dumps of older releases name them without a schema
    "cube", "cube_dim", "cube_distance", "cube_ll_coord", "cube_ur_coord", "earth", "earth_box",
    "earth_distance", "gc_to_sec", "latitude", "ll_to_earth", "longitude", "sec_to_gc"
    // clang-format on
});

// Of TimescaleDB, wherever it was put: most of its other functions change tables, make jobs or connect to
// other servers.
constexpr std::array of_timescale{"time_bucket",
                                  "time_bucket_gapfill",
                                  "first",
                                  "last",
                                  "histogram",
                                  "interpolate",
                                  "locf",
                                  "finalize_agg",
                                  "partialize_agg",
                                  "cagg_watermark",
                                  "get_partition_for_key",
                                  "get_partition_hash",
                                  "to_timestamp",
                                  "to_timestamp_without_timezone",
                                  "to_date",
                                  "to_interval",
                                  "insert_blocker"};  // the trigger of every hypertable: it only refuses

constexpr auto sorted = [] {
  std::array<std::string_view, words.size()> out{};
  std::ranges::copy(words, out.begin());
  std::ranges::sort(out);
  return out;
}();

// WITH …, name(a, b) AS (SELECT …): where a function's columns could be listed, no such word begins one.
bool is_subquery_name(const std::vector<Token>& tokens, std::size_t i) {
  std::size_t end = i + 2;
  while (end < tokens.size() && !(tokens[end].is_sign(')') && tokens[end].depth == tokens[i + 1].depth))
    ++end;
  if (end + 3 >= tokens.size() || !tokens[end + 1].is("AS")) return false;
  end += 2;
  while (tokens[end].is("NOT") || tokens[end].is("MATERIALIZED")) ++end;
  return tokens[end].is_sign('(') && (tokens[end + 1].is("SELECT") || tokens[end + 1].is("WITH"));
}

// Whether the word at `i` gives names to columns, as in FROM f(1) AS x(a, b) or FROM f(1) x(a): never a call.
bool is_alias(const std::vector<Token>& tokens, std::size_t i) {
  if (i == 0) return false;
  constexpr std::array before{"AS", "OF", "REFERENCES", "WITH", "RECURSIVE"};
  if (std::ranges::any_of(before, [&](const char* word) { return tokens[i - 1].is(word); })) return true;
  if (tokens[i - 1].is_sign(',')) return is_subquery_name(tokens, i);
  if (!tokens[i - 1].is_sign(')')) return false;
  std::size_t open = i - 1;
  while (open > 0 && !(tokens[open].is_sign('(') && tokens[open].depth == tokens[i - 1].depth)) --open;
  // Behind these an expression may follow: DISTINCT ON (a) f(b), a OPERATOR(s.+) f(b).
  return open > 0 && !tokens[open - 1].is("ON") && !tokens[open - 1].is("OPERATOR");
}

}  // namespace

std::string unknown_call(const std::vector<Token>& tokens, std::size_t from, bool timescale) {
  for (std::size_t i = from; i + 1 < tokens.size(); ++i) {
    if (!tokens[i].is_name() || !tokens[i + 1].is_sign('(')) continue;
    const std::string name = name_of(tokens[i]);
    const bool qualified = i > 1 && tokens[i - 1].is_sign('.') && tokens[i - 2].is_name();
    const std::string schema = qualified ? name_of(tokens[i - 2]) : "";
    const bool of_server = schema.empty() || schema.starts_with("pg_") || schema == "information_schema";
    // Whatever else is in a schema of the dump the dump has made, and that was judged where it did.
    if (!of_server && !timescale) continue;
    if (std::ranges::binary_search(sorted, std::string_view(name))) continue;
    if (timescale && std::ranges::find(of_timescale, name) != of_timescale.end()) continue;
    std::size_t first = i;
    while (first > 1 && tokens[first - 1].is_sign('.')) first -= 2;
    if (is_alias(tokens, first)) continue;
    std::string whole = schema;
    if (!whole.empty()) whole += '.';
    whole += name;
    return whole;
  }
  return "";
}

bool is_harmless_extension(const std::string& name) {
  constexpr std::array known{
      "btree_gin", "btree_gist", "citext", "cube",        "earthdistance",       "fuzzystrmatch",
      "hstore",    "intarray",   "isn",    "ltree",       "pg_stat_statements",  "pg_trgm",
      "pgcrypto",  "plpgsql",    "seg",    "timescaledb", "timescaledb_toolkit", "unaccent",
      "uuid-ossp", "vector"};
  return std::ranges::find(known, name) != known.end();
}

}  // namespace tmb::sql

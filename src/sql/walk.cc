// SPDX-License-Identifier: MIT
#include "sql/walk.hh"

#include <algorithm>
#include <charconv>

#include "base/error.hh"
#include "sql/statement_parts.hh"

namespace tmb::sql {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
}

class Walk final : public Handler {
 public:
  Walk(base::ByteSource& source, Visitor& visitor, ReaderLimits limits)
      : reader_(source, limits), visitor_(visitor) {}

  DumpFrame run() {
    frame_.end = reader_.run(*this);
    frame_.bytes = reader_.bytes();
    frame_.lines = reader_.line();
    frame_.encoding = judge_.encoding();
    frame_.complete = complete_ && frame_.end == End::between;
    return frame_;
  }

  void comment(std::string_view text) override {
    text = trimmed(text);
    constexpr std::string_view from = "-- Dumped from database version ";
    constexpr std::string_view by = "-- Dumped by pg_dump version ";
    if (text.starts_with(from) && frame_.server_version.empty())
      frame_.server_version = text.substr(from.size());
    if (text.starts_with(by) && frame_.tool_version.empty()) frame_.tool_version = text.substr(by.size());
    if (text == "-- PostgreSQL database cluster dump") frame_.is_cluster = frame_.mentions_dump = true;
    if (text == "-- PostgreSQL database dump") {
      frame_.mentions_dump = true;
      if (complete_ && !frame_.is_cluster) {
        throw Error(ExitCode::damaged, at(reader_.line()) + "a second dump begins: two files were joined");
      }
    }
    const std::string_view last = frame_.is_cluster ? "-- PostgreSQL database cluster dump complete"
                                                    : "-- PostgreSQL database dump complete";
    if (text == last) complete_ = true;
  }

  bool statement(std::string_view text, std::uint64_t line) override {
    refuse_behind_end(line);
    ++frame_.statements;
    if (frame_.is_cluster && !connected_ && is_of_roles(text)) return false;
    const Verdict verdict = judge(text, line);
    reader_.set_spelling(judge_.spelling());
    visitor_.statement(verdict, text, line);
    return verdict.action == Action::copy;
  }

  void command(std::string_view text, std::uint64_t line) override {
    constexpr std::string_view restrict_word = "\\restrict ";
    constexpr std::string_view unrestrict_word = "\\unrestrict ";
    constexpr std::string_view connect_word = "\\connect ";
    if (text.starts_with(restrict_word) && is_token(text.substr(restrict_word.size()))) {
      token_ = text.substr(restrict_word.size());
      return;
    }
    if (text.starts_with(unrestrict_word) && text.substr(unrestrict_word.size()) == token_) return;
    refuse_behind_end(line);
    if (text.starts_with(connect_word)) return connect(std::string(text.substr(connect_word.size())), line);
    throw Error(ExitCode::damaged, at(line) + "the command " + printable(text.substr(0, 60)) +
                                       " for psql is refused: it has no place in a dump")
        .with_hint("do not load this file with psql either: such a line can run any program as you");
  }

  void rows(std::string_view bytes) override { visitor_.rows(bytes); }
  void end_of_rows() override { visitor_.end_of_rows(); }

 private:
  static std::string at(std::uint64_t line) { return "line " + std::to_string(line) + ": "; }

  Verdict judge(std::string_view text, std::uint64_t line) {
    try {
      return judge_.judge(text);
    } catch (Error& error) {
      error.with_context("line " + std::to_string(line));
      throw;
    }
  }

  void refuse_behind_end(std::uint64_t line) const {
    if (complete_) throw Error(ExitCode::damaged, at(line) + "something follows the end of the dump");
  }

  // The beginning of pg_dumpall's file: roles and their memberships. They are never made.
  bool is_of_roles(std::string_view text) {
    const std::vector<Token> tokens = tokenize(text, judge_.spelling());
    const auto is = [&](std::size_t i, std::string_view word) {
      return tokens.size() > i && tokens[i].is(word);
    };
    const bool verb = is(0, "CREATE") || is(0, "ALTER") || is(0, "DROP");
    if (verb && (is(1, "ROLE") || is(1, "TABLESPACE") || is(1, "USER") || is(1, "DATABASE"))) return true;
    return is(0, "GRANT") || is(0, "COMMENT") || is(0, "REVOKE");
  }

  // "name", name, or -reuse-previous=on "dbname='name'"
  static std::string connected_name(const std::string& text) {
    constexpr std::string_view reuse = "-reuse-previous=on \"dbname='";
    if (text.starts_with(reuse) && text.ends_with("'\"") && text.size() > reuse.size() + 2) {
      std::string out;
      for (std::size_t i = reuse.size(); i + 2 < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) ++i;
        out += text[i];
        if (text[i] == '"') ++i;
      }
      return out;
    }
    const std::string statement = text + ";";
    const std::vector<Token> tokens = tokenize(statement, true);
    if (tokens.size() != 2 || !tokens.front().is_name()) return "";
    if (tokens.front().kind == Token::Kind::quoted) return name_of(tokens.front());
    return text;  // psql does not fold it
  }

  void connect(const std::string& text, std::uint64_t line) {
    const std::string name = connected_name(text);
    if (name.empty()) {
      throw Error(ExitCode::damaged, at(line) + "\\connect " + printable(text.substr(0, 60)) +
                                         " is refused: it names more than a database");
    }
    if (connected_ && !frame_.is_cluster) {
      throw Error(ExitCode::damaged,
                  at(line) + "\\connect " + printable(name) + " is refused: the dump is of one database");
    }
    connected_ = true;
    visitor_.database(name);
  }

  Reader reader_;
  Visitor& visitor_;
  Judge judge_;
  DumpFrame frame_;
  std::string token_;
  bool complete_ = false;
  bool connected_ = false;
};

}  // namespace

DumpFrame walk(base::ByteSource& source, Visitor& visitor, ReaderLimits limits) {
  return Walk(source, visitor, limits).run();
}

int version_number(const std::string& text) {
  int numbers[3] = {0, 0, 0};
  const char* at = text.data();
  const char* end = text.data() + text.size();
  for (int& number : numbers) {
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number < 0 || number > 9999) break;
    at = next;
    if (at == end || *at != '.') break;
    ++at;
  }
  return numbers[0] >= 10 ? numbers[0] * 10000 + numbers[1]
                          : numbers[0] * 10000 + numbers[1] * 100 + numbers[2];
}

}  // namespace tmb::sql

// SPDX-License-Identifier: MIT
// Random damage to the text of a dump, read by the statement reader and the allow-list under the sanitizers.
// Whatever comes, there is an answer: no crash, no hang, the same items whatever the size of the pieces, and
// no statement that two of our own lexers would cut differently.
//
//   sql_fuzz SECONDS SEED FILE…      the files are dumps to begin with
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "base/error.hh"
#include "sql/survey.hh"

namespace {

using namespace tmb;

class Pieces final : public base::ByteSource {
 public:
  Pieces(const std::string& text, std::size_t piece) : text_(text), piece_(piece) {}
  std::size_t read(std::span<char> out) override {
    const std::size_t size = std::min({piece_, out.size(), text_.size() - at_});
    std::memcpy(out.data(), text_.data() + at_, size);
    at_ += size;
    return size;
  }

 private:
  const std::string& text_;
  std::size_t piece_;
  std::size_t at_ = 0;
};

// What was seen, as text to compare.
class Log final : public sql::Visitor {
 public:
  void database(const std::string& name) override { text += "D" + name; }
  void statement(const sql::Verdict& v, std::string_view t, std::uint64_t line) override {
    text += std::to_string(static_cast<int>(v.action)) + std::to_string(line) + std::string(t);
  }
  void rows(std::string_view bytes) override { text += bytes; }
  void end_of_rows() override { text += "E"; }
  std::string text;
};

std::string walked(const std::string& text, std::size_t piece, std::size_t block) {
  Pieces source(text, piece);
  Log log;
  try {
    const sql::DumpFrame frame = sql::walk(source, log, {block, std::size_t{1} << 20U});
    // A row that was cut off is told in part when it is longer than a block.
    if (frame.end == sql::End::in_rows) log.text.resize(log.text.rfind('\n') + 1);
    return log.text + std::to_string(frame.complete) + std::to_string(static_cast<int>(frame.end));
  } catch (const base::Error& error) {
    return "refused: " + error.message();
  }
}

void survey(const std::string& text) {
  Pieces source(text, 65536);
  sql::Survey survey({{{"public", "cars"}, {"id", "name"}, [](const auto&) {}}});
  try {
    sql::walk(source, survey);
  } catch (const base::Error&) {  // NOLINT(bugprone-empty-catch): a refusal is an answer
  }
}

std::string mutated(std::string text, std::mt19937_64& random) {
  static const std::vector<std::string> words{"'",
                                              "\"",
                                              "$$",
                                              "$a$",
                                              "--",
                                              "/*",
                                              "*/",
                                              ";",
                                              "\\",
                                              "\\.\n",
                                              "\n",
                                              "(",
                                              ")",
                                              "E'",
                                              "U&\"",
                                              "COPY t FROM stdin;\n",
                                              "\\! id\n",
                                              "BEGIN ATOMIC ",
                                              "END;",
                                              std::string(1, '\0'),
                                              "\xff",
                                              "CREATE FUNCTION f() ",
                                              "\\connect x\n",
                                              "\r\n"};
  const auto at = [&] { return text.empty() ? 0 : random() % text.size(); };
  for (std::uint64_t i = 1 + random() % 4; i > 0; --i) {
    switch (random() % 6) {
      case 0:
        if (!text.empty()) text[at()] = static_cast<char>(text[at()] ^ (1 << (random() % 8)));
        break;
      case 1: text.insert(at(), words[random() % words.size()]); break;
      case 2: text.erase(at(), 1 + random() % 30); break;
      case 3: text.insert(at(), text.substr(at(), random() % 200)); break;
      case 4: text.resize(at()); break;
      default: {
        const std::size_t a = at();
        const std::size_t b = at();
        std::swap(text[a], text[b]);
      }
    }
    if (text.empty()) text = ";";
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(std::atoi(argv[1]));
  std::mt19937_64 random(static_cast<std::uint64_t>(std::atoll(argv[2])));
  std::vector<std::string> seeds;
  for (int i = 3; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  std::uint64_t runs = 0;
  std::uint64_t refused = 0;
  for (; std::chrono::steady_clock::now() < until; ++runs) {
    const std::string& seed = seeds[random() % seeds.size()];
    // A window of the dump, so that a mutation meets every kind of statement often.
    const std::size_t begin = random() % seed.size();
    const std::string text = mutated(seed.substr(random() % 2 == 0 ? 0 : begin, 1 + random() % 6000), random);
    const std::string whole = walked(text, text.size() + 1, std::size_t{1} << 20U);
    const std::string pieces = walked(text, 1 + random() % 50, 1 + random() % 64);
    if (whole.starts_with("refused")) ++refused;
    if (whole != pieces) {
      std::ofstream("sql_fuzz_failure.sql", std::ios::binary) << text;
      std::printf("different items for different pieces: sql_fuzz_failure.sql\n");
      return 1;
    }
    survey(text);
  }
  std::printf("%llu texts, %llu refused, no difference\n", static_cast<unsigned long long>(runs),
              static_cast<unsigned long long>(refused));
  return 0;
}

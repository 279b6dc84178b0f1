// SPDX-License-Identifier: MIT
// The text of a dump, read by the statement reader and the allow-list: the same items whatever the size of
// the pieces, and no statement that two of our own lexers would cut differently.
#include <algorithm>
#include <cstring>
#include <string>

#include "fuzz.hh"
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

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  // The last two bytes choose the pieces, so that they are mutated, too.
  const std::size_t piece = size > 1 ? 1 + data[size - 1] % 50 : 7;
  const std::size_t block = size > 1 ? 1 + data[size - 2] % 64 : 9;
  const std::string whole = walked(text, text.size() + 1, std::size_t{1} << 20U);
  const std::string pieces = walked(text, piece, block);
  if (whole != pieces) {
    const auto at = static_cast<std::size_t>(std::ranges::mismatch(whole, pieces).in1 - whole.begin());
    const std::size_t from = at > 100 ? at - 100 : 0;
    fuzz::fail("different items for different pieces:\n" + whole.substr(from, 300) + "\n---- but\n" +
               pieces.substr(std::min(from, pieces.size()), 300));
  }
  survey(text);
  return 0;
}

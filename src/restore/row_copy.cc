// SPDX-License-Identifier: MIT
#include "restore/row_copy.hh"

#include <algorithm>
#include <array>

#include "catalog/staging.hh"

namespace tmb::restore {

namespace {

// Encodings that PostgreSQL takes from clients only: the second byte of a character may look like a
// backslash, so that escapes cannot be told without knowing the encoding.
constexpr std::array<std::string_view, 7> with_ascii_inside{"SJIS",    "BIG5",  "GBK",           "UHC",
                                                            "GB18030", "JOHAB", "SHIFT_JIS_2004"};

}  // namespace

RowCopy::RowCopy(postgres::Connection& connection)
    : connection_(connection),
      may_be_binary_(std::ranges::find(with_ascii_inside, connection.parameter("client_encoding")) ==
                     with_ascii_inside.end()) {}

void RowCopy::choose(const std::string& schema, const std::string& name,
                     const std::vector<std::string>& columns) {
  using catalog::CopyFormat;
  as_text_ = catalog::copy_in_statement(connection_, schema, name, columns, CopyFormat::text);
  as_binary_ = catalog::copy_in_statement(connection_, schema, name, columns, CopyFormat::binary);
  form_.reset();
  if (!may_be_binary_) return;
  auto wires = catalog::read_wires(connection_, schema, name, columns);
  if (!wires.empty()) form_.emplace(std::move(wires));
}

std::uint64_t RowCopy::send(std::string_view rows) {
  const bool binary = form_ && form_->convert(rows, binary_);
  connection_.begin_copy_in(binary ? as_binary_ : as_text_);
  if (binary) {
    connection_.send_copy_data(postgres::BinaryRows::header);
    connection_.send_copy_data(binary_);
    connection_.send_copy_data(postgres::BinaryRows::trailer);
  } else {
    connection_.send_copy_data(rows);
  }
  return connection_.finish_copy_in();
}

}  // namespace tmb::restore

// SPDX-License-Identifier: MIT
#include "archive/compress.hh"

#include <archive.h>
#include <archive_entry.h>
#include <zstd.h>

#include <memory>

#include "base/error.hh"

namespace tmb::archive {

using base::Error;
using base::ExitCode;

namespace {

constexpr int zstd_level = 3;

la_ssize_t append_bytes(::archive* /*unused*/, void* out, const void* bytes, std::size_t count) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(bytes), count);
  return static_cast<la_ssize_t>(count);
}

void append_gzip(std::string_view piece, std::string& out) {
  const std::unique_ptr<::archive, int (*)(::archive*)> writer(::archive_write_new(), ::archive_write_free);
  const std::unique_ptr<::archive_entry, void (*)(::archive_entry*)> entry(::archive_entry_new(),
                                                                           ::archive_entry_free);
  if (!writer || !entry) throw std::bad_alloc();
  ::archive_entry_set_filetype(entry.get(), AE_IFREG);
  const auto check = [&](la_ssize_t result) {
    if (result < 0)
      throw Error(ExitCode::internal, std::string("gzip: ") + ::archive_error_string(writer.get()));
  };
  check(::archive_write_set_format_raw(writer.get()));
  check(::archive_write_add_filter_gzip(writer.get()));
  // Without the time of day: equal text makes equal files.
  check(::archive_write_set_options(writer.get(), "gzip:!timestamp"));
  check(::archive_write_set_bytes_in_last_block(writer.get(), 1));
  check(::archive_write_open(writer.get(), &out, nullptr, append_bytes, nullptr));
  check(::archive_write_header(writer.get(), entry.get()));
  check(::archive_write_data(writer.get(), piece.data(), piece.size()));
  check(::archive_write_close(writer.get()));
}

void append_zstd(std::string_view piece, std::string& out) {
  const std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  if (!context) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, zstd_level);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  const std::size_t start = out.size();
  out.resize(start + ZSTD_compressBound(piece.size()));
  const std::size_t made =
      ZSTD_compress2(context.get(), out.data() + start, out.size() - start, piece.data(), piece.size());
  if (ZSTD_isError(made) != 0)
    throw Error(ExitCode::internal, std::string("zstd: ") + ZSTD_getErrorName(made));
  out.resize(start + made);
}

}  // namespace

void append_compressed(Compression how, std::string_view piece, std::string& out) {
  if (how == Compression::gzip) {
    append_gzip(piece, out);
  } else if (how == Compression::zstd) {
    append_zstd(piece, out);
  } else {
    out.append(piece);
  }
}

}  // namespace tmb::archive

// SPDX-License-Identifier: MIT
#include "teslamate/undo_pack.hh"

#include <zstd.h>

#include <new>

#include "base/error.hh"

namespace tmb::teslamate {

namespace {

constexpr int level = 3;
// No frame of ours needs more memory than this to be read: 2 to the 23rd.
constexpr int most_window_log = 23;

}  // namespace

struct Packer::Context {
  std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> zstd{ZSTD_createCCtx(), ZSTD_freeCCtx};
};

Packer::Packer() : context_(std::make_unique<Context>()) {
  if (!context_->zstd) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(context_->zstd.get(), ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context_->zstd.get(), ZSTD_c_checksumFlag, 1);
}

Packer::~Packer() = default;

std::string Packer::pack(std::string_view piece) {
  std::string out(ZSTD_compressBound(piece.size()), '\0');
  const std::size_t made =
      ZSTD_compress2(context_->zstd.get(), out.data(), out.size(), piece.data(), piece.size());
  if (ZSTD_isError(made) != 0)
    throw base::Error(base::ExitCode::internal, std::string("zstd: ") + ZSTD_getErrorName(made));
  out.resize(made);
  return out;
}

struct Unpacker::Context {
  std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> zstd{ZSTD_createDCtx(), ZSTD_freeDCtx};
  std::size_t expected = 0;  // more bytes of the frame; 0: at its end
};

Unpacker::Unpacker() : context_(std::make_unique<Context>()) {
  if (!context_->zstd) throw std::bad_alloc();
  ZSTD_DCtx_setParameter(context_->zstd.get(), ZSTD_d_windowLogMax, most_window_log);
}

Unpacker::~Unpacker() = default;

bool Unpacker::unpack(std::string_view bytes, std::string& out) {
  ZSTD_inBuffer from{bytes.data(), bytes.size(), 0};
  // A frame may hold more text than fits at once: go on while the room was used up.
  bool full = false;
  while (from.pos < from.size || full) {
    const std::size_t before = out.size();
    out.resize(before + ZSTD_DStreamOutSize());
    ZSTD_outBuffer to{out.data() + before, out.size() - before, 0};
    context_->expected = ZSTD_decompressStream(context_->zstd.get(), &to, &from);
    full = to.pos == to.size && context_->expected != 0;
    out.resize(before + to.pos);
    if (ZSTD_isError(context_->expected) != 0) return false;
  }
  return true;
}

bool Unpacker::is_at_end() const { return context_->expected == 0; }

}  // namespace tmb::teslamate

// SPDX-License-Identifier: MIT
// What a thread encodes and decodes objects with: zstd, the column codec, the cipher, and their buffers.
// Private to this folder.
#pragma once

#include <zstd.h>

#include <span>
#include <string>
#include <string_view>

#include "base/error.hh"
#include "crypto/seal.hh"
#include "repository/columns.hh"
#include "repository/keys.hh"
#include "repository/object_file.hh"
#include "repository/object_store.hh"

namespace tmb::repository {

// Column encoding may add a little to content that does not suit it.
inline constexpr std::uint64_t max_encoded_bytes = max_plain_bytes + (std::uint64_t{1} << 20U);
// Below this size both codecs are tried and the smaller result is kept.
inline constexpr std::size_t try_both_below = 65536;

struct Workspace::Impl {
  Impl() : compressor(ZSTD_createCCtx()), decompressor(ZSTD_createDCtx()) {
    if (compressor == nullptr || decompressor == nullptr) throw std::bad_alloc();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    ZSTD_freeCCtx(compressor);
    ZSTD_freeDCtx(decompressor);
  }

  // Appends one zstd frame of `bytes` to `out`, its blocks ending at `cuts` (ascending lengths).
  void compress(std::string_view bytes, int level, std::span<const std::size_t> cuts, std::string& out) {
    require(ZSTD_CCtx_reset(compressor, ZSTD_reset_session_and_parameters));
    require(ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel, level));
    require(ZSTD_CCtx_setPledgedSrcSize(compressor, bytes.size()));
    const std::size_t start = out.size();
    // Each flushed block may cost a block header and its part of the last, unfinished block.
    out.resize(start + ZSTD_compressBound(bytes.size()) + (cuts.size() + 1) * 64);
    ZSTD_outBuffer to{out.data() + start, out.size() - start, 0};
    ZSTD_inBuffer from{bytes.data(), 0, 0};
    for (const std::size_t cut : cuts) {
      if (cut >= bytes.size() || cut <= from.size) continue;
      from.size = cut;
      run_compressor(to, from, ZSTD_e_flush);
    }
    from.size = bytes.size();
    run_compressor(to, from, ZSTD_e_end);
    out.resize(start + to.pos);
  }

  // nullptr when done, else what is wrong.
  const char* decompress(std::string_view frame, std::uint64_t limit, std::string& out) {
    const unsigned long long size = ZSTD_getFrameContentSize(frame.data(), frame.size());
    if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR || size > limit) {
      return "does not hold a zstd frame of a sane size";
    }
    if (ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size()) {
      return "holds more or less than one zstd frame";
    }
    out.resize(size);
    const std::size_t got =
        ZSTD_decompressDCtx(decompressor, out.data(), out.size(), frame.data(), frame.size());
    return ZSTD_isError(got) != 0 || got != size ? "does not decompress" : nullptr;
  }

  // nullptr when done, else what is wrong. `opened` is then what was sealed.
  const char* unseal(std::string_view bytes, const RepositoryKeys& keys, std::string_view name) {
    const std::string aad = object_file::additional_data(bytes, keys.repository_id, name);
    const std::string_view sealed = bytes.substr(object_file::header_bytes);
    return sealer.open(keys.data, aad, sealed, opened) ? nullptr : "is forged, or is that of another place";
  }

  // nullptr when done, else what is wrong. `content` is then the plain content, its name not yet checked.
  // `keys` open a sealed file, `name` is the object's.
  const char* decode(std::string_view bytes, const object_file::Header& header, const RepositoryKeys* keys,
                     std::string_view name, std::string& content) {
    const bool plain = header.codec == object_file::Codec::plain;
    if (const char* problem = unpack(bytes, header, keys, name, plain ? content : encoded)) return problem;
    if (plain) return nullptr;
    try {
      decoder.decode(encoded, header.plain_bytes, content);
    } catch (const base::Error& error) {
      detail = error.message();
      return detail.c_str();
    }
    return nullptr;
  }

  // Whether decode() would make `content` of it. Rows are compared as they are decoded: they are read from
  // memory once, and written nowhere.
  bool decodes_to(std::string_view bytes, const object_file::Header& header, const RepositoryKeys* keys,
                  std::string_view name, std::string_view content) {
    const bool plain = header.codec == object_file::Codec::plain;
    std::string& unpacked = plain ? check : encoded;
    if (unpack(bytes, header, keys, name, unpacked) != nullptr || header.plain_bytes != content.size())
      return false;
    if (plain) return unpacked == content;
    try {
      return decoder.decodes_to(encoded, content);
    } catch (const base::Error&) {
      return false;
    }
  }

  // nullptr when done, else what is wrong. `out` is then what was compressed: the content itself of the plain
  // codec, with the length that the header says.
  const char* unpack(std::string_view bytes, const object_file::Header& header, const RepositoryKeys* keys,
                     std::string_view name, std::string& out) {
    std::string_view frame = bytes.substr(object_file::header_bytes);
    if (header.sealed) {
      if (const char* problem = unseal(bytes, *keys, name)) return problem;
      frame = opened;
    }
    if (header.codec != object_file::Codec::plain) return decompress(frame, max_encoded_bytes, out);
    if (const char* problem = decompress(frame, header.plain_bytes, out)) return problem;
    return out.size() == header.plain_bytes ? nullptr : "has content of another length";
  }

  // Sealed where `keys` are given.
  void encode(ObjectType type, std::string_view content, const RepositoryKeys* keys, std::string_view name,
              std::string& out) {
    using object_file::Codec;
    constexpr std::size_t header_bytes = object_file::header_bytes;
    object_file::Header header;
    header.type = type;
    header.plain_bytes = content.size();
    out.resize(header_bytes);
    if (type == ObjectType::rows && encoder.encode(content, encoded) && encoded.size() <= max_encoded_bytes) {
      header.codec = Codec::columns;
      compress(encoded, 1, encoder.cuts(), out);
    }
    if (header.codec == Codec::plain || content.size() < try_both_below) {
      other.resize(header_bytes);
      compress(content, 3, {}, other);
      if (header.codec == Codec::plain || other.size() < out.size()) {
        header.codec = Codec::plain;
        out.swap(other);
      }
    }
    header.payload_bytes = out.size() - header_bytes;
    if (keys == nullptr) {
      object_file::write_header(out, header);
    } else {
      header.sealed = true;
      header.key_tag = object_file::key_tag_of(keys->key_id);
      header.payload_bytes += crypto::seal_overhead;
      out.swap(other);
      out.resize(header_bytes);
      out.reserve(header_bytes + header.payload_bytes);
      object_file::write_header(out, header);
      const std::string aad = object_file::additional_data(out, keys->repository_id, name);
      sealer.seal(keys->data, aad, std::string_view(other).substr(header_bytes), out);
    }
    object_file::write_checksum(out);
  }

  static std::size_t require(std::size_t result) {
    if (ZSTD_isError(result) != 0)
      throw base::Error(base::ExitCode::internal, std::string("zstd: ") + ZSTD_getErrorName(result));
    return result;
  }

  void run_compressor(ZSTD_outBuffer& to, ZSTD_inBuffer& from, ZSTD_EndDirective directive) {
    while (require(ZSTD_compressStream2(compressor, &to, &from, directive)) != 0) {
      if (to.pos == to.size)
        throw base::Error(base::ExitCode::internal, "zstd made more of its input than it may");
    }
  }

  ZSTD_CCtx* compressor;
  ZSTD_DCtx* decompressor;
  ColumnEncoder encoder;
  ColumnDecoder decoder;
  crypto::Sealer sealer;
  std::string encoded;
  std::string file;
  std::string other;
  std::string opened;
  std::string check;
  std::string detail;
};

}  // namespace tmb::repository

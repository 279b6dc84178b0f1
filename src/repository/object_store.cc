// SPDX-License-Identifier: MIT
#include "repository/object_store.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "base/error.hh"
#include "base/fd.hh"
#include "crypto/sha256.hh"
#include "repository/columns.hh"

namespace tmb::repository {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr std::string_view magic = "TMO1";
constexpr std::size_t header_bytes = 64;
constexpr std::size_t hashed_header_bytes = 32;
// Column encoding may add a little to content that does not suit it.
constexpr std::uint64_t max_encoded_bytes = max_plain_bytes + (std::uint64_t{1} << 20U);
constexpr std::uint64_t max_file_bytes = max_encoded_bytes + (std::uint64_t{1} << 20U);
// Below this size both codecs are tried and the smaller result is kept.
constexpr std::size_t try_both_below = 65536;

enum class Codec : unsigned char { plain = 0, columns = 1 };

struct Header {
  ObjectType type{};
  Codec codec{};
  std::uint64_t plain_bytes = 0;
  std::uint64_t payload_bytes = 0;
};

void put_u64(char* at, std::uint64_t value) {
  for (unsigned i = 0; i < 8; ++i) at[i] = static_cast<char>(value >> (8 * i));
}

std::uint64_t get_u64(const char* at) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < 8; ++i) value |= std::uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  return value;
}

void write_header(std::string& file, const Header& header) {
  std::fill_n(file.begin(), header_bytes, '\0');
  std::copy(magic.begin(), magic.end(), file.begin());
  file[4] = static_cast<char>(header.type);
  file[5] = static_cast<char>(header.codec);
  put_u64(&file[8], header.plain_bytes);
  put_u64(&file[16], header.payload_bytes);
  crypto::Sha256 hash;
  hash.update(std::string_view(file).substr(0, hashed_header_bytes));
  hash.update(std::string_view(file).substr(header_bytes));
  const crypto::Digest digest = hash.finish();
  std::copy(digest.begin(), digest.end(), file.begin() + hashed_header_bytes);
}

// nullptr when sane, else what is wrong.
const char* parse_header(std::string_view file, Header& header) {
  if (file.size() < header_bytes) return "is shorter than its header";
  if (!file.starts_with(magic)) return "does not begin with the magic of an object";
  const auto type = static_cast<unsigned char>(file[4]);
  const auto codec = static_cast<unsigned char>(file[5]);
  if (type < 1 || type > 2 || codec > 1) return "has an unknown type or codec";
  const bool reserved_zero = file[6] == 0 && file[7] == 0 && get_u64(&file[24]) == 0;
  if (!reserved_zero) return "uses reserved bits";
  header = {static_cast<ObjectType>(type), static_cast<Codec>(codec), get_u64(&file[8]), get_u64(&file[16])};
  if (header.plain_bytes > max_plain_bytes) return "claims more content than an object may have";
  return nullptr;
}

const char* check_payload(std::string_view file, const Header& header) {
  if (header.payload_bytes != file.size() - header_bytes) return "is cut off or has bytes behind its end";
  crypto::Sha256 hash;
  hash.update(file.substr(0, hashed_header_bytes));
  hash.update(file.substr(header_bytes));
  const crypto::Digest digest = hash.finish();
  const bool same = file.substr(hashed_header_bytes, digest.size()) == crypto::as_bytes(digest);
  return same ? nullptr : "does not have the checksum in its header";
}

}  // namespace

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

  // nullptr when done, else what is wrong. `content` is then the plain content, its hash not yet checked.
  const char* decode(std::string_view bytes, const Header& header, std::string& content) {
    const std::string_view frame = bytes.substr(header_bytes);
    if (header.codec == Codec::plain) {
      if (const char* problem = decompress(frame, header.plain_bytes, content)) return problem;
      return content.size() == header.plain_bytes ? nullptr : "has content of another length";
    }
    if (const char* problem = decompress(frame, max_encoded_bytes, encoded)) return problem;
    try {
      decoder.decode(encoded, header.plain_bytes, content);
    } catch (const Error& error) {
      detail = error.message();
      return detail.c_str();
    }
    return nullptr;
  }

  void encode(ObjectType type, std::string_view content, std::string& out) {
    Header header{type, Codec::plain, content.size(), 0};
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
    write_header(out, header);
  }

  static std::size_t require(std::size_t result) {
    if (ZSTD_isError(result) != 0)
      throw Error(ExitCode::internal, std::string("zstd: ") + ZSTD_getErrorName(result));
    return result;
  }

  void run_compressor(ZSTD_outBuffer& to, ZSTD_inBuffer& from, ZSTD_EndDirective directive) {
    while (require(ZSTD_compressStream2(compressor, &to, &from, directive)) != 0) {
      if (to.pos == to.size) throw Error(ExitCode::internal, "zstd made more of its input than it may");
    }
  }

  ZSTD_CCtx* compressor;
  ZSTD_DCtx* decompressor;
  ColumnEncoder encoder;
  ColumnDecoder decoder;
  std::string encoded;
  std::string file;
  std::string other;
  std::string check;
  std::string detail;
};

Workspace::Workspace() : impl_(std::make_unique<Impl>()) {}
Workspace::Workspace(Workspace&&) noexcept = default;
Workspace& Workspace::operator=(Workspace&&) noexcept = default;
Workspace::~Workspace() = default;

void check_object_id(std::string_view id) {
  const bool digits =
      std::ranges::all_of(id, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (id.size() != 64 || !digits)
    throw Error(ExitCode::damaged, "not an object id: " + printable(id.substr(0, 80)));
}

base::Path ObjectStore::path_of(const std::string& id) const { return root_ / id.substr(0, 2) / id; }

namespace {

// Whether the file at `path` holds exactly `content`; nullopt when there is no file.
std::optional<bool> holds(const base::Path& path, ObjectType type, std::string_view content,
                          Workspace::Impl& work) {
  std::optional<std::string> file;
  try {
    file = base::read_file_if_there(path, max_file_bytes);
  } catch (const Error& error) {
    if (error.code() == ExitCode::damaged) return false;
    throw;
  }
  if (!file) return std::nullopt;
  Header header;
  return parse_header(*file, header) == nullptr && header.type == type &&
         check_payload(*file, header) == nullptr && work.decode(*file, header, work.check) == nullptr &&
         work.check == content;
}

}  // namespace

StoredObject ObjectStore::put(ObjectType type, std::string_view content, Workspace& workspace) const {
  if (content.size() > max_plain_bytes) throw Error(ExitCode::internal, "an object larger than 64 MiB");
  Workspace::Impl& work = workspace.impl();
  const crypto::Digest digest = crypto::sha256(content);
  StoredObject stored{{crypto::hex(digest), content.size()}, 0, false};
  const base::Path path = path_of(stored.ref.id);
  // Also for content that is there already: a run that crashed may have left the name unsynced.
  (*changed_)[digest[0]] = true;

  const std::optional<bool> there = holds(path, type, content, work);
  if (there == true) return stored;
  stored.healed = there.has_value();

  work.encode(type, content, work.file);
  Header header;
  const bool comes_back = parse_header(work.file, header) == nullptr &&
                          work.decode(work.file, header, work.check) == nullptr && work.check == content;
  if (!comes_back) {
    throw Error(ExitCode::damaged, "object " + stored.ref.id + " does not decode to what was encoded")
        .with_hint("check the memory of this machine");
  }
  base::publish_file_unsynced_name(path, work.file, base::Overwrite::yes, 0400);
  stored.new_bytes = work.file.size();
  return stored;
}

void ObjectStore::get(ObjectType type, const ObjectRef& ref, Workspace& workspace,
                      std::string& content) const {
  check_object_id(ref.id);
  Workspace::Impl& work = workspace.impl();
  const base::Path path = path_of(ref.id);
  const auto damaged = [&](const char* problem) {
    return Error(ExitCode::damaged, "object " + printable(path.string()) + " " + problem);
  };
  std::optional<std::string> file = base::read_file_if_there(path, max_file_bytes);
  if (!file) throw damaged("is missing");
  Header header;
  const char* problem = parse_header(*file, header);
  if (problem == nullptr) problem = check_payload(*file, header);
  if (problem == nullptr && header.type != type) problem = "is of another type than the manifest says";
  if (problem == nullptr && header.plain_bytes != ref.plain_bytes)
    problem = "has another length than the manifest says";
  if (problem == nullptr) problem = work.decode(*file, header, content);
  if (problem == nullptr && crypto::hex(crypto::sha256(content)) != ref.id)
    problem = "holds other content than its name says";
  if (problem != nullptr) throw damaged(problem);
}

bool ObjectStore::looks_intact(const ObjectRef& ref) const {
  const base::Path path = path_of(ref.id);
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return false;
  struct stat status {};
  std::array<char, header_bytes> bytes{};
  if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  if (::read(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return false;
  Header header;
  if (parse_header({bytes.data(), bytes.size()}, header) != nullptr) return false;
  return header.plain_bytes == ref.plain_bytes &&
         header.payload_bytes + header_bytes == static_cast<std::uint64_t>(status.st_size);
}

std::uint64_t ObjectStore::stored_bytes(const ObjectRef& ref) const {
  struct stat status {};
  return ::lstat(path_of(ref.id).c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

void ObjectStore::sync_directories() const {
  static constexpr std::string_view digits = "0123456789abcdef";
  for (std::size_t i = 0; i < changed_->size(); ++i) {
    if (!(*changed_)[i].exchange(false)) continue;
    base::sync_directory(root_ / std::string{digits[i >> 4U], digits[i & 15U]});
  }
}

}  // namespace tmb::repository

// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>

#include "archive/recognise.hh"
#include "archive/sources.hh"
#include "archive/tmb.hh"
#include "base/output_file.hh"

namespace tmb::archive {

using base::Error;
using base::ExitCode;

namespace {

// Objects are compressed already, and what surrounds a small one is at most this much longer than it.
constexpr std::uint64_t most_gain = 16;
constexpr std::uint64_t always_allowed = std::uint64_t{64} << 20U;
constexpr std::size_t piece_bytes = std::size_t{1} << 20U;

std::vector<repository::KeyFile> key_files(const TmbFile& file) {
  constexpr std::size_t folder = std::string_view("keys/").size();
  std::vector<repository::KeyFile> out;
  for (const NamedBytes& key : file.keys()) out.push_back({key.name.substr(folder), key.bytes});
  return out;
}

std::shared_ptr<const repository::KeyRing> open_keys(const repository::Format& format, const TmbFile& file,
                                                     const repository::AskSecret& ask) {
  auto unlocked = repository::unlock(format, key_files(file), ask, file.name());
  return std::make_shared<const repository::KeyRing>(std::move(unlocked.ring));
}

// For what nobody else should find: beside the file, or where that cannot be written, in /var/tmp or $TMPDIR.
base::UniqueFd scratch_beside(const base::Path& path) {
  try {
    return base::scratch_file(path.has_parent_path() ? path.parent_path() : base::Path("."));
  } catch (const Error&) {
    return base::scratch_file(std::filesystem::temp_directory_path());
  }
}

base::UniqueFd unpacked(const base::UniqueFd& packed, Looks looks, const base::Path& path,
                        const std::string& shown) {
  std::atomic<std::uint64_t> position{0};
  Source source = file_source(packed.get(), shown, position);
  source =
      looks == Looks::gzip ? gzip_source(std::move(source)) : filter_source(std::move(source), Filter::zstd);
  base::UniqueFd out = scratch_beside(path);
  std::string piece(piece_bytes, '\0');
  std::uint64_t total = 0;
  bool checked = false;
  while (const std::size_t got = source->read(piece)) {
    if (!checked && !looks_like_tmb(std::string_view(piece).substr(0, got)) && got >= 512)
      throw Error(ExitCode::damaged, shown + " is no .tmb");
    checked = true;
    total += got;
    if (total > position * most_gain + always_allowed)
      throw Error(ExitCode::damaged, shown + " unpacks to far more than a .tmb can");
    base::write_all(out.get(), std::string_view(piece).substr(0, got), "a temporary file");
  }
  return out;
}

}  // namespace

TmbSource::TmbSource(TmbFile file, const repository::AskSecret& ask)
    : file_(std::move(file)),
      format_(repository::format_from_file(file_.format(), file_.name() + ": format.json")),
      ring_(open_keys(format_, file_, ask)),
      store_({}, ring_) {
  try {
    manifest_ =
        repository::open_manifest_file(file_.manifest().bytes, file_.manifest().name, format_.id, ring_);
  } catch (Error& error) {
    throw error.with_context(file_.name());
  }
  file_.compare_with(manifest_);
}

void TmbSource::read(repository::ObjectType type, const repository::ObjectRef& ref,
                     repository::Workspace& workspace, std::string& content) const {
  std::string bytes;
  file_.read_object(ref.id, bytes);
  store_.open_file(type, ref, bytes, shown(ref), workspace, content);
}

void TmbSource::check(repository::ObjectType type, const repository::ObjectRef& ref,
                      repository::Workspace& workspace) const {
  std::string bytes;
  file_.read_object(ref.id, bytes);
  store_.check_file(type, ref, bytes, shown(ref), workspace);
}

std::string TmbSource::shown(const repository::ObjectRef& ref) const {
  return ref.id + " of " + file_.name();
}

std::string TmbSource::describe() const { return "snapshot " + manifest_.id + " in " + file_.name(); }

std::unique_ptr<TmbSource> open_tmb(const base::Path& path, const repository::AskSecret& ask) {
  const std::string shown = base::printable(path.string());
  base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    const int error = errno;
    throw base::system_error(error, "cannot open " + shown,
                             error == ENOENT ? ExitCode::not_found : ExitCode::local_io);
  }
  struct stat status {};
  std::array<char, 512> beginning{};
  if (::fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode)) {
    const ssize_t got = ::pread(fd.get(), beginning.data(), beginning.size(), 0);
    const Looks looks = recognise({beginning.data(), got > 0 ? static_cast<std::size_t>(got) : 0});
    if (looks == Looks::gzip || looks == Looks::zstd) fd = unpacked(fd, looks, path, shown);
  }
  return std::make_unique<TmbSource>(TmbFile(std::move(fd), shown), ask);
}

}  // namespace tmb::archive

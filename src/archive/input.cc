// SPDX-License-Identifier: MIT
#include "archive/input.hh"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <optional>

#include "archive/file_identity.hh"
#include "archive/recognise.hh"
#include "archive/sources.hh"
#include "archive/tmb.hh"
#include "base/error.hh"

namespace tmb::archive {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr std::size_t beginning_bytes = std::size_t{64} << 10U;
constexpr std::size_t most_layers = 4;

struct Layer {
  Looks kind;
  std::size_t number = 0;  // of the entry, in a tar or zip
  std::string entry;
};

std::string describe(const Layer& layer) {
  switch (layer.kind) {
    case Looks::gzip: return "gzip";
    case Looks::zstd: return "zstd";
    case Looks::xz: return "xz";
    case Looks::bzip2: return "bzip2";
    case Looks::tar: return "tar (" + printable(layer.entry) + ")";
    default: return "zip (" + printable(layer.entry) + ")";
  }
}

std::string describe(Content content) {
  switch (content) {
    case Content::plain_sql: return "plain SQL";
    case Content::custom: return "a custom dump (pg_dump -Fc)";
    case Content::tar_dump: return "a tar dump (pg_dump -Ft)";
    case Content::directory_dump: return "a directory dump (pg_dump -Fd)";
    case Content::tmb: return "a snapshot in a file";
    case Content::tracearr: return "a Tracearr backup";
    case Content::repository: return "a repository";
  }
  return "";
}

}  // namespace

struct InputFile::Impl {
  base::Path path;
  base::UniqueFd fd;
  std::optional<FileIdentity> identity;
  Content content = Content::plain_sql;
  std::vector<Layer> layers;  // outermost first
  bool carriage_returns = false;
  std::string metadata;
  std::uint64_t size = 0;
  mutable std::atomic<std::uint64_t> position{0};

  std::string name() const { return printable(path.string()); }
  Error explained(ExitCode code, const std::string& what, const std::string& hint) const {
    Error error(code, name() + " " + what);
    if (!hint.empty()) error.with_hint(hint);
    return error;
  }

  Source unpacked(std::size_t count) const;
  std::string beginning() const;
  void recognise_layers();
  bool take_layer(Looks looks, const std::string& text);
  void choose_entry(Layer layer);
  std::vector<Member> zip_members() const;
  void take_zip(const std::vector<Member>& members);
  Error bad_tracearr(const std::string& why) const;
  void no_dump_inside(const std::vector<std::string>& names, const std::string& kind) const;
  void recognise_folder();
};

// The content of the first `count` layers.
Source InputFile::Impl::unpacked(std::size_t count) const {
  Source out;
  if (count > 0 && layers.front().kind == Looks::zip) {
    out = zip_member(fd.get(), layers.front().number, position);
  } else {
    out = file_source(fd.get(), path.string(), position);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Layer& layer = layers[i];
    if (layer.kind == Looks::gzip) out = gzip_source(std::move(out));
    if (layer.kind == Looks::zstd) out = filter_source(std::move(out), Filter::zstd);
    if (layer.kind == Looks::xz) out = filter_source(std::move(out), Filter::xz);
    if (layer.kind == Looks::bzip2) out = filter_source(std::move(out), Filter::bzip2);
    if (layer.kind == Looks::tar) {
      out = tar_member(std::move(out), layer.number, [name = name()](const Member& other) {
        if (is_dump(recognise(other.beginning)) || is_packed(recognise(other.beginning))) {
          throw Error(ExitCode::damaged,
                      name + " holds more than one dump; the second is " + printable(other.name))
              .with_hint("unpack it and name the one to restore");
        }
      });
    }
  }
  return count == 0 ? std::move(out) : bomb_guard(std::move(out), position);
}

std::string InputFile::Impl::beginning() const {
  const Source source = unpacked(layers.size());
  std::string out(beginning_bytes, '\0');
  std::size_t filled = 0;
  while (filled < out.size()) {
    const std::size_t got = source->read({out.data() + filled, out.size() - filled});
    if (got == 0) break;
    filled += got;
  }
  out.resize(filled);
  return out;
}

void InputFile::Impl::recognise_layers() {
  for (;;) {
    const std::string text = beginning();
    const Looks looks = recognise(text);
    if (looks == Looks::empty) {
      throw explained(ExitCode::damaged, layers.empty() ? "is empty" : "holds nothing but an empty file", "");
    }
    if (looks == Looks::other) {
      const Explanation e = explain_other(text);
      throw explained(ExitCode::damaged, (layers.empty() ? "" : "holds something that ") + e.what, e.hint);
    }
    if (is_dump(looks)) {
      if (content == Content::plain_sql && looks == Looks::custom) content = Content::custom;
      carriage_returns = looks == Looks::plain_sql && archive::has_carriage_returns(text);
      return;
    }
    if (layers.size() >= most_layers) {
      throw explained(ExitCode::damaged, "is packed more than four times over", "");
    }
    if (!take_layer(looks, text)) return;
  }
}

// False when what is there is the dump itself, in spite of being a tar.
bool InputFile::Impl::take_layer(Looks looks, const std::string& text) {
  if (looks == Looks::tar) {
    if (looks_like_tmb(text)) {
      content = Content::tmb;
      return false;
    }
    if (text.starts_with("toc.dat")) {
      content = Content::tar_dump;
      return false;
    }
    choose_entry({looks, 0, ""});
    return true;
  }
  if (looks == Looks::zip) {
    if (!layers.empty()) {
      throw explained(ExitCode::unsupported, "is a zip inside another container",
                      "unpack the outer one first");
    }
    take_zip(zip_members());
    return true;
  }
  layers.push_back({looks, 0, ""});
  return true;
}

void InputFile::Impl::choose_entry(Layer layer) {
  std::vector<std::string> names;
  bool found = false;
  list_tar(unpacked(layers.size()), [&](const Member& member) {
    const Looks looks = recognise(member.beginning);
    names.push_back(member.name);
    found = is_dump(looks) || is_packed(looks);
    layer.number = member.number;
    layer.entry = member.name;
    return !found;
  });
  if (!found) no_dump_inside(names, "tar");
  layers.push_back(std::move(layer));
}

Error InputFile::Impl::bad_tracearr(const std::string& why) const {
  return explained(ExitCode::damaged, "is not a usable Tracearr backup: " + why,
                   "download it again from Tracearr");
}

std::vector<Member> InputFile::Impl::zip_members() const {
  std::vector<Member> members;
  // What a zip is, its content says. Only how the refusal of a broken one is worded is told by the name.
  const std::string file_name = path.filename().string();
  bool tracearr = file_name.starts_with("tracearr-backup-") && file_name.ends_with(".zip");
  try {
    list_zip(fd.get(), [&](const Member& member) {
      tracearr = tracearr || member.name == "metadata.json" || member.name == "database.dump";
      members.push_back(member);
      return true;
    });
  } catch (const UnsafeName& error) {
    if (tracearr) throw bad_tracearr("Unsafe entry name: " + printable(error.name()));
    throw;
  } catch (const Error& error) {
    if (tracearr && error.code() == ExitCode::damaged)
      throw bad_tracearr("File is not a valid zip archive: " + error.message());
    throw;
  }
  return members;
}

void InputFile::Impl::take_zip(const std::vector<Member>& members) {
  std::vector<std::string> names;
  std::vector<const Member*> dumps;
  bool tracearr = false;
  for (const Member& member : members) {
    names.push_back(member.name);
    const Looks looks = recognise(member.beginning);
    if (is_dump(looks) || is_packed(looks)) dumps.push_back(&member);
    if (member.name == "metadata.json") metadata = member.beginning;
    tracearr = tracearr || member.name == "metadata.json" || member.name == "database.dump";
  }
  if (tracearr) {
    if (members.size() != 2) {
      throw bad_tracearr("Expected 2 entries (metadata.json, database.dump), found " +
                         std::to_string(members.size()));
    }
    for (const Member& member : members) {
      if (member.name != "metadata.json" && member.name != "database.dump")
        throw bad_tracearr("Unexpected entry: " + printable(member.name));
    }
    std::uint64_t total = 0;
    for (const Member& member : members) total += member.size;
    if (total > std::uint64_t{10} << 30U) {
      throw bad_tracearr("Total uncompressed size (" + std::to_string(total) + " bytes) exceeds 10 GB limit");
    }
    content = Content::tracearr;
    const std::size_t dump = members[0].name == "database.dump" ? 0 : 1;
    layers.push_back({Looks::zip, members[dump].number, members[dump].name});
    return;
  }
  if (dumps.empty()) no_dump_inside(names, "zip");
  if (dumps.size() > 1) {
    throw explained(ExitCode::damaged, "holds more than one dump; the second is " + printable(dumps[1]->name),
                    "unpack it and name the one to restore");
  }
  layers.push_back({Looks::zip, dumps[0]->number, dumps[0]->name});
}

void InputFile::Impl::no_dump_inside(const std::vector<std::string>& names, const std::string& kind) const {
  const auto has = [&](const std::string& end) {
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& n) { return n == end || n.ends_with("/" + end); });
  };
  if (has("PG_VERSION")) {
    throw explained(ExitCode::refused, "is a copy of a PostgreSQL data folder, not a dump",
                    "start a PostgreSQL of its version on it and take a dump with pg_dump");
  }
  if (has("manifest.json")) {
    throw explained(
        ExitCode::refused,
        "looks like a TeslaSync archive: settings and places of another program, without the drives "
        "and charges; they do not fit into TeslaMate's tables",
        "load it into TeslaSync; TeslaMate needs a dump of its own database");
  }
  std::string list;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 5); ++i)
    list += (i == 0 ? "" : ", ") + printable(names[i]);
  throw explained(ExitCode::damaged,
                  "is a " + kind + " without a dump in it" +
                      (list.empty() ? "" : " (it holds " + list + (names.size() > 5 ? " …)" : ")")),
                  "");
}

void InputFile::Impl::recognise_folder() {
  const auto there = [&](const char* name) {
    std::error_code error;
    return std::filesystem::exists(path / name, error);
  };
  if (there("toc.dat")) {
    content = Content::directory_dump;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
      if (!std::filesystem::is_regular_file(entry.symlink_status(error))) {
        throw explained(
            ExitCode::damaged,
            "is refused: " + printable(entry.path().filename().string()) + " in it is no ordinary file", "");
      }
      size += entry.file_size(error);
    }
    return;
  }
  if (there("format.json")) {
    content = Content::repository;
    return;
  }
  if (there("PG_VERSION")) {
    throw explained(ExitCode::refused, "is a PostgreSQL data folder, not a dump",
                    "start a PostgreSQL of its version on it and take a dump with pg_dump");
  }
  throw explained(ExitCode::damaged, "is a folder that holds neither a dump nor a repository", "");
}

InputFile::InputFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
InputFile::InputFile(InputFile&&) noexcept = default;
InputFile& InputFile::operator=(InputFile&&) noexcept = default;
InputFile::~InputFile() = default;

InputFile InputFile::open(const base::Path& path) {
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  // A FIFO would block here without O_NONBLOCK.
  impl->fd = base::UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!impl->fd) {
    const int error = errno;
    throw base::system_error(error, "cannot open " + impl->name(),
                             error == ENOENT ? ExitCode::not_found : ExitCode::local_io);
  }
  const struct stat status = status_of(impl->fd.get(), path);
  if (S_ISDIR(status.st_mode)) {
    impl->recognise_folder();
    return InputFile(std::move(impl));
  }
  if (!S_ISREG(status.st_mode)) {
    throw impl->explained(ExitCode::local_io,
                          "is no ordinary file: it could be read only once, and is read twice",
                          "write it to a file first: cat PIPE > FILE");
  }
  impl->identity.emplace(status);
  impl->size = static_cast<std::uint64_t>(status.st_size);
  try {
    impl->recognise_layers();
  } catch (Error& error) {
    if (!error.message().starts_with(impl->name())) error.with_context(impl->name());
    throw;
  }
  return InputFile(std::move(impl));
}

Content InputFile::content() const { return impl_->content; }
const base::Path& InputFile::path() const { return impl_->path; }
std::uint64_t InputFile::size() const { return impl_->size; }
bool InputFile::has_carriage_returns() const { return impl_->carriage_returns; }
const std::string& InputFile::metadata() const { return impl_->metadata; }
std::uint64_t InputFile::position() const { return impl_->position; }

std::string InputFile::describe() const {
  std::string out = archive::describe(impl_->content);
  if (impl_->content == Content::tracearr) return out;
  for (std::size_t i = impl_->layers.size(); i > 0; --i)
    out += " in " + archive::describe(impl_->layers[i - 1]);
  return out;
}

Source InputFile::read() const {
  Source out = impl_->unpacked(impl_->layers.size());
  return impl_->carriage_returns ? without_carriage_returns(std::move(out)) : std::move(out);
}

base::UniqueFd InputFile::duplicate() const {
  if (!impl_->layers.empty()) return {};
  // A position of its own: a duplicate of the descriptor would share ours.
  base::UniqueFd out(::open(base::memory_file_path(impl_->fd).c_str(), O_RDONLY | O_CLOEXEC));
  if (!out) throw base::system_error(errno, "cannot open " + impl_->name() + " again");
  return out;
}

void InputFile::check_tar() const {
  try {
    list_tar(read(), [](const Member&) { return true; });
  } catch (Error& error) {
    error.with_context(impl_->name());
    throw;
  }
}

void InputFile::check_unchanged() const {
  if (!impl_->identity) return;
  if (*impl_->identity == FileIdentity(status_of(impl_->fd.get(), impl_->path))) return;
  throw impl_->explained(ExitCode::damaged, "was changed while it was read",
                         "wait until it is written, then run the same command again");
}

}  // namespace tmb::archive

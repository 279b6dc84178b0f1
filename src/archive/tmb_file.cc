// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "archive/tar.hh"
#include "archive/tmb.hh"

namespace tmb::archive {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr std::uint64_t max_json_bytes = 65536;
constexpr std::uint64_t max_manifest_bytes = std::uint64_t{256} << 20U;
// Encoding and sealing add a little to what an object may hold.
constexpr std::uint64_t max_object_bytes = repository::max_plain_bytes + (std::uint64_t{4} << 20U);
constexpr std::size_t max_objects = std::size_t{1} << 20U;
constexpr std::size_t max_keys = 256;

bool is_zero(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char c) { return c == '\0'; });
}

// "keys/" and a plain file name that ends in ".json".
bool is_key_member(const std::string& name) {
  constexpr std::string_view folder = "keys/";
  if (!name.starts_with(folder) || !name.ends_with(".json") || name.size() <= folder.size() + 5) return false;
  const std::string_view file = std::string_view(name).substr(folder.size());
  return file.front() != '.' && std::ranges::all_of(file, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
                  c == '-' || c == '_';
         });
}

// The value of a lower-case hexadecimal digit; 16 for anything else.
unsigned digit_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  return 16;
}

template <class Id>
bool id_from_hex(std::string_view text, Id& id) {
  if (text.size() != 2 * id.size()) return false;
  for (std::size_t i = 0; i < id.size(); ++i) {
    const unsigned high = digit_value(text[2 * i]);
    const unsigned low = digit_value(text[2 * i + 1]);
    if (high > 15 || low > 15) return false;
    id.at(i) = static_cast<unsigned char>(high << 4U | low);
  }
  return true;
}

}  // namespace

// Goes over the members once, in the only order they may have.
class TmbFile::Scan {
 public:
  explicit Scan(TmbFile& file, std::uint64_t bytes) : file_(file), bytes_(bytes) {}

  void run() {
    if (bytes_ < 2 * tar_block_bytes + tar_end_bytes) throw file_.damaged("is cut off");
    std::string block;
    read(tar_block_bytes, block);
    while (!is_zero(block)) {
      const auto member = parse_tar_header(block);
      if (!member)
        throw file_.damaged("is no .tmb, or is damaged at byte " + std::to_string(at_ - block.size()));
      take(*member);
      // Zeros fill the member's last block; then comes the next header.
      const std::size_t padding = tar_padding(member->size);
      read(padding + tar_block_bytes, block);
      if (!is_zero(std::string_view(block).substr(0, padding)))
        throw file_.damaged("has bytes between its members");
      block.erase(0, padding);
    }
    if (file_.manifest_.name.empty()) throw file_.damaged("has no manifest: it is cut off or no .tmb");
    read(tar_block_bytes, block);
    if (!is_zero(block) || at_ != bytes_) throw file_.damaged("has bytes behind its end");
    index();
  }

 private:
  enum class Stage { format, keys, objects, manifest };

  void read(std::size_t size, std::string& into) {
    if (size > bytes_ - at_) throw file_.damaged("is cut off");
    file_.read_exactly(at_, size, into);
    at_ += size;
  }

  void take(const TarMember& member) {
    const std::string& name = member.name;
    if (first_) {
      if (name != "format.json") throw file_.damaged("is a tar, but not a .tmb");
      take_bytes(member, max_json_bytes, file_.format_);
      first_ = false;
      return;
    }
    if (!file_.manifest_.name.empty()) throw file_.damaged("has members behind its manifest");
    if (is_key_member(name) && file_.objects_.empty() && file_.keys_.size() < max_keys) {
      const bool again =
          std::ranges::any_of(file_.keys_, [&](const NamedBytes& k) { return k.name == name; });
      if (again) throw file_.damaged("holds " + printable(name) + " twice");
      file_.keys_.push_back({name, {}});
      take_bytes(member, max_json_bytes, file_.keys_.back().bytes);
      return;
    }
    if (name.starts_with("objects/") && take_object(member)) return;
    constexpr std::string_view folder = "snapshots/";
    if (name.starts_with(folder) && name.ends_with(".json")) {
      const std::string id = name.substr(folder.size(), name.size() - folder.size() - 5);
      if (repository::is_snapshot_id(id)) {
        take_bytes(member, max_manifest_bytes, file_.manifest_.bytes);
        file_.manifest_.name = id;
        return;
      }
    }
    throw file_.damaged("holds " + printable(name) + ", which has no place in a .tmb");
  }

  bool take_object(const TarMember& member) {
    Member object{{}, at_, member.size};
    const std::string id = member.name.substr(std::min<std::size_t>(member.name.size(), 11));
    if (!id_from_hex(id, object.id) || member.name != object_member(id)) return false;
    if (member.size > max_object_bytes || file_.objects_.size() >= max_objects)
      throw file_.damaged("holds more than a .tmb may");
    if (member.size > bytes_ - at_) throw file_.damaged("is cut off");
    file_.objects_.push_back(object);
    at_ += member.size;
    return true;
  }

  void take_bytes(const TarMember& member, std::uint64_t limit, std::string& into) {
    if (member.size > limit) throw file_.damaged("holds a " + printable(member.name) + " that is too long");
    read(static_cast<std::size_t>(member.size), into);
  }

  void index() {
    auto& objects = file_.objects_;
    std::ranges::sort(objects, {}, &Member::id);
    if (std::ranges::adjacent_find(objects, {}, &Member::id) != objects.end())
      throw file_.damaged("holds an object twice");
  }

  TmbFile& file_;
  std::uint64_t bytes_;
  std::uint64_t at_ = 0;
  bool first_ = true;
};

TmbFile::TmbFile(base::UniqueFd fd, std::string shown_name)
    : fd_(std::move(fd)), name_(std::move(shown_name)) {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) throw base::system_error(errno, "cannot look at " + name_);
  if (!S_ISREG(status.st_mode)) throw Error(ExitCode::local_io, name_ + " is not a regular file");
  Scan(*this, static_cast<std::uint64_t>(status.st_size)).run();
}

Error TmbFile::damaged(const std::string& why) const { return {ExitCode::damaged, name_ + " " + why}; }

void TmbFile::read_exactly(std::uint64_t at, std::size_t size, std::string& bytes) const {
  bytes.resize(size);
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = ::pread(fd_.get(), bytes.data() + done, size - done, static_cast<off_t>(at + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw base::system_error(errno, "cannot read " + name_);
    if (got == 0) throw damaged("became shorter while it was read");
    done += static_cast<std::size_t>(got);
  }
}

const TmbFile::Member* TmbFile::find(const std::string& id) const {
  Id wanted{};
  if (!id_from_hex(id, wanted)) return nullptr;
  const auto found = std::ranges::lower_bound(objects_, wanted, {}, &Member::id);
  return found == objects_.end() || found->id != wanted ? nullptr : &*found;
}

void TmbFile::read_object(const std::string& id, std::string& bytes) const {
  const Member* member = find(id);
  if (member == nullptr) throw damaged("does not hold the object " + printable(id));
  read_exactly(member->at, static_cast<std::size_t>(member->size), bytes);
}

void TmbFile::compare_with(const repository::Manifest& manifest) const {
  std::set<std::string> named;
  repository::for_each_object(manifest,
                              [&](repository::ObjectType /*type*/, const repository::ObjectRef& ref) {
                                if (!named.insert(ref.id).second) return;
                                if (find(ref.id) == nullptr)
                                  throw damaged("does not hold the object " + printable(ref.id));
                              });
  if (named.size() != objects_.size()) throw damaged("holds objects that its manifest does not name");
}

bool looks_like_tmb(std::string_view beginning) {
  if (beginning.size() < tar_block_bytes) return false;
  // By its name alone: a damaged header is to be told as such, not as an unknown kind of file.
  return beginning.starts_with(std::string_view("format.json\0", 12)) && beginning.substr(257, 5) == "ustar";
}

}  // namespace tmb::archive

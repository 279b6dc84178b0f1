// SPDX-License-Identifier: MIT
#include "restore/dump_text.hh"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/child_stream.hh"
#include "base/error.hh"

namespace tmb::restore {

using archive::Content;
using base::Error;
using base::ExitCode;
using base::printable;

namespace {

std::string first_error_line(const std::string& errors) {
  std::string text = errors.substr(0, errors.find('\n'));
  const std::string prefix = "pg_restore: error: ";
  if (text.starts_with(prefix)) text.erase(0, prefix.size());
  return text.empty() ? "it said nothing" : printable(text);
}

// The account that reads it: as root, nobody, or for a folder the one that owns it.
std::optional<base::OsUser> reading_user(const archive::InputFile& file) {
  if (::geteuid() != 0) return std::nullopt;
  if (file.content() != Content::directory_dump) return base::find_os_user("nobody");
  struct stat status {};
  std::array<char, 16384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::stat((file.path() / "toc.dat").c_str(), &status) != 0) return std::nullopt;
  ::getpwuid_r(status.st_uid, &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr || status.st_uid == 0) return std::nullopt;
  return base::OsUser{entry.pw_name, entry.pw_uid, entry.pw_gid};
}

class ArchiveText final : public base::ByteSource {
 public:
  ArchiveText(const archive::InputFile& file, const postgres::Tools& tools, const std::stop_token& stop)
      : name_(printable(file.path().string())), version_(tools.version) {
    base::ProcessOptions options;
    options.argv = {tools.path("pg_restore"), "--file=-"};
    options.environment = {"LC_ALL=C", "PATH=/usr/bin:/bin"};
    options.as_user = reading_user(file);
    options.stop = stop;
    if (file.content() == Content::directory_dump) {
      std::error_code error;
      options.argv.push_back(std::filesystem::absolute(file.path(), error).string());
      child_ = std::make_unique<base::ChildStream>(options);
    } else if (base::UniqueFd fd = file.duplicate()) {
      child_ = std::make_unique<base::ChildStream>(options, std::move(fd));
    } else {
      packed_ = file.read();
      child_ = std::make_unique<base::ChildStream>(options, *packed_);
    }
    child_->set_patience(patience);
  }

  std::size_t read(std::span<char> out) override {
    const std::size_t got = child_->read(out);
    if (got == 0) check_end();
    return got;
  }

  // pg_restore runs round in circles on some damaged archives.
  static constexpr std::chrono::seconds patience{120};

 private:
  void check_end() const {
    const int code = child_->exit_code();
    if (code == 0) return;
    const std::string& errors = child_->errors();
    if (errors.find("unsupported version") != std::string::npos) {
      throw Error(ExitCode::unsupported, name_ + " was written by a newer pg_dump than pg_restore " +
                                             version_ + " can read: " + first_error_line(errors))
          .with_hint("install PostgreSQL's client programs of the dump's release or newer");
    }
    const std::string how = code > 128 ? "crashed on it (signal " + std::to_string(code - 128) + ")"
                                       : "cannot read it: " + first_error_line(errors);
    throw Error(ExitCode::damaged, name_ + " is damaged: pg_restore " + version_ + " " + how)
        .with_hint("look for another copy of the dump");
  }

  std::string name_;
  std::string version_;
  std::unique_ptr<base::ByteSource> packed_;  // before the child that is fed from it
  std::unique_ptr<base::ChildStream> child_;
};

}  // namespace

postgres::Tools newest_tools(const std::string& pg_bin_dir) {
  const std::vector<postgres::Tools> found = postgres::find_tools(pg_bin_dir);
  const auto newest = std::max_element(found.begin(), found.end(),
                                       [](const auto& a, const auto& b) { return a.major < b.major; });
  if (newest != found.end()) return *newest;
  throw Error(ExitCode::unsupported, "a dump of this form is read by pg_restore, which is not installed")
      .with_hint("install PostgreSQL's client programs (Debian: postgresql-client)");
}

std::unique_ptr<base::ByteSource> open_dump_text(const archive::InputFile& file,
                                                 const std::optional<postgres::Tools>& tools,
                                                 const std::stop_token& stop) {
  if (!tools) return file.read();
  return std::make_unique<ArchiveText>(file, *tools, stop);
}

}  // namespace tmb::restore

// SPDX-License-Identifier: MIT
#include "service/hold_file.hh"

#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "base/error.hh"

namespace tmb::service {

namespace fs = std::filesystem;

base::Path hold_file_path(const base::Path& root, const std::string& unit) {
  return root / (unit + ".d") / "ZZ-teslamate-backup.conf";  // ZZ: read last, so nothing resets the assertion
}

// systemd does not look at assertions when it restarts a unit by itself (it counts as already activating,
// tried on 257), hence Restart=no: the assertion keeps everybody else out.
std::string hold_file_text(const base::Path& path) {
  return "# Written by teslamate-restore, to keep this unit down while its database is exchanged.\n"
         "# After a crash: teslamate-restore --abort. It is gone after a reboot.\n"
         "[Unit]\n"
         "AssertPathExists=!" +
         path.string() +
         "\n"
         "[Service]\n"
         "Restart=no\n";
}

void write_hold_file(const base::Path& root, const std::string& unit) {
  const base::Path path = hold_file_path(root, unit);
  try {
    // systemd and everybody may read it; base::publish_file and make_directory are 0600/0700.
    if (base::make_directory(path.parent_path()) && ::chmod(path.parent_path().c_str(), 0755) != 0) {
      throw base::system_error(errno, "cannot open " + path.parent_path().string() + " to systemd");
    }
    base::publish_file(path, hold_file_text(path), base::Overwrite::yes, 0644);
  } catch (base::Error& error) {
    error.with_code(base::ExitCode::service).with_context("cannot keep " + unit + " down");
    error.with_hint("a restore runs as root and writes to " + root.string() +
                    " (in a unit of its own: ReadWritePaths=" + root.string() + ")");
    throw;
  }
}

bool remove_hold_file(const base::Path& root, const std::string& unit) {
  const base::Path path = hold_file_path(root, unit);
  std::error_code error;
  const bool removed = fs::remove(path, error);
  if (error) {
    throw base::Error(base::ExitCode::service, "cannot let " + unit + " start again: cannot remove " +
                                                   path.string() + ": " + error.message())
        .with_hint("as root: rm " + path.string() + " && systemctl daemon-reload");
  }
  if (removed) fs::remove(path.parent_path(), error);  // only when empty; others may have drop-ins there
  return removed;
}

}  // namespace tmb::service

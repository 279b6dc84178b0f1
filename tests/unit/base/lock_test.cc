// SPDX-License-Identifier: MIT
#include "base/lock.hh"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <optional>

#include "base/error.hh"
#include "catch.hh"
#include "folder.hh"

using tmb::base::FileLock;
using tmb::base::LockMode;
using tmb::base::Path;
using tmb::test::Folder;

namespace {

// Asks from another process: 0 got it, 1 held by another, 2 failed.
int try_in_child(const Path& path, std::uint64_t byte, LockMode mode) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      ::_exit(FileLock::try_acquire(path, byte, mode) ? 0 : 1);
    } catch (...) {
      ::_exit(2);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Path lock_file(const Folder& folder) {
  std::ofstream(folder / "lock") << "";
  return folder / "lock";
}

}  // namespace

TEST_CASE("an exclusive lock keeps everybody else out, of this process and of others") {
  const Folder folder;
  const Path path = lock_file(folder);
  std::optional<FileLock> held = FileLock::try_acquire(path, 0, LockMode::exclusive);
  REQUIRE(held);
  CHECK_FALSE(FileLock::try_acquire(path, 0, LockMode::exclusive));
  CHECK_FALSE(FileLock::try_acquire(path, 0, LockMode::shared));
  CHECK(try_in_child(path, 0, LockMode::exclusive) == 1);
  CHECK(try_in_child(path, 0, LockMode::shared) == 1);
  held.reset();
  CHECK(try_in_child(path, 0, LockMode::exclusive) == 0);
}

TEST_CASE("shared locks go together and keep out an exclusive one") {
  const Folder folder;
  const Path path = lock_file(folder);
  const auto held = FileLock::try_acquire(path, 0, LockMode::shared);
  REQUIRE(held);
  CHECK(FileLock::try_acquire(path, 0, LockMode::shared));
  CHECK(try_in_child(path, 0, LockMode::shared) == 0);
  CHECK(try_in_child(path, 0, LockMode::exclusive) == 1);
}

TEST_CASE("the bytes of a lock file are independent locks") {
  const Folder folder;
  const Path path = lock_file(folder);
  const auto held = FileLock::try_acquire(path, 0, LockMode::exclusive);
  REQUIRE(held);
  CHECK(try_in_child(path, 1, LockMode::exclusive) == 0);
}

TEST_CASE("closing another descriptor of the lock file does not drop the lock") {
  const Folder folder;
  const Path path = lock_file(folder);
  const auto held = FileLock::try_acquire(path, 0, LockMode::exclusive);
  REQUIRE(held);
  ::close(::open(path.c_str(), O_RDWR | O_CLOEXEC));  // classic POSIX locks would be gone now
  CHECK(try_in_child(path, 0, LockMode::exclusive) == 1);
}

TEST_CASE("the lock of a killed process is free at once") {
  const Folder folder;
  const Path path = lock_file(folder);
  std::array<int, 2> ready{};
  REQUIRE(::pipe2(ready.data(), O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto held = FileLock::try_acquire(path, 0, LockMode::exclusive);
    const char answer = held ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
    while (true) ::pause();
  }
  char answer = 'n';
  REQUIRE(::read(ready[0], &answer, 1) == 1);
  CHECK(answer == 'y');
  CHECK_FALSE(FileLock::try_acquire(path, 0, LockMode::exclusive));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(FileLock::try_acquire(path, 0, LockMode::exclusive));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("a missing lock file, and a symbolic link in its place, are local_io") {
  const Folder folder;
  const Path path = lock_file(folder);
  std::filesystem::create_symlink(path, folder / "link");
  for (const char* name : {"absent", "link"}) {
    INFO(name);
    try {
      FileLock::try_acquire(folder / name, 0, LockMode::exclusive);
      FAIL("nothing was thrown");
    } catch (const tmb::base::Error& error) {
      CHECK(error.code() == tmb::base::ExitCode::local_io);
    }
  }
}

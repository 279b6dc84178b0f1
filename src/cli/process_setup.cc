// SPDX-License-Identifier: MIT
#include "cli/process_setup.hh"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

// Leak detection looks at the process from outside, which a process that is not dumpable forbids.
#if defined(__SANITIZE_ADDRESS__)
#define TMB_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TMB_SANITIZED 1
#endif
#endif

namespace tmb::cli {

namespace {

void open_standard_descriptors() noexcept {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // open() takes the lowest free number, which is this one.
    const int opened = ::open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
    if (opened != fd) std::abort();  // no /dev/null: nothing that follows could be trusted
  }
}

}  // namespace

void set_up_process() noexcept {
  open_standard_descriptors();
  ::umask(077);
  ::signal(SIGCHLD, SIG_DFL);  // inherited as ignored, it would hide how our children end
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error of write(), EFBIG
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
#ifndef TMB_SANITIZED
  ::prctl(PR_SET_DUMPABLE, 0);
#endif
}

}  // namespace tmb::cli

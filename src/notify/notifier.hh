// SPDX-License-Identifier: MIT
// Tells whoever the owner named how a run ended: a command, a webhook, an ntfy topic, a healthchecks-like
// check. Each has a few seconds. That one could not be told is said and changes nothing else.
#pragma once

#include <string>
#include <vector>

#include "config/settings.hh"
#include "report/json.hh"
#include "report/reporter.hh"

namespace tmb::notify {

enum class Event { start, success, failure };

struct Message {
  Event event = Event::failure;
  std::string what;   // backup, teslamate-backup.service
  std::string title;  // one line
  std::string text;   // more lines; may be empty
  report::Json facts = report::Json::object();
};

class Notifier {
 public:
  // The settings and `reporter` must outlive it. An address that cannot be read is a warning (a note in a
  // unit of systemd that may not read it): the others are told all the same, and send() counts it as untold.
  Notifier(const config::NotifySettings& settings, const config::Environment& environment,
           report::Reporter& reporter);

  bool tells_anybody() const;  // or should
  // How many could not be told; each is said, a person who does not answer as a note. Never throws for what
  // another side does.
  std::size_t send(const Message& message) const;

 private:
  base::Secret address(const std::string& name, const std::string& said, const base::Path& file,
                       const config::Environment& environment);
  bool run_command(const Message& message) const;
  bool post(const std::string& name, const std::string& url, const std::string& body,
            const std::vector<std::string>& headers) const;
  bool failed(const std::string& name, const std::string& why) const;

  const config::NotifySettings& settings_;
  report::Reporter& reporter_;
  std::size_t unreadable_ = 0;  // addresses
  base::Secret webhook_;
  base::Secret ntfy_;
  base::Secret ntfy_token_;
  base::Secret healthchecks_;
};

}  // namespace tmb::notify

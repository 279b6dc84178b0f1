// SPDX-License-Identifier: MIT
#include "notify/notifier.hh"

#include <unistd.h>

#include <array>
#include <thread>

#include "base/error.hh"
#include "base/process.hh"
#include "http/post.hh"

namespace tmb::notify {

namespace {

constexpr std::size_t longest_answer = std::size_t{64} << 10U;  // of the command's own output

// A credential of systemd goes before the file, which its unit may not be able to read.
base::Secret find_address(const std::string& name, const std::string& said, const base::Path& file,
                          const config::Environment& environment) {
  const auto folder = environment.find("CREDENTIALS_DIRECTORY");
  if (folder != environment.end()) {
    const base::Path credential = base::Path(folder->second) / ("notify-" + name);
    if (::access(credential.c_str(), F_OK) == 0) return config::read_secret_file(credential, environment);
  }
  return file.empty() ? base::Secret(said) : config::read_secret_file(file, environment);
}

const char* name_of(Event event) {
  static constexpr std::array<const char*, 3> names{"start", "success", "failure"};
  return names.at(static_cast<std::size_t>(event));
}

report::Json to_json(const Message& message) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return {{"event", name_of(message.event)},
          {"what", base::printable(message.what)},
          {"host", base::printable(host.data())},
          {"title", base::printable(message.title)},
          {"text", message.text},
          {"facts", message.facts}};
}

// Text that is no UTF-8 must not keep a message from going out.
std::string dump(const report::Json& json) {
  return json.dump(-1, ' ', false, report::Json::error_handler_t::replace);
}

// A header ends at a line break, and what is not ASCII is not for headers.
std::string header_text(const std::string& text) {
  std::string out;
  for (const char c : text) out += c >= ' ' && c <= '~' ? c : '?';
  return out;
}

}  // namespace

Notifier::Notifier(const config::NotifySettings& settings, const config::Environment& environment,
                   report::Reporter& reporter)
    : settings_(settings),
      reporter_(reporter),
      webhook_(address("webhook", settings.webhook, settings.webhook_file, environment)),
      ntfy_(address("ntfy", settings.ntfy, settings.ntfy_file, environment)),
      ntfy_token_(address("ntfy-token", "", settings.ntfy_token_file, environment)),
      healthchecks_(address("healthchecks", settings.healthchecks, settings.healthchecks_file, environment)) {
}

base::Secret Notifier::address(const std::string& name, const std::string& said, const base::Path& file,
                               const config::Environment& environment) {
  try {
    return find_address(name, said, file, environment);
  } catch (const base::Error& error) {
    ++unreadable_;
    const std::string why = "nobody can be told by " + name + ": " + error.message();
    // A scheduled unit may be meant not to read what only root may: the one that alerts is handed the
    // address.
    const bool meant = error.code() == base::ExitCode::local_io && environment.contains("INVOCATION_ID");
    meant ? reporter_.note(why) : reporter_.warning(why);
    return {};
  }
}

bool Notifier::tells_anybody() const {
  return unreadable_ > 0 || !settings_.command.empty() || !webhook_.empty() || !ntfy_.empty() ||
         !healthchecks_.empty();
}

bool Notifier::failed(const std::string& name, const std::string& why) const {
  // The address is often a secret: it is not said.
  reporter_.note("the " + name + " could not be told: " + why);
  return false;
}

bool Notifier::post(const std::string& name, const std::string& url, const std::string& body,
                    const std::vector<std::string>& headers) const {
  try {
    const http::Answer answer = http::post(url, body, headers, settings_.timeout);
    if (answer.is_success()) return true;
    return failed(name, answer.status == 0 ? answer.error : "it answered " + std::to_string(answer.status));
  } catch (const base::Error&) {
    return failed(name, "its address is neither http nor https");
  }
}

bool Notifier::run_command(const Message& message) const {
  base::ProcessOptions options;
  options.argv = settings_.command;
  options.environment = {"PATH=/usr/local/bin:/usr/bin:/bin",
                         "TESLAMATE_BACKUP_EVENT=" + std::string(name_of(message.event)),
                         "TESLAMATE_BACKUP_WHAT=" + base::printable(message.what),
                         "TESLAMATE_BACKUP_TITLE=" + base::printable(message.title),
                         "TESLAMATE_BACKUP_TEXT=" + base::printable(message.text.substr(0, 32768)),
                         "TESLAMATE_BACKUP_FACTS=" + dump(message.facts)};
  std::stop_source source;
  options.stop = source.get_token();
  // Ends the command when its time is over; ended itself when the command is done first.
  const std::jthread watch([&](const std::stop_token& done) {
    const auto deadline = std::chrono::steady_clock::now() + settings_.timeout;
    while (!done.stop_requested() && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (!done.stop_requested()) source.request_stop();
  });
  try {
    const base::ProcessResult result = base::run_process(options, longest_answer);
    if (result.exit_code == 0) return true;
    if (source.stop_requested())
      return failed("command " + base::printable(options.argv.front()), "it took too long");
    return failed("command " + base::printable(options.argv.front()),
                  "it ended with " + std::to_string(result.exit_code));
  } catch (const base::Error& error) {
    return failed("command " + base::printable(options.argv.front()), error.message());
  }
}

std::size_t Notifier::send(const Message& message) const {
  std::size_t untold = 0;
  const auto count = [&](bool told) { untold += told ? 0 : 1; };
  if (!healthchecks_.empty()) {
    std::string url = healthchecks_.reveal();
    while (url.ends_with('/')) url.pop_back();
    if (message.event == Event::start) url += "/start";
    if (message.event == Event::failure) url += "/fail";
    count(post("check", url, message.title + "\n" + message.text, {"Content-Type: text/plain"}));
  }
  const bool told =
      message.event == Event::failure || (message.event == Event::success && settings_.on_success);
  if (!told) return untold;
  untold += unreadable_;
  if (!webhook_.empty())
    count(post("webhook", webhook_.reveal(), dump(to_json(message)), {"Content-Type: application/json"}));
  if (!ntfy_.empty()) {
    std::vector<std::string> headers{
        "Title: " + header_text(message.title),
        message.event == Event::failure ? "Priority: high" : "Priority: low",
        message.event == Event::failure ? "Tags: warning" : "Tags: heavy_check_mark"};
    if (!ntfy_token_.empty()) headers.push_back("Authorization: Bearer " + header_text(ntfy_token_.reveal()));
    count(post("ntfy topic", ntfy_.reveal(), message.text.empty() ? message.title : message.text, headers));
  }
  if (!settings_.command.empty()) count(run_command(message));
  return untold;
}

}  // namespace tmb::notify

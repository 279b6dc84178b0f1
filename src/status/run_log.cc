// SPDX-License-Identifier: MIT
#include "status/run_log.hh"

#include "base/error.hh"
#include "status/render.hh"

namespace tmb::status {

namespace {

constexpr unsigned readable_mode = 0644;  // by node_exporter and by a web server

std::string snapshot_of(const report::Json& document) {
  const auto found = document.find("snapshot");
  return found != document.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

RunLog::RunLog(std::string kind, const config::Settings& settings, const config::Environment& environment,
               report::Reporter& reporter)
    : kind_(std::move(kind)), settings_(settings), reporter_(reporter), started_(clock_.now()) {
  try {
    auto notifier = std::make_unique<notify::Notifier>(settings.notify, environment, reporter);
    if (!notifier->tells_anybody()) return;
    notifier_ = std::move(notifier);
    notifier_->send({notify::Event::start, kind_, kind_ + " begins", "", report::Json::object()});
  } catch (const std::exception& error) {
    reporter_.note(std::string("nobody can be told: ") + error.what());
  }
}

void RunLog::finish(int exit_code, const std::string& error, const report::Json& document,
                    std::vector<std::string> warnings) noexcept {
  try {
    RunRecord record{kind_,
                     started_,
                     0,
                     exit_code,
                     error,
                     snapshot_of(document),
                     facts_of(kind_, document),
                     std::move(warnings)};
    record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
    try {
      add_record(settings_.state_dir, record);
    } catch (const base::Error& why) {
      reporter_.note("the run was not noted in the history: " + why.message());
    }
    write_status();
    // A timer that fired twice is no failure: the run that is busy will tell.
    if (!notifier_ || exit_code == static_cast<int>(base::ExitCode::locked)) return;
    const std::string title =
        kind_ + (record.good() ? " is done" : " failed with code " + std::to_string(exit_code));
    std::string text = record.good() ? record.snapshot : error;
    notifier_->send({record.good() ? notify::Event::success : notify::Event::failure, kind_, title,
                     std::move(text), record.facts});
  } catch (const std::exception& why) {
    reporter_.note(std::string("after the run: ") + why.what());
  }
}

// After the run the repository's key is not asked for again: the list of snapshots is enough.
void RunLog::write_status() const {
  const config::StatusSettings& files = settings_.status;
  if (files.metrics_file.empty() && files.html_file.empty()) return;
  try {
    const Status status = gather(settings_, clock_, {}, read_our_timers);
    if (!files.metrics_file.empty())
      base::publish_file(files.metrics_file, to_metrics(status), base::Overwrite::yes, readable_mode);
    if (!files.html_file.empty())
      base::publish_file(files.html_file, to_html(status), base::Overwrite::yes, readable_mode);
  } catch (const base::Error& error) {
    reporter_.note("metrics or report were not written: " + error.message());
  }
}

}  // namespace tmb::status

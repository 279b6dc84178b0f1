// SPDX-License-Identifier: MIT
#include "service/bus.hh"

#include <cerrno>
#include <cstring>
#include <thread>

#include "base/error.hh"

namespace tmb::service {

namespace {

constexpr const char* systemd_name = "org.freedesktop.systemd1";
constexpr const char* manager_path = "/org/freedesktop/systemd1";
constexpr const char* manager_interface = "org.freedesktop.systemd1.Manager";

// How long systemd may be away: a daemon-reexec takes well under a second.
constexpr std::chrono::seconds patience{10};
constexpr std::chrono::milliseconds retry_pause{100};

// The call, or the answer to it, was lost on the way: nobody knows, so ask again.
class Lost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

bool is_connection_lost(int code) {
  return code == -ECONNRESET || code == -ENOTCONN || code == -EPIPE || code == -ESHUTDOWN || code == -ESTALE;
}

bool is_answer_lost(const std::string& name) {
  return name == SD_BUS_ERROR_NO_REPLY || name == SD_BUS_ERROR_DISCONNECTED ||
         name == SD_BUS_ERROR_SERVICE_UNKNOWN || name == SD_BUS_ERROR_NAME_HAS_NO_OWNER;
}

struct ErrorReply {
  sd_bus_error value{};
  ErrorReply() = default;
  ErrorReply(const ErrorReply&) = delete;
  ErrorReply& operator=(const ErrorReply&) = delete;
  ~ErrorReply() { sd_bus_error_free(&value); }
};

// Results below zero are -errno: of building or reading a message, so a bug or no memory.
int require(int code, const char* what) {
  if (code < 0) throw base::system_error(-code, std::string("D-Bus: ") + what, base::ExitCode::service);
  return code;
}

base::Error unreachable(const std::string& why) {
  return base::Error(base::ExitCode::service,
                     "cannot reach systemd over the system D-Bus: " + base::printable(why))
      .with_hint(
          "where TeslaMate does not run as a systemd unit, set stop_command and start_command in the "
          "configuration, or stop it yourself and say --no-service");
}

std::string read_text(sd_bus_message* message, char type) {
  const char* text = nullptr;
  require(sd_bus_message_read_basic(message, type, &text), "cannot read a text");
  return text;
}

std::uint64_t read_number(sd_bus_message* message, char type) {
  if (type == SD_BUS_TYPE_UINT64) {
    std::uint64_t number = 0;
    require(sd_bus_message_read_basic(message, type, &number), "cannot read a number");
    return number;
  }
  std::uint32_t number = 0;  // u, b, and i, whose bits it takes
  require(sd_bus_message_read_basic(message, type, &number), "cannot read a number");
  return number;
}

std::vector<std::string> read_texts(sd_bus_message* message) {
  std::vector<std::string> texts;
  require(sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "s"), "cannot read a list");
  const char* text = nullptr;
  while (require(sd_bus_message_read_basic(message, SD_BUS_TYPE_STRING, &text), "cannot read a list") > 0) {
    texts.emplace_back(text);
  }
  require(sd_bus_message_exit_container(message), "cannot read a list");
  return texts;
}

std::string read_bytes_as_hex(sd_bus_message* message) {
  constexpr std::string_view digits = "0123456789abcdef";
  const void* bytes = nullptr;
  std::size_t size = 0;
  require(sd_bus_message_read_array(message, SD_BUS_TYPE_BYTE, &bytes, &size), "cannot read bytes");
  std::string hex;
  for (std::size_t i = 0; i < size; ++i) {
    const auto byte = static_cast<const unsigned char*>(bytes)[i];
    hex += digits[byte >> 4U];
    hex += digits[byte & 15U];
  }
  return hex;
}

// Job is (id, path); its path says nothing when the id is 0.
std::string read_job(sd_bus_message* message) {
  std::uint32_t id = 0;
  const char* path = nullptr;
  require(sd_bus_message_read(message, "(uo)", &id, &path), "cannot read a job");
  return id == 0 ? std::string() : std::string(path);
}

std::optional<Value> read_value(sd_bus_message* message, const std::string& type) {
  if (type == "s" || type == "o") return read_text(message, type.front());
  if (type == "u" || type == "t" || type == "b" || type == "i") return read_number(message, type.front());
  if (type == "as") return read_texts(message);
  if (type == "ay") return read_bytes_as_hex(message);
  if (type == "(uo)") return read_job(message);
  require(sd_bus_message_skip(message, type.c_str()), "cannot skip a value");
  return std::nullopt;
}

}  // namespace

std::string text(const Properties& properties, const std::string& name) {
  const auto found = properties.find(name);
  if (found == properties.end()) return {};
  const auto* value = std::get_if<std::string>(&found->second);
  return value == nullptr ? std::string() : *value;
}

std::uint64_t number(const Properties& properties, const std::string& name) {
  const auto found = properties.find(name);
  if (found == properties.end()) return 0;
  const auto* value = std::get_if<std::uint64_t>(&found->second);
  return value == nullptr ? 0 : *value;
}

bool BusError::is_denied() const {
  return name_ == SD_BUS_ERROR_ACCESS_DENIED || name_ == SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED;
}

std::string read_object_path(sd_bus_message* message) { return read_text(message, SD_BUS_TYPE_OBJECT_PATH); }

void Bus::connect() {
  if (bus_ && sd_bus_is_open(bus_.get()) > 0) return;
  slot_.reset();
  bus_.reset();
  sd_bus* opened = nullptr;
  const int code = sd_bus_open_system(&opened);
  if (code < 0) throw Lost(std::strerror(-code));
  bus_.reset(opened);
  if (watching_) subscribe();
}

void Bus::subscribe() {
  sd_bus_slot* slot = nullptr;
  const int code = sd_bus_match_signal(bus_.get(), &slot, systemd_name, manager_path, manager_interface,
                                       "JobRemoved", &Bus::on_job_removed, this);
  if (code < 0) throw Lost(std::strerror(-code));
  slot_.reset(slot);
  try {
    call_once(manager_path, manager_interface, "Subscribe", {}, default_limit);
  } catch (const BusError& error) {
    if (error.name() != "org.freedesktop.systemd1.AlreadySubscribed") throw;
  }
}

Message Bus::call_once(const std::string& path, const char* interface, const char* method,
                       std::initializer_list<std::string> arguments, std::chrono::seconds limit) {
  sd_bus_message* created = nullptr;
  require(sd_bus_message_new_method_call(bus_.get(), &created, systemd_name, path.c_str(), interface, method),
          "cannot build a call");
  const Message request(created);
  for (const std::string& argument : arguments) {
    require(sd_bus_message_append_basic(request.get(), SD_BUS_TYPE_STRING, argument.c_str()),
            "cannot build a call");
  }
  ErrorReply error;
  sd_bus_message* answered = nullptr;
  const auto microseconds = static_cast<std::uint64_t>(std::chrono::microseconds(limit).count());
  const int code = sd_bus_call(bus_.get(), request.get(), microseconds, &error.value, &answered);
  if (code >= 0) return Message(answered);
  const std::string name = error.value.name == nullptr ? "" : error.value.name;
  const std::string text = error.value.message == nullptr ? std::strerror(-code) : error.value.message;
  if (is_connection_lost(code) || is_answer_lost(name)) throw Lost(text);
  throw BusError(name, text);
}

Message Bus::call(const std::string& path, const char* interface, const char* method,
                  std::initializer_list<std::string> arguments, std::chrono::seconds limit) {
  const bool was_connected = bus_ != nullptr;
  const auto give_up = Clock::now() + patience;
  for (;;) {
    try {
      connect();
      return call_once(path, interface, method, arguments, limit);
    } catch (const Lost& lost) {
      // A bus that was never there will not come: say so at once.
      if (!bus_ && !was_connected) throw unreachable(lost.what());
      if (Clock::now() >= give_up) throw unreachable(lost.what());
      if (bus_ && sd_bus_is_open(bus_.get()) <= 0) bus_.reset();
    }
    std::this_thread::sleep_for(retry_pause);
  }
}

Message Bus::call_manager(const char* method, std::initializer_list<std::string> arguments,
                          std::chrono::seconds limit) {
  return call(manager_path, manager_interface, method, arguments, limit);
}

Properties Bus::properties(const std::string& path, const char* interface, std::chrono::seconds limit) {
  const Message reply = call(path, "org.freedesktop.DBus.Properties", "GetAll", {interface}, limit);
  sd_bus_message* message = reply.get();
  Properties found;
  require(sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "{sv}"), "cannot read properties");
  while (require(sd_bus_message_enter_container(message, SD_BUS_TYPE_DICT_ENTRY, "sv"),
                 "cannot read properties") > 0) {
    const std::string name = read_text(message, SD_BUS_TYPE_STRING);
    const char* contents = nullptr;
    require(sd_bus_message_peek_type(message, nullptr, &contents), "cannot read properties");
    const std::string type = contents;
    require(sd_bus_message_enter_container(message, SD_BUS_TYPE_VARIANT, type.c_str()),
            "cannot read properties");
    if (auto value = read_value(message, type)) found.insert_or_assign(name, std::move(*value));
    require(sd_bus_message_exit_container(message), "cannot read properties");
    require(sd_bus_message_exit_container(message), "cannot read properties");
  }
  return found;
}

void Bus::watch_jobs() {
  removed_jobs_.clear();
  if (watching_) return;
  watching_ = true;
  if (bus_) {
    try {
      subscribe();
    } catch (const Lost&) {
      bus_.reset();  // the next call connects, and subscribes with it
    }
  }
}

std::optional<std::string> Bus::job_result(const std::string& job) const {
  const auto found = removed_jobs_.find(job);
  if (found == removed_jobs_.end()) return std::nullopt;
  return found->second;
}

bool Bus::process(std::chrono::milliseconds slice) {
  if (!bus_) return false;
  const auto until = Clock::now() + slice;
  for (;;) {
    const int code = sd_bus_process(bus_.get(), nullptr);
    if (code > 0) return true;  // one message handled: the caller looks whether it was the one
    if (code < 0 && code != -EINTR) return false;
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(until - Clock::now());
    if (left.count() <= 0) return true;
    const int waited = sd_bus_wait(bus_.get(), static_cast<std::uint64_t>(left.count()));
    if (waited == -EINTR) return true;  // a signal: the caller looks at its stop token
    if (waited < 0) return false;
  }
}

int Bus::on_job_removed(sd_bus_message* message, void* self, sd_bus_error* /*error*/) {
  std::uint32_t id = 0;
  const char* job = nullptr;
  const char* unit = nullptr;
  const char* result = nullptr;
  if (sd_bus_message_read(message, "uoss", &id, &job, &unit, &result) < 0) return 0;
  try {
    static_cast<Bus*>(self)->removed_jobs_.insert_or_assign(job, result);
  } catch (const std::exception&) {
    return 0;  // no exception may cross C; the waiting side asks for the job itself every second
  }
  return 0;
}

}  // namespace tmb::service

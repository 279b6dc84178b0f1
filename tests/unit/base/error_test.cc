// SPDX-License-Identifier: MIT
#include "base/error.hh"

#include <cerrno>
#include <string>

#include "catch.hh"

using tmb::base::Error;
using tmb::base::ExitCode;
using tmb::base::printable;

TEST_CASE("an error keeps its code, message, state and hint when it is thrown as its base class") {
  try {
    throw Error(ExitCode::damaged, "chunk 3 is short")
        .with_state("nothing was changed")
        .with_hint("back up again");
  } catch (const std::runtime_error& caught) {
    const auto& error = dynamic_cast<const Error&>(caught);
    CHECK(error.code() == ExitCode::damaged);
    CHECK(std::string(error.what()) == "chunk 3 is short");
    CHECK(error.state() == "nothing was changed");
    CHECK(error.hint() == "back up again");
  }
}

TEST_CASE("context goes before the message, the outermost first") {
  Error error(ExitCode::local_io, "no space left");
  error.with_context("object 12ab").with_context("table positions");
  CHECK(error.message() == "table positions: object 12ab: no space left");
  CHECK(std::string(error.what()) == error.message());
}

TEST_CASE("a later code replaces the first one") {
  CHECK(Error(ExitCode::local_io, "x").with_code(ExitCode::refused).code() == ExitCode::refused);
}

TEST_CASE("a system error ends with the text of errno and is local_io unless told otherwise") {
  const Error error = tmb::base::system_error(ENOENT, "cannot open x");
  CHECK(error.message() == "cannot open x: No such file or directory");
  CHECK(error.code() == ExitCode::local_io);
  CHECK(tmb::base::system_error(EACCES, "x", ExitCode::refused).code() == ExitCode::refused);
}

TEST_CASE("printable leaves readable text of any language alone") {
  for (const std::string text : {"", "positions", "Straße 5 – Zürich", "日本語", "🚗⚡", "a\\b"}) {
    CHECK(printable(text) == text);
  }
}

TEST_CASE("printable makes control characters visible, so that no name can move the cursor or forge a line") {
  CHECK(printable("a\nb") == "a\\nb");
  CHECK(printable("a\tb") == "a\\tb");
  CHECK(printable("\x1b[2J") == "\\x1b[2J");
  CHECK(printable("a\rb") == "a\\x0db");
  CHECK(printable(std::string("a\0b", 3)) == "a\\x00b");
  CHECK(printable("\x7f") == "\\x7f");
  CHECK(printable("\xc2\x9b"
                  "31m") ==
        "\\xc2\\x9b"
        "31m");  // CSI as one C1 character
}

TEST_CASE("printable makes characters visible that change the direction of reading") {
  CHECK(printable("\xe2\x80\xae"
                  "gnp.exe") ==
        "\\xe2\\x80\\xae"
        "gnp.exe");                                       // U+202E
  CHECK(printable("\xe2\x81\xa6") == "\\xe2\\x81\\xa6");  // U+2066
  CHECK(printable("\xe2\x80\xa8") == "\\xe2\\x80\\xa8");  // U+2028, a line separator
}

TEST_CASE("printable shows bytes that are not UTF-8 as hex and goes on after them") {
  CHECK(printable("\xff"
                  "a") == "\\xffa");
  CHECK(printable("\xc3") == "\\xc3");                             // cut off
  CHECK(printable("\xc0\xaf") == "\\xc0\\xaf");                    // longer than needed
  CHECK(printable("\xe0\x80\xaf") == "\\xe0\\x80\\xaf");           // longer than needed
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // half of a surrogate pair
  CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
  CHECK(printable("\xc3"
                  "A\xc3\xa4") ==
        "\\xc3"
        "Aä");
}

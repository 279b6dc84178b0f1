// SPDX-License-Identifier: MIT
// Values that are legal in TeslaMate's columns and break careless tools. Their rows come first in their
// tables and are dated 2019, so that the newest rows stay ordinary ones.
#include "sample.hh"

#include <array>
#include <cmath>
#include <limits>
#include <string>

namespace tmb::sample {

namespace {

constexpr Microseconds just_before_march = 1'551'398'399'999'999;  // 2019-02-28 23:59:59.999999 UTC
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

constexpr std::array<std::string_view, 22> texts{
    "\\N",
    "\\.",
    "",
    "NULL",
    "tab\there",
    "line\nfeed",
    "carriage\rreturn",
    "windows\r\nline end",
    "back\\slash \\\\ \\t \\x41 \\101",
    "\\.\n\\.",
    "it's 'quoted' and \"doubly\"",
    "$$ dollar $body$ quoted $body$ $$",
    "-- no comment /* none */ ; DROP TABLE positions;",
    "\b\f\v\x01\x1f\x7f",
    "Straße äöüÄÖÜß",
    "🚗⚡🔋 👨‍👩‍👧 e\xcc\x81",
    "\xe2\x80\xaeright to left\xe2\x80\xac",
    " leading and trailing ",
    "%s %d %n {} {0} ${HOME} $(id) `id`",
    "<script>alert(1)</script>&amp;",
    "COPY public.cars FROM stdin;",
    "\\restrict x\n\\connect postgres\n\\! id",
};

std::string scrambled(std::size_t length, Random& random) {
  static constexpr std::string_view letters =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/";
  std::string text;
  text.reserve(length);
  while (text.size() < length) {
    text += letters[random.next() % letters.size()];
  }
  return text;
}

void append_address(CopyText& rows, std::int64_t id, std::string_view text, std::string_view raw) {
  rows.integer(id).text(text).null().null().text(text).text(text).text(text).text("").text(text).null();
  rows.text(text).text(text).null().text(text).text(raw).timestamp(just_before_march / second * second);
  rows.timestamp(just_before_march / second * second).integer(-id).text(text).end_row();
}

void append_addresses(CopyText& rows, NextIds& next, Random& random) {
  static constexpr std::array<std::string_view, 7> documents{
      R"({"a": "\u00e4\u00f6\u00fc", "car": "\ud83d\ude97", "tab": "\t", "nl": "\n", "bs": "\\", "q": "\""})",
      R"({"nested": {"deeper": [1, 2.50, -0, 1e400, {"x": [[], {}, null, true, false]}]}, "": ""})",
      "null",
      R"("just a string with \\N and \\. inside")",
      "[]",
      R"([1.000000000000000000000000000001, 123456789012345678901234567890])",
      R"({"\\N": "\\.", "key\twith\ttabs": "\u2028\u2029\u007f", "a'b": "c''d"})",
  };
  for (std::size_t i = 0; i < texts.size(); ++i) {
    append_address(rows, next.address++, texts[i], documents[i % documents.size()]);
  }
  // Stored out of line: about 12 kB and a megabyte that do not compress.
  append_address(rows, next.address++, "a long one", "{\"text\": \"" + scrambled(12'000, random) + "\"}");
  append_address(rows, next.address++, "a megabyte", "{\"text\": \"" + scrambled(1U << 20U, random) + "\"}");
  // And one that compresses well.
  append_address(rows, next.address++, "repeated", "{\"text\": \"" + std::string(300'000, 'x') + "\"}");
  rows.integer(next.address++);
  for (int i = 0; i < 14; ++i) {
    rows.null();
  }
  rows.timestamp(0).timestamp(0).null().null().end_row();
}

void append_geofences(CopyText& rows, NextIds& next, Random& random) {
  for (const std::string_view text : texts) {
    rows.integer(next.geofence++).text(text).decimal(-89'999'999, 6).decimal(-180'000'000, 6).integer(32767);
    rows.timestamp(just_before_march / second * second).timestamp(0).decimal(-999'999, 4).decimal(0, 2);
    rows.text("per_kwh").end_row();
  }
  rows.integer(next.geofence++).text(scrambled(255, random)).decimal(0, 6).decimal(0, 6).integer(-32768);
  rows.timestamp(0).timestamp(0).text("NaN").text("NaN").text("per_minute").end_row();
}

void append_drives(CopyText& rows, NextIds& next) {
  struct Numbers {
    double start;
    double end;
    double distance;
  };
  const std::array<Numbers, 5> numbers{{{-0.0, infinity, not_a_number},
                                        {1e-300, -infinity, 5e-324},
                                        {1.7976931348623157e308, 0.1 + 0.2, -0.0},
                                        {123456789012345.68, 1e15, 1e16},
                                        {not_a_number, 100, 1.0 / 3}}};
  for (const Numbers& number : numbers) {
    rows.integer(next.drive++).timestamp(just_before_march).timestamp(just_before_march + 1).text("NaN");
    rows.integer(-32768)
        .integer(32767)
        .null()
        .text("-9999.99")
        .text("NaN")
        .real(number.start)
        .real(number.end);
    rows.real(number.distance).integer(0).integer(1).decimal(-5, 1);
    for (int i = 0; i < 10; ++i) {
      rows.null();
    }
    rows.end_row();
  }
}

void append_positions(CopyText& rows, NextIds& next) {
  for (const double odometer : {not_a_number, infinity, -infinity, -0.0, 1e-300, 12345.678901234567}) {
    rows.integer(next.position++)
        .timestamp(just_before_march)
        .text("NaN")
        .decimal(-179'999'999, 6)
        .integer(-1);
    rows.integer(32767).real(odometer).text("NaN").integer(0).decimal(-1, 1).integer(-430).integer(
        2147483647);
    for (int i = 0; i < 5; ++i) {
      rows.null();
    }
    rows.integer(2).null().decimal(-9'999, 1).boolean(true).null().boolean(false).null().null().integer(100);
    rows.decimal(0, 1).null().text("NaN").decimal(29, 1).end_row();
  }
}

// Times before Christ and without end, where nothing but "end is not before start" is asked.
void append_times(Script& script, NextIds& next) {
  struct Span {
    std::string_view start;
    std::string_view end;
  };
  static constexpr std::array<Span, 4> spans{
      {{"-infinity", "infinity"},
       {"0044-03-15 12:00:00.000001 BC", "0001-12-31 23:59:59.999999 BC"},
       {"4713-11-24 00:00:00 BC", "1582-10-15 00:00:00"},
       {"9999-12-31 23:59:59.999999", "294276-12-31 23:59:59.999999"}}};
  std::size_t i = 0;
  for (const Span& span : spans) {
    script.rows(Table::updates).integer(next.update++).text(span.start).text(span.end);
    script.rows(Table::updates).text(texts[i++]).integer(2).end_row();
  }
  script.rows(Table::states).integer(next.state++).text("offline").text("0044-03-15 12:00:00.000001 BC");
  script.rows(Table::states).text("2019-01-01 00:00:00.000001").integer(2).end_row();
  script.rows(Table::updates)
      .integer(next.update++)
      .timestamp(just_before_march)
      .null()
      .null()
      .integer(1)
      .end_row();
}

}  // namespace

void append_nasty_rows(Script& script, NextIds& next, Random& random) {
  append_addresses(script.rows(Table::addresses), next, random);
  append_geofences(script.rows(Table::geofences), next, random);
  append_drives(script.rows(Table::drives), next);
  append_positions(script.rows(Table::positions), next);
  append_times(script, next);
}

}  // namespace tmb::sample

#include "admin/exposition.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace ringmaster {
namespace {

constexpr int kFirstBound = 4;  // 2^4 us
constexpr int kLastBound = 25;  // 2^25 us, 33.5 s

double Seconds(uint64_t micros) { return static_cast<double>(micros) / 1e6; }

// Backslash, line feed and, in labels, the quote are the format's own.
void AppendEscaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

std::string Number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

}  // namespace

BucketCounts BucketsOf(const HistogramSnapshot& histogram) {
  BucketCounts counts;
  uint64_t so_far = 0;
  size_t bucket = 0;
  for (int bound = kFirstBound; bound <= kLastBound; ++bound) {
    const uint64_t micros = uint64_t{1} << bound;
    while (bucket < Histogram::kBuckets && Histogram::UpperBound(bucket) < micros) {
      so_far += histogram.bucket(bucket++);
    }
    counts.cumulative.emplace_back(Seconds(micros), so_far);
  }
  counts.count = histogram.count();
  counts.sum = Seconds(histogram.sum_micros());
  return counts;
}

BucketCounts BucketsOf(const uint64_t* buckets, size_t size, uint64_t sum_micros) {
  BucketCounts counts;
  for (size_t n = 0; n < size; ++n) {
    counts.count += buckets[n];
    if (n >= kFirstBound && n <= kLastBound) {
      counts.cumulative.emplace_back(Seconds(uint64_t{1} << n), counts.count);
    }
  }
  counts.sum = Seconds(sum_micros);
  return counts;
}

void Samples::Add(const Labels& labels, const BucketCounts& buckets) {
  for (const auto& [bound, count] : buckets.cumulative) {
    Line("_bucket", labels, Number(bound), static_cast<double>(count));
  }
  Line("_bucket", labels, "+Inf", static_cast<double>(buckets.count));
  Line("_sum", labels, "", buckets.sum);
  Line("_count", labels, "", static_cast<double>(buckets.count));
}

void Samples::Line(std::string_view suffix, const Labels& labels, std::string_view bound,
                   double value) {
  out_.append(family_).append(suffix);
  char next = '{';
  const auto label = [&](std::string_view name, std::string_view text) {
    out_ += next;
    next = ',';
    out_.append(name).append("=\"");
    AppendEscaped(out_, text, true);
    out_ += '"';
  };
  for (const auto& [name, text] : labels) label(name, text);
  if (!bound.empty()) label("le", bound);
  if (next == ',') out_ += '}';
  out_ += ' ';
  out_ += Number(value);
  out_ += '\n';
}

void WriteFamilyHead(std::string& out, std::string_view name, std::string_view type,
                     std::string_view help) {
  out.append("# HELP ").append(name) += ' ';
  AppendEscaped(out, help, false);
  out.append("\n# TYPE ").append(name).append(" ").append(type) += '\n';
}

}  // namespace ringmaster

#include "support/metrics_text.h"

#include <cmath>
#include <regex>
#include <sstream>

namespace ringmaster::integration {
namespace {

const std::string kName = "[a-zA-Z_:][a-zA-Z0-9_:]*";

}  // namespace

MetricsText::MetricsText(const std::string& page) {
  if (page.empty() || !page.ends_with("\n")) problems_.push_back("the page does not end a line");
  std::istringstream in(page);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("#")) {
      ReadComment(line);
    } else {
      ReadSample(line);
    }
  }
  CheckHistograms();
}

void MetricsText::Problem(const std::string& what, const std::string& line) {
  problems_.push_back(what + ": " + line);
}

void MetricsText::ReadComment(const std::string& line) {
  static const std::regex kHelp("# HELP (" + kName + ") .+");
  static const std::regex kType("# TYPE (" + kName + ") (counter|gauge|histogram)");
  std::smatch found;
  if (std::regex_match(line, found, kHelp)) {
    family_ = found[1];
    if (types_.contains(family_)) Problem("a family is there twice", line);
  } else if (std::regex_match(line, found, kType)) {
    if (family_ != found[1]) Problem("TYPE without its HELP", line);
    if (!types_.emplace(found[1], found[2]).second) Problem("a second TYPE", line);
  } else {
    Problem("neither HELP nor TYPE", line);
  }
}

void MetricsText::ReadSample(const std::string& line) {
  static const std::regex kSample(
      "(" + kName +
      R"re()(\{[a-z_]+="(?:[^"\\]|\\.)*"(?:,[a-z_]+="(?:[^"\\]|\\.)*")*\})? (\S+))re");
  static const std::regex kBound(",?le=\"([^\"]*)\"");
  std::smatch found;
  if (!std::regex_match(line, found, kSample)) return Problem("not a sample", line);
  const std::string name = found[1], labels = found[2], number = found[3];
  char* end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  if (*end != '\0' || std::isnan(value)) return Problem("not a number", line);
  const std::string type = types_.contains(family_) ? types_[family_] : "";
  const bool histogram = type == "histogram";
  const std::string suffix =
      name.starts_with(family_) ? name.substr(family_.size()) : std::string("?");
  const bool fits =
      histogram ? suffix == "_bucket" || suffix == "_sum" || suffix == "_count" : suffix.empty();
  if (!fits) Problem("a sample outside its family", line);
  if (type == "counter" && value < 0) Problem("a counter below zero", line);
  if (!series_.emplace(name + labels, value).second) Problem("a series is there twice", line);
  if (suffix != "_bucket" || !histogram) return;
  std::smatch bound;
  if (!std::regex_search(labels, bound, kBound)) return Problem("a bucket without le", line);
  const std::string rest = std::regex_replace(labels, kBound, "");
  buckets_[family_ + "_count" + (rest == "{}" ? "" : rest)].emplace_back(
      std::strtod(bound[1].str().c_str(), nullptr), value);
}

void MetricsText::CheckHistograms() {
  for (const auto& [count, buckets] : buckets_) {
    for (size_t i = 1; i < buckets.size(); ++i) {
      if (buckets[i].first <= buckets[i - 1].first) Problem("bounds do not ascend", count);
      if (buckets[i].second < buckets[i - 1].second) Problem("buckets are not cumulative", count);
    }
    if (!std::isinf(buckets.back().first)) Problem("no +Inf bucket", count);
    if (Value(count) != buckets.back().second) Problem("count and +Inf differ", count);
  }
}

double MetricsText::Value(const std::string& series) const {
  const auto found = series_.find(series);
  return found == series_.end() ? -1 : found->second;
}

double MetricsText::Sum(const std::string& name, const std::string& label) const {
  double sum = 0;
  for (const auto& [series, value] : series_) {
    const bool named = series == name || series.starts_with(name + "{");
    if (named && series.find(label) != std::string::npos) sum += value;
  }
  return sum;
}

}  // namespace ringmaster::integration

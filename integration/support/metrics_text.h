// Reads Prometheus's text format, and is strict about it.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace ringmaster::integration {

class MetricsText {
 public:
  explicit MetricsText(const std::string& page);

  // What breaks the format's rules; empty: nothing.
  const std::vector<std::string>& problems() const { return problems_; }
  // `series` as it is written: name{label="value",...}. -1: it is not there.
  double Value(const std::string& series) const;
  // Of all series of a family, or of those with `label` (such as shard="a").
  double Sum(const std::string& name, const std::string& label = "") const;
  const std::map<std::string, double>& series() const { return series_; }
  const std::map<std::string, std::string>& types() const { return types_; }

 private:
  void ReadComment(const std::string& line);
  void ReadSample(const std::string& line);
  void CheckHistograms();
  void Problem(const std::string& what, const std::string& line);

  std::string family_;  // whose lines these are
  std::map<std::string, std::string> types_;
  std::map<std::string, double> series_;
  // By series without le: cumulative counts in their order.
  std::map<std::string, std::vector<std::pair<double, double>>> buckets_;
  std::vector<std::string> problems_;
};

}  // namespace ringmaster::integration

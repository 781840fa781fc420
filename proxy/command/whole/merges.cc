#include "command/whole/merges.h"

#include <algorithm>
#include <string>
#include <vector>

#include "resp/reply_reader.h"
#include "resp/reply_writer.h"

namespace ringmaster {
namespace {

struct Event {
  Bytes name;
  int64_t at = 0;
  int64_t latest = 0;
  int64_t largest = 0;
};

using Elements = std::vector<ReplyElement>;

// The values under one name in all maps, in the order of the shards.
struct Entry {
  Bytes name;
  Elements values;
};

std::vector<Entry> ByName(std::span<const Bytes> maps) {
  std::vector<Entry> entries;
  for (const Bytes map : maps) {
    const Elements elements = ReadArray(map);
    for (size_t i = 0; i + 1 < elements.size(); i += 2) {
      auto known = std::find_if(entries.begin(), entries.end(),
                                [&](const Entry& entry) { return entry.name == elements[i].text; });
      if (known == entries.end()) known = entries.insert(known, Entry{elements[i].text, {}});
      known->values.push_back(elements[i + 1]);
    }
  }
  return entries;
}

const ReplyElement& LargestOf(const Elements& values) {
  return *std::max_element(
      values.begin(), values.end(), [](const ReplyElement& a, const ReplyElement& b) {
        return ParseDouble(a.text).value_or(0) < ParseDouble(b.text).value_or(0);
      });
}

int64_t SumOf(const std::vector<Entry>& entries, Bytes name) {
  int64_t sum = 0;
  for (const Entry& entry : entries) {
    if (entry.name != name) continue;
    for (const ReplyElement& value : entry.values) sum += value.count;
  }
  return sum;
}

void WriteMergedMap(std::span<const Bytes> maps, ReplyWriter& writer) {
  const std::vector<Entry> entries = ByName(maps);
  writer.Map(entries.size());
  for (const Entry& entry : entries) {
    writer.Bulk(entry.name);
    const ReplyElement& first = entry.values[0];
    if (entry.name == "keys.bytes-per-key") {
      const int64_t keys = SumOf(entries, "keys.count");
      const int64_t used = SumOf(entries, "total.allocated") - SumOf(entries, "startup.allocated");
      writer.Integer(keys > 0 ? used / keys : 0);
    } else if (first.type == ':') {
      writer.Integer(SumOf(entries, entry.name));
    } else if (first.is_aggregate()) {
      std::vector<Bytes> inside;
      for (const ReplyElement& value : entry.values) inside.push_back(value.raw);
      WriteMergedMap(inside, writer);
    } else {
      writer.out().append(LargestOf(entry.values).raw);
    }
  }
}

}  // namespace

void MergeLatencyLatest(std::span<const Bytes> replies, int resp, std::string& out) {
  std::vector<Event> events;
  for (const Bytes reply : replies) {
    for (const ReplyElement& element : ReadArray(reply)) {
      const Elements fields = ReadArray(element.raw);
      if (fields.size() < 4) continue;
      const Event event{fields[0].text, fields[1].count, fields[2].count, fields[3].count};
      const auto known = std::find_if(events.begin(), events.end(), [&event](const Event& other) {
        return other.name == event.name;
      });
      if (known == events.end()) {
        events.push_back(event);
        continue;
      }
      if (event.at > known->at) {
        known->at = event.at;
        known->latest = event.latest;
      }
      known->largest = std::max(known->largest, event.largest);
    }
  }
  ReplyWriter writer(out, resp);
  writer.Array(events.size());
  for (const Event& event : events) {
    writer.Array(4);
    writer.Bulk(event.name);
    writer.Integer(event.at);
    writer.Integer(event.latest);
    writer.Integer(event.largest);
  }
}

void MergeMemoryStats(std::span<const Bytes> replies, int resp, std::string& out) {
  ReplyWriter writer(out, resp);
  WriteMergedMap(replies, writer);
}

}  // namespace ringmaster

#include "config/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>

#include "config/yaml_mistakes.h"

namespace ringmaster {
namespace {

Position At(const YAML::Mark& mark) {
  return {std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1};
}

constexpr char kSecondDocument[] = "a second document starts here: one file holds one document";

// Ours, thrown through yaml-cpp's parser to end it: good YAML, but more than we take.
struct Refused : YAML::ParserException {
  using YAML::ParserException::ParserException;
};

[[noreturn]] void Stop(const YAML::Mark& mark, const std::string& what) {
  throw Refused(mark, what);
}

// Values and bytes of one value and all below it.
struct Weight {
  size_t values = 0;
  size_t bytes = 0;
};

Weight WeightOf(const YamlValue& value) {
  Weight sum{1, value.text.size()};
  for (const auto* children : {&value.keys, &value.values}) {
    for (const YamlValue& child : *children) {
      const Weight below = WeightOf(child);
      sum.values += below.values;
      sum.bytes += below.bytes;
    }
  }
  return sum;
}

// Builds the tree from yaml-cpp's events. It sees aliases before they unfold and can stop at a
// bound, which yaml-cpp's own tree cannot.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(Problems& problems) : problems_(problems) {}

  YamlValue TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) Stop(mark, kSecondDocument);
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlValue value;
    value.at = At(mark);
    Finish(std::move(value), mark, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) Stop(mark, "this alias stands inside the value that it names");
    Charge(WeightOf(found->second), mark);
    YamlValue copy = found->second;
    Place(std::move(copy), mark);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    YamlValue value;
    value.kind = YamlValue::Kind::kText;
    value.at = At(mark);
    value.text = text;
    value.quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    CheckTag(tag, mark);
    Finish(std::move(value), mark, anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    CheckTag(tag, mark);
    Open(YamlValue::Kind::kList, mark, anchor);
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    CheckTag(tag, mark);
    Open(YamlValue::Kind::kMap, mark, anchor);
  }
  void OnMapEnd() override {
    Tidy(open_.back().value);
    Close();
  }

 private:
  struct Frame {
    YamlValue value;
    YAML::Mark mark;
    YAML::anchor_t anchor;
  };

  void CheckTag(const std::string& tag, const YAML::Mark& mark) {
    if (tag.empty() || tag == "?" || tag == "!" || tag.starts_with("tag:yaml.org,2002:")) return;
    problems_.Add(At(mark), "the tag '" + Printable(tag, 64) + "' means nothing here: remove it");
  }

  void Charge(Weight weight, const YAML::Mark& mark) {
    total_.values += weight.values;
    total_.bytes += weight.bytes;
    if (total_.values > kMaxYamlValues) Stop(mark, "the file has too many values");
    if (total_.bytes > kMaxYamlBytes) Stop(mark, "the file unfolds into too much text");
  }

  void Open(YamlValue::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (open_.size() >= static_cast<size_t>(kMaxYamlDepth))
      Stop(mark, "the file is nested too deep");
    Charge({1, 0}, mark);
    YamlValue value;
    value.kind = kind;
    value.at = At(mark);
    open_.push_back({std::move(value), mark, anchor});
  }

  void Close() {
    Frame frame = std::move(open_.back());
    open_.pop_back();
    if (frame.anchor != 0) Remember(frame.anchor, frame.value, frame.mark);
    Place(std::move(frame.value), frame.mark);
  }

  void Finish(YamlValue value, const YAML::Mark& mark, YAML::anchor_t anchor) {
    Charge(WeightOf(value), mark);
    if (anchor != 0) Remember(anchor, value, mark);
    Place(std::move(value), mark);
  }

  // Also charged: nested anchors would otherwise keep a copy for each level.
  void Remember(YAML::anchor_t anchor, const YamlValue& value, const YAML::Mark& mark) {
    Charge(WeightOf(value), mark);
    anchors_[anchor] = value;
  }

  void Place(YamlValue value, const YAML::Mark& mark) {
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    YamlValue& parent = open_.back().value;
    if (parent.kind == YamlValue::Kind::kMap && parent.keys.size() == parent.values.size()) {
      if (value.kind != YamlValue::Kind::kText) Stop(mark, "a key has to be plain text");
      parent.keys.push_back(std::move(value));
      return;
    }
    // yaml-cpp says of a value that is missing that it stands where its map starts.
    if (value.kind == YamlValue::Kind::kNull && !parent.keys.empty())
      value.at = parent.keys.back().at;
    parent.values.push_back(std::move(value));
  }

  // Reports keys that stand twice and puts in what merge keys bring, as far as it is not there yet.
  void Tidy(YamlValue& map) {
    YamlValue tidy;
    std::vector<YamlValue> merges;
    std::unordered_map<std::string, int> lines;
    for (size_t i = 0; i < map.keys.size(); ++i) {
      YamlValue& key = map.keys[i];
      if (key.text == "<<" && !key.quoted) {
        merges.push_back(std::move(map.values[i]));
        continue;
      }
      const auto [first, fresh] = lines.emplace(key.text, key.at.line);
      if (!fresh) {
        problems_.Add(key.at, "the key '" + Printable(key.text, 64) + "' stands on line " +
                                  std::to_string(first->second) + " already: remove one of them");
        continue;
      }
      tidy.keys.push_back(std::move(key));
      tidy.values.push_back(std::move(map.values[i]));
    }
    const auto merge = [&](YamlValue& from) {
      if (from.kind != YamlValue::Kind::kMap) {
        problems_.Add(from.at, "the merge key << takes a map or a list of maps");
        return;
      }
      for (size_t i = 0; i < from.keys.size(); ++i) {
        if (!lines.emplace(from.keys[i].text, from.keys[i].at.line).second) continue;
        tidy.keys.push_back(std::move(from.keys[i]));
        tidy.values.push_back(std::move(from.values[i]));
      }
    };
    for (YamlValue& from : merges) {
      if (from.kind != YamlValue::Kind::kList) {
        merge(from);
        continue;
      }
      for (YamlValue& element : from.values) merge(element);
    }
    map.keys = std::move(tidy.keys);
    map.values = std::move(tidy.values);
  }

  Problems& problems_;
  std::vector<Frame> open_;  // from the root down to what is being read
  std::unordered_map<YAML::anchor_t, YamlValue> anchors_;
  YamlValue root_;
  Weight total_;
  int documents_ = 0;
};

}  // namespace

std::optional<YamlValue> ParseYaml(Bytes text, Problems& problems) {
  if (text.size() > kMaxYamlText) {
    problems.Add({}, "the file is larger than the 1 MiB that a configuration may have");
    return std::nullopt;
  }
  if (text.find('\0') != Bytes::npos) {
    problems.Add({}, "the file holds a zero byte: it is no text file, or not in UTF-8");
    return std::nullopt;
  }
  Builder builder(problems);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.TakeRoot();
  } catch (const YAML::Exception& e) {
    // A document that seems to end where a line is indented less than the first one, too.
    const bool refused = dynamic_cast<const Refused*>(&e) != nullptr;
    const bool look = !refused || e.msg.starts_with(kSecondDocument);
    const auto mistake = look ? NameYamlMistake(text, At(e.mark)) : std::nullopt;
    if (mistake) {
      problems.Add(mistake->at, mistake->what);
    } else {
      problems.Add(At(e.mark), refused ? e.msg : "this is no YAML: " + Printable(e.msg, 256));
    }
  } catch (const std::exception& e) {
    problems.Add({}, std::string("the file cannot be read as YAML: ") + Printable(e.what(), 256));
  }
  return std::nullopt;
}

}  // namespace ringmaster

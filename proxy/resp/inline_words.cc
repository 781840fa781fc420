#include "resp/inline_words.h"

namespace ringmaster {
namespace {

// What may lie between words, and what must follow a closing quote.
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// What ends a word outside of quotes: unlike above, vertical tab and form feed do not.
bool EndsWord(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

InlineWords::InlineWords(Bytes line, std::vector<char>& unescaped)
    : line_(line), unescaped_(unescaped) {
  unescaped_.clear();
}

InlineWords::Step InlineWords::Next(Bytes* word) {
  while (at_ < line_.size() && IsSpace(line_[at_])) ++at_;
  if (at_ == line_.size()) return Step::kEnd;
  const size_t start = at_;
  for (; at_ < line_.size() && !EndsWord(line_[at_]); ++at_) {
    if (line_[at_] == '"' || line_[at_] == '\'') return Quoted(start, word);
  }
  *word = line_.substr(start, at_ - start);
  return Step::kWord;
}

// At the first quote of the word that starts at `start`; the quoted part ends the word.
InlineWords::Step InlineWords::Quoted(size_t start, Bytes* word) {
  // No text is longer than what it was written as, so views into it are never moved.
  unescaped_.reserve(line_.size());
  const size_t text = unescaped_.size();
  unescaped_.insert(unescaped_.end(), line_.begin() + start, line_.begin() + at_);
  const char quote = line_[at_++];
  if (!(quote == '"' ? DoubleQuoted() : SingleQuoted())) return Step::kBad;
  if (at_ < line_.size() && !IsSpace(line_[at_])) return Step::kBad;
  *word = Bytes(unescaped_.data() + text, unescaped_.size() - text);
  return Step::kWord;
}

// Behind the opening quote. False: there is no closing one.
bool InlineWords::DoubleQuoted() {
  while (at_ < line_.size()) {
    const char c = line_[at_++];
    if (c == '"') return true;
    unescaped_.push_back(c == '\\' && at_ < line_.size() ? Escaped() : c);
  }
  return false;
}

bool InlineWords::SingleQuoted() {
  while (at_ < line_.size()) {
    const char c = line_[at_++];
    if (c == '\'') return true;
    const bool escape = c == '\\' && at_ < line_.size() && line_[at_] == '\'';
    unescaped_.push_back(escape ? line_[at_++] : c);
  }
  return false;
}

// Behind the backslash, which is not the line's last byte.
char InlineWords::Escaped() {
  const char c = line_[at_++];
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    case 'x':
      if (at_ + 1 < line_.size() && HexDigit(line_[at_]) >= 0 && HexDigit(line_[at_ + 1]) >= 0) {
        at_ += 2;
        return static_cast<char>(HexDigit(line_[at_ - 2]) * 16 + HexDigit(line_[at_ - 1]));
      }
      return c;
    default:
      return c;
  }
}

}  // namespace ringmaster

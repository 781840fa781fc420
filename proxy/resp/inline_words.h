// Splits an inline request into its words, with Redis's quoting (sdssplitargs): "..." knows \n \r
// \t \b \a \xHH and takes any other escaped byte as it is; '...' knows only \'. A closing quote
// ends its word and must stand before white space or the end of the line.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace ringmaster {

class InlineWords {
 public:
  enum class Step : uint8_t { kWord, kEnd, kBad };

  // REQUIRES: no NUL in `line`, which outlives this. `unescaped` gets the text of words that had
  // quotes; it must outlive the words and stay untouched by others meanwhile.
  InlineWords(Bytes line, std::vector<char>& unescaped);

  // kWord: the next word, a view into the line or into `unescaped`. kBad: unbalanced quotes.
  Step Next(Bytes* word);

 private:
  Step Quoted(size_t start, Bytes* word);
  bool DoubleQuoted();
  bool SingleQuoted();
  char Escaped();

  const Bytes line_;
  std::vector<char>& unescaped_;
  size_t at_ = 0;
};

}  // namespace ringmaster

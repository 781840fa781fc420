#include "resp/reply_writer.h"

#include <cmath>
#include <cstdio>

namespace ringmaster {

void ReplyWriter::Header(char type, int64_t count) {
  out_.push_back(type);
  AppendInteger(out_, count);
  out_.append("\r\n");
}

void ReplyWriter::Simple(Bytes line) {
  out_.push_back('+');
  out_.append(line);
  out_.append("\r\n");
}

void ReplyWriter::Error(Bytes text) {
  out_.push_back('-');
  for (const char c : text) out_.push_back(c == '\r' || c == '\n' ? ' ' : c);
  out_.append("\r\n");
}

void ReplyWriter::Integer(int64_t value) { Header(':', value); }

void ReplyWriter::Bulk(Bytes content) {
  Header('$', static_cast<int64_t>(content.size()));
  out_.append(content);
  out_.append("\r\n");
}

void ReplyWriter::Null() { out_.append(resp_ == 3 ? "_\r\n" : "$-1\r\n"); }

void ReplyWriter::NullArray() { out_.append(resp_ == 3 ? "_\r\n" : "*-1\r\n"); }

void ReplyWriter::Bool(bool value) {
  if (resp_ == 3) {
    out_.append(value ? "#t\r\n" : "#f\r\n");
  } else {
    Integer(value ? 1 : 0);
  }
}

void ReplyWriter::Double(double value) {
  char text[64];
  if (std::isinf(value)) {
    std::snprintf(text, sizeof(text), "%s", value > 0 ? "inf" : "-inf");
  } else if (std::isnan(value)) {
    std::snprintf(text, sizeof(text), "nan");
  } else {
    std::snprintf(text, sizeof(text), "%.17g", value);
  }
  if (resp_ == 3) {
    out_.push_back(',');
    out_.append(text);
    out_.append("\r\n");
  } else {
    Bulk(text);
  }
}

void ReplyWriter::BigNumber(Bytes digits) {
  if (resp_ != 3) return Bulk(digits);
  out_.push_back('(');
  out_.append(digits);
  out_.append("\r\n");
}

void ReplyWriter::Verbatim(Bytes format, Bytes text) {
  if (resp_ != 3) return Bulk(text);
  Header('=', static_cast<int64_t>(text.size() + 4));
  out_.append(format);
  out_.push_back(':');
  out_.append(text);
  out_.append("\r\n");
}

void ReplyWriter::Array(size_t count) { Header('*', static_cast<int64_t>(count)); }

void ReplyWriter::Map(size_t pairs) {
  if (resp_ == 3) {
    Header('%', static_cast<int64_t>(pairs));
  } else {
    Header('*', static_cast<int64_t>(pairs * 2));
  }
}

void ReplyWriter::Set(size_t count) { Header(resp_ == 3 ? '~' : '*', static_cast<int64_t>(count)); }

void ReplyWriter::Push(size_t count) {
  Header(resp_ == 3 ? '>' : '*', static_cast<int64_t>(count));
}

}  // namespace ringmaster

// Writes replies for a client in its protocol version: where RESP2 has no type for a thing, what
// Redis sends instead (addReply* in networking.c). Appends to a string of the caller's.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace ringmaster {

class ReplyWriter {
 public:
  // `resp` is 2 or 3. `out` is borrowed.
  ReplyWriter(std::string& out, int resp) : out_(out), resp_(resp) {}

  int resp() const { return resp_; }
  std::string& out() { return out_; }

  void Ok() { out_.append("+OK\r\n"); }
  void Simple(Bytes line);
  // `text` without the dash, such as "ERR no such key". Line ends inside become spaces.
  void Error(Bytes text);
  void Integer(int64_t value);
  void Bulk(Bytes content);
  void Null();       // "$-1" or "_"
  void NullArray();  // "*-1" or "_"
  void Bool(bool value);
  void Double(double value);
  void BigNumber(Bytes digits);
  void Verbatim(Bytes format, Bytes text);  // format has three characters, such as "txt"
  void Array(size_t count);
  void Map(size_t pairs);  // an array of twice as many in RESP2
  void Set(size_t count);
  void Push(size_t count);

 private:
  void Header(char type, int64_t count);

  std::string& out_;
  const int resp_;
};

}  // namespace ringmaster

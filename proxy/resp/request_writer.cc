#include "resp/request_writer.h"

#include <charconv>

namespace ringmaster {
namespace {

// In one piece: requests of sagas have thousands of them.
void AppendLength(std::string& out, char type, size_t value) {
  char line[24];
  char* end = line;
  *end++ = type;
  if (value < 10) {
    *end++ = static_cast<char>('0' + value);
  } else {
    end = std::to_chars(end, line + sizeof(line) - 2, value).ptr;
  }
  *end++ = '\r';
  *end++ = '\n';
  out.append(line, static_cast<size_t>(end - line));
}

size_t HeaderSize(size_t value) {
  size_t size = 4;
  while (value >= 10) {
    value /= 10;
    ++size;
  }
  return size;
}

}  // namespace

void AppendRequestHeader(std::string& out, size_t args) { AppendLength(out, '*', args); }

void AppendRequestArg(std::string& out, Bytes arg) {
  AppendLength(out, '$', arg.size());
  out.append(arg);
  out.append("\r\n", 2);
}

void AppendRequest(std::string& out, std::span<const Bytes> args) {
  AppendRequestHeader(out, args.size());
  for (const Bytes arg : args) AppendRequestArg(out, arg);
}

std::string MakeRequest(std::span<const Bytes> args) {
  std::string out;
  out.reserve(RequestSize(args));
  AppendRequest(out, args);
  return out;
}

std::string MakeRequest(std::initializer_list<Bytes> args) {
  return MakeRequest(std::span<const Bytes>(args.begin(), args.size()));
}

size_t RequestSize(std::span<const Bytes> args) {
  size_t size = HeaderSize(args.size());
  for (const Bytes arg : args) size += HeaderSize(arg.size()) + arg.size() + 2;
  return size;
}

}  // namespace ringmaster

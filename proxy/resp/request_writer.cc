#include "resp/request_writer.h"

namespace ringmaster {
namespace {

size_t HeaderSize(size_t value) {
  size_t size = 4;
  while (value >= 10) {
    value /= 10;
    ++size;
  }
  return size;
}

}  // namespace

void AppendRequestHeader(std::string& out, size_t args) {
  out.push_back('*');
  AppendInteger(out, static_cast<int64_t>(args));
  out.append("\r\n");
}

void AppendRequestArg(std::string& out, Bytes arg) {
  out.push_back('$');
  AppendInteger(out, static_cast<int64_t>(arg.size()));
  out.append("\r\n");
  out.append(arg);
  out.append("\r\n");
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

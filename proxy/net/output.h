// Bytes on their way to one socket: small ones are packed into blocks, large ones are referenced
// where they lie, and a flush is one gathering write. Empty, it holds no block and no list.
//
// Owner: a session or a connection to a shard, on their worker's thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/block.h"
#include "net/stream.h"

namespace ringmaster {

class Output {
 public:
  explicit Output(BlockPool& pool) : pool_(pool) {}
  ~Output() { Drop(); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Copies. The slice is where the bytes now lie.
  Slice Append(Bytes bytes) {
    if (count_ > 0) [[likely]] {
      Segment& tail = segments()[count_ - 1];
      if (tail.room >= bytes.size()) [[likely]] {
        return AppendToTail(tail, bytes);
      }
    }
    return AppendToNewBlock(bytes);
  }
  // Copies without handing out where: for replies, which nobody looks at again.
  void Put(Bytes bytes);
  // References when large, copies when small or when there is no block to hold on to.
  void Append(const Slice& slice);

  // Bytes not yet taken by the socket.
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // All bytes the socket has ever taken from this queue.
  uint64_t accepted() const { return accepted_; }

  // Writes what the socket takes, about `most` bytes. kOk: everything is out, or `most`. kAgain:
  // some is left; watch for writable.
  IoStatus Flush(Stream& stream, size_t most = SIZE_MAX);
  // Forgets everything unsent; accepted() starts at 0 again.
  void Clear();

 private:
  struct Segment {
    const char* data;
    size_t size;
    size_t room;  // bytes free behind data + size in a block that only we append to
    BlockRef block;
  };
  static constexpr int kMaxParts = 64;

  Segment* segments() const { return reinterpret_cast<Segment*>(list_.data()); }
  Segment& Add(const char* data, size_t size, size_t room, BlockRef block);
  void MakeRoom();
  void Drop();
  Slice AppendToTail(Segment& tail, Bytes bytes);
  Slice AppendToNewBlock(Bytes bytes);
  void Consume(size_t bytes);

  BlockPool& pool_;
  BlockRef list_;       // of the segments; none while there are none, as in all that are idle
  uint32_t head_ = 0;   // segments before it are out, and hold nothing
  uint32_t count_ = 0;  // of segments, those before the head included
  size_t size_ = 0;
  uint64_t accepted_ = 0;
};

}  // namespace ringmaster

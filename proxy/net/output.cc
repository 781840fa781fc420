#include "net/output.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

namespace ringmaster {

Output::Segment& Output::Add(const char* data, size_t size, size_t room, BlockRef block) {
  if (!list_ || count_ == list_.capacity() / sizeof(Segment)) [[unlikely]]
    MakeRoom();
  return *new (segments() + count_++) Segment{data, size, room, std::move(block)};
}

// What is out makes room if it is much, otherwise a larger block.
void Output::MakeRoom() {
  static_assert(alignof(Segment) <= alignof(Block) && sizeof(Block) % alignof(Segment) == 0);
  if (!list_) {
    list_ = pool_.Allocate(BlockPool::kSmall);
    return;
  }
  const BlockRef old = list_;
  auto* from = reinterpret_cast<Segment*>(old.data());
  if (head_ * 2 <= count_) list_ = pool_.Allocate(2 * old.capacity());
  const uint32_t begin = head_;
  const uint32_t end = count_;
  for (uint32_t i = 0; i < begin; ++i) std::destroy_at(from + i);
  head_ = count_ = 0;
  for (uint32_t i = begin; i < end; ++i, ++count_) {
    Segment moved = std::move(from[i]);
    std::destroy_at(from + i);
    new (segments() + count_) Segment(std::move(moved));
  }
}

void Output::Drop() {
  for (uint32_t i = 0; i < count_; ++i) std::destroy_at(segments() + i);
  list_.Reset();
  head_ = count_ = 0;
}

Slice Output::AppendToTail(Segment& tail, Bytes bytes) {
  char* at = const_cast<char*>(tail.data) + tail.size;
  std::memcpy(at, bytes.data(), bytes.size());
  tail.size += bytes.size();
  tail.room -= bytes.size();
  size_ += bytes.size();
  return Slice{Bytes(at, bytes.size()), tail.block};
}

Slice Output::AppendToNewBlock(Bytes bytes) {
  BlockRef block = pool_.Allocate(std::max(bytes.size(), BlockPool::kSmall));
  const char* start = block.data();
  const size_t room = block.capacity();
  return AppendToTail(Add(start, 0, room, std::move(block)), bytes);
}

void Output::Put(Bytes bytes) {
  if (bytes.empty()) [[unlikely]]
    return;  // no block for nothing
  if (count_ > 0 && segments()[count_ - 1].room >= bytes.size()) [[likely]] {
    Segment& tail = segments()[count_ - 1];
    std::memcpy(const_cast<char*>(tail.data) + tail.size, bytes.data(), bytes.size());
    tail.size += bytes.size();
    tail.room -= bytes.size();
    size_ += bytes.size();
    return;
  }
  AppendToNewBlock(bytes);
}

void Output::Append(const Slice& slice) {
  // Bytes without a block are gone when the caller returns.
  if (slice.bytes.size() <= kCopyLimit || !slice.block) {
    Put(slice.bytes);
    return;
  }
  Add(slice.bytes.data(), slice.bytes.size(), 0, slice.block);
  size_ += slice.bytes.size();
}

IoStatus Output::Flush(Stream& stream, size_t most) {
  const uint64_t begin = accepted_;
  while (size_ > 0 && accepted_ - begin < most) {
    iovec parts[kMaxParts];
    int count = 0;
    size_t offered = 0;
    const Segment* all = segments();
    for (uint32_t i = head_; i < count_ && count < kMaxParts && offered < most; ++i, ++count) {
      parts[count] = {const_cast<char*>(all[i].data), all[i].size};
      offered += all[i].size;
    }
    size_t written = 0;
    const IoStatus status = stream.Write(parts, count, &written);
    if (status != IoStatus::kOk) return status;
    Consume(written);
    if (written < offered) return IoStatus::kAgain;
  }
  return IoStatus::kOk;
}

void Output::Consume(size_t bytes) {
  accepted_ += bytes;
  size_ -= bytes;
  if (size_ == 0) return Drop();
  Segment* all = segments();
  while (bytes >= all[head_].size) {
    bytes -= all[head_].size;
    all[head_].block.Reset();
    ++head_;
  }
  all[head_].data += bytes;
  all[head_].size -= bytes;
}

void Output::Clear() {
  Drop();
  size_ = 0;
  accepted_ = 0;
}

}  // namespace ringmaster

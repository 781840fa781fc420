#include "net/output.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ringmaster {

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
  segments_.push_back(Segment{start, 0, room, std::move(block)});
  return AppendToTail(segments_.back(), bytes);
}

void Output::Put(Bytes bytes) {
  if (bytes.empty()) [[unlikely]]
    return;  // no block for nothing
  if (!segments_.empty() && segments_.back().room >= bytes.size()) [[likely]] {
    Segment& tail = segments_.back();
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
  segments_.push_back(Segment{slice.bytes.data(), slice.bytes.size(), 0, slice.block});
  size_ += slice.bytes.size();
}

IoStatus Output::Flush(Stream& stream, size_t most) {
  const uint64_t begin = accepted_;
  while (size_ > 0 && accepted_ - begin < most) {
    iovec parts[kMaxParts];
    int count = 0;
    size_t offered = 0;
    for (size_t i = head_; i < segments_.size() && count < kMaxParts && offered < most;
         ++i, ++count) {
      parts[count] = {const_cast<char*>(segments_[i].data), segments_[i].size};
      offered += segments_[i].size;
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
  if (size_ == 0) {
    segments_.clear();
    head_ = 0;
    // A burst's list of segments does not stay with a connection that is idle later.
    if (segments_.capacity() > 16) segments_.shrink_to_fit();
    return;
  }
  while (bytes >= segments_[head_].size) {
    bytes -= segments_[head_].size;
    segments_[head_].block.Reset();
    ++head_;
  }
  segments_[head_].data += bytes;
  segments_[head_].size -= bytes;
  if (head_ > 64 && head_ * 2 > segments_.size()) {
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<ptrdiff_t>(head_));
    head_ = 0;
  }
}

void Output::Clear() {
  segments_.clear();
  segments_.shrink_to_fit();
  head_ = 0;
  size_ = 0;
  accepted_ = 0;
}

}  // namespace ringmaster

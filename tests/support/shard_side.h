// A worker's way to its shards without its thread: loop, pools and fake shards. The test turns the
// loop by hand, so nothing sleeps and nothing depends on time.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/loop.h"
#include "resp/request_writer.h"
#include "route/router.h"
#include "route/scatter.h"
#include "support/fake_shard.h"

namespace ringmaster {

// Line ends as "|", so that replies are one line.
inline std::string OnOneLine(Bytes bytes) {
  std::string line;
  for (const char c : bytes) {
    if (c != '\r') line.push_back(c == '\n' ? '|' : c);
  }
  return line;
}

// The shards and the way to them.
struct ShardSide {
  explicit ShardSide(size_t count = 1, const BackendLimits& with = BackendLimits()) : limits(with) {
    for (size_t i = 0; i < count; ++i) shards.push_back(std::make_unique<FakeShard>());
    loop.OnPrepare([this] { EndOfTurn(); });
  }
  virtual ~ShardSide() = default;

  // The first `count` shards, named a, b, c, ...
  std::shared_ptr<const RouteSnapshot> Snapshot(size_t count) {
    TopologySpec spec;
    auto snapshot = std::make_shared<RouteSnapshot>();
    for (size_t i = 0; i < count; ++i) {
      ShardAddress shard;
      shard.name = std::string(1, static_cast<char>('a' + i));
      shard.address = shards[i]->address();
      spec.shards.push_back({shard.name, shard.name, 1});
      if (links.size() <= i) links.push_back(std::make_shared<ShardLink>(shard, limits, i + 1));
      snapshot->links.push_back(links[i]);
    }
    snapshot->topology = Topology::Build(spec, 1).value();
    return snapshot;
  }

  virtual void EndOfTurn() {
    while (Connection* connection = to_flush.PopFront()) connection->Flush();
  }
  void Poll() {
    for (const auto& shard : shards) shard->Poll();
  }
  void Turn() {
    loop.RunOnce();
    Poll();
  }
  // Local sockets deliver at once, so a fixed number of turns settles everything.
  void Turns(int count = 12) {
    for (int i = 0; i < count; ++i) Turn();
  }

  const BackendLimits limits;
  std::vector<std::unique_ptr<FakeShard>> shards;
  std::vector<std::shared_ptr<ShardLink>> links;
  Loop loop;
  BlockPool blocks;
  BlockRef read_block;
  IntrusiveList<Connection> to_flush;
  BackendContext backends{loop, blocks, read_block, to_flush};
};

// With a router over all of its shards.
struct RouterSide : ShardSide {
  explicit RouterSide(size_t count = 1, const BackendLimits& with = BackendLimits())
      : ShardSide(count, with) {
    router.Use(Snapshot(count));
  }
  ~RouterSide() override {
    router.Close("the test is over");
    loop.OnPrepare(nullptr);
  }

  Router router{backends, 16};
  ScatterPool scatters{blocks, 1U << 20};
};

// An asker: notes what it is told.
struct Asker final : Sink, Exchange {
  explicit Asker(std::string bytes, bool reads = true) : text(std::move(bytes)) {
    sink = this;
    request = Slice{text, {}};
    read_only = reads;
  }
  void OnReply(Exchange&, const Slice& end) override {
    reply.append(end.bytes);
    ++answers;
    if (then) then();
  }
  void OnReplyPart(Exchange&, const Slice& part) override {
    reply.append(part.bytes);
    ++parts;
  }
  std::string told() const { return answers == 1 ? OnOneLine(reply) : std::to_string(answers); }

  std::string text;
  std::string reply;
  int answers = 0;
  int parts = 0;
  std::function<void()> then;
};

}  // namespace ringmaster

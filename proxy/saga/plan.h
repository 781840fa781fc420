// What one saga is going to do: which shard writes which keys, and how each is put back. Made
// before anything is sent, journaled as it stands, and enough to undo the saga after a crash.
// Values are not in it: old ones wait on their shards as images, new ones are in the requests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringmaster {

// Names a saga, its markers and its images for ever: never used twice, whatever restarts.
using SagaId = uint64_t;
constexpr SagaId MakeSagaId(uint64_t incarnation, uint64_t number) {
  return incarnation << 40 | (number & ((uint64_t{1} << 40) - 1));
}

// How a step keeps the old value of a key.
enum class ImageKind : char {
  kOverwrite = 'W',  // the key is replaced or deleted: renamed to the image, O(1) for any size
  kInPlace = 'I',    // the key is changed: copied to the image, so there is a limit on its size
  kCreate = 'N',     // the key must not exist, otherwise the step is refused and does nothing
};

struct StepKey {
  std::string key;
  ImageKind image = ImageKind::kOverwrite;

  bool operator==(const StepKey&) const = default;
};

enum class StepKind : uint8_t {
  // One call of the STEP script does it all. Sent again after a lost reply, it runs once.
  kScript,
  // PREPARE, then the client's own commands in MULTI/EXEC, then SEAL, on a borrowed connection. Its
  // replies cannot be had again: a lost one means that the saga is undone.
  kExecute,
};

// What one shard does in one database, as a whole or not at all.
struct SagaStep {
  StepKind kind = StepKind::kScript;
  // Steps of a phase run at the same time; a phase starts when the one before it is done. So
  // results are carried home after the execution (1 after 0), and deletes come last: a reader that
  // bypasses the proxy may see both names of a renamed key, never neither.
  uint8_t phase = 0;
  std::string shard = {};    // its name in the pool
  std::string address = {};  // where it was, should the name be gone after a restart
  std::string run_id = {};   // of the server that the saga began with
  int database = 0;
  std::vector<StepKey> keys = {};  // that it writes, each once
  // Foreign keys copied here under their own names for the execution; dropped when the saga ends,
  // however it ends.
  std::vector<std::string> copies = {};

  bool operator==(const SagaStep&) const = default;
};

struct SagaPlan {
  SagaId id = 0;
  std::string pool = {};
  std::string command = {};  // for the operator: name and first keys, printable
  std::vector<SagaStep> steps = {};

  bool operator==(const SagaPlan&) const = default;
};

// Everything of ours on a shard is named "__rm:<saga>:<step>:..." (base/reserved_keys.h).
std::string SagaName(SagaId id);  // 16 hexadecimal digits
std::string MarkerName(SagaId id, size_t step);
std::string ImageName(SagaId id, size_t step, size_t key);
// The images of one step, one after the other, without a string for each.
class ImageNames {
 public:
  ImageNames(SagaId id, size_t step);
  // Until the next call.
  const std::string& Of(size_t key);

 private:
  std::string name_;
  size_t stem_;
};

}  // namespace ringmaster

#include "saga/simulator/model_shard.h"

namespace ringmaster::sim {

void ModelShard::Remember(SagaId saga) {
  if (!forgetful) return;
  state_.log_size = log_.size();
  if (history_.size() >= 8) history_.erase(history_.begin());
  history_.emplace_back(saga, state_);
}

void ModelShard::Put(const std::string& key, const Value& value) {
  ++state_.versions[key];
  if (value) {
    state_.data[key] = *value;
  } else {
    state_.data.erase(key);
  }
}

void ModelShard::Log(const std::string& key, const Value& value, SagaId saga) {
  log_.push_back({key, value, saga});
}

Value ModelShard::Get(const std::string& key) const {
  const auto found = state_.data.find(key);
  return found == state_.data.end() ? Value() : Value(found->second);
}

void ModelShard::Set(const std::string& key, const std::string& value) {
  Remember(0);
  Put(key, value);
  Log(key, value, 0);
}

StepOutcome ModelShard::Step(const SagaPlan& plan, size_t index, const std::vector<Value>& values) {
  const SagaStep& step = plan.steps[index];
  const std::string name = MarkerName(plan.id, index);
  if (const auto found = state_.markers.find(name); found != state_.markers.end()) {
    if (found->second.state == Marker::State::kAborted) return StepOutcome::kAborted;
    if (!bugs_.step_ignores_marker) return StepOutcome::kDone;
  }
  for (const StepKey& key : step.keys) {
    if (key.image == ImageKind::kCreate && Get(key.key)) return StepOutcome::kRefused;
  }
  Remember(plan.id);
  Marker marker;
  marker.state = Marker::State::kDone;
  for (size_t i = 0; i < step.keys.size(); ++i) {
    const std::string& key = step.keys[i].key;
    const Value old = Get(key);
    marker.had.push_back(old.has_value());
    if (old) state_.images[ImageName(plan.id, index, i)] = *old;
    Put(key, values[i]);
    Log(key, values[i], plan.id);
    marker.prints.push_back(values[i]);
  }
  state_.markers[name] = marker;
  return StepOutcome::kDone;
}

StepOutcome ModelShard::SetNatively(const SagaPlan& plan, size_t index,
                                    const std::vector<Value>& values) {
  const SagaStep& step = plan.steps[index];
  Remember(plan.id);
  Marker marker;
  marker.state = Marker::State::kDone;
  for (size_t i = 0; i < step.keys.size(); ++i) {
    const std::string& key = step.keys[i].key;
    if (const Value old = Get(key)) state_.images[ImageName(plan.id, index, i)] = *old;
    Put(key, values[i]);
    Log(key, values[i], plan.id);
    marker.prints.push_back(values[i]);
  }
  state_.markers[MarkerName(plan.id, index)] = marker;
  return StepOutcome::kDone;
}

StepOutcome ModelShard::Prepare(const SagaPlan& plan, size_t index) {
  const SagaStep& step = plan.steps[index];
  const std::string name = MarkerName(plan.id, index);
  if (state_.markers.contains(name)) return StepOutcome::kAborted;
  Remember(plan.id);
  Marker marker;
  marker.state = Marker::State::kPrepared;
  for (size_t i = 0; i < step.keys.size(); ++i) {
    const Value old = Get(step.keys[i].key);
    marker.had.push_back(old.has_value());
    marker.versions.push_back(state_.versions[step.keys[i].key]);
    if (old && step.keys[i].image == ImageKind::kInPlace) {
      state_.images[ImageName(plan.id, index, i)] = *old;
    }
  }
  for (const std::string& copy : step.copies) state_.copies.insert(copy);
  state_.markers[name] = marker;
  return StepOutcome::kDone;
}

// MULTI ... EXEC on the connection that prepared and watches the marker.
StepOutcome ModelShard::Execute(const SagaPlan& plan, size_t index,
                                const std::vector<Value>& values) {
  const SagaStep& step = plan.steps[index];
  const auto found = state_.markers.find(MarkerName(plan.id, index));
  const bool prepared =
      found != state_.markers.end() && found->second.state == Marker::State::kPrepared;
  bool clean = prepared;
  for (size_t i = 0; prepared && i < step.keys.size(); ++i) {
    clean &= state_.versions[step.keys[i].key] == found->second.versions[i];
  }
  if (!clean && !bugs_.execute_without_watch) return StepOutcome::kAborted;
  Remember(plan.id);
  for (size_t i = 0; i < step.keys.size(); ++i) {
    const std::string& key = step.keys[i].key;
    const Value old = Get(key);
    if (old && step.keys[i].image == ImageKind::kOverwrite) {
      state_.images[ImageName(plan.id, index, i)] = *old;
    }
    Put(key, values[i]);
    Log(key, values[i], plan.id);
    if (prepared) found->second.prints.push_back(values[i]);
  }
  if (prepared) found->second.state = Marker::State::kDone;
  return StepOutcome::kDone;
}

FetchedKeys ModelShard::Fetch(const std::vector<std::string>& keys) const {
  FetchedKeys fetched;
  for (const std::string& key : keys) fetched[key] = {Get(key), version(key)};
  return fetched;
}

uint64_t ModelShard::version(const std::string& key) const {
  const auto found = state_.versions.find(key);
  return found == state_.versions.end() ? 0 : found->second;
}

StepOutcome ModelShard::CarryHome(const SagaPlan& plan, size_t index,
                                  const std::vector<Value>& values, const FetchedKeys& watched) {
  const bool homes = !plan.steps[index].keys.empty();
  const bool looks = homes ? !bugs_.home_without_watch : !bugs_.reads_not_checked;
  for (const auto& [key, was] : watched) {
    if (looks && version(key) != was.version) return StepOutcome::kOutdated;
  }
  return homes ? Step(plan, index, values) : StepOutcome::kDone;
}

UndoOutcome ModelShard::Undo(const SagaPlan& plan, size_t index) {
  const SagaStep& step = plan.steps[index];
  const std::string name = MarkerName(plan.id, index);
  Remember(0);
  const auto leave_mark = [&] {
    if (bugs_.undo_leaves_no_mark) {
      state_.markers.erase(name);
    } else {
      state_.markers[name] = Marker();
    }
  };
  const auto found = state_.markers.find(name);
  if (found == state_.markers.end() || found->second.state == Marker::State::kAborted) {
    leave_mark();
    return UndoOutcome::kUndone;
  }
  Marker& marker = found->second;
  for (const std::string& copy : step.copies) state_.copies.erase(copy);
  const bool executed = marker.state != Marker::State::kPrepared;
  marker.marks.resize(step.keys.size(), ' ');
  UndoOutcome worst = UndoOutcome::kUndone;
  for (size_t i = 0; i < step.keys.size(); ++i) {
    const std::string& key = step.keys[i].key;
    const std::string image = ImageName(plan.id, index, i);
    if (!executed) {
      state_.images.erase(image);
      continue;
    }
    if (marker.marks[i] == 'u') continue;
    const auto kept = state_.images.find(image);
    if (!bugs_.undo_ignores_prints && Get(key) != marker.prints[i]) {
      if (worst == UndoOutcome::kUndone) worst = UndoOutcome::kConflict;
    } else if (kept != state_.images.end()) {
      Put(key, kept->second);
      state_.images.erase(kept);
      marker.marks[i] = 'u';
    } else if (marker.had.empty() || !marker.had[i]) {
      Put(key, {});
      marker.marks[i] = 'u';
    } else {
      worst = UndoOutcome::kImageLost;
    }
  }
  if (worst == UndoOutcome::kUndone) leave_mark();
  return worst;
}

void ModelShard::Cleanup(const SagaPlan& plan, size_t index, bool tombstone) {
  const SagaStep& step = plan.steps[index];
  const std::string name = MarkerName(plan.id, index);
  Remember(0);
  for (size_t i = 0; i < step.keys.size(); ++i) {
    state_.images.erase(ImageName(plan.id, index, i));
  }
  const auto found = state_.markers.find(name);
  if (found != state_.markers.end() && found->second.state != Marker::State::kAborted) {
    for (const std::string& copy : step.copies) state_.copies.erase(copy);
  }
  state_.markers.erase(name);
  if (tombstone) state_.markers[name] = Marker();
}

std::string ModelShard::Remains() const {
  std::string names;
  for (const auto& [name, value] : state_.images) names += name + " ";
  for (const std::string& name : state_.copies) names += "copy:" + name + " ";
  for (const auto& [name, marker] : state_.markers) {
    if (marker.state != Marker::State::kAborted) names += name + " ";
  }
  return names;
}

}  // namespace ringmaster::sim

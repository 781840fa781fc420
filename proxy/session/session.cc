#include "session/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "command/access/access_control.h"
#include "command/call/slow_log.h"
#include "command/call/transaction.h"
#include "command/gate/lock_gate.h"
#include "command/gate/move_gate.h"
#include "command/gate/pause.h"
#include "command/push/push_hub.h"
#include "command/script/script_memory.h"
#include "command/script/script_rights.h"
#include "command/serve/decide.h"
#include "command/serve/dispatch.h"
#include "command/table/learned_rows.h"
#include "net/loop.h"
#include "resp/errors.h"
#include "route/owned_keys.h"

namespace ringmaster {
namespace {

// Bytes our client has not taken, from which on it gets no further service.
constexpr size_t kSoftOutput = 1024 * 1024;
// An unfinished request shorter than this is looked at anew when more of it comes: cheaper than
// keeping the parser's state.
constexpr size_t kReparse = 1024;
// A request of up to this size is taken in whole whatever limits.memory says, so that it can be
// refused rather than cut off.
constexpr size_t kTakenWhole = 1024 * 1024;
// Values up to this size MONITOR shows.
constexpr size_t kShownWhole = 1024 * 1024;

// Whether a call may change data. A script says with its first line that it does not.
bool Writes(const ScriptMemory* scripts, const Command& command, std::span<const Bytes> args) {
  if (command.Is(kWrite)) return true;
  if (!command.Is(kMayWrite)) return false;
  Bytes text = args.size() > 1 ? args[1] : Bytes();
  if (command.Is(kFunctionByName)) return scripts == nullptr || !scripts->Reads(text);
  ScriptMemory::Text known;
  if (command.Is(kScriptBySha)) {
    known = scripts == nullptr ? nullptr : scripts->Find(Lowercase(text));
    text = known == nullptr ? Bytes() : Bytes(*known);
  }
  if (!text.starts_with("#!")) return true;
  return text.substr(0, text.find('\n')).find("no-writes") == Bytes::npos;
}

// EXEC, which runs what was queued, is what logs of single commands skip.
bool RunsTransaction(const Command& command) {
  return command.Is(kInTransaction) && command.Is(kSkipSlowlog);
}

}  // namespace

Session::Session(SessionContext& context, int fd, uint64_t id, TlsContext* tls)
    : context_(context),
      stream_(context.loop, fd),
      output_(context.blocks),
      queue_(context.requests, context.blocks),
      window_(context.windows) {
  state_.id = id;
  state_.connected_at = state_.last_active_at = context.loop.Now();
  stream_.Attach(
      this, [](void* self) { static_cast<Session*>(self)->OnReadable(); },
      [](void* self) { static_cast<Session*>(self)->OnWritable(); });
  stream_.WatchHangup(true);
  if (tls != nullptr && !stream_.StartTls(*tls, "")) Close("TLS could not be started");
}

Session::~Session() {
  if (!closed_) Close("");
  if (ListHook<ClosedTag>::linked()) IntrusiveList<Session, ClosedTag>::Remove(*this);
}

void Session::OnReadable() {
  readable_ = true;
  if (!reading_) [[unlikely]]
    return OnHangup();
  if (context_.line.Enter(*this)) ReadAll();
}

void Session::ReadAll() {
  readable_ = false;
  while (!closed_ && ReadOnce() && stream_.HasBuffered()) {
  }
}

// True when something was read and served; there may be more.
bool Session::ReadOnce() {
  if (closing_ || !reading_ || (!input_.empty() && !needs_more_)) return false;
  if (!input_.empty() && !GrowInput()) return false;
  BlockRef& shared = context_.read_block;
  const bool fresh = input_.empty();
  if (fresh && (!shared || !shared.unique())) shared = context_.blocks.Allocate(BlockPool::kLarge);
  char* to = fresh ? shared.data() : input_.block.data() + input_.end;
  const size_t capacity = fresh ? shared.capacity() : input_.block.capacity() - input_.end;
  size_t read = 0;
  switch (stream_.Read(to, capacity, &read)) {
    case IoStatus::kOk:
      break;
    case IoStatus::kAgain:
      return false;
    case IoStatus::kEnd:
      // It may only have closed its sending side: what it asked for is still answered.
      ToldOfEnd();
      if (upload_ != nullptr) {
        Close("");
      } else {
        Drain();
      }
      return false;
    case IoStatus::kError:
      Close(stream_.error());
      return false;
  }
  context_.commands.metrics.bytes_in.Add(read);
  state_.bytes_in += read;
  state_.last_active_at = context_.loop.Now();
  if (fresh) {
    Take(Slice{Bytes(to, read), shared});
  } else {
    input_.end += read;
    if (input_.end - input_.begin >= wanted_) ServeInput();
  }
  return !closed_;
}

// Room behind an unfinished request for the rest of it.
bool Session::GrowInput() {
  const size_t have = input_.end - input_.begin;
  const size_t wanted = std::max(wanted_, have + 1);
  if (input_.begin + wanted <= input_.block.capacity()) return true;
  if (wanted > context_.limits.query_buffer) {
    BadProtocol(errors::RequestTooLarge(context_.limits.query_buffer));
    return false;
  }
  const size_t capacity = std::min(std::max({BlockPool::kLarge, wanted, have * 2}),
                                   std::max(context_.limits.query_buffer, wanted));
  const size_t memory = context_.limits.memory;
  if (memory != 0 && capacity > kTakenWhole && context_.blocks.bytes_in_use() + capacity > memory)
      [[unlikely]] {
    context_.commands.metrics.memory_refused.Add();
    BadProtocol(errors::OutOfMemory());
    return false;
  }
  BlockRef larger = context_.blocks.Allocate(capacity);
  std::memcpy(larger.data(), input_.block.data() + input_.begin, have);
  input_ = Input{std::move(larger), 0, have};
  return true;
}

void Session::Take(const Slice& read) {
  const size_t used = Understand(read);
  if (!closed_ && !closing_ && used < read.bytes.size()) {
    Stash(Slice{read.bytes.substr(used), read.block});
  }
  UpdateReading();
}

// Keeps what cannot be served now. Little is copied, so that the shared read block stays shared.
void Session::Stash(const Slice& rest) {
  const size_t size = rest.bytes.size();
  if (size > kCopyLimit) {
    const auto begin = static_cast<size_t>(rest.bytes.data() - rest.block.get()->data());
    input_ = Input{rest.block, begin, begin + size};
    return;
  }
  const size_t capacity = std::min(std::max(wanted_, BlockPool::kSmall), BlockPool::kLarge);
  BlockRef block = context_.blocks.Allocate(capacity);
  std::memcpy(block.data(), rest.bytes.data(), size);
  input_ = Input{std::move(block), 0, size};
}

void Session::Serve() {
  if (closed_) return;
  if (!input_.empty() && !needs_more_) {
    ServeInput();
  } else {
    UpdateReading();
  }
  if (closed_ || !reading_ || (!input_.empty() && !needs_more_)) return;
  // TLS holds bytes that no event of the socket announces.
  if (readable_ || stream_.HasBuffered()) ReadAll();
}

void Session::ServeInput() {
  if (!input_.empty()) {
    // The block is named by a copy: serving may close us.
    const Slice input{input_.bytes(), input_.block};
    const size_t used = Understand(input);
    if (closed_) return;
    input_.begin += used;
    if (input_.empty() || closing_) input_ = Input();
  }
  UpdateReading();
}

// Whether no further request may be started now.
bool Session::Blocked() const {
  return !window_.Admits(static_cast<uint32_t>(queue_.size())) || leaving_ ||
         context_.gate.Waits(*this) || barrier_ || held_by_pause_ || held_up_ ||
         output_.size() + queue_.held() > kSoftOutput;
}

// A large value may be sent or asked for; otherwise we are told later.
bool Session::MayTransfer() {
  const TimePoint now = context_.loop.Now();
  return context_.gate.Enter(*this, context_.windows.Contended(&window_, now), now);
}

void Session::UpdateReading() {
  if (closed_) return;
  if (draining_ && !closing_) Touch();  // its flush sees whether all is served
  const bool uploading = upload_ != nullptr && !upload_->complete();
  const bool read = !closing_ && (uploading ? !upload_->full() : !draining_ && !Blocked());
  if (read == reading_) return;
  reading_ = read;
  stream_.WatchReads(read);
}

// Whoever is not logged in may say little at a time.
RequestParser& Session::ParserNow() {
  if (partial_ != nullptr) return *partial_;
  return state_.authenticated ? context_.parser : context_.guests;
}

// Serves the requests at the front of `input`, at most a quantum of them; returns how many bytes
// are done with. What is left is an unfinished request (needs_more_) or waits for its turn.
size_t Session::Understand(const Slice& input) {
  size_t used = 0;
  bool turn = true;
  needs_more_ = false;
  while (used < input.bytes.size() && !closing_ && !closed_) {
    const Slice rest{input.bytes.substr(used), input.block};
    if (upload_ != nullptr && !upload_->complete()) {
      const size_t taken = FeedUpload(rest);
      used += taken;
      if (!closed_) context_.line.Charge(*this, taken, 0);
      continue;
    }
    if (Blocked()) break;
    if (window_.bytes_each() >= context_.gate.rule().large && !MayTransfer()) break;
    if (!turn) {
      context_.line.Yield(*this);
      break;
    }
    RequestParser& parser = ParserNow();
    const RequestParser::Status status = parser.Parse(rest.bytes);
    if (status == RequestParser::Status::kComplete) [[likely]] {
      const size_t before = used;
      if (!HandleRequest(parser, rest, &used)) break;
      if (!closed_) turn = context_.line.Charge(*this, used - before);
    } else if (status == RequestParser::Status::kNeedMore) {
      const size_t passed_on = HandlePartial(parser, rest);
      used += passed_on;
      if (passed_on > 0) continue;
      // Whoever takes long to say it does not hold up others meanwhile.
      if (queue_.empty() && output_.empty() && context_.gate.Inside(*this)) LeaveGate();
      break;
    } else {
      const std::string reply = errors::Protocol(parser.error());
      parser.Reset();
      BadProtocol(reply);
    }
  }
  exchanged_ += used;
  if (started_ > 0) {
    window_.OnSent(started_, static_cast<uint32_t>(queue_.size()), context_.loop.Now());
    started_ = 0;
  }
  return used;
}

// False when the request must wait for its turn.
bool Session::HandleRequest(RequestParser& parser, const Slice& input, size_t* used) {
  const std::span<const Bytes> args = parser.args();
  bool started = true;
  if (!args.empty()) {
    const Command* command = context_.commands.table.Find(args);
    if (command == nullptr) [[unlikely]]
      command = FindOfModule(args);
    started = MayStart(command);
    if (!started) {
      held_up_ = true;
    } else if (command != nullptr && HeldByPause(*command, args)) {
      started = false;
      held_by_pause_ = true;
      context_.commands.metrics.paused.Add();
    } else if (command == nullptr) {
      Refuse(nullptr, errors::UnknownCommand(args));
    } else {
      Slice wire;
      if (!parser.is_inline()) {
        wire.bytes = input.bytes.substr(0, parser.consumed());
        if (wire.bytes.size() > kCopyLimit) {
          wire.block = input.block;
          window_.OnSize(wire.bytes.size());
        }
      }
      StartCommand(*command, args, wire);
    }
  }
  if (started) *used += parser.consumed();
  parser.Reset();
  if (partial_ != nullptr && !closed_) partial_.reset();
  return started;
}

// A command that the shards may know. Whoever is not logged in does not make us ask them.
const Command* Session::FindOfModule(std::span<const Bytes> args) const {
  const ModuleCommands* modules = context_.commands.modules;
  if (modules == nullptr || !state_.authenticated) return nullptr;
  return modules->Find(args, context_.loop.Now(), state_.limits != nullptr);
}

// Whether a command may start while earlier ones are under way.
bool Session::MayStart(const Command* command) {
  if (queue_.empty()) {
    route_epoch_ = context_.backends.route_epoch;
    return true;
  }
  if (route_epoch_ != context_.backends.route_epoch) return false;
  return command == nullptr || !GoesAlone(context_.commands, *command, state_.limits);
}

// Whether CLIENT PAUSE holds it. What is wrong with a request is said at once.
bool Session::HeldByPause(const Command& command, std::span<const Bytes> args) const {
  const Pause* pause = context_.commands.pause;
  if (pause == nullptr || pause->what() == Pause::What::kNothing) [[likely]]
    return false;
  if (!ArityFits(context_.commands.modules, command, args.size()) || !state_.authenticated)
    return false;
  if (pause->what() == Pause::What::kEverything) return true;
  const Transaction* transaction = state_.transaction.get();
  if (transaction != nullptr && RunsTransaction(command)) {
    return std::any_of(transaction->queue.begin(), transaction->queue.end(),
                       [scripts = context_.commands.scripts](const Transaction::Queued& queued) {
                         return Writes(scripts, *queued.command, queued.views());
                       });
  }
  return Writes(context_.commands.scripts, command, args);
}

void Session::EndPause() {
  if (!held_by_pause_) return;
  held_by_pause_ = false;
  context_.commands.metrics.paused.Subtract(1);
  UpdateReading();
  Continue();
}

Request& Session::NewRequest(const Command* command) {
  Request& request = queue_.Add();
  request.command = command;
  request.sink = this;
  request.started = context_.loop.Now();
  if (state_.reply_mode != ClientState::ReplyMode::kOn) [[unlikely]] {
    request.silent = true;
    if (state_.reply_mode == ClientState::ReplyMode::kSkipNext) {
      state_.reply_mode = ClientState::ReplyMode::kOn;
    }
  }
  ++state_.requests;
  ++started_;
  context_.commands.metrics.requests.Add();
  return request;
}

// It is no call of its command: that never ran.
void Session::Refuse(const Command* command, const std::string& reply) {
  if (state_.transaction != nullptr && state_.transaction->open) state_.transaction->broken = true;
  if (command != nullptr) {
    context_.commands.metrics.per_command[command->id].rejected.Add();
  }
  Request& request = NewRequest(nullptr);
  // An EXEC that is refused ends its transaction.
  if (command != nullptr && RunsTransaction(*command)) [[unlikely]] {
    state_.transaction.reset();
    const std::string aborted = "-EXECABORT Transaction discarded because of: " + reply.substr(1);
    return OnReply(request, Slice{aborted, {}});
  }
  OnReply(request, Slice{reply, {}});
}

void Session::Keep(Request& request, Bytes wire, std::span<const Bytes> args) {
  const SlowLog* slow = context_.commands.slow_log;
  if (slow != nullptr && slow->threshold() >= 0) {
    request.kept_at = context_.commands.recent->Keep(wire, args);
  }
}

// What its user may not do, and what there is no memory for. Empty: nothing.
std::string Session::WhyNotNow(const Command& command, std::span<const Bytes> args) {
  if (state_.limits != nullptr) {
    // A recipe that asks the shards what the command is asks for the user's rights then.
    const bool asks = command.row->plan.recipe == context_.commands.table.recipes().unknown_command;
    if (const Denial denial = asks ? Denial() : state_.limits->Check(command, args)) {
      LogDenial(context_.commands.proxy, *this, denial, command, args);
      return DenialReply(denial, command);
    }
    const bool queues = state_.transaction != nullptr && state_.transaction->open;
    if (const Denial denial = queues ? Denial() : state_.limits->CheckRun(command, args)) {
      return DenialReply(denial, command);
    }
    if (command.Is(kRunsScript) && !state_.limits->MayRunScripts()) {
      const char* why = ScriptRights::WhyNot(context_.commands, state_, command);
      if (why != nullptr) return ScriptRefusal(*state_.limits, why);
    }
  }
  const bool full =
      context_.limits.memory != 0 && context_.blocks.bytes_in_use() > context_.limits.memory;
  // What ends a transaction gives its memory back.
  if (!full || command.Is(kInTransaction) || command.Is(kNoAuth)) return "";
  context_.commands.metrics.memory_refused.Add();
  return errors::OutOfMemory();
}

void Session::StartCommand(const Command& command, std::span<const Bytes> args, const Slice& wire) {
  if (!command.subcommands.empty() && args.size() > 1) [[unlikely]] {
    return Refuse(&command, errors::UnknownSubcommand(command.row->name, args[1]));
  }
  if (!ArityFits(context_.commands.modules, command, args.size())) [[unlikely]] {
    return Refuse(&command, errors::WrongArity(command.full_name));
  }
  if (!state_.authenticated && !command.Is(kNoAuth)) [[unlikely]] {
    return Refuse(&command, errors::NoAuth());
  }
  if (state_.limits != nullptr || context_.limits.memory != 0) [[unlikely]] {
    const std::string why = WhyNotNow(command, args);
    if (!why.empty()) return Refuse(&command, why);
  }
  if (state_.push != nullptr && !PushHub::Admits(state_, command)) [[unlikely]] {
    return Refuse(&command, errors::OnlySubscriptions(command.full_name));
  }
  Request& request = NewRequest(&command);
  Keep(request, wire.bytes, args);
  state_.last_command = &command;
  context_.commands.metrics.last_command.Set(command.id + 1);
  if (context_.commands.monitors != 0) [[unlikely]]
    context_.commands.push->ShowToMonitors(*this, command, args);
  barrier_ = GoesAlone(context_.commands, command, state_.limits);
  Call call{args, wire, command, state_, context_.commands, request, this};
  if (state_.push == nullptr) [[likely]] {
    Dispatch(call);
  } else {
    PushHub::Dispatch(call);
  }
  if (state_.goes_alone) [[unlikely]] {
    state_.goes_alone = false;
    barrier_ = true;
  }
  if (queue_.empty()) barrier_ = false;
  if (state_.close_after_reply && !closed_) {
    closing_ = true;
    Touch();
  }
}

// Looks at the front of an unfinished request: passes on the beginning of a large value. Returns
// the bytes done with; 0 when it needs more.
size_t Session::HandlePartial(RequestParser& parser, const Slice& input) {
  if (const std::optional<Streamed> streamed = Streamable(parser)) {
    if (!queue_.empty()) {
      held_up_ = true;
      parser.Reset();
      partial_.reset();
      return 0;
    }
    if (!MayTransfer()) {
      parser.Reset();
      partial_.reset();
      return 0;
    }
    route_epoch_ = context_.backends.route_epoch;
    const size_t header = parser.bulk_offset();
    StartUpload(*streamed, parser, input);
    parser.Reset();
    partial_.reset();
    return header;
  }
  needs_more_ = true;
  wanted_ = parser.wanted();
  if (partial_ == nullptr) {
    if (input.bytes.size() >= kReparse) {
      partial_ = std::make_unique<RequestParser>(std::move(parser));
      const SessionLimits& limits = context_.limits;
      parser = RequestParser(state_.authenticated ? limits.request : limits.guest);
    } else {
      parser.Reset();
    }
  }
  return 0;
}

// Nothing waits for a lock on the key, nor for the key itself.
bool Session::PassesGates(Bytes key) const {
  const CommandContext& commands = context_.commands;
  return (!commands.locked || commands.locks->MayStream(state_.database, key)) &&
         (!commands.moving || commands.moves->MayStream(state_.database, key));
}

// The command and its shard, when its large value can be passed on while it arrives: what is here
// says already where it goes.
std::optional<Session::Streamed> Session::Streamable(const RequestParser& parser) const {
  if (!parser.in_bulk() || parser.bulk_size() < Upload::kStreamFrom) return std::nullopt;
  const std::span<const Bytes> args = parser.args();
  if (args.empty() || state_.tied()) return std::nullopt;
  CommandContext& commands = context_.commands;
  const Command* command = commands.table.Find(args);
  if (command == nullptr || !command->subcommands.empty()) return std::nullopt;
  // What is wrong with it is said when all of it is here.
  if (!command->ArityFits(parser.announced_args()) || !state_.authenticated) return std::nullopt;
  Asked asked = AskedBy(state_);
  asked.header_only = true;
  const Decision decision = Decide(commands, *command, args, asked);
  if (decision.kind != Decision::Kind::kForward) return std::nullopt;
  // What has to wait is read to its end first.
  if (GoesAlone(commands, *command, state_.limits) || HeldByPause(*command, args) ||
      !PassesGates(args[command->single_key])) {
    return std::nullopt;
  }
  // Arguments behind the value may say what is done to the key, as SET's GET does.
  if (state_.limits != nullptr && command->row->finder != nullptr &&
      parser.announced_args() > args.size() + 1) {
    return std::nullopt;
  }
  // What monitors can be shown as it is has to be here, too.
  const size_t shown = std::min(kShownWhole, context_.limits.query_buffer / 2);
  if (commands.monitors != 0 && parser.bulk_size() <= shown) return std::nullopt;
  return Streamed{*command, decision.shard};
}

// A value that is passed on is not here to be shown: its size stands for it, and nothing for what
// comes behind.
void Session::ShowUpload(const Command& command, const RequestParser& parser) {
  const std::string size = "(" + std::to_string(parser.bulk_size()) + " bytes)";
  std::vector<Bytes> args(parser.args().begin(), parser.args().end());
  args.emplace_back(size);
  context_.commands.push->ShowToMonitors(*this, command, args);
}

void Session::StartUpload(const Streamed& streamed, const RequestParser& parser,
                          const Slice& input) {
  const Command& command = streamed.command;
  const std::string refused = WhyNotNow(command, parser.args());
  barrier_ = true;
  if (!refused.empty()) {
    // Its bytes are swallowed, and kept nowhere.
    context_.commands.metrics.per_command[command.id].rejected.Add();
    upload_ = std::make_unique<Upload>(NewRequest(nullptr), parser, parser.bulk_offset());
    return upload_->Refuse(refused);
  }
  Request& request = NewRequest(&command);
  Keep(request, Bytes(), parser.args());
  state_.last_command = &command;
  if (context_.commands.monitors != 0) [[unlikely]]
    ShowUpload(command, parser);
  const size_t header = parser.bulk_offset();
  upload_ = std::make_unique<Upload>(
      request, context_.commands.router.backend(streamed.shard), state_.database, state_.resp,
      parser, header, [](void* self) { static_cast<Session*>(self)->UpdateReading(); }, this);
  upload_->Start(Slice{input.bytes.substr(0, header), input.block});
}

size_t Session::FeedUpload(const Slice& input) {
  const size_t taken = upload_->Feed(input);
  if (!upload_->error().empty()) {
    const std::string reply = errors::Protocol(upload_->error());
    BadProtocol(reply);
    return input.bytes.size();
  }
  // Refused before its end: the rest was swallowed, and the client goes on.
  if (upload_->complete() && queue_.empty()) {
    upload_.reset();
    barrier_ = false;
  }
  return taken;
}

// Says why in Redis's words, behind the replies that are still due, and hangs up.
void Session::BadProtocol(const std::string& reply) {
  context_.commands.metrics.protocol_errors.Add();
  closing_ = true;
  input_ = Input();
  // A value on its way can never be completed: as in Redis, the error is its only reply.
  if (upload_ != nullptr) {
    queue_.Abandon(context_.reaper);
    upload_.reset();
  }
  Refuse(nullptr, reply);
  UpdateReading();
}

}  // namespace ringmaster

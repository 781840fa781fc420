#include "move/shard_client.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "resp/info_text.h"

namespace ringmaster {
namespace {

timeval TimevalOf(Duration duration) {
  const int64_t micros = Microseconds(duration);
  return {.tv_sec = micros / 1000000, .tv_usec = micros % 1000000};
}

}  // namespace

ShardReply::ShardReply(redisReply* reply) : reply_(reply, Free{.owned = true}) {}

void ShardReply::Free::operator()(redisReply* reply) const {
  if (owned) freeReplyObject(reply);
}

bool ShardReply::is_error() const { return reply_ != nullptr && reply_->type == REDIS_REPLY_ERROR; }
bool ShardReply::is_nil() const { return reply_ != nullptr && reply_->type == REDIS_REPLY_NIL; }
bool ShardReply::is_array() const { return reply_ != nullptr && reply_->type == REDIS_REPLY_ARRAY; }
bool ShardReply::is_text() const {
  return reply_ != nullptr &&
         (reply_->type == REDIS_REPLY_STRING || reply_->type == REDIS_REPLY_STATUS);
}
int64_t ShardReply::integer() const {
  return reply_ != nullptr && reply_->type == REDIS_REPLY_INTEGER ? reply_->integer : 0;
}
Bytes ShardReply::text() const {
  if (reply_ == nullptr || reply_->str == nullptr) return {};
  return Bytes(reply_->str, reply_->len);
}
size_t ShardReply::size() const { return is_array() ? reply_->elements : 0; }

ShardReply ShardReply::at(size_t i) const {
  ShardReply view;
  if (i < size()) {
    view.reply_ = std::unique_ptr<redisReply, Free>(reply_->element[i], Free{.owned = false});
  }
  return view;
}

ShardClient::ShardClient(ShardTarget target, ShardClientName name, Duration connect_timeout,
                         Duration command_timeout)
    : target_(std::move(target)),
      name_(std::move(name)),
      connect_timeout_(connect_timeout),
      command_timeout_(command_timeout) {}

ShardClient::~ShardClient() {
  fd_ = -1;
  tls_.reset();
  if (context_ != nullptr) redisFree(context_);
}

void ShardClient::Drop(const std::string& why) {
  error_ = why;
  if (context_ == nullptr) return;
  if (due_ > 0 && in_doubt_id_ == 0) {
    in_doubt_id_ = id_;
    in_doubt_run_id_ = run_id_;
  }
  fd_ = -1;
  tls_.reset();
  unsent_.clear();
  redisFree(std::exchange(context_, nullptr));
  due_ = 0;
}

void ShardClient::DropIfSuperseded() {
  if (context_ == nullptr || target_.place == nullptr) return;
  if (target_.place->life() != life_) return Drop("another server is its primary now");
  // What it took now might be lost with it, and with a key's old copy gone.
  if (target_.place->withheld()) Drop("another server is about to be its primary");
}

Status ShardClient::Ready() {
  DropIfSuperseded();
  if (context_ != nullptr) return Done();
  if (cancelled_) return Error{ErrorCode::kUnavailable, "stopping"};
  if (Status connected = Connect(); !connected) {
    Drop(connected.error().text);
    return connected;
  }
  for (const Status& step : {Fence(), EndEarlierLives()}) {
    if (step.ok()) continue;
    Drop(step.error().text);
    return step;
  }
  return Done();
}

Error ShardClient::Failed(const std::string& why) const {
  return {ErrorCode::kUnavailable, "shard " + target_.name + ": " + why};
}

Status ShardClient::Connect() {
  if (target_.place != nullptr) life_ = target_.place->life();
  if (target_.place != nullptr && (!target_.place->open() || target_.place->withheld())) {
    return Failed("another server is about to be its primary");
  }
  const Address at = target_.place != nullptr ? target_.place->address() : target_.address;
  const timeval timeout = TimevalOf(connect_timeout_);
  context_ = at.kind == Address::kUnix ? redisConnectUnixWithTimeout(at.path.c_str(), timeout)
                                       : redisConnectWithTimeout(at.host.c_str(), at.port, timeout);
  if (context_ == nullptr) return Failed("out of memory");
  if (context_->err != 0) return Failed(context_->errstr);
  // Of a Unix socket it is an error, after which nothing works.
  if (at.kind == Address::kTcp) redisEnableKeepAlive(context_);
  fd_ = context_->fd;
  if (target_.tls) {
    redisSetTimeout(context_, timeout);
    if (Status secure = SecureIt(); !secure) return secure;
  }
  redisSetTimeout(context_, TimevalOf(command_timeout_));
  database_ = 0;
  // The reader would keep a large buffer only to give it back: payloads follow each other.
  context_->reader->maxbuf = 1U << 20;
  return Greet();
}

Status ShardClient::SecureIt() {
  Result<std::shared_ptr<TlsContext>> context = TlsContext::Client(*target_.tls);
  if (!context) return Failed(context.error().text);
  Result<std::unique_ptr<BlockingTls>> tls = BlockingTls::Connect(
      *context, context_->fd,
      target_.tls_name_is_host && target_.place != nullptr ? target_.place->address().host
                                                           : target_.tls_server_name);
  if (!tls) return Failed(tls.error().text);
  tls_ = std::move(*tls);
  return Done();
}

// Logs in, takes the name, and learns who they are on the shard. As a rule no replica will do.
Status ShardClient::Greet() {
  if (!target_.password.empty()) {
    const ShardReply reply = target_.username.empty()
                                 ? Ask({"AUTH", target_.password})
                                 : Ask({"AUTH", target_.username, target_.password});
    if (reply.lost() || reply.is_error()) {
      return Failed("it refused to log in: " + (reply.lost() ? error_ : std::string(reply.text())));
    }
  }
  const ShardReply named = Ask({"CLIENT", "SETNAME", name_.name});
  const ShardReply id = Ask({"CLIENT", "ID"});
  const ShardReply info = Ask({"INFO", "server"});
  if (named.lost() || id.lost() || info.lost()) return Failed("no answer: " + error_);
  if (named.is_error() || id.is_error() || info.is_error()) {
    return Failed("moves need CLIENT SETNAME, CLIENT ID and INFO, and it refused one: " +
                  std::string((named.is_error() ? named
                               : id.is_error()  ? id
                                                : info)
                                  .text()));
  }
  // What one may not ask is as it was.
  const ShardReply role = Ask({"ROLE"});
  if (role.lost()) return Failed("no answer: " + error_);
  if (role.at(0).text() == "slave" && !target_.any_role) {
    return Failed("it is a replica of " + std::string(role.at(1).text()) + ":" +
                  std::to_string(role.at(2).integer()));
  }
  id_ = id.integer();
  run_id_ = FieldOfInfo(info.text(), "run_id");
  return Done();
}

// 0 killed is as final as 1: the server has closed it, and read what it had sent.
Status ShardClient::Fence() {
  if (in_doubt_id_ == 0) return Done();
  if (in_doubt_run_id_ == run_id_) {
    const ShardReply killed = Ask({"CLIENT", "KILL", "ID", std::to_string(in_doubt_id_)});
    if (killed.lost() || killed.is_error()) {
      return Error{ErrorCode::kRefused,
                   "shard " + target_.name + ": moves need CLIENT KILL, and it " +
                       (killed.lost() ? "did not answer" : "said " + std::string(killed.text()))};
    }
  }
  in_doubt_id_ = 0;
  return Done();
}

void ShardClient::Append(const Args& args) {
  DropIfSuperseded();
  if (context_ == nullptr) return;
  std::vector<const char*> data;
  std::vector<size_t> sizes;
  data.reserve(args.size());
  sizes.reserve(args.size());
  for (const Bytes arg : args) {
    data.push_back(arg.data() != nullptr ? arg.data() : "");
    sizes.push_back(arg.size());
  }
  if (tls_ != nullptr) {
    char* formatted = nullptr;
    const int length = redisFormatCommandArgv(&formatted, static_cast<int>(args.size()),
                                              data.data(), sizes.data());
    if (length < 0) return Drop("out of memory");
    unsent_.append(formatted, static_cast<size_t>(length));
    redisFreeCommand(formatted);
  } else if (redisAppendCommandArgv(context_, static_cast<int>(args.size()), data.data(),
                                    sizes.data()) != REDIS_OK) {
    Drop(context_->errstr);
    return;
  }
  ++due_;
}

void ShardClient::AppendRaw(Bytes bytes) {
  if (context_ == nullptr) return;
  if (tls_ != nullptr) {
    unsent_ += bytes;
  } else if (redisAppendFormattedCommand(context_, bytes.data(), bytes.size()) != REDIS_OK) {
    Drop(context_->errstr);
  }
}

void ShardClient::BeginLarge(const Args& args, size_t last_size) {
  std::string head = "*" + std::to_string(args.size() + 1) + "\r\n";
  const auto add_size = [&head](size_t size) { head += "$" + std::to_string(size) + "\r\n"; };
  for (const Bytes arg : args) {
    add_size(arg.size());
    head.append(arg).append("\r\n");
  }
  add_size(last_size);
  AppendRaw(head);
}

void ShardClient::EndLarge() {
  AppendRaw("\r\n");
  if (context_ != nullptr) ++due_;
}

void ShardClient::Flush() {
  if (tls_ != nullptr) {
    FlushTls();
    return;
  }
  int done = 0;
  while (context_ != nullptr && done == 0) {
    if (redisBufferWrite(context_, &done) == REDIS_OK) continue;
    Drop(context_->errstr);
  }
}

// False: lost.
bool ShardClient::FlushTls() {
  if (unsent_.empty()) return true;
  const Status written = tls_->Write(std::exchange(unsent_, {}));
  if (!written) Drop(written.error().text);
  return written.ok();
}

// Null: lost.
redisReply* ShardClient::ReadTls() {
  redisReader& reader = *context_->reader;
  char bytes[16384];
  while (true) {
    void* reply = nullptr;
    if (redisReaderGetReply(&reader, &reply) != REDIS_OK) {
      Drop(reader.errstr);
      return nullptr;
    }
    if (reply != nullptr) return static_cast<redisReply*>(reply);
    if (!FlushTls()) return nullptr;
    const Result<size_t> got = tls_->Read(bytes, sizeof(bytes));
    if (!got) {
      Drop(got.error().text);
      return nullptr;
    }
    redisReaderFeed(&reader, bytes, *got);
  }
}

ShardReply ShardClient::Read() {
  if (context_ == nullptr) return ShardReply();
  void* reply = nullptr;
  if (tls_ != nullptr) {
    reply = ReadTls();
    if (reply == nullptr) return ShardReply();
  } else if (redisGetReply(context_, &reply) != REDIS_OK || reply == nullptr) {
    Drop(context_->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK)
             ? "no answer in time"
             : context_->errstr);
    return ShardReply();
  }
  --due_;
  return ShardReply(static_cast<redisReply*>(reply));
}

bool ShardClient::answered() const {
  if (context_ == nullptr || context_->reader->pos < context_->reader->len) return true;
  pollfd look{.fd = context_->fd, .events = POLLIN, .revents = 0};
  return poll(&look, 1, 0) > 0;
}

ShardReply ShardClient::Ask(const Args& args) {
  // Somebody gave up in the middle: the reply would be another command's.
  if (due_ > 0) Drop("replies are still due");
  Append(args);
  return Read();
}

bool ShardClient::Select(int database) {
  if (context_ == nullptr) return false;
  if (database == database_) return true;
  const ShardReply reply = Ask({"SELECT", std::to_string(database)});
  if (reply.lost() || reply.is_error()) {
    if (reply.is_error()) error_ = std::string(reply.text());
    return false;
  }
  database_ = database;
  return true;
}

void ShardClient::Cancel() {
  cancelled_ = true;
  const int fd = fd_;
  if (fd >= 0) shutdown(fd, SHUT_RDWR);
}

Status ShardClient::EndEarlierLives() {
  if (alone_ || name_.older.empty()) return Done();
  const ShardReply list = Ask({"CLIENT", "LIST"});
  if (list.lost() || list.is_error()) {
    return Error{ErrorCode::kRefused, "shard " + target_.name +
                                          ": moves need CLIENT LIST, and it said " +
                                          (list.lost() ? error_ : std::string(list.text()))};
  }
  Bytes rest = list.text();
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const Bytes line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.find(" name=" + name_.older) == Bytes::npos) continue;
    if (line.find(" name=" + name_.own) != Bytes::npos) continue;
    const Bytes id = line.substr(3, line.find(' ') - 3);  // "id=7 ..."
    const ShardReply killed = Ask({"CLIENT", "KILL", "ID", id});
    if (killed.lost() || killed.is_error()) {
      return Error{ErrorCode::kRefused, "shard " + target_.name + ": CLIENT KILL was refused"};
    }
  }
  alone_ = true;
  return Done();
}

Status Refused(const ShardClient& shard, const ShardReply& reply) {
  const std::string who = "shard " + shard.target().name;
  if (reply.lost()) return Error{ErrorCode::kUnavailable, who + ": " + shard.error()};
  return Error{ErrorCode::kRefused, who + " refuses: " + std::string(reply.text())};
}

}  // namespace ringmaster

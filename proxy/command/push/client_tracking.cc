// CLIENT TRACKING: its options, and where invalidations go.
#include <utility>

#include "command/call/transaction.h"
#include "command/push/push_hub.h"
#include "command/serve/dispatch.h"
#include "resp/errors.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

std::string ErrorReply(const std::string& text) { return "-ERR " + text + "\r\n"; }

// Behind ON or OFF. Empty: fine; otherwise the error reply.
std::string ParseOptions(std::span<const Bytes> args, TrackingOptions& options) {
  for (size_t i = 3; i < args.size(); ++i) {
    const bool more = i + 1 < args.size();
    if (EqualsIgnoreCase(args[i], "redirect") && more) {
      if (options.redirect != 0) {
        return ErrorReply("A client can only redirect to a single other client");
      }
      const auto id = ParseInteger(args[++i]);
      if (!id) return errors::NotAnInteger();
      if (*id <= 0) return ErrorReply("The client ID you want redirect to does not exist");
      options.redirect = static_cast<uint64_t>(*id);
    } else if (EqualsIgnoreCase(args[i], "bcast")) {
      options.bcast = true;
    } else if (EqualsIgnoreCase(args[i], "optin")) {
      options.optin = true;
    } else if (EqualsIgnoreCase(args[i], "optout")) {
      options.optout = true;
    } else if (EqualsIgnoreCase(args[i], "noloop")) {
      options.noloop = true;
    } else if (EqualsIgnoreCase(args[i], "prefix") && more) {
      options.prefixes.emplace(args[++i]);
    } else {
      return errors::Syntax();
    }
  }
  return "";
}

bool Overlap(Bytes a, Bytes b) { return a.starts_with(b) || b.starts_with(a); }

std::string Overlapping(Bytes a, const char* which, Bytes b) {
  return ErrorReply("Prefix '" + std::string(a) + "' overlaps with " + which + " prefix '" +
                    std::string(b) + "'. Prefixes for a single client must not overlap.");
}

// In the order given, as Redis looks at them.
std::string CheckPrefixes(std::span<const Bytes> args, const TrackingOptions* before) {
  std::vector<Bytes> given;
  for (size_t i = 3; i + 1 < args.size(); ++i) {
    if (EqualsIgnoreCase(args[i], "redirect")) ++i;
    if (EqualsIgnoreCase(args[i], "prefix")) given.push_back(args[++i]);
  }
  for (size_t i = 0; i < given.size(); ++i) {
    if (before != nullptr) {
      for (const std::string& old : before->prefixes) {
        if (Overlap(given[i], old)) return Overlapping(given[i], "an existing", old);
      }
    }
    for (size_t j = i + 1; j < given.size(); ++j) {
      if (Overlap(given[i], given[j])) return Overlapping(given[i], "another provided", given[j]);
    }
  }
  return "";
}

// Whether the options go together, and with those in force.
std::string CheckOptions(const TrackingOptions& options, const TrackingOptions* before) {
  if (!options.bcast && !options.prefixes.empty()) {
    return ErrorReply("PREFIX option requires BCAST mode to be enabled");
  }
  if (before != nullptr && before->bcast != options.bcast) {
    return ErrorReply(
        "You can't switch BCAST mode on/off before disabling tracking for this client, and then "
        "re-enabling it with a different mode.");
  }
  if (options.bcast && (options.optin || options.optout)) {
    return ErrorReply("OPTIN and OPTOUT are not compatible with BCAST");
  }
  if (options.optin && options.optout) {
    return ErrorReply("You can't specify both OPTIN mode and OPTOUT mode");
  }
  if (before == nullptr) return "";
  if ((options.optin && before->optout) || (options.optout && before->optin)) {
    return ErrorReply(
        "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then "
        "re-enabling it with a different mode.");
  }
  return "";
}

}  // namespace

void PushHub::Dispatch(Call& call) {
  // Named by a copy: the command may end it.
  const std::shared_ptr<PushClient> client = call.client.push;
  Tracking* tracking = client->tracking.get();
  if (tracking == nullptr) return ringmaster::Dispatch(call);
  const bool counts = !call.command.full_name.starts_with("client|");
  if (counts) tracking->BeginCommand();
  {
    const LaneScope scope(call.context.router.context(), tracking);
    ringmaster::Dispatch(call);
  }
  const Transaction* transaction = call.client.transaction.get();
  const bool queues = transaction != nullptr && transaction->open;
  if (counts && !queues && client->tracking != nullptr) client->tracking->caching = false;
}

void PushHub::Track(Call& call) {
  const bool off = EqualsIgnoreCase(call.args[2], "off");
  TrackingOptions options;
  std::string error = ParseOptions(call.args, options);
  if (error.empty() && !off && !EqualsIgnoreCase(call.args[2], "on")) error = errors::Syntax();
  if (!error.empty()) return AnswerHere(call.exchange, error);
  if (call.view == nullptr) {
    return AnswerHere(call.exchange,
                      errors::Refused(call.command.full_name, "must be sent directly"));
  }
  const std::shared_ptr<PushClient> who = ClientOf(*call.view);
  if (off) {
    who->tracking.reset();
    std::erase(tracking_, who);
    Settle(call.client);
    return AnswerHere(call.exchange, "+OK\r\n");
  }
  const TrackingOptions* before = who->tracking == nullptr ? nullptr : &who->tracking->options();
  error = CheckOptions(options, before);
  if (error.empty() && options.bcast) error = CheckPrefixes(call.args, before);
  if (!error.empty()) {
    Settle(call.client);
    return AnswerHere(call.exchange, error);
  }
  if (before != nullptr) options.prefixes.insert(before->prefixes.begin(), before->prefixes.end());
  tasks_.Add(RunTrack(who, options, call.exchange, call.client.database, call.client.resp));
}

Task<void> PushHub::RunTrack(std::shared_ptr<PushClient> who, TrackingOptions options,
                             Exchange& exchange, int database, int resp) {
  if (options.redirect != 0) {
    struct Search {
      bool found = false;
      Event over;
    };
    const auto search = std::make_shared<Search>();
    const uint64_t target = options.redirect;
    context_.proxy.VisitWorkers(
        [target](WorkerView& worker, std::string& out) {
          worker.EachClient([&](ClientView& client) {
            if (client.state().id != target) return;
            worker.push()->MakeTarget(client);
            out = "found";
          });
        },
        [search](const std::vector<std::string>& reports) {
          for (const std::string& report : reports) search->found |= !report.empty();
          search->over.Set();
        });
    co_await search->over;
    if (!search->found) {
      if (who->view != nullptr) Settle(who->view->state());
      AnswerHere(exchange, ErrorReply("The client ID you want redirect to does not exist"));
      co_return;
    }
  }
  if (who->view == nullptr) {
    AnswerHere(exchange, "+OK\r\n");
    co_return;
  }
  PushClient* client = who.get();
  if (who->tracking == nullptr) {
    who->tracking = std::make_unique<Tracking>(
        context_.router, [this, client](Bytes keys) { Invalidate(*client, keys); },
        [client] { client->view->Kill(true); });
    tracking_.push_back(who);
  }
  struct Answered {
    std::string error;
    Event over;
  };
  const auto answered = std::make_shared<Answered>();
  who->tracking->Start(options, database, resp, [answered](std::string error) {
    answered->error = std::move(error);
    answered->over.Set();
  });
  co_await answered->over;
  if (!answered->error.empty()) {
    // It may be the tracking itself that answers, while it closes what belongs to a shard that
    // left: it must not end in the middle of that.
    if (who->tracking != nullptr && !stopping_) {
      const auto later = std::make_shared<Event>();
      context_.proxy.After(Duration(0), [later] { later->Set(); });
      co_await *later;
    }
    who->tracking.reset();
    std::erase(tracking_, who);
    if (who->view != nullptr) Settle(who->view->state());
  }
  AnswerHere(exchange, answered->error.empty() ? "+OK\r\n" : answered->error);
}

// --- invalidations ---

void PushHub::Invalidate(PushClient& client, Bytes keys) {
  if (client.view == nullptr || client.tracking == nullptr) return;
  const uint64_t target = client.tracking->options().redirect;
  if (target == 0) {
    if (client.view->state().resp != 3) return;
    const std::string message = ">2\r\n$10\r\ninvalidate\r\n" + std::string(keys);
    const Slice slice = context_.blocks.Copy(message);
    return client.view->Push(slice, ClientView::PushOrder::kBehindRequests);
  }
  if (stopping_) return;
  const std::weak_ptr<PushClient> tracker = client.view->state().push;
  context_.proxy.VisitWorkers(
      [target, all = std::string(keys)](WorkerView& worker, std::string& out) {
        if (worker.push()->SendInvalid(target, all)) out = "sent";
      },
      [this, tracker](const std::vector<std::string>& reports) {
        for (const std::string& report : reports) {
          if (!report.empty()) return;
        }
        if (const auto who = tracker.lock()) RedirectBroken(*who);
      });
}

void PushHub::RedirectBroken(PushClient& client) {
  if (client.view == nullptr || client.tracking == nullptr) return;
  client.tracking->broken_redirect = true;
  if (client.view->state().resp != 3) return;
  std::string message;
  ReplyWriter out(message, 3);
  out.Push(2);
  out.Bulk("tracking-redir-broken");
  out.Integer(static_cast<int64_t>(client.tracking->options().redirect));
  client.view->Push(Slice{message, {}});
}

void PushHub::MakeTarget(ClientView& client) {
  const std::shared_ptr<PushClient> target = ClientOf(client);
  target->targeted = true;
  targets_[target->id] = target;
}

bool PushHub::SendInvalid(uint64_t target, Bytes keys) {
  const auto at = targets_.find(target);
  if (at == targets_.end()) return false;
  ClientView& view = *at->second->view;
  if (view.state().resp == 3) {
    view.Push(context_.blocks.Copy(">2\r\n$10\r\ninvalidate\r\n" + std::string(keys)));
  } else if (at->second->subscriber()) {
    const Bytes all = keys == "_\r\n" ? Bytes("$-1\r\n") : keys;
    view.Push(context_.blocks.Copy("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n" +
                                   std::string(all)));
  }
  return true;
}

}  // namespace ringmaster

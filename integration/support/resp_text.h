// RESP as a person reads it. Written for the tests alone: what checks the proxy's replies must not
// share the proxy's code for them.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"

namespace ringmaster::integration {

// Where the reply at the front of `bytes` ends; 0: not all there yet; npos: no RESP.
size_t ReplyLength(Bytes bytes);

// One whole reply on one line: OK, "bulk", (integer) 1, (nil), (nil array), (error) ERR text,
// ["a", (integer) 2], and of RESP3 (null), (true), (double) 1.5, (big) 12, (verbatim txt) "text",
// {"key": "value"}, ~["member"], >["push"], |{"attribute": "value"} reply.
std::string Render(Bytes reply);

// Printable ASCII stays, the rest becomes \xNN; long texts are cut and say how long they were.
std::string Quoted(Bytes text, size_t limit = 16384);

// A request as a client sends it.
std::string Encode(const std::vector<std::string>& words);
// Many of them behind each other.
std::string EncodeAll(const std::vector<std::vector<std::string>>& commands);

}  // namespace ringmaster::integration

// The Redis whose behaviour clients may expect of the proxy: what HELLO and INFO say.
#pragma once

namespace ringmaster {

inline constexpr char kRedisVersion[] = "7.0.15";

}  // namespace ringmaster

// What queues come to in the steady state where a closed form is known: what simulations are held
// against. Times are in mean service times of one server; `utilisation` is the share of the time in
// which a server works, above 0 and below 1. After Kleinrock, Queueing Systems I (1975).
#pragma once

#include <cmath>

namespace headroom {

// Poisson arrivals, exponential service, one server, first come first served (M/M/1). The time from
// arrival to answer is itself exponential. N servers among which requests are drawn at random are N
// of these.
inline double mm1_mean(double utilisation) { return 1 / (1 - utilisation); }
inline double mm1_percentile(double utilisation, double percent) {
  return -std::log(1 - percent / 100) / (1 - utilisation);
}

// The probability that an arrival has to wait where `servers` share one line (M/M/c, Erlang 1917).
// By the recursion of Erlang's B, which stays between 0 and 1.
inline double erlang_c(int servers, double utilisation) {
  const double offered = servers * utilisation;
  double blocked = 1;
  for (int k = 1; k <= servers; ++k) blocked = offered * blocked / (k + offered * blocked);
  return blocked / (1 - utilisation * (1 - blocked));
}
inline double mmc_mean(int servers, double utilisation) {
  return 1 + erlang_c(servers, utilisation) / (servers * (1 - utilisation));
}
// Of the wait before the service starts: an arrival waits longer than t with probability
// erlang_c exp(-servers (1 - utilisation) t).
inline double mmc_wait_percentile(int servers, double utilisation, double percent) {
  const double waits = erlang_c(servers, utilisation), beyond = 1 - percent / 100;
  return waits <= beyond ? 0 : std::log(waits / beyond) / (servers * (1 - utilisation));
}

// One server, any service times (M/G/1, Pollaczek and Khinchine 1930). `squared_variation` is the
// variance of the service times over their squared mean: 0 where all are equal, 1 exponential.
inline double mg1_mean(double utilisation, double squared_variation) {
  return 1 + utilisation * (1 + squared_variation) / (2 * (1 - utilisation));
}

}  // namespace headroom

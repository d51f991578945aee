// Persistent requests of MPI's, which are free when their owner is gone.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <deque>

namespace headroom::cluster {

class Requests {
 public:
  Requests() = default;
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;
  ~Requests() {
    int over = 0;
    MPI_Finalized(&over);
    for (MPI_Request& request : all_)
      if (over == 0 && request != MPI_REQUEST_NULL) MPI_Request_free(&request);
  }
  // A further one, for MPI_Send_init and its like to fill in.
  MPI_Request* add() { return &all_.emplace_back(MPI_REQUEST_NULL); }
  void start(std::size_t i) { MPI_Start(&all_[i]); }
  void wait(std::size_t i) { MPI_Wait(&all_[i], MPI_STATUS_IGNORE); }

 private:
  std::deque<MPI_Request> all_;
};

}  // namespace headroom::cluster

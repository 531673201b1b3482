// SPDX-License-Identifier: Apache-2.0
// Who answers a client while there is no service: before the first model is loaded, and once the server is told to end.
// Then it is alive and not ready, and all else is refused with status 503 in the shape of the API that was meant.
//
//   Reception reception;
//   HttpServer server(options, reception.handler());
//   server.start();
//   ...load...
//   reception.open(service);
//   server.stop_on_signals(grace, [&] { reception.close(); });
#pragma once

#include <atomic>

#include "serve/http/message.h"

namespace gemma::serve {

class Service;

class Reception {
 public:
  /** It outlives the handler. */
  Handler handler();
  /** From here on the service answers. */
  void open(Service& service) { service_.store(&service); }
  /** It gets no more requests. */
  void close() { closed_.store(true); }

 private:
  std::atomic<Service*> service_{nullptr};
  std::atomic<bool> closed_{false};
};

}  // namespace gemma::serve

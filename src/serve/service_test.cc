// SPDX-License-Identifier: Apache-2.0
#include "serve/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>
#include <semaphore>
#include <thread>

#include "base/json.h"

namespace gemma::serve {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

/** A client that waits, and says itself when it is late. */
struct Asker final : Responder {
  void respond(HttpResponse response) override {
    if (++answers == 1) answered.set_value(std::move(response));
  }
  void begin(HttpResponse) override { ADD_FAILURE(); }
  void write(std::string) override { ADD_FAILURE(); }
  void end() override { ADD_FAILURE(); }
  void when_gone(std::function<void()> act) override { gone = std::move(act); }
  void when_late(Clock::time_point at, std::function<void()> act) override {
    late_at = at;
    late.set_value(std::move(act));
  }

  std::atomic<int> answers{0};
  std::promise<HttpResponse> answered;
  std::promise<std::function<void()>> late;
  Clock::time_point late_at;
  std::function<void()> gone;
};

/** Of one model, which loads until it is let through, and cannot be loaded then. */
class SlowModel : public testing::Test {
 protected:
  SlowModel() {
    ModelSource source;
    source.list = [] { return std::vector<ModelCard>{{.name = "slow"}}; };
    source.least_bytes = [](const ModelCard&) { return 1; };
    source.load = [this](const ModelCard&, int64_t) -> std::shared_ptr<ServedModel> {
      loading_.release();
      through_.acquire();
      fail("slow.gguf", "is no model");
    };
    source.limit = [](ServedModel&, int64_t) {};
    const auto log = [this](const std::string&) { refused_.release(); };
    auto models = std::make_shared<ModelRegistry>(source, ModelShelf::Options{1, std::nullopt}, log);
    ServiceOptions options;
    options.queue_seconds = 3600;
    options.log = [this](const json::object& entry) {
      const std::lock_guard lock(mutex_);
      statuses_.push_back(entry.at("status").as_int64());
    };
    service_ = std::make_unique<Service>(std::move(models), std::make_shared<EngineThread>(), nullptr, options);
  }
  ~SlowModel() override { through_.release(1000); }

  std::shared_ptr<Asker> ask(const std::string& path) {
    auto asker = std::make_shared<Asker>();
    HttpRequest request;
    request.method = "POST", request.path = path, request.body = R"({"model": "slow"})";
    service_->handler()(std::move(request), asker);
    return asker;
  }

  std::counting_semaphore<> loading_{0}, through_{0}, refused_{0};
  std::mutex mutex_;
  std::vector<int64_t> statuses_;  // of what has been logged
  std::unique_ptr<Service> service_;
};

TEST_F(SlowModel, WhoWaitsForItHearsWhenItHasWaitedTooLong) {
  const std::vector<std::pair<std::string, std::string>> shapes{{"/v1/chat/completions", R"("type": "server_error")"},
                                                                {"/v1/messages", R"("type": "overloaded_error")"},
                                                                {"/api/chat", R"({"error": "it has waited)"}};
  const auto patient = ask("/v1/chat/completions");
  patient->late.get_future().get();
  for (const auto& [path, shape] : shapes) {
    const auto asker = ask(path);
    const auto late = asker->late.get_future().get();
    EXPECT_GT(asker->late_at, Clock::now() + std::chrono::seconds(3000));
    EXPECT_EQ(asker->answers, 0);
    late();
    const HttpResponse said = asker->answered.get_future().get();
    EXPECT_EQ(said.status, 503);
    EXPECT_THAT(said.headers, Contains(Pair("retry-after", "10")));
    EXPECT_THAT(said.body, HasSubstr(shape));
    EXPECT_THAT(said.body, HasSubstr("as long as this server lets requests wait"));
  }
  loading_.acquire();  // it is loaded for who still waits
  EXPECT_EQ(patient->answers, 0);
  through_.release();
  EXPECT_EQ(patient->answered.get_future().get().status, 500);
  service_.reset();
  EXPECT_THAT(statuses_, UnorderedElementsAre(503, 503, 503, 500));
}

TEST_F(SlowModel, WhoIsLateAsItComesIsAnsweredOnce) {
  std::vector<std::shared_ptr<Asker>> askers;
  for (int i = 0; i < 100; ++i) {
    askers.push_back(ask("/v1/chat/completions"));
    const auto late = askers.back()->late.get_future().get();
    loading_.acquire();
    std::thread loader([this] { through_.release(); });
    if (i % 2 == 0) std::this_thread::yield();
    late();
    loader.join();
    refused_.acquire();
    EXPECT_THAT(askers.back()->answered.get_future().get().status, testing::AnyOf(500, 503));
  }
  service_.reset();
  for (const auto& asker : askers) EXPECT_EQ(asker->answers, 1);
}

TEST_F(SlowModel, WhoHasLeftIsNotAnswered) {
  const auto asker = ask("/v1/chat/completions");
  const auto late = asker->late.get_future().get();
  loading_.acquire();
  asker->gone();
  late();
  through_.release();
  refused_.acquire();
  service_.reset();
  EXPECT_EQ(asker->answers, 0);
  EXPECT_THAT(statuses_, UnorderedElementsAre(499));
}

}  // namespace
}  // namespace gemma::serve

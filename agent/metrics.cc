#include "agent/metrics.h"

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>

#include <exception>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/version.h"

namespace hvagent {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily Family(const char* name, const char* help, MetricType type, ClientMetric metric) {
  return MetricFamily{name, help, type, {std::move(metric)}};
}

MetricFamily Gauge(const char* name, const char* help, double value) {
  ClientMetric metric;
  metric.gauge.value = value;
  return Family(name, help, MetricType::Gauge, std::move(metric));
}

MetricFamily Counter(const char* name, const char* help, double value) {
  ClientMetric metric;
  metric.counter.value = value;
  return Family(name, help, MetricType::Counter, std::move(metric));
}

MetricFamily BuildInfo() {
  ClientMetric metric;
  metric.gauge.value = 1;
  metric.label.push_back({"version", kVersion});
  return Family("hvagent_build_info", "Which agentd this is.", MetricType::Gauge,
                std::move(metric));
}

class Collector final : public prometheus::Collectable {
 public:
  explicit Collector(Metrics::Sources sources) : sources_(sources) {}

  std::vector<MetricFamily> Collect() const override {
    return {
        BuildInfo(),
        Gauge("hvagent_libvirt_connected", "Whether the agent is connected to libvirt.",
              sources_.hypervisor.Health().ok()),
        Gauge("hvagent_ceph_connected", "Whether the agent is connected to Ceph.",
              sources_.block.Health().ok()),
        Gauge("hvagent_secrets_right",
              "Whether libvirt's secrets were as they shall be when they were looked at last.",
              sources_.keeper.Health().ok()),
        Counter("hvagent_secret_repairs_total",
                "How often a secret was found wrong and made right again.",
                static_cast<double>(sources_.keeper.repairs())),
    };
  }

 private:
  const Metrics::Sources sources_;
};

}  // namespace

class Metrics::Impl {
 public:
  // Throws what civetweb throws when it cannot listen.
  Impl(const std::string& address, Sources sources)
      : collector_(std::make_shared<Collector>(sources)), exposer_(address, /*num_threads=*/1) {
    exposer_.RegisterCollectable(collector_);
  }

  int port() const { return exposer_.GetListeningPorts().at(0); }

 private:
  const std::shared_ptr<Collector> collector_;
  prometheus::Exposer exposer_;
};

absl::StatusOr<std::unique_ptr<Metrics>> Metrics::Serve(const std::string& address,
                                                        Sources sources) {
  try {
    return std::unique_ptr<Metrics>(new Metrics(std::make_unique<Impl>(address, sources)));
  } catch (const std::exception& error) {
    return Error(absl::StatusCode::kUnavailable, "CANNOT_LISTEN",
                 absl::StrCat("cannot serve metrics on ", address, ": ", error.what(),
                              "; is the port in use, or metrics_address not of this node?"));
  }
}

Metrics::Metrics(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Metrics::~Metrics() = default;

int Metrics::port() const { return impl_->port(); }

}  // namespace hvagent

// Private to domain_xml: the words that libvirt's XML has for our enums, once for the writer and
// the reader.
#ifndef HVAGENT_DOMAIN_XML_XML_WORDS_H_
#define HVAGENT_DOMAIN_XML_XML_WORDS_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "domain_xml/domain_spec.h"

namespace hvagent::domain_xml {

template <typename Enum>
struct XmlWord {
  Enum value;
  const char* word;
};

inline constexpr XmlWord<DomainType> kDomainTypes[] = {{DomainType::kKvm, "kvm"},
                                                       {DomainType::kQemu, "qemu"}};
// kDefault has no word: the attribute is left out.
inline constexpr XmlWord<CpuMode> kCpuModes[] = {{CpuMode::kHostModel, "host-model"},
                                                 {CpuMode::kHostPassthrough, "host-passthrough"},
                                                 {CpuMode::kNamed, "custom"}};
inline constexpr XmlWord<CpuPolicy> kCpuPolicies[] = {{CpuPolicy::kForce, "force"},
                                                      {CpuPolicy::kRequire, "require"},
                                                      {CpuPolicy::kOptional, "optional"},
                                                      {CpuPolicy::kDisable, "disable"},
                                                      {CpuPolicy::kForbid, "forbid"}};
inline constexpr XmlWord<CacheMode> kCacheModes[] = {{CacheMode::kNone, "none"},
                                                     {CacheMode::kWriteback, "writeback"},
                                                     {CacheMode::kWritethrough, "writethrough"},
                                                     {CacheMode::kDirectsync, "directsync"},
                                                     {CacheMode::kUnsafe, "unsafe"}};
// kDefault has no word: the attribute is left out.
inline constexpr XmlWord<DiscardMode> kDiscardModes[] = {{DiscardMode::kIgnore, "ignore"},
                                                         {DiscardMode::kUnmap, "unmap"}};
inline constexpr XmlWord<DetectZeroes> kDetectZeroes[] = {
    {DetectZeroes::kOff, "off"}, {DetectZeroes::kOn, "on"}, {DetectZeroes::kUnmap, "unmap"}};
inline constexpr XmlWord<DiskBus> kDiskBuses[] = {
    {DiskBus::kVirtio, "virtio"}, {DiskBus::kScsi, "scsi"}, {DiskBus::kSata, "sata"}};
inline constexpr XmlWord<ErrorPolicy> kErrorPolicies[] = {{ErrorPolicy::kStop, "stop"},
                                                          {ErrorPolicy::kReport, "report"},
                                                          {ErrorPolicy::kEnospace, "enospace"}};
inline constexpr XmlWord<NicModel> kNicModels[] = {
    {NicModel::kVirtio, "virtio"}, {NicModel::kE1000, "e1000"}, {NicModel::kE1000e, "e1000e"}};
inline constexpr XmlWord<NicSource> kNicSources[] = {{NicSource::kBridge, "bridge"},
                                                     {NicSource::kNetwork, "network"}};
inline constexpr XmlWord<WatchdogModel> kWatchdogModels[] = {{WatchdogModel::kI6300esb, "i6300esb"},
                                                             {WatchdogModel::kIb700, "ib700"}};
inline constexpr XmlWord<WatchdogAction> kWatchdogActions[] = {
    {WatchdogAction::kReset, "reset"},
    {WatchdogAction::kPoweroff, "poweroff"},
    {WatchdogAction::kPause, "pause"},
    {WatchdogAction::kInjectNmi, "inject-nmi"},
    {WatchdogAction::kNone, "none"}};

// Empty for a value that has no word.
template <typename Enum, size_t N>
const char* WordOf(const XmlWord<Enum> (&words)[N], Enum value) {
  for (const auto& entry : words) {
    if (entry.value == value) return entry.word;
  }
  return "";
}

template <typename Enum, size_t N>
std::optional<Enum> ValueOf(const XmlWord<Enum> (&words)[N], absl::string_view word) {
  for (const auto& entry : words) {
    if (word == entry.word) return entry.value;
  }
  return std::nullopt;
}

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_XML_WORDS_H_

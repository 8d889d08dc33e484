#include "agent/backup/chain_map.h"

#include <algorithm>

namespace hvagent::backup {

void ByteSet::Add(Interval interval) {
  if (interval.begin >= interval.end) return;
  auto next = intervals_.upper_bound(interval.begin);
  if (next != intervals_.begin() && std::prev(next)->second >= interval.begin) --next;
  while (next != intervals_.end() && next->first <= interval.end) {
    interval.begin = std::min(interval.begin, next->first);
    interval.end = std::max(interval.end, next->second);
    next = intervals_.erase(next);
  }
  intervals_[interval.begin] = interval.end;
}

std::vector<ByteSet::Interval> ByteSet::Missing(Interval interval) const {
  std::vector<Interval> missing;
  uint64_t at = interval.begin;
  auto next = intervals_.upper_bound(at);
  if (next != intervals_.begin() && std::prev(next)->second > at) --next;
  for (; next != intervals_.end() && next->first < interval.end; ++next) {
    if (next->first > at) missing.push_back({at, next->first});
    at = std::max(at, next->second);
  }
  if (at < interval.end) missing.push_back({at, interval.end});
  return missing;
}

std::vector<Piece> Overlay(const std::vector<v1::BackupPart>& layers, uint64_t end_bytes) {
  ByteSet known;
  std::vector<Piece> pieces;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    for (const v1::BackupPart::Extent& extent : layers[layer].extents()) {
      const uint64_t end = std::min(extent.offset_bytes() + extent.length_bytes(), end_bytes);
      for (const ByteSet::Interval& rest : known.Missing({extent.offset_bytes(), end})) {
        pieces.push_back({rest.begin, rest.end - rest.begin, layer, extent});
      }
    }
    for (const v1::BackupPart::Extent& extent : layers[layer].extents()) {
      known.Add({extent.offset_bytes(), extent.offset_bytes() + extent.length_bytes()});
    }
  }
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece& a, const Piece& b) { return a.offset_bytes < b.offset_bytes; });
  return pieces;
}

}  // namespace hvagent::backup

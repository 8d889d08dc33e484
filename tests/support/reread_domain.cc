// Reads domain XML and writes what we make of it: `virsh dumpxml VM --inactive | reread_domain`.
// What libvirt did to a definition of ours, and what it added, is no difference then.
#include <iostream>
#include <iterator>
#include <string>

#include "domain_xml/domain_xml.h"

int main() {
  const std::string xml((std::istreambuf_iterator<char>(std::cin)),
                        std::istreambuf_iterator<char>());
  const auto spec = hvagent::domain_xml::Parse(xml);
  const auto rendered =
      spec.ok() ? hvagent::domain_xml::Render(*spec) : absl::StatusOr<std::string>(spec.status());
  if (!rendered.ok()) {
    std::cerr << rendered.status() << "\n";
    return 1;
  }
  std::cout << *rendered;
  return 0;
}

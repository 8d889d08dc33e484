// Private to domain_xml: libvirt's names of IO limits, which are v1::IoLimits' as well.
#ifndef HVAGENT_DOMAIN_XML_IO_TUNE_NAMES_H_
#define HVAGENT_DOMAIN_XML_IO_TUNE_NAMES_H_

#include <string>

#include "domain_xml/disk_spec.h"

namespace hvagent::domain_xml {

struct IoLimitName {
  IoLimit IoTune::*limit;
  const char* name;
};
inline constexpr IoLimitName kIoLimitNames[] = {
    {&IoTune::total_bytes, "total_bytes_sec"}, {&IoTune::read_bytes, "read_bytes_sec"},
    {&IoTune::write_bytes, "write_bytes_sec"}, {&IoTune::total_iops, "total_iops_sec"},
    {&IoTune::read_iops, "read_iops_sec"},     {&IoTune::write_iops, "write_iops_sec"}};
inline constexpr char kSizeIopsName[] = "size_iops_sec";
inline constexpr char kGroupName[] = "group_name";

// "total_bytes_sec_max" and "total_bytes_sec_max_length"
inline std::string BurstName(const char* name) { return std::string(name) + "_max"; }
inline std::string BurstLengthName(const char* name) { return BurstName(name) + "_length"; }

}  // namespace hvagent::domain_xml

#endif  // HVAGENT_DOMAIN_XML_IO_TUNE_NAMES_H_

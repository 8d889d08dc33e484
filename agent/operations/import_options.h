// What this node's configuration says about imports.
#ifndef HVAGENT_AGENT_OPERATIONS_IMPORT_OPTIONS_H_
#define HVAGENT_AGENT_OPERATIONS_IMPORT_OPTIONS_H_

#include <string>

#include "agent/imports/qcow2_decoder.h"
#include "agent/imports/spool_file.h"
#include "base/bytes.h"

namespace hvagent::operations {

struct ImportOptions {
  std::string folder;  // of files that are imported by their path; empty: none is
  imports::SpoolOptions spool;
  Bytes max_image_size = GiB(64 << 10);
  imports::DecoderOptions decoder;
};

}  // namespace hvagent::operations

#endif  // HVAGENT_AGENT_OPERATIONS_IMPORT_OPTIONS_H_

#!/usr/bin/env python3
"""Checks who includes whom: the floors of the house, and where C APIs may be seen.

usage: check_includes.py ROOT       report every include that is not allowed; exit 1 if any
       check_includes.py --self-test  prove that each rule can fail
"""

import pathlib
import re
import sys
import tempfile

# Ground floor first: a room may use itself and the rooms above it in this list. The sources in
# the folder agent/ itself (main, the composition root) are the room "agent".
FLOORS = [
    "proto",
    "base",
    "manifest",
    "secrets",
    "domain_xml",
    "agent/hypervisor",
    "agent/block",
    "agent/registry",
    "agent/state",
    "agent/keeper",
    "agent/reconcile",
    "agent/imports",
    "agent/operations",
    "agent/backup",
    "agent/leftovers",
    "agent/service",
    "agent",
]

# Rooms with less than their floor allows.
NARROWER = {
    "base": set(),
    "agentctl": {"proto", "base", "manifest", "secrets", "domain_xml"},
}

# C headers, and the only files that may include them.
SEAMS = [
    (re.compile(r"^libvirt/"), re.compile(r"^agent/hypervisor/libvirt_[^/]*$")),
    (re.compile(r"^(rbd|rados)/"), re.compile(r"^agent/(block/rbd|block/rados|registry/rados)_[^/]*$")),
    (re.compile(r"^libnbd\.h$"), re.compile(r"^agent/imports/nbd_reader\.cc$")),
    (re.compile(r"^glog/"), re.compile(r"\.cc$")),
]

# Folders whose sources are checked; tests may include anything.
CHECKED = ["base", "manifest", "secrets", "domain_xml", "agent", "agentctl"]

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def room_of(path):
    """The room that a file, or an included path, belongs to; None for what is not ours."""
    parts = path.split("/")
    if parts[0] in ("hvagent", "google") and path.endswith(".pb.h") and parts[1] != "protobuf":
        return "proto"
    if parts[0] not in CHECKED + ["tests", "lab"]:
        return None
    if parts[0] == "agent" and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0]


def allowed_rooms(room):
    if room in NARROWER:
        return NARROWER[room] | {room}
    return set(FLOORS[: FLOORS.index(room) + 1])


def check_file(name, text):
    """One line for each include in `text` that is not allowed."""
    room = room_of(name)
    if room not in FLOORS and room not in NARROWER:
        return [f"{name}: {room} is no room of the house; add it to tests/lint/check_includes.py"]
    problems = []
    for match in INCLUDE.finditer(text):
        included = match.group(1)
        line = text.count("\n", 0, match.start(1)) + 1
        target = room_of(included)
        if target is not None and target not in allowed_rooms(room):
            problems.append(f"{name}:{line}: {room} may not use {target} ({included})")
        for header, place in SEAMS:
            if header.search(included) and not place.search(name):
                problems.append(f"{name}:{line}: {included} may not be included here")
    return problems


def check_tree(root):
    problems = []
    files = 0
    for folder in CHECKED:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cc"):
                files += 1
                name = path.relative_to(root).as_posix()
                problems += check_file(name, path.read_text(encoding="utf-8"))
    if files == 0:
        problems.append(f"{root}: there is no source to check")
    return problems


def self_test():
    """Each pair is a file with one include, and whether that is allowed."""
    cases = [
        ("base/error.h", '#include "absl/status/status.h"', True),
        ("base/error.h", '#include "base/uuid.h"', True),
        ("base/error.h", '#include "hvagent/v1/vm.pb.h"', False),
        ("manifest/yaml_proto.h", "#include <google/protobuf/message.h>", True),
        ("manifest/yaml_proto.h", '#include "secrets/ceph_key.h"', False),
        ("domain_xml/vm_spec.h", '#include "hvagent/v1/vm.pb.h"', True),
        ("domain_xml/vm_spec.h", '#include "google/rpc/status.pb.h"', True),
        ("domain_xml/vm_spec.h", '#include "agent/block/block_store.h"', False),
        ("secrets/secret_store.h", '#include "domain_xml/domain_spec.h"', False),
        ("agent/block/memory_block.cc", '#include "agent/reconcile/plan.h"', False),
        ("agent/reconcile/plan.cc", '#include "agent/block/block_store.h"', True),
        ("agent/reconcile/plan.cc", '#include "agent/config.h"', False),
        ("agent/main.cc", '#include "agent/service/vm_service.h"', True),
        ("agent/main.cc", '#include "agentctl/table.h"', False),
        ("agentctl/main.cc", '#include "manifest/yaml_proto.h"', True),
        ("agentctl/main.cc", '#include "agent/config.h"', False),
        ("agentctl/main.cc", '#include "agent/hypervisor/hypervisor.h"', False),
        ("agent/main.cc", '#include "tests/support/fake_clock.h"', False),
        ("agent/cellar/wine.cc", "#include <string>", False),
        ("agent/hypervisor/libvirt_connection.cc", "#include <libvirt/libvirt.h>", True),
        ("agent/hypervisor/memory_hypervisor.cc", "#include <libvirt/virterror.h>", False),
        ("domain_xml/domain_xml_parse.cc", "  #  include <libvirt/libvirt.h>", False),
        ("agent/block/rbd_image.cc", "#include <rbd/librbd.h>", True),
        ("agent/block/rbd_image.cc", "#include <rados/librados.h>", True),
        ("agent/block/rados_cluster_keys.cc", "#include <rados/librados.h>", True),
        ("agent/block/memory_cluster_keys.cc", "#include <rados/librados.h>", False),
        ("agent/registry/rados_registry.cc", "#include <rados/librados.h>", True),
        ("agent/block/block_store.h", "#include <rbd/librbd.h>", False),
        ("agent/operations/import.cc", "#include <rados/librados.h>", False),
        ("agent/imports/nbd_reader.cc", "#include <libnbd.h>", True),
        ("agent/imports/qcow2_decoder.cc", "#include <libnbd.h>", False),
        ("agent/main.cc", "#include <glog/logging.h>", True),
        ("agent/config.h", "#include <glog/logging.h>", False),
    ]
    failures = 0
    for name, text, allowed in cases:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True)
            path.write_text(f"// A file.\n{text}\n", encoding="utf-8")
            problems = check_tree(pathlib.Path(folder))
        if allowed == bool(problems):
            failures += 1
            print(f"{name}: {text}: expected {'no problem' if allowed else 'one'}, got {problems}")
    with tempfile.TemporaryDirectory() as folder:
        if not check_tree(pathlib.Path(folder)):
            failures += 1
            print("an empty tree passes")
    return failures


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--self-test":
        sys.exit(1 if self_test() else 0)
    problems = check_tree(pathlib.Path(sys.argv[1]))
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


main()

#!/usr/bin/python3
"""A small controller: it keeps a fleet of agents at what a file says, and tells what it sees.

    controller.py fleet.json

fleet.json names the nodes and their VMs, each as a VmSpec in proto JSON mapping:

    {"nodes": {"compute-1": "unix:/run/hypervisor-agent/agentd.sock"},
     "vms": [{"uuid": "...", "name": "web-1", "node": "compute-1", "vcpus": 1, "memory_mib": 256,
              "root_disk": {"image": "jammy", "size_gib": 1}}]}

It pushes each node's VMs, watches each node, and pushes again when the file has changed or a VM is
gone or was changed by somebody else. It keeps no state: the term is the time of its start, so a
controller that starts later takes over. Needs python3-grpcio, python3-protobuf and protoc.
See docs/controller.md.
"""
import importlib
import json
import pathlib
import queue
import subprocess
import sys
import tempfile
import threading
import time

import grpc
from google.protobuf import json_format

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


def load_api():
    """The messages of the API, compiled from the .proto files."""
    with tempfile.TemporaryDirectory() as folder:
        files = [str(path) for path in sorted((PROTO / "hvagent/v1").glob("*.proto"))]
        files += [str(path) for path in sorted((PROTO / "google/rpc").glob("*.proto"))]
        subprocess.run(["protoc", f"--proto_path={PROTO}", f"--python_out={folder}", *files], check=True)
        sys.path.insert(0, folder)
        return (importlib.import_module("hvagent.v1.push_pb2"),
                importlib.import_module("hvagent.v1.node_service_pb2"),
                importlib.import_module("hvagent.v1.vm_pb2"))


push_pb2, node_pb2, vm_pb2 = load_api()


class Node:
    """One agent: what it was told last, and what it says of itself."""

    def __init__(self, name, address, term, changed):
        self.name = name
        self.term = term
        self.generation = 0
        self.pushed = None  # the VMs of the last push that was accepted
        self.changed = changed
        channel = grpc.insecure_channel(address)
        self.push_state = channel.unary_unary(
            "/hvagent.v1.NodeService/PushState",
            request_serializer=push_pb2.PushStateRequest.SerializeToString,
            response_deserializer=push_pb2.PushStateResponse.FromString)
        self.watch_state = channel.unary_stream(
            "/hvagent.v1.NodeService/WatchState",
            request_serializer=node_pb2.WatchStateRequest.SerializeToString,
            response_deserializer=node_pb2.StateEvent.FromString)
        threading.Thread(target=self.watch, daemon=True).start()

    def push(self, vms):
        """Says what the node's VMs shall be."""
        request = push_pb2.PushStateRequest(
            kind=push_pb2.PushStateRequest.FULL, controller="example", term=self.term,
            generation=self.generation + 1,
            # What left the file may go, but never more at once than half of what is there.
            max_deletions=(len(self.pushed or []) + 1) // 2)
        for vm in vms:
            json_format.ParseDict(vm, request.vms.add().spec)
        answer = self.push_state(request, timeout=30)
        self.generation += 1
        self.pushed = vms
        for change in answer.changes:
            print(f"{self.name}: {push_pb2.VmChange.Kind.Name(change.kind)} {change.name}", flush=True)

    def watch(self):
        """Hears of every change, over as many connections as it takes."""
        position = node_pb2.WatchStateRequest()
        while True:
            try:
                for event in self.watch_state(position):
                    self.hear(event)
                    if event.revision or event.synced:
                        position = node_pb2.WatchStateRequest(instance=event.instance,
                                                              revision=event.revision)
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.OUT_OF_RANGE:
                    position = node_pb2.WatchStateRequest()
                else:
                    print(f"{self.name}: {error.details()}", flush=True)
                    time.sleep(1)

    def hear(self, event):
        kind = event.WhichOneof("event")
        if kind == "removed":
            print(f"{self.name}: {event.removed} is gone", flush=True)
            self.changed.put(self.name)
        elif kind == "vm":
            spec, status = event.vm.spec, event.vm.status
            ready = next((c for c in status.conditions if c.type == "READY"), None)
            print(f"{self.name}: {spec.name} is {ready.reason if ready else 'not known'}", flush=True)
            if self.differs(spec):
                self.changed.put(self.name)

    def differs(self, spec):
        """Whether somebody else changed the power state of a VM of ours."""
        for vm in self.pushed or []:
            if vm["uuid"] == spec.uuid:
                return vm_pb2.PowerState.Name(spec.power_state) != vm.get("power_state", "RUNNING")
        return False


def main():
    fleet_file = pathlib.Path(sys.argv[1])
    fleet = json.loads(fleet_file.read_text())
    changed = queue.Queue()
    term = int(time.time())
    nodes = {name: Node(name, address, term, changed) for name, address in fleet["nodes"].items()}
    due = set(nodes)
    while True:
        vms = json.loads(fleet_file.read_text())["vms"]
        for name, node in nodes.items():
            wanted = [vm for vm in vms if vm["node"] == name]
            if name not in due and wanted == node.pushed:
                continue
            try:
                node.push(wanted)
                due.discard(name)
            except grpc.RpcError as error:  # a refusal, or the node is away: tried again
                print(f"{name}: push: {error.details()}", flush=True)
                due.add(name)
        try:
            due.add(changed.get(timeout=1))
        except queue.Empty:
            pass


if __name__ == "__main__":
    main()

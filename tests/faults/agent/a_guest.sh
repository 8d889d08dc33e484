# shellcheck shell=bash
# A guest on compute-1, for tests that break what is under it; sourced after lab_test.sh. $image, $vm and $name name it,
# and it is gone when the test ends.

image=fault-test-$(uuidgen)
vm=$(uuidgen)
name=fault-test-${vm%%-*}
new_disk "$scratch/disk.raw"
vm_manifest "$vm" "$name" "$image" >"$scratch/vm.yaml"

guest_up() {
  sync_secret
  agentctl image import "$scratch/disk.raw" --id "$image"
  agentctl apply -f "$scratch/vm.yaml"
  guest_process >"$scratch/qemu"
}

# guest_process: its QEMU, by PID and start time.
guest_process() { process_identity "/proc/$(place_init compute-1)/root/proc" "$(guest_pids compute-1 "$name" | awk '{ print $2 }')"; }

# The very QEMU that was started at first still runs.
guest_untouched() { same "$(guest_process)" "$(cat "$scratch/qemu")" "the guest's QEMU"; }

guest_down() {
  lab/fault heal all
  agentctl vm delete "$vm" --now --yes
  agentctl image delete "$image" --yes
}
at_exit guest_down

# quick SECONDS CMD...: as CMD, and it must not take longer.
quick() { timeout --kill-after 5 "$@" || { [ $? -ne 124 ] || fail "still running after $1 s: ${*:2}"; return 1; }; }

# in_time SECONDS CODE WORD -- CMD...: CMD fails with CODE, and WORD in its one line, within SECONDS.
in_time() {
  local start=$SECONDS
  refuses "$2" "$3" -- "${@:5}"
  ((SECONDS - start <= $1)) || fail "took $((SECONDS - start)) s, not at most $1: ${*:5}"
}

node_recovers() {
  eventually 30 node_is_ready
  guest_untouched
  same "$(json .status.power_state agentctl vm get "$name" -o json)" RUNNING "vm get"
}

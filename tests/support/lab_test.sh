# shellcheck shell=bash
# For tests that look at a lab from outside; sourced. The lab is the one that LAB_NAME names: there is no default, so
# that nobody's lab is broken by accident, and a test without one fails.
#
#   source "$(dirname "$0")/../support/lab_test.sh"
#   check "An image without clones can be deleted" delete_image      # a function; it runs under set -e, in a subshell
#   checks_end

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
: "${LAB_NAME:?names the lab that this test runs on; tests/run brings one up}"
export LAB_NAME
# shellcheck source=lab/lib/lab.sh
source lab/lib/lab.sh
require_lab
scratch=$(mktemp -d)
failed_checks=0
cleanups=()
at_exit() { cleanups+=("$1"); }
finish() {
  local cleanup
  set +e
  for cleanup in "${cleanups[@]}"; do $cleanup >/dev/null 2>&1 </dev/null; done
  rm -rf "$scratch"
}
trap finish EXIT

# No call of a test's takes as long as this unless it hangs.
agentctl() { timeout --kill-after 5 90 lab/agentctl "$@"; }
rbd() { lab/ceph rbd "$@"; }
virsh() { lab/node "${node:-compute-1}" virsh --quiet "$@"; }

fail() {
  echo "    $*" >&2
  exit 1
}

# check NAME CMD...: one thing that shall be so. The next is tried whatever comes of it.
check() {
  local status
  echo "- $1"
  set +e
  (set -e; "${@:2}") </dev/null
  status=$?
  set -e
  [ "$status" -eq 0 ] && return
  failed_checks=$((failed_checks + 1))
  echo "  FAILED: $1 (exit $status)" >&2
}

checks_end() {
  [ "$failed_checks" -eq 0 ] || { echo "$failed_checks failed" >&2; exit 1; }
  echo "all as it shall be"
}

# eventually SECONDS CMD...
eventually() {
  until_true "$@" && return
  "${@:2}" || true
  fail "not within $1 s: ${*:2}"
}

same() { [ "$1" = "$2" ] || fail "$3 is '$1', not '$2'"; }

# refuses CODE WORDS... -- CMD...: CMD exits with CODE and says why in one line, in which each of WORDS is.
refuses() {
  local code=$1 words=() status=0 word
  shift
  while [ "$1" != -- ]; do words+=("$1"); shift; done
  shift
  "$@" >"$scratch/out" 2>"$scratch/err" || status=$?
  cat "$scratch/err"
  same "$status" "$code" "the exit code of: $*"
  same "$(grep -c '^agentctl: ' "$scratch/err")" 1 "the number of error lines of: $*"
  for word in "${words[@]}"; do
    grep '^agentctl: ' "$scratch/err" | grep -qF -- "$word" || fail "the error does not say '$word'"
  done
}

# json QUERY CMD...: what jq makes of CMD's output.
json() { "${@:2}" | jq --exit-status --raw-output "$1"; }

condition() { json ".conditions[] | select(.type == \"$1\") | .status" agentctl node get "${node:-compute-1}" -o json; }
condition_is() { [ "$(condition "$1")" = "$2" ]; }
node_is_ready() { condition_is READY TRUE; }
power_is() { [ "$(json .status.power_state agentctl vm get "$1" -o json)" = "$2" ]; }

# A raw disk of 24 MiB, unlike any other, with one line at 10 MiB and zeros elsewhere. Nothing boots from it, and QEMU
# runs all the same.
new_disk() {
  truncate --size 24M "$1"
  uuidgen | dd of="$1" bs=1M seek=10 conv=notrunc status=none
}

# vm_manifest UUID NAME IMAGE [MEMORY_MIB] [SIZE_GIB]
vm_manifest() {
  cat <<YAML
vms:
- {uuid: $1, name: $2, node: compute-1, vcpus: 1, memory_mib: ${4:-64}, root_disk: {image: $3, size_gib: ${5:-1}}}
YAML
}

# configure NODE SED_SCRIPT: its agent anew, with its configuration changed so, or as the lab made it (an empty script).
configure() {
  local file=$LAB_DIR/nodes/$1/etc/hypervisor-agent/agentd.yaml
  [ -e "$file.lab" ] || cp -p "$file" "$file.lab"
  sed "$2" "$file.lab" >"$file"
  [ -n "$2" ] || rm "$file.lab"
  lab/fault kill "$1" agentd
  lab/fault heal "$1"
}

is_configured() { [ -e "$LAB_DIR/nodes/$1/etc/hypervisor-agent/agentd.yaml.lab" ]; }

sync_secret() { agentctl secret sync --entity client.cinder --from "keyring:$LAB_DIR/ceph/keyrings/ceph.client.cinder.keyring"; }
clone_exists() { rbd info "vms/$1_disk" >/dev/null 2>&1; }
domain_exists() { virsh domstate "$1" >/dev/null 2>&1; }
image_exists() { rbd info "images/$1" >/dev/null 2>&1; }
staged_images() { rbd ls images | grep '^hvagent-import-' || true; }
nothing_is_staged() { [ -z "$(staged_images)" ]; }
something_is_staged() { ! nothing_is_staged; }

# nothing_left UUID: neither a clone nor a domain.
nothing_left() {
  ! clone_exists "$1" || fail "vms/$1_disk was left"
  ! domain_exists "$1" || fail "the domain $1 was left"
}

# Places and services. A place is a machine of the lab (ceph, compute-1, ...): network, mount, UTS and PID namespaces
# under an init of its own (tini), so that all of it ends when its init does. A service is one daemon in a place. No
# service is restarted when it dies: a test that kills one finds it dead until `lab/fault heal`.
# The operator's place is a network namespace and no more: who works there sees the machine's files and processes.

place_dir() { echo "$LAB_DIR/places/$1"; }

# place_init PLACE: the PID of its init, as this machine counts; fails when it is not running.
place_init() {
  local recorded
  read -r recorded 2>/dev/null <"$(place_dir "$1")/init" || return 1
  [ "$(process_identity /proc "${recorded% *}")" = "$recorded" ] && echo "${recorded% *}"
}

place_is_up() { place_init "$1" >/dev/null; }

# place_up PLACE: starts it, as lab/lib/place-init says. Returns when it is ready for services.
place_up() {
  local dir log
  place_is_up "$1" && return
  dir=$(place_dir "$1") log=$dir/setup.log
  rm -f "$dir/init"
  (
    exec {lab_lock_fd}<&- </dev/null >"$log" 2>&1 3>"$dir/init"
    exec setsid --fork nsenter --net="/run/netns/$(netns "$1")" \
      unshare --mount --uts --pid --fork --kill-child "$repo/lab/lib/place-init" "$1" "$dir" "$(freezer_make "$1")"
  )
  until_true 20 place_is_up "$1" || { cat "$log" >&2; die "$1 did not start: see $log"; }
}

# place_kill PLACE: its init, and with it every process in it, at once: a power cut.
place_kill() {
  local pid
  pid=$(place_init "$1") || return 0
  freezer_kill "$1"
  kill -KILL "$pid" 2>/dev/null || true
  until_true 20 not place_is_up "$1" || die "$1 does not die (PID $pid)"
}

not() { ! "$@"; }

# place_exec PLACE CMD...: becomes CMD, inside, in the same folder where the place has one of that name. Its streams and
# exit code are its own.
place_exec() {
  local pid folder
  pid=$(place_init "$1") || die "$1 is not running: see lab/status, or start it again with lab/up"
  shift
  folder=$(pwd -P)
  [ -d "/proc/$pid/root$folder" ] || folder=/
  exec nsenter --target "$pid" --mount --uts --net --pid -- \
    env --chdir="$folder" LIBVIRT_DEFAULT_URI=qemu:///system "$@"
}

place_run() { (place_exec "$@"); }

# service_identity PLACE SERVICE: PID (in the place) and start time, while it runs.
service_identity() {
  local init recorded root
  init=$(place_init "$1") || return 1
  root=/proc/$init/root
  read -r recorded 2>/dev/null <"$root/run/lab/$2" || return 1
  [ "$(process_identity "$root/proc" "${recorded% *}")" = "$recorded" ] && echo "$recorded"
}

service_is_up() { service_identity "$1" "$2" >/dev/null; }

# service_up PLACE SERVICE LOG CMD...: starts it unless it runs, with an environment that does not depend on who starts
# it; what it prints goes to the end of LOG.
service_up() {
  local place=$1 service=$2 log=$3
  shift 3
  service_is_up "$place" "$service" && return
  mkdir -p "$(dirname "$log")"
  (
    freezer_join "$place"
    exec {lab_lock_fd}<&- </dev/null >>"$log" 2>&1
    cd /
    place_exec "$place" setsid --fork env --ignore-environment HOME=/root LANG=C.UTF-8 \
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$repo/lab/lib/service-init" "$service" "$@"
  )
  until_true 5 service_is_up "$place" "$service" || { tail -n 20 "$log" >&2; die "$service on $place ended at once: see $log"; }
}

# service_signal PLACE SERVICE SIGNAL
service_signal() {
  local identity
  identity=$(service_identity "$1" "$2") || return 1
  place_run "$1" kill "-$3" "${identity% *}"
}

# service_state PLACE SERVICE: running, stopped (by a signal) or dead.
service_state() {
  local identity init state
  identity=$(service_identity "$1" "$2") || { echo dead; return; }
  init=$(place_init "$1")
  state=$(awk '/^State:/ { print $2 }' "/proc/$init/root/proc/${identity% *}/status" 2>/dev/null)
  case $state in T) echo stopped ;; "") echo dead ;; *) echo running ;; esac
}

# operator_exec CMD...: becomes CMD, on the lab's network, with the lab's agentctl.yaml and ceph.conf.
operator_exec() {
  netns_exists operator || die "the lab's network is down: start it again with lab/up"
  exec nsenter --net="/run/netns/$(netns operator)" \
    env AGENTCTL_CONFIG="$LAB_DIR/agentctl.yaml" CEPH_CONF="$ceph_dir/client.conf" "$@"
}

# One cgroup for each node, which holds all its processes, guests included, so that a node can be frozen as a whole.
# Works with cgroup v1's freezer and with cgroup v2, whichever this machine has mounted.

# freezer_root: a hierarchy that can freeze and that we may write to; fails where there is none.
freezer_root() {
  local root
  for root in $(awk '$3 == "cgroup2" { print $2 }' /proc/mounts) \
    $(awk '$3 == "cgroup" && ("," $4 ",") ~ /,freezer,/ { print $2 }' /proc/mounts); do
    [ -w "$root/cgroup.procs" ] && echo "$root" && return
  done
  return 1
}

freezer_of() {
  local root
  root=$(freezer_root) || return 1
  echo "$root/$lab_prefix/$1"
}

# freezer_make PLACE: makes the place's cgroup and prints where it is. A machine without one that we may write to loses
# only `lab/fault freeze NODE`.
freezer_make() {
  local group
  group=$(freezer_of "$1") && mkdir -p "$group" 2>/dev/null && echo "$group" || true
}

# freezer_join PLACE: puts the calling shell, and so all that it starts, into the place's cgroup.
freezer_join() {
  local group
  group=$(freezer_make "$1")
  [ -z "$group" ] || echo "$BASHPID" >"$group/cgroup.procs"
}

freezer_state() {
  local group
  group=$(freezer_of "$1") || return 1
  if [ -e "$group/freezer.state" ]; then
    cat "$group/freezer.state"
  else
    grep -q '^frozen 1' "$group/cgroup.events" && echo FROZEN || echo THAWED
  fi
}

freezer_is() { [ "$(freezer_state "$1" 2>/dev/null)" = "$2" ]; }

# freezer_set PLACE FROZEN|THAWED: returns when every process of the place has stopped, or runs again.
freezer_set() {
  local group
  group=$(freezer_of "$1") && [ -d "$group" ] || die "no cgroup for $1: this machine has no freezer that we may use"
  if [ -e "$group/freezer.state" ]; then
    echo "$2" >"$group/freezer.state"
  else
    case $2 in FROZEN) echo 1 ;; THAWED) echo 0 ;; esac >"$group/cgroup.freeze"
  fi
  until_true 10 freezer_is "$1" "$2" || die "$1 did not become $2 within 10 s"
}

# freezer_kill PLACE: SIGKILL to each of its processes, which a frozen one takes before it runs another instruction.
# The kernel shows a process that is just being reaped as 0, which to kill(1) is everybody in our own process group.
freezer_kill() {
  local group pid
  group=$(freezer_of "$1") && [ -d "$group" ] || return 0
  while read -r pid; do
    [ "$pid" -eq 0 ] || kill -KILL "$pid" 2>/dev/null || true
  done <"$group/cgroup.procs"
  ! freezer_is "$1" FROZEN || freezer_set "$1" THAWED
}

# freezer_down: removes the lab's cgroups. Their processes must be gone, or about to go.
freezer_down() {
  local root group
  root=$(freezer_root) || return 0
  for group in "$root/$lab_prefix"/*/ "$root/$lab_prefix"; do
    [ ! -d "$group" ] || until_true 10 rmdir "$group" || die "cannot remove $group: see its cgroup.procs"
  done
}

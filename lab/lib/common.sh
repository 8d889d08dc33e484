# What every lab command shares: where the lab lives, who may run it, and how it speaks.
# Sourced first. Sets LAB_NAME, LAB_DIR, lab_prefix, repo and build_dir; needs bash and nothing else.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=lab/$(basename "$0")

# die MESSAGE...: one line on stderr, exit 1.
die() {
  echo "$program: $*" >&2
  exit 1
}

# usage_error MESSAGE...: one line on stderr and the caller's usage text, exit 2.
usage_error() {
  echo "$program: $*" >&2
  usage >&2
  exit 2
}

say() { echo "$program: $*" >&2; }

# as_root "$@": namespaces and mounts need root, so anyone else is sent through sudo, with the lab's own settings.
as_root() {
  [ "$(id -u)" -ne 0 ] || return 0
  command -v sudo >/dev/null || die "needs root: run it as root, or install sudo"
  exec sudo --preserve-env=LAB_NAME,LAB_DIR,HVAGENT_BUILD_DIR "$0" "$@"
}

# lab_settings: the names that all else is made of. A lab name has no dash, so one prefix never begins another.
lab_settings() {
  LAB_NAME=${LAB_NAME:-lab}
  [[ $LAB_NAME =~ ^[a-z][a-z0-9]{0,11}$ ]] ||
    die "LAB_NAME '$LAB_NAME' must be one to twelve of a-z and 0-9, and begin with a letter"
  LAB_DIR=$(realpath -m "${LAB_DIR:-$repo/.lab/$LAB_NAME}")
  lab_prefix=hv-$LAB_NAME
  lab_conf=$LAB_DIR/lab.conf
  nodes=0 mons=1 osds=1 agents=yes build_dir=$repo/build/release
  # shellcheck source=/dev/null
  [ ! -f "$lab_conf" ] || source "$lab_conf"
  build_dir=${HVAGENT_BUILD_DIR:-$build_dir}
  export LAB_NAME LAB_DIR
}

# lab_settings_save: what a later command must know of how this lab was made.
lab_settings_save() {
  printf '%s=%q\n' nodes "$nodes" mons "$mons" osds "$osds" agents "$agents" build_dir "$build_dir" >"$lab_conf.new"
  mv "$lab_conf.new" "$lab_conf"
}

# lab_lock: one up, down or heal of a lab at a time. The lock is the lab's own folder, so that it leaves no file.
lab_lock() {
  # Not root's own, in a clone that is somebody's: the guest image is cached there by whoever builds it.
  [ -d "$repo/.lab" ] || { mkdir "$repo/.lab" && chown --reference="$repo" "$repo/.lab"; }
  while mkdir -p "$LAB_DIR" && exec {lab_lock_fd}<"$LAB_DIR"; do
    flock --wait 300 "$lab_lock_fd" || die "another command has been changing the lab in $LAB_DIR for five minutes"
    [ "/proc/self/fd/$lab_lock_fd" -ef "$LAB_DIR" ] && return 0
    exec {lab_lock_fd}<&-  # it was taken down while we waited
  done
  die "cannot make $LAB_DIR"
}

require_lab() { [ -f "$lab_conf" ] || die "there is no lab in $LAB_DIR: make one with lab/up"; }

node_names() { seq --format 'compute-%.0f' 1 "$nodes"; }

# require_node NAME: exits 2 with the names that would have been right.
require_node() {
  grep -qxF -- "$1" <<<"$(node_names)" || usage_error "no node '$1' in this lab; it has: $(node_names | xargs)"
}

# require_commands NAME...: exits with what is missing and how to get it.
require_commands() {
  local name missing=()
  for name in "$@"; do command -v "$name" >/dev/null || missing+=("$name"); done
  [ ${#missing[@]} -eq 0 ] || die "needs ${missing[*]}: run tools/install-packages"
}

# until_true SECONDS CMD...: tries CMD ten times a second; fails when the time is over.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# process_identity PROC PID: a PID together with its start time, as PROC (a proc mount) shows it. A PID alone may be
# anybody's by tomorrow; the pair never is. Prints nothing and fails for a dead process or a zombie.
process_identity() {
  local stat
  read -r stat 2>/dev/null <"$1/$2/stat" || return 1
  stat=${stat##*) }  # the name may hold spaces and brackets: what follows the last one is regular
  # shellcheck disable=SC2086
  set -- "$2" $stat
  [ "$2" != Z ] && echo "$1 ${21}"
}

# wait_all PID...: fails when any of these background jobs failed.
wait_all() {
  local pid failed=0
  for pid in "$@"; do wait "$pid" || failed=1; done
  return $failed
}

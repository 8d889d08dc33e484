# shellcheck shell=bash
# Steps with progress, a log and a time for each; sourced by lab/quickstart and tests/run.
#
#   source tools/steps.sh
#   steps_begin "Quickstart" .lab/quickstart     # where the logs go
#   step "Build" tools/build
#   step "Boot a guest" boot_guest               # a function will do; it runs under set -e, in a subshell
#   steps_end                                    # the table
#
# What a step prints goes to its log. `prove TEXT`, in a step, is for the person: it is shown under the step's name.
# The first step that fails ends the script: its name, the end of its log and where that is, exit 1.

steps_begin() {
  steps_title=$1 steps_log_dir=$2 steps_count=0 steps_table=() steps_start=$EPOCHREALTIME
  mkdir -p "$steps_log_dir"
  rm -f "$steps_log_dir"/*.log
  [ -t 1 ] && steps_on_terminal=yes || steps_on_terminal=no
  echo "$steps_title (logs in $steps_log_dir)"
}

prove() { echo "$*" >&3; }

# steps_since TIME: seconds since then, with one decimal.
steps_since() {
  local tenths=$(((${EPOCHREALTIME/./} - ${1/./}) / 100000))
  echo "$((tenths / 10)).$((tenths % 10))"
}

# steps_tick LABEL START: says what runs and for how long: each second on a terminal, each half minute elsewhere.
steps_tick() {
  local quiet
  exec {quiet}<> <(:)  # nothing ever comes from it: a sleep that dies with this shell
  while :; do
    read -r -t 1 -u "$quiet" || true
    if [ "$steps_on_terminal" = yes ]; then
      printf '\r%s %s s' "$1" "$((SECONDS - $2))"
    elif (((SECONDS - $2) % 30 == 0)); then
      echo "$1 $((SECONDS - $2)) s so far"
    fi
  done
}

# step NAME CMD...: not to be called where its exit code is tested (if, ||, &&): bash would then not stop CMD at its
# first failure.
step() {
  local name=$1 log label start=$EPOCHREALTIME status ticker seconds
  shift
  steps_count=$((steps_count + 1))
  log=$steps_log_dir/$(printf '%02d-%s.log' "$steps_count" "$(tr -cs '[:alnum:]' '-' <<<"${name,,}" | sed 's/-*$//')")
  label=$(printf '[%2d] %-48s' "$steps_count" "$name")
  printf '%s' "$label"
  [ "$steps_on_terminal" = yes ] || echo " ..."
  steps_tick "$label" "$SECONDS" 2>/dev/null &
  ticker=$!
  set +e
  (set -e; "$@") >"$log" 2>&1 3>"$log.proof" </dev/null
  status=$?
  kill "$ticker" 2>/dev/null
  wait "$ticker" 2>/dev/null
  set -e
  seconds=$(steps_since "$start")
  [ "$steps_on_terminal" = no ] || printf '\r'
  [ "$status" -eq 0 ] || steps_fail "$label" "$seconds" "$status" "$log"
  echo "$label $seconds s"
  sed 's/^/       /' "$log.proof"
  rm -f "$log.proof"
  steps_table+=("$seconds" "$name")
}

steps_fail() {
  echo "$1 FAILED after $2 s (exit $3)"
  sed 's/^/       /' "$4.proof"
  rm -f "$4.proof"
  {
    echo "The end of its log, $4:"
    tail -n 20 "$4" | sed 's/^/    /'
  } >&2
  exit 1
}

steps_end() {
  printf '\n%10s  step\n' seconds
  printf '%10s  %s\n' "${steps_table[@]}" "$(steps_since "$steps_start")" total
}

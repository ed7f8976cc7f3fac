#!/usr/bin/env bash
# The simulations at full length, spread over the processors, each history from its own seed; the channel's model; then the mutation
# checks.
#
#   tools/simulate.sh FOLDER PYTHON     FOLDER: where the simulation programs were built
#
# SEED=n starts there instead of at random; what starts where is printed, and a failing history prints its own seed.
set -euo pipefail
folder=$1 python=$2
jobs=$(nproc)
seed=${SEED:-$((RANDOM * 32768 * 32768 + RANDOM * 32768 + RANDOM))}

# simulate PROGRAM HISTORIES
simulate() {
  local program=$1 each=$((($2 + jobs - 1) / jobs)) i pids=() failed=0
  echo "$program: $((each * jobs)) histories from seed $seed on, by $jobs processes"
  for ((i = 0; i < jobs; ++i)); do
    "$folder/$program" "$each" $((seed + i * each)) >"$folder/$program.$i.log" 2>&1 &
    pids+=($!)
  done
  for ((i = 0; i < jobs; ++i)); do
    if ! wait "${pids[$i]}"; then
      failed=1
      tail -n 60 "$folder/$program.$i.log"
    fi
  done
  [ "$failed" = 0 ] || { echo "$program: FAILED"; return 1; }
  tail -qn 1 "$folder/$program".*.log
}

simulate run_simulation "${RUN_HISTORIES:-10000000}"
simulate fleet_simulation "${FLEET_HISTORIES:-1000000}"
simulate joint_simulation "${JOINT_HISTORIES:-200000}"
for machine in run fleet; do
  "$python" tests/simulation/mutate.py "$machine" --jobs "$jobs"
done

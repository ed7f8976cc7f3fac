#!/usr/bin/env bash
# shared.sh SOURCE BUILD_FOLDER COMPILER: builds the library shared, unoptimised, and has check.sh look at what it installs.
set -euo pipefail
source=$1 build=$2 compiler=$3
mkdir -p "$build"
cmake -S "$source" -B "$build" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS=-O0 -DBUILD_SHARED_LIBS=ON \
  -DCENTIMANE_TESTS=OFF -DCENTIMANE_EXAMPLES=OFF >"$build/log" || { cat "$build/log"; exit 1; }
cmake --build "$build" -j "$(nproc)" >"$build/log" || { cat "$build/log"; exit 1; }
exec "$(dirname "$0")/check.sh" "$build" "$compiler"

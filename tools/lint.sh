#!/usr/bin/env bash
# Every static check, one after another; all are run, the exit status says whether each passed. Argument: the interpreter of the
# development environment. Compile databases: build/dev for the library, the Python package's own build folder for the bindings.
set -uo pipefail
cd "$(dirname "$0")/.."
python=$1
failed=()
check() {
  local name=$1
  shift
  if "$@"; then echo "lint: $name: clean"; else echo "lint: $name: FAILED" >&2; failed+=("$name"); fi
}

sources() { git ls-files --cached --others --exclude-standard -- "$@"; }

format() { sources '*.cpp' '*.hpp' | xargs -r clang-format-14 --dry-run -Werror; }

# Prints findings only; a file of the database that lies elsewhere is not looked at. The database is gcc's: clang need not know each of
# its warnings.
tidy() {
  local database=$1 pattern=$2
  [ -f "$database/compile_commands.json" ] || { echo "no compile database in $database" >&2; return 1; }
  run-clang-tidy-14 -quiet -p "$database" -j "$(nproc)" -extra-arg=-Wno-unknown-warning-option "$pattern" 2>/dev/null |
    sed 's/\x1b\[[0-9;]*m//g' | grep -vE '^(clang-tidy-14 |$)'
  return "${PIPESTATUS[0]}"
}

tag=$("$python" -c 'import sys; print(sys.implementation.cache_tag)')
check rooms "$python" tools/check_rooms.py
check clang-format format
check "ruff format" "$python" -m ruff format --check -q .
check "ruff check" "$python" -m ruff check -q .
check "mypy --strict" "$python" -m mypy
check pyright "$python" -m pyright --pythonpath "$python"
check "clang-tidy src" tidy build/dev "$PWD/src/.*"
check "clang-tidy bindings" tidy "build/python-$tag-dev" "$PWD/python/bindings/.*"

if [ ${#failed[@]} != 0 ]; then
  echo "lint: failed: ${failed[*]}" >&2
  exit 1
fi
echo "lint: 8 checks clean"

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

tag=$("$python" -c 'import sys; print(sys.implementation.cache_tag)')
check rooms "$python" tools/check_rooms.py
check clang-format format
check "ruff format" "$python" -m ruff format --check -q .
check "ruff check" "$python" -m ruff check -q .
check "mypy --strict" "$python" -m mypy
check pyright "$python" -m pyright --pythonpath "$python"
check "clang-tidy src" "$python" tools/tidy.py build/dev src
check "clang-tidy bindings" "$python" tools/tidy.py "build/python-$tag-dev" python/bindings

if [ ${#failed[@]} != 0 ]; then
  echo "lint: failed: ${failed[*]}" >&2
  exit 1
fi
echo "lint: 8 checks clean"

#!/usr/bin/env bash
# Puts in place what a command of the Makefile needs; does nothing where nothing is missing. Safe to repeat.
#
#   tools/set-up.sh packages GROUP...                 Debian packages of these groups of tools/packages.txt
#   tools/set-up.sh venv DIR PYTHON EXTRA...          a virtual environment with the build tools and these extras of pyproject.toml
#   tools/set-up.sh peers DIR EXTRA...                these extras into an environment that is there, as far as they can be had
#   tools/set-up.sh package DIR MODE                  centimane itself into it: MODE is release or dev
#   tools/set-up.sh wheel DIR                         builds a wheel for that environment's interpreter, and prints its path
#   tools/set-up.sh python                            prints the interpreter to use: python3, if it is 3.11 or later
#   tools/set-up.sh find-python VERSION               prints an interpreter of that version, if there is one
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then
    # Without a terminal nobody is there to give a password.
    if (exec </dev/tty) 2>/dev/null; then sudo "$@"; else sudo -n "$@"; fi
  else echo "set-up: not root and no sudo; please run: $*" >&2; return 1
  fi
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# python3 if it is new enough, else Debian's own.
python() {
  if python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo python3; else echo /usr/bin/python3; fi
}

# Is python3 one that pip may build extensions for without Debian's development packages (a build of one's own)?
own_python() {
  python3 -c 'import sys, sysconfig, os
ok = sys.version_info >= (3, 11) and not sys.executable.startswith("/usr/bin")
sys.exit(not (ok and os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h"))))' 2>/dev/null
}

packages() {
  command -v dpkg-query >/dev/null || { echo "set-up: not a Debian; needed: $(grep -v '^#' tools/packages.txt | awk '{print $2}' | xargs)" >&2; return 0; }
  local missing=() group name
  while read -r group name; do
    case " $* " in *" $group "*) ;; *) continue ;; esac
    if [ "$group" = python ] && own_python; then continue; fi
    installed "$name" || missing+=("$name")
  done < <(grep -v -e '^#' -e '^$' tools/packages.txt)
  [ ${#missing[@]} = 0 ] && return 0
  echo "set-up: installing ${missing[*]}"
  # A new machine may be busy with updates of its own: wait for them. apt has no wait for the lock of its lists.
  local try
  for try in {1..12}; do
    as_root apt-get update -q -o Acquire::Retries=3 </dev/null && break
    [ "$try" = 12 ] || sleep 10
  done
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=600 \
    -o Acquire::Retries=3 "${missing[@]}" </dev/null
}

# The stamp holds what was asked for, so that a change of the needs or of the interpreter makes the environment anew.
venv() {
  local dir=$1 python=$2 stamp wanted
  shift 2
  stamp=$dir/.centimane
  wanted="$("$python" -c 'import sys; print(sys.version, sys.base_prefix)') $* $("$python" tools/needs.py "$@" | cksum)"
  [ -x "$dir/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return 0
  echo "set-up: $dir ($("$python" --version), $*)"
  "$python" -m venv --clear "$dir"
  # The needs of pyproject.toml, without the project itself: its build is `package`.
  "$python" tools/needs.py "$@" > "$dir/needs.txt"
  "$dir/bin/python" -m pip install -q --disable-pip-version-check -r "$dir/needs.txt" </dev/null
  printf '%s\n' "$wanted" > "$stamp"
}

# What is measured against is no condition: a peer that has no release for this interpreter or machine is left out, and the reason is
# written into DIR/not-installed.txt, where the benchmarks' report finds it.
peers() {
  local dir=$1 stamp wanted install needs need told
  shift
  stamp=$dir/.peers
  wanted="$* $(cat "$dir/.centimane")"
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return 0
  echo "set-up: peers for $dir"
  install=("$dir/bin/python" -m pip install --disable-pip-version-check --progress-bar off)
  mapfile -t needs < <("$dir/bin/python" tools/needs.py --alone "$@")
  # All at once; if that fails one by one, to see whose fault it is.
  if ! told=$("${install[@]}" "${needs[@]}" </dev/null 2>&1); then
    told=
    for need in "${needs[@]}"; do
      told+=$("${install[@]}" "$need" </dev/null 2>&1) || told+=$'\n'"Ignoring ${need%%[^A-Za-z0-9_.-]*}: pip could not install it"
      told+=$'\n'
    done
  fi
  sed -nE 's/^Ignoring ([A-Za-z0-9_.-]+): (.*)/\1\t\2/p' <<< "$told" | tee "$dir/not-installed.txt"
  printf '%s\n' "$wanted" > "$stamp"
}

tag_of() { "$1/bin/python" -c 'import sys; print(sys.implementation.cache_tag)'; }

# Everything that a build for this interpreter reads, by content; pure Python only where it is copied (release), an editable install reads
# the tree.
sources() {
  local dir=$1 mode=$2
  echo "$("$dir/bin/python" -c 'import sys; print(sys.version, sys.base_prefix)') $({
    find CMakeLists.txt cmake pyproject.toml include src python/bindings -type f -print0
    [ "$mode" = dev ] || find python/centimane -name '*.py*' -not -name '*.pyc' -type f -print0
  } | sort -z | xargs -0 cksum | cksum)"
}

# What pip is told for a build of this mode.
build_arguments() {
  local tag=$1 mode=$2
  printf '%s\n' --no-build-isolation --no-deps --disable-pip-version-check -Cbuild-dir="build/python-$tag-$mode" \
    -Ccmake.define.CENTIMANE_WERROR=ON -Ccmake.define.CMAKE_EXPORT_COMPILE_COMMANDS=ON
  [ "$mode" = release ] || printf '%s\n' -Ccmake.build-type=RelWithDebInfo "-Ccmake.define.CMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g" \
    -Ccmake.define.CENTIMANE_FAULTS=ON -Cinstall.strip=false
}

# Built once an interpreter, and installed wherever it is wanted. Who comes while another builds it waits.
wheel() {
  local dir=$1 tag sources args
  tag=$(tag_of "$dir")
  mkdir -p build
  exec 8>"build/.wheel-$tag.lock"
  flock 8
  sources=$(sources "$dir" release)
  if [ "$(cat "build/wheel-$tag/.sources" 2>/dev/null)" != "$sources" ]; then
    echo "set-up: building the Python package (release) for $tag" >&2
    rm -rf "build/wheel-$tag"
    mapfile -t args < <(build_arguments "$tag" release)
    "$dir/bin/python" -m pip wheel -q "${args[@]}" -w "build/wheel-$tag" . </dev/null >&2 8>&-
    printf '%s\n' "$sources" > "build/wheel-$tag/.sources"
  fi
  echo "build/wheel-$tag"/*.whl
}

# release: the wheel. dev: an editable install with fault points.
package() {
  local dir=$1 mode=$2 stamp=$1/.package args wanted
  wanted="$mode $(cat "$dir/.centimane") $(sources "$dir" "$mode")"
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return 0
  if [ "$mode" = dev ]; then
    echo "set-up: building the Python package (dev) for $dir"
    mapfile -t args < <(build_arguments "$(tag_of "$dir")" dev)
    "$dir/bin/python" -m pip install -q --force-reinstall "${args[@]}" -e . </dev/null
  else
    "$dir/bin/python" -m pip install -q --disable-pip-version-check --force-reinstall --no-deps "$(wheel "$dir")" </dev/null
  fi
  printf '%s\n' "$wanted" > "$stamp"
}

# A command of that name may be there and not work (a version manager's placeholder), so it is tried; then pyenv is asked.
find_python() {
  local candidate
  for candidate in "python$1" "$(pyenv root 2>/dev/null)"/versions/"$1".*/bin/"python$1"; do
    if command -v "$candidate" >/dev/null && "$candidate" -c pass 2>/dev/null; then
      command -v "$candidate"
      return 0
    fi
  done
}

command=$1
shift
case $command in
  packages) packages "$@" ;;
  python) python ;;
  venv) venv "$@" ;;
  peers) peers "$@" ;;
  package) package "$@" ;;
  wheel) wheel "$@" ;;
  find-python) find_python "$@" ;;
  *) echo "set-up: no such command: $command" >&2; exit 2 ;;
esac

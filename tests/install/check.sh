#!/usr/bin/env bash
# check.sh BUILD_FOLDER COMPILER [headers]: installs into a temporary prefix, moves it elsewhere, and builds tests/install/consumer against
# it twice: with find_package and with pkg-config. Then each public header by itself, if that is asked for.
set -euo pipefail
build=$1 compiler=$2 what=${3:-}
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cmake --install "$build" --prefix "$tmp/first" >/dev/null
# An installed tree may be moved: nothing in it names the place it was installed to, nor the source tree.
mv "$tmp/first" "$tmp/moved"
if grep -rIl -e "$tmp/first" -e "$(dirname "$(dirname "$here")")" "$tmp/moved" --include='*.cmake' --include='*.pc' --include='*.hpp'; then
  echo "the files above name the source tree or the first prefix" >&2
  exit 1
fi

# The flags of the installed library must be those of its user, for a sanitizer's build.
flags=$(sed -n 's/^CMAKE_CXX_FLAGS:STRING=//p' "$build/CMakeCache.txt")

cmake -S "$here/consumer" -B "$tmp/cmake" -DCMAKE_PREFIX_PATH="$tmp/moved" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_FLAGS="$flags" >"$tmp/log" ||
  { cat "$tmp/log"; exit 1; }
cmake --build "$tmp/cmake" >"$tmp/log" || { cat "$tmp/log"; exit 1; }
"$tmp/cmake/consumer" find_package

PKG_CONFIG_PATH=$(dirname "$(find "$tmp/moved" -name centimane.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046,SC2086  # flags are words
"$compiler" -std=c++20 $flags "$here/consumer/main.cpp" -o "$tmp/by-pkg-config" $(pkg-config --cflags --libs centimane)
# Not by a pipe: grep ends at its first find, and what ldd still writes then would fail the script.
if [[ $(ldd "$tmp/by-pkg-config") == *libcentimane* ]]; then export LD_LIBRARY_PATH=$(pkg-config --variable=libdir centimane); fi
"$tmp/by-pkg-config" pkg-config
echo "installed, moved, found by find_package and pkg-config"

[ "$what" = headers ] || exit 0
find "$tmp/moved/include/centimane" -maxdepth 1 -name '*.hpp' | while read -r header; do
  # Optional headers stand on somebody else's.
  if [[ $header == */asio.hpp ]] && ! echo '#include <asio/version.hpp>' | "$compiler" -fsyntax-only -x c++ - 2>/dev/null; then continue; fi
  echo "#include \"$header\"" | "$compiler" -std=c++20 -fsyntax-only -Wall -Wextra -Werror $(pkg-config --cflags centimane) -x c++ - ||
    { echo "does not stand alone: $header" >&2; exit 1; }
done

#!/usr/bin/env bash
# Runs a command whose programs were built with -fsanitize=thread. The shadow memory of gcc 12 and clang 14 does not fit beside mappings that
# are spread over more than 28 random bits ("unexpected memory mapping"); there the command runs without address randomisation,
# which is a property of the process and asks for no privilege.
set -eu
bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0)
if [ "$bits" -gt 28 ] && setarch "$(uname -m)" -R true 2>/dev/null; then
  exec setarch "$(uname -m)" -R "$@"
fi
exec "$@"

#!/usr/bin/env bash
# One folder that runs elsewhere: the program and the libraries that a plain machine does not have.
# dist.sh [PROGRAM [FOLDER]]. Fails where the folder would need a glibc newer than below.
set -euo pipefail
cd "$(dirname "$0")/../.."
glibc=2.34  # Amazon Linux 2023
program=${1:-build/release/weir}
out=${2:-build/dist/weir}
name=$(basename "$program")

rm -rf "$out"
mkdir -p "$out/bin" "$out/lib"
cp "$program" "$out/bin/$name"
# Everything that is not part of the C library or the loader comes along.
ldd "$program" | awk '$3 ~ /^\// {print $3}' | while read -r library; do
  case $(basename "$library") in
    libc.so.*|libm.so.*|libdl.so.*|libpthread.so.*|librt.so.*|ld-linux*|libresolv.so.*) continue ;;
  esac
  cp -L "$library" "$out/lib/"
done
# Ways to log in that MariaDB's client library loads by name; src/database/mysql/connection.cc says which it takes.
mkdir "$out/lib/mariadb"
mariadb=$(ldd "$program" | awk '/libmariadb/ {print $3}')
for plugin in caching_sha2_password client_ed25519 sha256_password mysql_clear_password; do
  [ -z "$mariadb" ] || cp -L "$(dirname "$mariadb")/libmariadb3/plugin/$plugin.so" "$out/lib/mariadb/"
done
chmod u+w "$out"/lib/*
patchelf --set-rpath '$ORIGIN/../lib' "$out/bin/$name"
for library in "$out"/lib/*.so*; do patchelf --set-rpath '$ORIGIN' "$library"; done
shopt -s nullglob
for library in "$out"/lib/mariadb/*; do patchelf --set-rpath '$ORIGIN/..' "$library"; done

# Debian's C++ runtime asks for two functions of a newer glibc; they come along, too.
cc -O2 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden -Wl,-soname,libnewer_glibc.so \
  -o "$out/lib/libnewer_glibc.so" tools/dist/newer_glibc.c
for library in libstdc++.so.6 libgcc_s.so.1; do
  patchelf --add-needed libnewer_glibc.so "$out/lib/$library"
  python3 tools/dist/glibc.py lower "$glibc" "$out/lib/$library" arc4random _dl_find_object
done
python3 tools/dist/glibc.py check "$glibc" "$out/bin/$name" "$out"/lib/*.so* "$out"/lib/mariadb/* || {
  echo "dist: $out needs a glibc newer than $glibc" >&2
  exit 1
}
cp LICENSE README.md "$out/"
cp -r spark "$out/"
env -i "$out/bin/$name" --version
echo "dist: $out, $(du -sh "$out" | cut -f1), needs glibc $glibc or newer"

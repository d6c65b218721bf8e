#!/usr/bin/env bash
# One folder that runs elsewhere: the program and the libraries that a plain machine does not have.
set -euo pipefail
cd "$(dirname "$0")/.."
out=build/dist/weir
rm -rf "$out"
mkdir -p "$out/bin" "$out/lib"
cp build/release/weir "$out/bin/weir"
# Everything that is not part of the C library or the loader comes along.
ldd build/release/weir | awk '$3 ~ /^\// {print $3}' | while read -r library; do
  case $(basename "$library") in
    libc.so.*|libm.so.*|libdl.so.*|libpthread.so.*|librt.so.*|ld-linux*|libresolv.so.*) continue ;;
  esac
  cp -L "$library" "$out/lib/"
done
patchelf --set-rpath '$ORIGIN/../lib' "$out/bin/weir"
for library in "$out"/lib/*; do patchelf --set-rpath '$ORIGIN' "$library"; done
newest=$(objdump -T "$out/bin/weir" "$out"/lib/* 2> /dev/null | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1)
cp LICENSE README.md "$out/"
echo "dist: $out, $(du -sh "$out" | cut -f1), needs $newest"
"$out/bin/weir" --version

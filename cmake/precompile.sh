#!/bin/sh
# Runs a compilation; see weir_share_precompiled in ccache.cmake. Arguments: the command.
case " $* " in
  *" -x c++-header "*) ;;
  *) exec "$@" ;;
esac
for word in "$@"; do
  [ "$before" = -o ] && out=$word
  [ "$before" = -MF ] && headers=$word
  before=$word
done
# One that lies there would count as an input.
rm -f "$out" "$out.sum"
"$@" || exit
sed -e '1s/^[^:]*://' -e 's/\\$//' "$headers" | xargs cat | sha256sum > "$out.sum"

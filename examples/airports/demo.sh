#!/usr/bin/env bash
# The main line on real input; see README.md at the top. Everything it makes lies in data/ here.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
weir=${WEIR:-$root/build/release/weir}
releases=$root/.deps/airports

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
quietly() { "$weir" --quiet "$@" 2> /dev/null; }
sql() { "$weir" --quiet table query "$1"; }

if [ "${1:-}" = clean ]; then
  rm -rf data
  echo "removed $PWD/data"
  exit 0
fi
[ -d data ] && echo "starting afresh: the last demo's data/ is removed"
rm -rf data
mkdir -p data/landing

say "1. Nine releases of the airport directory land; one flow takes them to the warehouse"
cp "$releases"/airports-*.csv data/landing/
ls -lh data/landing | awk 'NR > 1 {print "   " $5, $9}'
"$weir" run airports --apply 2>&1 | grep -v '^+' | sed 's/^/   /'

say "2. Custody: every hop accounts for every row"
"$weir" reconcile | sed 's/^/   /'

say "3. Versions that each release made"
sql "SELECT strftime(valid_from, '%Y-%m-%d') AS release, count(*) AS versions_opened,
            count(*) FILTER (NOT is_current) AS closed_since
     FROM stage.airports GROUP BY 1 ORDER BY 1" | sed 's/^/   /'
sql "SELECT count(*) AS versions, count(*) FILTER (is_current) AS open FROM stage.airports" | sed 's/^/   /'

say "4. The history of one airport"
"$weir" --quiet table history stage.airports EDDB | cut -c1-150 | sed 's/^/   /'

say "5. Again, with the same files: nothing is written"
before=$(find data/raw data/stage data/presentation -name '*.parquet' | wc -l)
quietly run airports > /dev/null
after=$(find data/raw data/stage data/presentation -name '*.parquet' | wc -l)
echo "   Parquet objects before: $before, after: $after"

say "6. A tenth, planted file: a number that is none, a key twice, a missing cell, half of the rows gone"
export WEIR_DATA=data/tenth WEIR_CATALOG=sqlite:data/tenth/weir.db   # in a copy of the lake
mkdir data/tenth
cp -r data/landing data/raw data/stage data/presentation data/warehouse.duckdb data/weir.db data/tenth/
python3 plant.py "$releases/airports-20260905.csv" data/tenth/landing/airports-20261001.csv
"$weir" run airports 2>&1 | sed 's/^/   /' || true
echo
echo "   rows that could not be read:"
"$weir" --quiet quarantine show raw.airports | cut -c1-150 | sed 's/^/   /'
echo
echo "   a person looks at it and lets it through: weir approve airports; weir retry airports"
quietly approve airports
"$weir" retry airports 2>&1 | grep 'history:' | sed 's/^/   /'
echo "   rows that could not be merged:"
"$weir" --quiet quarantine show stage.airports | cut -c1-150 | sed 's/^/   /'
unset WEIR_DATA WEIR_CATALOG

say "7. A run is killed in the middle (kill -9 after its fourth merge), and retried"
digest=$("$weir" table verify stage.airports --digest)
export WEIR_DATA=data/killed WEIR_CATALOG=sqlite:data/killed/weir.db
mkdir -p "$WEIR_DATA/landing"
cp "$releases"/airports-*.csv "$WEIR_DATA/landing/"
"$weir" --quiet run airports --apply > /dev/null 2>&1 &
victim=$!
until [ "$(find "$WEIR_DATA/stage" -path '*/.hoodie/*.commit' 2> /dev/null | wc -l)" -ge 4 ]; do
  kill -0 "$victim" 2> /dev/null || break
  sleep 0.01
done
kill -9 "$victim" 2> /dev/null || true
wait "$victim" 2> /dev/null || true
echo "   killed after $(find "$WEIR_DATA/stage" -path '*/.hoodie/*.commit' | wc -l) of 9 merges; what the catalog says:"
"$weir" status airports 2>&1 | head -4 | sed 's/^/   /'
"$weir" --quiet retry airports > /dev/null 2>&1
"$weir" status airports | sed 's/^/   /'
again=$("$weir" table verify stage.airports --digest)
unset WEIR_DATA WEIR_CATALOG
echo "   digest of the undisturbed history: $digest"
echo "   digest after kill and retry:       $again"
[ "$digest" = "$again" ] || { echo "   THEY DIFFER"; exit 1; }

say "8. The warehouse"
"$weir" --quiet connection query warehouse "SELECT * FROM airports_by_country ORDER BY airports DESC LIMIT 5" | sed 's/^/   /'

say "Done. Look around:"
cat << TEXT
   cd $PWD
   $weir status                                   the last run
   $weir table list
   $weir table history stage.airports KJFK
   sqlite3 data/weir.db 'SELECT flow_id, state FROM flow_run'
   $PWD/demo.sh clean                             removes data/
TEXT

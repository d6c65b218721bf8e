#!/usr/bin/env bash
# The main line on real input; see README.md at the top. Everything it makes lies in data/ here.
#   demo.sh [--env s3]   with s3, the layers lie in a bucket of an S3 server that is started for it
#   demo.sh clean        removes data/
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
program=${WEIR:-$root/build/release/weir}
releases=$root/.deps/airports
environment=
objects=.   # where the objects of the layers can be looked at as files; below it they are as in WEIR_DATA

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
weir() { "$program" ${environment:+--env "$environment"} "$@"; }
quietly() { weir --quiet "$@" 2> /dev/null; }
sql() { weir --quiet table query "$1"; }
parquet_objects() { find "$objects"/data/{raw,stage,presentation} -name '*.parquet' | wc -l; }
# Commits of the history, but for the empty one with which its table begins.
merges() { find "$objects/$WEIR_DATA/stage" -path '*/.hoodie/*.commit' -exec grep -L '"weir.service"' {} + 2> /dev/null | wc -l; }

# versitygw on a free port of 127.0.0.1, until this script ends. It keeps each object as a file, below a folder for the bucket.
start_s3() {
  local server=${WEIR_STANDINS:-${XDG_CACHE_HOME:-$HOME/.cache}/weir/standins}/versitygw port
  if [ ! -x "$server" ]; then
    echo "SKIPPED: the demo with --env s3 needs an S3 server, and there is no $server: ./dev standins builds it where there is Go"
    exit 0
  fi
  unset "${!AWS_@}"
  export AWS_ACCESS_KEY_ID=AKIADEMO AWS_SECRET_ACCESS_KEY=demo-secret AWS_REGION=us-east-1
  objects=data/s3/airports
  mkdir -p "$objects"
  trap 'kill "$s3" 2> /dev/null && wait "$s3" || true' EXIT
  # Another program may take a port between asking and using it: then the server ends at once, and the next try has another.
  for _ in 1 2 3 4 5; do
    port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    "$server" --access "$AWS_ACCESS_KEY_ID" --secret "$AWS_SECRET_ACCESS_KEY" --region "$AWS_REGION" \
      --port "127.0.0.1:$port" --keep-alive --quiet posix data/s3 > data/s3.log 2>&1 &
    s3=$!
    while kill -0 "$s3" 2> /dev/null; do
      if (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null && kill -0 "$s3" 2> /dev/null; then
        export AWS_ENDPOINT_URL_S3=http://127.0.0.1:$port
        echo "the layers lie in s3://airports on $AWS_ENDPOINT_URL_S3 (versitygw, process $s3)"
        return
      fi
      sleep 0.05
    done
  done
  echo "SKIPPED: the demo with --env s3 needs an S3 server, and $server does not start here:"
  tail -3 data/s3.log
  exit 0
}

case "${1:-}" in
  '') ;;
  clean)
    rm -rf data
    echo "removed $PWD/data"
    exit 0 ;;
  --env)
    environment=${2:-}
    [ "$environment" = s3 ] || { echo "demo: --env takes s3, not '$environment'" >&2; exit 2; } ;;
  *)
    echo "demo: unknown argument '$1': [--env s3], or clean" >&2
    exit 2 ;;
esac
[ -d data ] && echo "starting afresh: the last demo's data/ is removed"
rm -rf data
mkdir data
[ "$environment" != s3 ] || start_s3
landing=$objects/data/landing
mkdir -p "$landing"

say "1. Nine releases of the airport directory land; one flow takes them to the warehouse"
cp "$releases"/airports-*.csv "$landing/"
ls -lh "$landing" | awk 'NR > 1 {print "   " $5, $9}'
weir run airports --apply 2>&1 | grep -v '^+' | sed 's/^/   /'

say "2. Custody: every hop accounts for every row"
weir reconcile | sed 's/^/   /'

say "3. Versions that each release made"
sql "SELECT strftime(valid_from, '%Y-%m-%d') AS release, count(*) AS versions_opened,
            count(*) FILTER (NOT is_current) AS closed_since
     FROM stage.airports GROUP BY 1 ORDER BY 1" | sed 's/^/   /'
sql "SELECT count(*) AS versions, count(*) FILTER (is_current) AS open FROM stage.airports" | sed 's/^/   /'

say "4. The history of one airport"
weir --quiet table history stage.airports EDDB | cut -c1-150 | sed 's/^/   /'

say "5. Again, with the same files: nothing is written"
before=$(parquet_objects)
quietly run airports > /dev/null
after=$(parquet_objects)
echo "   Parquet objects before: $before, after: $after"

say "6. A tenth, planted file: a number that is none, a key twice, a missing cell, half of the rows gone"
export WEIR_DATA=data/tenth WEIR_CATALOG=sqlite:data/tenth/weir.db   # in a copy of the lake
mkdir -p data/tenth "$objects/data/tenth"
cp data/warehouse.duckdb data/weir.db data/tenth/
(cd "$objects/data" && cp -a landing raw stage presentation tenth/)
python3 plant.py "$releases/airports-20260905.csv" "$objects/data/tenth/landing/airports-20261001.csv"
weir run airports 2>&1 | sed 's/^/   /' || true
echo
echo "   rows that could not be read:"
weir --quiet quarantine show raw.airports | cut -c1-150 | sed 's/^/   /'
echo
echo "   a person looks at it and lets it through: weir approve airports; weir retry airports"
quietly approve airports
weir retry airports 2>&1 | grep 'history:' | sed 's/^/   /'
echo "   rows that could not be merged:"
weir --quiet quarantine show stage.airports | cut -c1-150 | sed 's/^/   /'
unset WEIR_DATA WEIR_CATALOG

say "7. A run is killed in the middle (kill -9 after its fourth merge), and retried"
digest=$(weir table verify stage.airports --digest)
export WEIR_DATA=data/killed WEIR_CATALOG=sqlite:data/killed/weir.db
mkdir -p "$WEIR_DATA" "$objects/$WEIR_DATA/landing"
cp "$releases"/airports-*.csv "$objects/$WEIR_DATA/landing/"
"$program" ${environment:+--env "$environment"} --quiet run airports --apply > /dev/null 2>&1 &
victim=$!
until [ "$(merges)" -ge 4 ]; do
  kill -0 "$victim" 2> /dev/null || break
  sleep 0.01
done
kill -9 "$victim" 2> /dev/null || true
wait "$victim" 2> /dev/null || true
echo "   killed after $(merges) of 9 merges; what the catalog says:"
weir status airports 2>&1 | head -4 | sed 's/^/   /'
weir --quiet retry airports > /dev/null 2>&1
weir status airports | sed 's/^/   /'
again=$(weir table verify stage.airports --digest)
unset WEIR_DATA WEIR_CATALOG
echo "   digest of the undisturbed history: $digest"
echo "   digest after kill and retry:       $again"
[ "$digest" = "$again" ] || { echo "   THEY DIFFER"; exit 1; }

say "8. The warehouse"
weir --quiet connection query warehouse "SELECT * FROM airports_by_country ORDER BY airports DESC LIMIT 5" | sed 's/^/   /'

say "Done. Look around:"
echo "   cd $PWD"
if [ "$environment" = s3 ]; then
  cat << TEXT
   $program --env s3 status                       the last run
   find data/s3/airports -name '*.commit'         the S3 server has ended; its objects are files
TEXT
else
  cat << TEXT
   $program status                                the last run
   $program table list
   $program table history stage.airports KJFK
TEXT
fi
cat << TEXT
   sqlite3 data/weir.db 'SELECT flow_id, state FROM flow_run'
   $PWD/demo.sh clean                             removes data/
TEXT

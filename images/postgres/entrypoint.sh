#!/bin/bash
# Starts PostgreSQL as the upstream image does, as far as the lab needs it: POSTGRES_PASSWORD, POSTGRES_DB, *.sql of
# /docker-entrypoint-initdb.d at the first start, settings as arguments.
set -euo pipefail
[ "${1:-}" = postgres ] && shift
as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # A file of its own: what /dev/fd leads to belongs to root, and initdb is not.
  secret=$(mktemp) && chown postgres "$secret" && printf %s "${POSTGRES_PASSWORD:?}" >"$secret"
  as_postgres initdb -D "$PGDATA" -A scram-sha-256 --auth-local=trust --pwfile="$secret" >/dev/null
  rm "$secret"
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  as_postgres pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -c fsync=off" -w -s start
  database=${POSTGRES_DB:-postgres}
  [ "$database" = postgres ] || as_postgres createdb "$database"
  for file in /docker-entrypoint-initdb.d/*.sql; do
    [ ! -e "$file" ] || as_postgres psql -q -v ON_ERROR_STOP=1 -d "$database" -f "$file"
  done
  as_postgres pg_ctl -D "$PGDATA" -w -s -m fast stop
fi
exec setpriv --reuid=postgres --regid=postgres --clear-groups postgres -D "$PGDATA" -c "listen_addresses=*" "$@"

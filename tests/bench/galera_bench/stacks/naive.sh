#!/bin/bash
# A member of the kind in wide use since 2017, on the same MariaDB as the operator's: whoever finds nobody else in
# tasks.<service> DNS bootstraps, everybody else joins whom it found. No gate, no drain; PID 1 is mariadbd.
set -eu
data=/var/lib/mysql
own=$(ip -4 -o addr show dev eth0 | awk '{ split($4, part, "/"); print part[1]; exit }')
others=$(getent ahostsv4 "tasks.$DB_SERVICE_NAME" | awk '{ print $1 }' | sort -u | grep -vxF "$own" | paste -sd, || true)

cat >/etc/mysql/mariadb.conf.d/naive.cnf <<CNF
[mariadbd]
user = mysql
bind_address = 0.0.0.0
skip_name_resolve
binlog_format = row
innodb_autoinc_lock_mode = 2
wsrep_on = ON
wsrep_provider = /usr/lib/galera/libgalera_smm.so
wsrep_provider_options = "gcache.size=64M"
wsrep_cluster_name = naive
wsrep_node_address = $own
wsrep_sst_method = mariabackup
wsrep_sst_auth = mysql:
wsrep_slave_threads = 4
plugin_load_add = wsrep_info
CNF

# What an HTTP check of the kind of clustercheck asks, for a proxy in front.
python3 /clustercheck.py &
if [ -n "$others" ]; then
  echo "joining $others"
  exec mariadbd --wsrep-cluster-address="gcomm://$others" "$@"
fi
echo "nobody else is there: bootstrapping"
[ -d "$data/mysql" ] || mariadb-install-db --user=mysql --datadir="$data" --skip-test-db --wsrep-on=OFF >/dev/null
(
  until mariadb --execute "SHOW STATUS LIKE 'wsrep_ready'" 2>/dev/null | grep -q ON; do sleep 0.2; done
  mariadb </docker-entrypoint-initdb.d/bench.sql
) &
exec mariadbd --wsrep-new-cluster --wsrep-cluster-address=gcomm:// "$@"

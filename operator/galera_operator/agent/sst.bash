# Read by the bash scripts that mariadbd runs (BASH_ENV): takes the stock wsrep_sst_mariabackup's blind `sleep 10` out.
#
# Its donor sleeps 10 s between the position and the data, so that the joiner can open its port again; that takes the joiner a
# fraction of a second. Here the donor waits for the open port instead, by socat's own `retry` ([sst] sockopt in the generated
# defaults file): as safe, 9 s shorter for every joining member, and for these 9 s the donor would be desynced for nothing.
case "${0##*/}" in
wsrep_sst_mariabackup)
    sleep() {
        if [ "$1" = 10 ]; then command sleep 0.2; else command sleep "$@"; fi
    }
    ;;
esac

#!/bin/sh
set -e
# Until the database answers there is no site: port 80 opens once there is one.
until php /usr/local/lib/wordpress/install.php; do sleep 1; done
# Not apache2ctl: the signals that end a container have to reach Apache itself.
. /etc/apache2/envvars
mkdir -p "$APACHE_RUN_DIR"
exec apache2 -D FOREGROUND

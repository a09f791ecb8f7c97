<?php
// Installs the site once the database answers. Of several replicas one does it and the others wait for its lock; the
// lock is a connection's, so a replica that dies in the middle leaves it to the next.
require '/etc/wordpress/config-default.php';

const ONE_SECOND = 1;
const INSTALL_LIMIT_SECONDS = 300;
[$host, $port] = explode(':', DB_HOST) + [1 => '3306'];

for ($told = ''; ; sleep(ONE_SECOND)) {
    try {
        $lock = new mysqli($host, DB_USER, DB_PASSWORD, DB_NAME, (int) $port);
        $got = $lock->query("SELECT GET_LOCK('wordpress install', " . INSTALL_LIMIT_SECONDS . ')')->fetch_row()[0];
        if ($got === '1') {
            break;
        }
    } catch (mysqli_sql_exception $error) {
        if ($told !== $error->getMessage()) {
            $told = $error->getMessage();
            fwrite(STDERR, "waiting for the database at $host: $told\n");
        }
    }
}

define('WP_INSTALLING', true);
$_SERVER['HTTP_HOST'] = 'localhost';
require '/usr/share/wordpress/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';

if (is_blog_installed()) {
    fwrite(STDERR, "the site is installed\n");
} else {
    wp_install('Galera on Swarm', 'admin', 'admin@example.org', false, '', wp_generate_password(24));
    fwrite(STDERR, "installed the site\n");
}

<?php
// WordPress's settings from the environment of the public image: WORDPRESS_DB_* and each as *_FILE.
function wordpress_setting(string $name, string $default = ''): string
{
    $file = getenv("{$name}_FILE");
    if ($file) {
        return rtrim(file_get_contents($file), "\r\n");
    }
    $value = getenv($name);
    return $value === false ? $default : $value;
}

define('DB_HOST', wordpress_setting('WORDPRESS_DB_HOST', 'mysql'));
define('DB_NAME', wordpress_setting('WORDPRESS_DB_NAME', 'wordpress'));
define('DB_USER', wordpress_setting('WORDPRESS_DB_USER', 'example username'));
define('DB_PASSWORD', wordpress_setting('WORDPRESS_DB_PASSWORD', 'example password'));
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
$table_prefix = wordpress_setting('WORDPRESS_TABLE_PREFIX', 'wp_');

// Whatever address a node is reached by is the site's address; the one in the database would redirect to one node.
define('WP_HOME', 'http://' . ($_SERVER['HTTP_HOST'] ?? 'localhost'));
define('WP_SITEURL', WP_HOME);
define('WP_CONTENT_DIR', '/usr/share/wordpress/wp-content');

// The sandbox has no way out: a page would wait for update servers that cannot be reached.
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('DISABLE_WP_CRON', true);

//! `services/<machine>/<name>`: what a server says of itself, over its own protocol or out of its configuration.

/// One thing a server says.
pub(super) struct ServerFact {
    /// The unit that it runs as.
    pub unit: &'static str,
    /// The name of the file.
    pub file: &'static str,
    /// The command that asks for it, on the server's own machine.
    pub command: &'static str,
}

/// One statement of the superuser's. One at a time, and again where it is refused: few places are kept for it.
macro_rules! sql {
    ($statement:literal) => {
        concat!(
            "exec 9>/run/lock/psql; flock 9; for _ in 1 2 3 4 5 6; do psql -U postgres -c \"",
            $statement,
            "\" && exit; sleep 0.7; done; exit 1"
        )
    };
}

/// A request to the node of Elasticsearch on the machine itself.
macro_rules! es {
    ($options:literal, $path:literal) => {
        concat!("curl -m 5 ", $options, " 'http://localhost:9200/", $path, "'")
    };
}

/// Everything that is asked, sorted by unit and file.
pub(super) const SERVER_FACTS: &[ServerFact] = &[
    fact(
        "elasticsearch",
        "allocation.json",
        es!(
            "-s",
            "_cluster/allocation/explain?filter_path=status,error.reason,index,shard,primary,current_state,unassigned_info,can_allocate,node_allocation_decisions.node_name,node_allocation_decisions.deciders"
        ),
    ),
    fact(
        "elasticsearch",
        "cluster-health.json",
        es!(
            "-s",
            "_cluster/health?filter_path=cluster_name,status,number_of_nodes,number_of_data_nodes,active_primary_shards,unassigned_shards"
        ),
    ),
    fact(
        "elasticsearch",
        "cluster-settings.json",
        es!(
            "-sf",
            "_cluster/settings?include_defaults=true&filter_path=*.cluster.routing.allocation.disk,*.cluster.routing.allocation.enable,*.cluster.routing.allocation.exclude,*.cluster.routing.allocation.require"
        ),
    ),
    fact("elasticsearch", "data-usage.txt", "du -xa -B1 -d1 /var/lib/elasticsearch | sort -rn | head -n 8"),
    fact("elasticsearch", "environment.txt", "cat /etc/default/elasticsearch"),
    fact("elasticsearch", "heap-sizes.txt", "journalctl -u elasticsearch --no-pager -o cat | grep 'heap size'"),
    fact(
        "elasticsearch",
        "index-settings.json",
        es!(
            "-sf",
            "_all/_settings?filter_path=*.settings.index.blocks,*.settings.index.routing.allocation,*.settings.index.number_of_replicas"
        ),
    ),
    fact(
        "elasticsearch",
        "jvm-options.txt",
        "grep -rH '^[^#]' /etc/elasticsearch/jvm.options.d /etc/elasticsearch/jvm.options; true",
    ),
    fact(
        "elasticsearch",
        "nodes-stats.json",
        es!(
            "-sf",
            "_nodes/stats/jvm,breaker,fs?filter_path=nodes.*.name,nodes.*.host,nodes.*.jvm.mem.heap_used_in_bytes,nodes.*.jvm.mem.heap_max_in_bytes,nodes.*.fs.data,nodes.*.breakers.parent"
        ),
    ),
    fact(
        "haproxy",
        "haproxy-stat.txt",
        "echo 'show stat' | timeout 3 nc -U /run/haproxy/admin.sock | cut -d, -f1,2,5,7,8,14,18,22,23,37,38,57,74",
    ),
    fact("haproxy", "haproxy.cfg.txt", "cat /etc/haproxy/haproxy.cfg"),
    fact(
        "kafka",
        "server.properties.txt",
        "grep -v -i -e '^ *#' -e '^ *$' -e password -e secret -e jaas /etc/kafka/server.properties",
    ),
    fact("kafka", "topics.txt", TOPICS),
    fact("mongod", "hello.json", HELLO),
    fact("mongod", "mongod.conf.txt", "grep -v -i -e '^ *#' -e '^ *$' -e password /etc/mongod.conf"),
    fact("mongod", "rs-status.json", RS_STATUS),
    fact("mongod", "users.json", USERS),
    // The lines that say which file follows are kept.
    fact("nginx", "nginx.conf.txt", "nginx -T 2>/dev/null | grep -e '^# configuration file' -e '^ *[^# ]'"),
    fact("postgresql", "activity.txt", ACTIVITY),
    fact("postgresql", "hba.txt", sql!("table pg_hba_file_rules")),
    fact("postgresql", "roles.txt", ROLES),
    fact("postgresql", "settings.txt", SETTINGS),
    fact("ssh", "authorized-keys.txt", AUTHORIZED_KEYS),
    fact("ssh", "group.txt", "getent group"),
    fact("ssh", "passwd.txt", "getent passwd"),
    fact("ssh", "sshd-T.txt", SSHD_T),
];

/// Fingerprints, never the keys.
const AUTHORIZED_KEYS: &str = "for file in /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys; do \
                               [ -e $file ] && ssh-keygen -lf $file | sed \"s#^#$file: #\"; done; true";
const SSHD_T: &str = "sshd -T 2>/dev/null | grep -E '^(port|listenaddress|pubkeyauthentication|passwordauthentication|authorizedkeysfile|\
                      authorizedprincipalsfile|trustedusercakeys|allowusers|denyusers|allowgroups|denygroups|allowtcpforwarding|\
                      disableforwarding|permitopen|permitrootlogin|strictmodes|authenticationmethods|usepam|maxauthtries) '";

/// The sessions of clients: whose, from where, since when, what each waits for and who holds it up.
const ACTIVITY: &str = sql!(
    "select pid, usename, application_name, client_addr, backend_start, xact_start, state_change, state, wait_event_type,
     wait_event, pg_blocking_pids(pid) as blocked_by, left(regexp_replace(query, '\\s+', ' ', 'g'), 60) as query
     from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() order by pid"
);

/// Who may log in; of passwords only whether there is one.
const ROLES: &str = sql!(
    "select rolname, rolsuper, rolcanlogin, rolconnlimit, rolvaliduntil, rolpassword is not null as has_password
     from pg_authid where rolname !~ '^pg_' order by 1"
);

/// Settings that decide who gets in, and where each comes from.
const SETTINGS: &str = sql!(
    "select name, setting, source, sourcefile, pending_restart from pg_settings where name in ('data_directory', 'hba_file',
     'idle_in_transaction_session_timeout', 'listen_addresses', 'lock_timeout', 'max_connections', 'port',
     'reserved_connections', 'superuser_reserved_connections') order by 1"
);

/// The tools' own JVM takes seconds, and longer where nobody answers.
const TOPICS: &str = "systemctl -q is-active kafka || { echo 'kafka does not run' >&2; exit 1; }; \
                      timeout 15 kafka-topics.sh --bootstrap-server localhost:9092 --describe --exclude-internal";

const HELLO: &str =
    "systemctl -q is-active mongod || { echo 'mongod does not run' >&2; exit 1; }; mongo-eval '{\"hello\": 1}'";

/// What a server without a replica set answers is an answer too.
const RS_STATUS: &str = "systemctl -q is-active mongod || { echo 'mongod does not run' >&2; exit 1; }; \
                         mongo-eval --uri \"$(cat /root/.mongo-uri 2>/dev/null || echo mongodb://127.0.0.1/?directConnection=true)\" \
                         '{\"replSetGetStatus\": 1}'; true";

/// Users and their roles, without what proves who they are.
const USERS: &str = "systemctl -q is-active mongod || { echo 'mongod does not run' >&2; exit 1; }; \
                     mongo-eval --uri \"$(cat /root/.mongo-uri 2>/dev/null || echo mongodb://127.0.0.1/?directConnection=true)\" \
                     '{\"usersInfo\": {\"forAllDBs\": true}}'; true";

const fn fact(unit: &'static str, file: &'static str, command: &'static str) -> ServerFact {
    ServerFact { unit, file, command }
}

package doctor

import "strings"

// redisRules are what may be wrong with a Redis. docs/STORES.md says why each matters.
var redisRules = []rule[redisFacts]{
	{
		"redis-refuses", Error,
		"503 on every page with a session, or with a backup: everybody is served from backups, and nothing reaches the store",
		"ACL SETUSER … +@read +@write +@scripting +info ~prefix*, or what the error names",
		func(f redisFacts) string {
			return sayIf(f.refused != "", "a session cannot be saved: %s", f.refused)
		},
	},
	{
		"redis-replica", Error,
		"no change of a session is saved: READONLY",
		"the address: name the primary, or Sentinel by redis://…?master_set=",
		func(f redisFacts) string {
			return sayIf(f.info["role"] == "slave", "the address names a replica of %s", f.info["master_host"])
		},
	},
	{
		"redis-loading", Error,
		"503, or sessions from backups, until it has loaded its file",
		"nothing: wait; then look how long a restart takes",
		func(f redisFacts) string { return sayIf(f.info["loading"] == "1", "it is loading its data") },
	},
	{
		"redis-old", Error,
		"503 on every page with a session",
		"Redis 6 or later",
		func(f redisFacts) string {
			major, _, _ := strings.Cut(f.info["redis_version"], ".")
			return sayIf(len(major) == 1 && major < "6", "it is Redis %s", f.info["redis_version"])
		},
	},
	{
		"redis-policy", Error,
		"sessions in use end when the memory is full: people are logged out, one by one",
		"maxmemory-policy noeviction",
		func(f redisFacts) string {
			policy := f.info["maxmemory_policy"]
			return sayIf(policy != "noeviction" && policy != "volatile-ttl" && f.number("maxmemory") > 0, "its policy is %s", policy)
		},
	},
	{
		"redis-policy-ttl", Warning,
		"when the memory is full, tombstones are dropped first: an instance that has just begun lets a session in that was ended",
		"maxmemory-policy noeviction, with enough memory",
		func(f redisFacts) string {
			return sayIf(f.info["maxmemory_policy"] == "volatile-ttl" && f.number("maxmemory") > 0, "its policy is volatile-ttl")
		},
	},
	{
		"redis-unbounded", Warning,
		"everybody is logged out, or served from backups, when the kernel kills the server for want of memory",
		"maxmemory: half to two thirds of the machine",
		func(f redisFacts) string {
			return sayIf(f.info["maxmemory"] == "0", "it has no maxmemory")
		},
	},
	{
		"redis-headroom", Warning,
		"when the rest is used up nothing is saved any more, or sessions end early, by the policy",
		"maxmemory, twice what the sessions of a busy hour take",
		func(f redisFacts) string {
			return nearlyFull(f.number("used_memory"), f.number("maxmemory"), "maxmemory")
		},
	},
	{
		"redis-machine", Warning,
		"everybody is logged out, or served from backups, when the kernel kills the server while it writes a snapshot",
		"maxmemory: half to two thirds of the machine: a snapshot has the pages twice that are written meanwhile",
		func(f redisFacts) string {
			most, machine := f.number("maxmemory"), f.number("total_system_memory")
			forks := f.info["aof_enabled"] == "1" || f.snapshots()
			return sayIf(forks && machine > 0 && most > 0.7*machine, "maxmemory is %.0f %% of the machine's", 100*most/machine)
		},
	},
	{
		"redis-evicted", Error,
		"people were logged out before their time",
		"maxmemory; then CONFIG RESETSTAT",
		func(f redisFacts) string {
			return sayIf(f.number("evicted_keys") > 0, "it has evicted %s records since it started", f.info["evicted_keys"])
		},
	},
	{
		"redis-memory-only", Warning,
		"a restart of the server logs everybody out, or with a backup everybody whose backup is older than its lease",
		"appendonly yes, and appendfsync everysec",
		func(f redisFacts) string {
			volatile := f.info["aof_enabled"] == "0" && len(f.config) > 0 && !f.snapshots()
			return sayIf(volatile && f.primary() && f.number("connected_slaves") == 0, "it has neither a file nor a replica")
		},
	},
	{
		"redis-snapshots", Warning,
		"a restart takes back the changes of minutes; without a backup a session that ended since the last snapshot is live again",
		"appendonly yes, and appendfsync everysec",
		func(f redisFacts) string {
			return sayIf(f.info["aof_enabled"] == "0" && f.snapshots() && f.primary(), "it writes snapshots only (save %s)", f.config["save"])
		},
	},
	{
		"redis-fsync", Warning,
		"a crash of the machine takes back the changes of half a minute",
		"appendfsync everysec",
		func(f redisFacts) string {
			return sayIf(f.info["aof_enabled"] == "1" && f.config["appendfsync"] == "no", "appendfsync is no")
		},
	},
	{
		"redis-disk", Error,
		"nothing is saved (MISCONF), and a restart takes back what the file lacks",
		"the disk; the server's log says what it could not write",
		func(f redisFacts) string {
			failed := f.info["rdb_last_bgsave_status"] == "err" || f.info["aof_last_write_status"] == "err" || f.info["aof_last_bgrewrite_status"] == "err"
			return sayIf(failed, "it could not write its file")
		},
	},
	{
		"redis-fork", Warning,
		"each snapshot makes pages wait, and reads of the store time out",
		"a smaller instance, or latency-friendly memory: no transparent huge pages",
		func(f redisFacts) string {
			us := f.number("latest_fork_usec")
			return sayIf(us > 50_000, "its last fork stopped it for %.0f ms", us/1000)
		},
	},
	{
		"redis-replica-lag", Warning,
		"when that replica takes over, the changes and the logouts of that time are gone",
		"the network between the two, or repl-diskless-sync",
		func(f redisFacts) string {
			for _, r := range f.replicas() {
				if r["state"] != "online" || len(r["lag"]) > 1 {
					return "its replica " + r["ip"] + ":" + r["port"] + " is " + r["state"] + ", with a lag of " + r["lag"] + " s"
				}
			}
			return ""
		},
	},
	{
		"redis-min-replicas", Warning,
		"a primary that is cut off acknowledges changes and logouts that the next primary never gets",
		"min-replicas-to-write 1, with two replicas",
		func(f redisFacts) string {
			return sayIf(f.number("connected_slaves") > 0 && f.config["min-replicas-to-write"] == "0", "it saves without a replica")
		},
	},
	{
		"redis-too-few-replicas", Error,
		"nothing is saved (NOREPLICAS): 503, or changes in backups only",
		"start a replica, or min-replicas-to-write",
		func(f redisFacts) string {
			want := f.config["min-replicas-to-write"]
			few := len(want) > 1 || len(want) == 1 && int(want[0]-'0') > f.goodReplicas()
			return sayIf(few && f.primary(), "it wants %s replicas, and has %d", want, f.goodReplicas())
		},
	},
	{
		"redis-one-replica", Warning,
		"a restart of the replica stops all saves",
		"a second replica",
		func(f redisFacts) string {
			return sayIf(f.config["min-replicas-to-write"] == "1" && len(f.replicas()) == 1, "it wants one replica, and has one")
		},
	},
	{
		"redis-timeout", Warning,
		"a page now and then waits for a second connection, and a save that meets a closed one is answered 503, or goes into the backup",
		"timeout 0",
		func(f redisFacts) string {
			return sayIf(f.config["timeout"] != "0" && f.config["timeout"] != "", "it closes connections that are idle for %s s", f.config["timeout"])
		},
	},
	{
		"redis-connections", Error,
		"instances that start get no connection: 503, or sessions from backups",
		"maxclients",
		func(f redisFacts) string {
			used, most := f.number("connected_clients"), f.number("maxclients")
			refused := f.number("rejected_connections")
			return crowded(used, most, refused, "were refused")
		},
	},
	{
		"redis-shared", Warning,
		"other data fills the memory, and nothing is saved any more; or the policy drops sessions for it",
		"a Redis of its own for sessions",
		func(f redisFacts) string {
			all, expire := f.keys()
			return sayIf(all-expire > 1000, "%d of its %d keys never expire: they are no sessions", all-expire, all)
		},
	},
	{
		"redis-open", Error,
		"whoever reaches the server reads and makes sessions of everybody",
		"requirepass, or an ACL; bind and a firewall",
		func(f redisFacts) string {
			return sayIf(!f.loopback && !f.password, "it takes commands without a password")
		},
	},
	{
		"redis-cluster-down", Error,
		"503, or sessions from backups",
		"redis-cli --cluster check",
		func(f redisFacts) string {
			return sayIf(f.info["cluster_state"] == "fail", "its cluster has no server for some slots")
		},
	},
	{
		"redis-clock", Warning,
		"sessions expire too early or too late",
		"NTP, on both machines",
		func(f redisFacts) string { return skewed(f.skew, someSkew, muchSkew) },
	},
	{
		"redis-clock-far", Error,
		"sessions expire at once, or long after their time",
		"NTP, on both machines",
		func(f redisFacts) string { return skewed(f.skew, muchSkew, 0) },
	},
}

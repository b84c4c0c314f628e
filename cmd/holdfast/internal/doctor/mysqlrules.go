package doctor

import "time"

// mysqlPacket is what mysqlstore needs for records of its default Options.MaxRecord.
const mysqlPacket = 2*(4<<20) + 4096

// longTransaction is for how long a transaction may keep the server from cleaning up.
const longTransaction = 10 * time.Minute

// mysqlRules are what may be wrong with a MySQL or MariaDB. Isolation, sql_mode, time zone and
// character set are no part of it: the store sets them on each connection.
var mysqlRules = []rule[mysqlFacts]{
	{
		"mysql-check", Error,
		"everybody is logged out: the program begins with an empty table, or does not start",
		"the database in the address, or Options.Table; mysqlstore.Open makes the tables where the user has CREATE",
		func(f mysqlFacts) string { return f.tables },
	},
	{
		"mysql-old", Error, "503 on every page with a session", "MariaDB 10.5, MySQL 8.0 or later",
		func(f mysqlFacts) string { return sayIf(f.tooOld(), "it is version %s", f.variables["version"]) },
	},
	{
		"mysql-engine", Error,
		"the program does not start: one save would block all others, and a crash takes changes and logouts back",
		"ALTER TABLE … ENGINE = InnoDB",
		func(f mysqlFacts) string {
			return sayIf(f.tables == "" && f.engine != "InnoDB", "the table has the engine %s", f.engine)
		},
	},
	{
		"mysql-ids", Error,
		"two visitors whose IDs differ in the case of a letter get one session",
		"ALTER TABLE … MODIFY id VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL",
		func(f mysqlFacts) string {
			binary := f.ids == "ascii_bin" || f.ids == "" // a column of bytes has none
			return sayIf(f.tables == "" && !binary, "its column id has the collation %s", f.ids)
		},
	},
	{
		"mysql-index", Warning,
		"pages wait each minute: deleting what has expired reads the whole table",
		"CREATE INDEX … ON … (expires), as mysqlstore.Schema has it",
		func(f mysqlFacts) string {
			return sayIf(f.tables == "" && !f.indexed, "no index begins with its column expires")
		},
	},
	{
		"mysql-read-only", Error,
		"no change of a session is saved",
		"the address: name the primary; or SET GLOBAL read_only = OFF",
		func(f mysqlFacts) string {
			return sayIf(f.on("read_only") || f.on("super_read_only") || f.on("innodb_read_only"), "it is read-only, as replicas are")
		},
	},
	{
		"mysql-packet", Error,
		"the program does not start, or a session that grows is not saved",
		"max_allowed_packet = 16M",
		func(f mysqlFacts) string {
			most := f.number("max_allowed_packet")
			return sayIf(most < mysqlPacket, "max_allowed_packet is %.0f, and Options.MaxRecord of 4 MB needs %d", most, mysqlPacket)
		},
	},
	{
		"mysql-binlog", Error,
		"nothing is saved: READ COMMITTED and a binary log of statements exclude each other",
		"binlog_format = ROW",
		func(f mysqlFacts) string {
			return sayIf(f.on("log_bin") && f.variables["binlog_format"] == "STATEMENT", "its binary log has the format STATEMENT")
		},
	},
	{
		"mysql-durable", Warning,
		"a crash of the machine takes back the changes and the logouts of the last second",
		"innodb_flush_log_at_trx_commit = 1, and sync_binlog = 1 where there is a binary log",
		func(f mysqlFacts) string {
			if flush := f.variables["innodb_flush_log_at_trx_commit"]; flush != "1" {
				return "innodb_flush_log_at_trx_commit is " + flush
			}
			return sayIf(f.on("log_bin") && f.variables["sync_binlog"] != "1", "sync_binlog is %s", f.variables["sync_binlog"])
		},
	},
	{
		"mysql-connections", Error,
		"instances that start get no connection: 503, or sessions from backups",
		"max_connections, or Options.Conns of the instances",
		func(f mysqlFacts) string {
			used, most := f.number("threads_connected"), f.number("max_connections")
			refused := f.number("connection_errors_max_connections")
			return crowded(used, most, refused, "were refused")
		},
	},
	{
		"mysql-timeout", Warning,
		"a page now and then waits for a new connection",
		"wait_timeout = 28800, the default",
		func(f mysqlFacts) string {
			seconds := f.number("wait_timeout")
			return sayIf(seconds < 300, "it closes connections that are idle for %.0f s", seconds)
		},
	},
	{
		"mysql-expired", Warning,
		"pages get slower: the table holds what nobody cleans up",
		"Options.CleanEvery of mysqlstore, not negative in one of the instances",
		func(f mysqlFacts) string {
			return sayIf(f.rows > 1000 && 2*f.expired > f.rows, "%d of its %d rows expired more than an hour ago", f.expired, f.rows)
		},
	},
	{
		"mysql-bloat", Warning,
		"nothing yet: the disk fills, and the clean-up reads more than there is",
		"OPTIMIZE TABLE …, in a quiet hour",
		func(f mysqlFacts) string {
			return sayIf(f.unused > 64<<20 && f.unused > 3*f.size, "%d MB of the table's file hold nothing, and %d MB something", f.unused>>20, f.size>>20)
		},
	},
	{
		"mysql-transaction", Warning,
		"pages get slower by the hour: old states of each session must be kept for it",
		"the program that has it open; SHOW ENGINE INNODB STATUS names it",
		func(f mysqlFacts) string {
			return sayIf(f.oldest > longTransaction, "a transaction has been open for %v", f.oldest.Round(time.Second))
		},
	},
	{
		"mysql-galera", Error,
		"503, or sessions from backups",
		"the node: it has lost the majority of its cluster, or is not in step with it",
		func(f mysqlFacts) string {
			return sayIf(f.on("wsrep_on") && f.status["wsrep_ready"] != "ON", "its cluster takes no writes here (wsrep_ready %s)", f.status["wsrep_ready"])
		},
	},
	{
		"mysql-open", Error,
		"whoever reaches the server reads and makes sessions of everybody",
		"a password for the user; bind-address and a firewall",
		func(f mysqlFacts) string {
			return sayIf(!f.loopback && !f.password, "it lets the user in without a password")
		},
	},
	{
		"mysql-clock", Warning, "sessions expire too early or too late", "NTP, on both machines",
		func(f mysqlFacts) string { return skewed(f.skew, someSkew, muchSkew) },
	},
	{
		"mysql-clock-far", Error, "sessions expire at once, or long after their time", "NTP, on both machines",
		func(f mysqlFacts) string { return skewed(f.skew, muchSkew, 0) },
	},
}

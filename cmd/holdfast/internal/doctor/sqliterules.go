package doctor

// sqliteRules are what may be wrong with a database file.
var sqliteRules = []rule[sqliteFacts]{
	{
		"sqlite-check", Error,
		"everybody is logged out: the program begins with an empty table, or does not start",
		"the path that sqlitestore.Open is given, or Options.Table",
		func(f sqliteFacts) string { return f.tables },
	},
	{
		"sqlite-damaged", Error,
		"503 on some pages or on all, and people are logged out when the file is made anew",
		"the file of a backup in its place, by one rename; then the disk, and whoever copied the file while it was in use",
		func(f sqliteFacts) string { return sayIf(f.damage != "", "the file is damaged: %s", f.damage) },
	},
	{
		"sqlite-wal", Error,
		"every page waits for each save, and a save for each page: 503 at a busy hour",
		"PRAGMA journal_mode = WAL, and not the program that has set it otherwise: it must open the file as sqlitestore does",
		func(f sqliteFacts) string {
			return sayIf(f.journal != "wal" && f.journal != "", "its journal mode is %s: a program writes it without WAL", f.journal)
		},
	},
	{
		"sqlite-locked", Error,
		"nothing is saved: 503, or changes in backups only",
		"the other program: short transactions, and BEGIN IMMEDIATE no sooner than it writes",
		func(f sqliteFacts) string {
			return sayIf(f.locked, "another process has held the lock of writers for %v", lockWait)
		},
	},
	{
		"sqlite-network", Error,
		"the file is damaged one day, or an instance on another machine does not see logouts: locks and WAL need one machine",
		"the path: a disk of this machine; or PostgreSQL, MariaDB or Redis for several machines",
		func(f sqliteFacts) string { return sayIf(f.disk.network != "", "it is on %s", f.disk.network) },
	},
	{
		"sqlite-memory", Warning,
		"a restart of the machine, or of the container, logs everybody out",
		"the path: a disk, or a volume",
		func(f sqliteFacts) string { return sayIf(f.disk.memory, "it is on a file system in memory") },
	},
	{
		"sqlite-disk", Error,
		"nothing is saved when it is full: 503, or changes in backups only",
		"the disk",
		func(f sqliteFacts) string {
			little := f.disk.free < min(1<<30, f.disk.total/10)
			return sayIf(f.disk.total > 0 && !f.disk.memory && little, "its disk has %d of %d MB left", f.disk.free>>20, f.disk.total>>20)
		},
	},
	{
		"sqlite-mode", Error,
		"whoever has an account on the machine reads the sessions of everybody, or writes one that is somebody's",
		"chmod 600, the -wal and -shm beside it too",
		func(f sqliteFacts) string { return f.open },
	},
	{
		"sqlite-rights", Error,
		"nothing is saved: 503, or with a backup: everybody is served from backups",
		"chmod u+rw of the file and u+rwx of its directory, where the log has its place",
		func(f sqliteFacts) string { return sayIf(f.stuck != "", "its owner cannot write %s", f.stuck) },
	},
	{
		"sqlite-owner", Error,
		"503 on every page with a session, after a restart at the latest",
		"chown, to the account of the program; then look who opened the file as another user, like root by sqlite3",
		func(f sqliteFacts) string {
			return sayIf(f.foreign != "", "%s belongs to another account than the file", f.foreign)
		},
	},
	{
		"sqlite-log", Warning,
		"pages get slower, and the disk fills: a reader that does not end keeps the log from being moved into the file",
		"the program, or the backup, that has a transaction open for long",
		func(f sqliteFacts) string {
			return sayIf(f.wal > 80<<20, "its log (-wal) has %d MB", f.wal>>20)
		},
	},
	{
		"sqlite-expired", Warning,
		"pages get slower: the table holds what nobody cleans up",
		"Options.CleanEvery of sqlitestore, not negative in one of the processes",
		func(f sqliteFacts) string {
			return sayIf(f.rows > 1000 && 2*f.expired > f.rows, "%d of its %d rows expired more than an hour ago", f.expired, f.rows)
		},
	},
	{
		"sqlite-bloat", Warning,
		"nothing yet: the disk fills earlier than it would",
		"VACUUM, while no program has the file open",
		func(f sqliteFacts) string {
			return sayIf(f.unused > 64<<20 && 4*f.unused > 3*f.size, "%d of its %d MB hold nothing", f.unused>>20, f.size>>20)
		},
	},
}

// Package sqlitestore keeps sessions in a SQLite file, for one machine: they survive
// restarts and kills of the program, and any number of processes share them. The
// driver is modernc.org/sqlite, which needs no C compiler.
//
//	store, err := sqlitestore.Open(ctx, "shop.db", nil)
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//
// A Load is one SELECT, which no writer delays (WAL). A Save is one statement. Saves
// that wait at the same time are committed together, with one sync of the disk.
//
// What the file and the machine decide:
//
//   - A Save that was acknowledged is on disk: it survives a power failure, unless
//     [Options] has LosesOnPowerFailure.
//   - The file has to be on a disk of this machine. WAL does not work over a network
//     file system.
//   - The file does not shrink: the room of deleted sessions is used again.
//   - A record may have up to 999,000,000 bytes, and a larger one is ErrTooLarge. On a
//     full disk a Save fails, and what stood before still stands.
//
// An operator replaces the file of a running program in one step, by renaming another
// one over it, or with sqlite3's .restore. [Store.Probe] says what is noticed.
package sqlitestore

// Package mysqlstore keeps sessions in MariaDB 10.5 or later, or MySQL 8.0 or later. The
// driver is github.com/go-sql-driver/mysql.
//
//	config, err := mysql.ParseDSN("shop:password@tcp(10.0.0.1:3306)/shop")
//	if err != nil {
//		return err
//	}
//	store, err := mysqlstore.Open(ctx, config, nil)
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//
// A Load and a Save are one statement each. The store has connections of its own and
// sets what it relies on for each of them: READ COMMITTED, strict mode, UTC, changed
// rows instead of matched ones. A caller that leaves costs no connection.
//
// The store's user needs SELECT, INSERT, UPDATE and DELETE on the three tables of
// [Schema], and CREATE where Open is to make them.
//
// The server's configuration decides:
//
//   - A write that was acknowledged survives a crash of the server's machine with
//     innodb_flush_log_at_trx_commit=1, the default, and a failover only where
//     replication is synchronous.
//   - max_allowed_packet has to be twice Options.MaxRecord.
//   - A binary log has to be in the format ROW or MIXED: STATEMENT and READ COMMITTED
//     exclude each other.
//   - The connections lead to one primary. Behind a proxy that sends reads to replicas,
//     a request does not see what the one before it saved.
package mysqlstore

// Package pgstore keeps sessions in PostgreSQL 14 or later.
//
// A session is one row of one table. A Load is one SELECT by its primary key, a Save is
// one statement, and its compare-and-set is that statement's WHERE. The driver is
// github.com/jackc/pgx/v5; [PoolConfig] makes the options of its pool from a URL, as a
// session store needs them.
//
// [Schema] shows the statements that make the table, [Migrate] runs those that a database
// lacks, and [Store.Check] names what is missing or set so that it does harm. The store's
// user needs the rights to select, insert, update and delete on the table and on the small
// one beside it, whose name ends in _state.
//
// The statements outlive their callers, as package background explains: a request that
// gives up after 50 ms costs no connection. Rows that have expired count as none, and one
// of the instances deletes them now and then; [Store.Close] ends that.
//
// A program on database/sql shares the pool by stdlib.OpenDBFromPool, or better gives the
// sessions a pool of their own, so that no transaction of the program's keeps them
// waiting.
package pgstore

package pgstore

import (
	"context"
	"fmt"

	"github.com/holdfast-go/session"
)

// shard is the name of the only shard. It is not the address, because instances may
// know the server by different addresses, and a failover changes the address.
const shard = "postgresql"

// Shard implements [session.Prober]. A database is one shard, "postgresql".
func (s *Store) Shard(session.ID) string { return shard }

// Probe implements [session.Prober]. It is one statement. A standby is an error.
//
// The incarnation is the system identifier and the timeline of the cluster, the table's
// OID, and a random value in an UNLOGGED table. So the incarnation changes where a cluster
// was restored from a dump or a base backup, where a replica was promoted, where the table
// was made anew, and after every crash of the server, since PostgreSQL empties unlogged
// tables then. A crash that lost nothing counts too: for a few seconds "not found" counts
// as no answer. A clean restart changes nothing.
//
// Where the server refuses pg_control_system or has no timeline to tell, as some managed
// services do, the store logs that once and does without the first two: a dump that was
// restored in the same place is not noticed then, unless the table was made anew.
func (s *Store) Probe(ctx context.Context, name string) (incarnation string, err error) {
	if name != shard {
		return "", fmt.Errorf("session: postgres probe: there is no shard %q", name)
	}
	return do(ctx, s, "probe", func(ctx context.Context) (string, error) {
		for range 3 { // which no server needs: two instances may mark it at once
			i, err := s.incarnation(ctx)
			if err != nil {
				return "", err
			}
			if i.marker != nil {
				return i.cluster + "/" + i.oid + "/" + *i.marker, nil
			}
			if _, err := s.pool.Exec(ctx, s.sql.mark); err != nil {
				return "", err
			}
		}
		return "", fmt.Errorf("%s stays empty", s.state())
	})
}

// incarnation has the parts of the string that Probe returns.
type incarnation struct {
	cluster, oid string
	marker       *string // nil where the server has lost it
}

// incarnation reads the parts.
func (s *Store) incarnation(ctx context.Context) (i incarnation, err error) {
	ask := func(query string) error {
		return s.read(ctx, func() error { return s.pool.QueryRow(ctx, query).Scan(&i.cluster, &i.oid, &i.marker) })
	}
	if _, told := s.told.Load(withoutCluster); !told {
		if err = ask(s.sql.probe); err == nil {
			return i, nil
		}
	}
	failed := err
	if !isAboutFunctions(failed) {
		return incarnation{}, failed
	}
	if err = ask(s.sql.probeAlone); err == nil && failed != nil {
		s.without(withoutCluster, "session: postgres: the server does not tell which cluster it is; a dump restored in its place is not noticed",
			"error", failed)
	}
	return i, err
}

const withoutCluster = "cluster"

// isAboutFunctions reports whether a server that answered err may answer without
// pg_control_system and pg_walfile_name. A nil err stands for one that was logged
// before.
func isAboutFunctions(err error) bool {
	code := codeOf(err)
	return err == nil || code == "42501" || code == "42883" // insufficient_privilege, undefined_function
}

package storetest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/holdfast-go/session"
)

// dataSaboteurs give back other data, or data to another caller.
var dataSaboteurs = []saboteur{
	{name: "stops at a zero byte", breaks: []string{
		"any bytes come back, and none",
		"a megabyte comes back",
	}, client: badRecord(func(r session.Record) session.Record {
		r.Data, _, _ = bytes.Cut(r.Data, []byte{0})
		return r
	})},
	{name: "trims white space", breaks: []string{
		"any bytes come back, and none",
	}, client: badRecord(func(r session.Record) session.Record {
		r.Data = bytes.TrimSpace(r.Data)
		return r
	})},
	{name: "keeps 64 KB", breaks: []string{
		"a megabyte comes back",
		"what is too large is refused, and the old session stays",
	}, client: badRecord(func(r session.Record) session.Record {
		r.Data = r.Data[:min(len(r.Data), 64<<10)]
		return r
	})},
	{name: "returns an empty record for a miss", breaks: []string{
		"a session that nobody saved is not found",
		"what is too large is refused, and the old session stays",
		"a session that expired can be created anew",
		"a version creates nothing",
		"the version of an expired session replaces nothing",
		"a conflict changes nothing",
		"an expiry brings no version back",
		"a session ends when its time has come",
		"a shortened session ends",
		"a save past its expiry leaves nothing, and nothing for ever",
		"a session without an end is refused",
		"a fresh load sees what another instance saved",
		"a list leaves out who has expired",
	}, client: func(s session.Store) session.Store {
		return &flawed{Store: s, load: func(ctx context.Context, id session.ID) (session.Record, error) {
			r, err := s.Load(ctx, id)
			if errors.Is(err, session.ErrNotFound) {
				err = nil
			}
			return r, err
		}}
	}},
	{name: "has an error of its own for a miss", breaks: []string{
		"a session that nobody saved is not found",
		"what is too large is refused, and the old session stays",
		"a version creates nothing",
		"a conflict changes nothing",
		"a save from before a restart overwrites nothing after it",
		"a restart that lost what was held is noticed",
		"a session ends when its time has come",
		"a shortened session ends",
		"a save past its expiry leaves nothing, and nothing for ever",
		"a session without an end is refused",
		"a fresh load sees what another instance saved",
	}, client: badError(func(err error) error {
		if errors.Is(err, session.ErrNotFound) {
			return errors.New("nil reply")
		}
		return err
	})},
	{name: "keeps the caller's slice", breaks: []string{
		"what the caller changes after a save is not saved",
	}, server: keepsTheCallersSlice},
	{name: "writes into what it returned", breaks: []string{
		"what was loaded does not change",
	}, client: writesIntoItsBuffer},
	{name: "compares with the version in the record", breaks: []string{
		"the version in a record says nothing",
	}, client: badSave(func(s session.Store, ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
		if r.Version != (session.Version{}) {
			over = r.Version
		}
		return s.Save(ctx, id, r, over)
	})},
	{name: "shows a writer its old value", breaks: []string{
		"what is saved is seen at once",
		"a refreshed session lives on",
	}, mayBreak: []string{"callers who leave take no connections along"}, client: showsAnOldValue},
	{name: "cuts what is too large", breaks: []string{
		"what is too large is refused, and the old session stays",
	}, client: badRecord(func(r session.Record) session.Record {
		r.Data = r.Data[:min(len(r.Data), 1<<20)]
		return r
	})},
	{name: "has an error of its own for what is too large", breaks: []string{
		"what is too large is refused, and the old session stays",
	}, client: badError(func(err error) error {
		if errors.Is(err, session.ErrTooLarge) {
			return errors.New("SERVER_ERROR object too large for cache")
		}
		return err
	})},
	{name: "loses the old session for one too large", breaks: []string{
		"what is too large is refused, and the old session stays",
	}, client: badSave(func(s session.Store, ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
		v, err := s.Save(ctx, id, r, over)
		if errors.Is(err, session.ErrTooLarge) {
			s.Save(ctx, id, expiring("", -time.Hour), over)
		}
		return v, err
	})},

	{name: "forgets the case of ids", breaks: []string{
		"ids that differ in case are two visitors",
		"a list names every session",
	}, client: badID(func(id session.ID) session.ID {
		return session.ID(strings.ToLower(string(id)))
	})},
	{name: "keeps 64 bytes of an id", breaks: []string{
		"ids of every shape are told apart",
		"a list names every session",
		"who is revoked by a list is logged out",
		"a list that breaks off says so",
	}, client: badID(func(id session.ID) session.ID { return id[:min(len(id), 64)] })},
	{name: "takes ids for numbers", breaks: []string{
		"ids of every shape are told apart",
		"a list names every session",
		"who is revoked by a list is logged out",
		"a list that breaks off says so",
	}, client: badID(func(id session.ID) session.ID {
		if len(id) < 32 {
			id = session.ID(strings.TrimLeft(string(id), "0"))
		}
		return id
	})},
}

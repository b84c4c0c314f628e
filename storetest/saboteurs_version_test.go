package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

// versionSaboteurs compare the wrong thing, at the wrong time or not at all.
var versionSaboteurs = []saboteur{
	{name: "overwrites over Absent", breaks: []string{
		"a session is created once",
		"a conflict changes nothing",
		"of a hundred first saves at once one wins",
		"a save past its expiry ends nobody else's session",
	}, client: badOver(func(_ bool, over session.Version) session.Version {
		if over == session.Absent {
			return session.Any
		}
		return over
	})},
	{name: "creates each session only once", breaks: []string{
		"a session that expired can be created anew",
		"the version of an expired session replaces nothing",
		"an expiry brings no version back",
		"a save past its expiry leaves nothing, and nothing for ever",
	}, client: badOverOnce(func(stands bool, over session.Version) session.Version {
		if over == session.Absent && !stands {
			return session.Version{1}
		}
		return over
	})},
	{name: "ignores versions", breaks: []string{
		"the version in a record says nothing",
		"a late save does not bring back who logged out",
		"the version of another session replaces nothing",
		"a version creates nothing",
		"the version of an expired session replaces nothing",
		"a conflict changes nothing",
		"a save from before a restart overwrites nothing after it",
		"of a hundred saves at once one wins",
		"a logout that races with saves is final",
		"fifty requests at once count to fifty",
		"a save past its expiry ends nobody else's session",
		"instances compare the same versions",
	}, client: badOver(func(_ bool, over session.Version) session.Version {
		if over != session.Absent {
			return session.Any
		}
		return over
	})},
	{name: "compares whether something stands", breaks: []string{
		"the version in a record says nothing",
		"a late save does not bring back who logged out",
		"the version of another session replaces nothing",
		"the version of an expired session replaces nothing",
		"a conflict changes nothing",
		"a save from before a restart overwrites nothing after it",
		"of a hundred saves at once one wins",
		"a logout that races with saves is final",
		"fifty requests at once count to fifty",
		"a save past its expiry ends nobody else's session",
		"instances compare the same versions",
	}, client: badOver(func(stands bool, over session.Version) session.Version {
		if over != session.Absent && stands {
			return session.Any
		}
		return over
	})},
	{name: "creates over a version", breaks: []string{
		"a version creates nothing",
		"the version of an expired session replaces nothing",
		"a conflict changes nothing",
		"of a hundred first saves at once one wins",
		"a save past its expiry ends nobody else's session",
	}, client: badOver(func(stands bool, over session.Version) session.Version {
		if !stands {
			return session.Any
		}
		return over
	})},
	{name: "creates over the version of an expired session", breaks: []string{
		"the version of an expired session replaces nothing",
	}, client: badOverOnce(func(stands bool, over session.Version) session.Version {
		if !stands {
			return session.Any
		}
		return over
	})},
	{name: "takes the version of any session", breaks: []string{
		"the version of another session replaces nothing",
	}, client: func(s session.Store) session.Store {
		var given sync.Map // by Version: the ID
		return &flawed{Store: s, save: func(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
			if owner, ok := given.Load(over); ok && owner != id {
				if old, err := s.Load(ctx, id); err == nil {
					over = old.Version
				}
			}
			v, err := s.Save(ctx, id, r, over)
			if err == nil {
				given.Store(v, id)
			}
			return v, err
		}}
	}},
	{name: "does not know the versions of its loads", breaks: []string{
		"a session comes back as it was saved",
		"what is saved is seen at once",
		"the version in a record says nothing",
		"what is too large is refused, and the old session stays",
		"ids that differ in case are two visitors",
		"a save over what was loaded replaces it",
		"a conflict changes nothing",
		"of a hundred saves at once one wins",
		"of a hundred first saves at once one wins",
		"fifty requests at once count to fifty",
		"a save past its expiry ends nobody else's session",
		"a session without an end is refused",
		"a save that the deadline cut off has happened or has not",
		"a store that is back serves again",
		"a visitor may be served by another instance",
		"a fresh load sees what another instance saved",
	}, client: func(s session.Store) session.Store {
		return &flawed{Store: s, load: func(ctx context.Context, id session.ID) (session.Record, error) {
			r, err := s.Load(ctx, id)
			r.Version[15] ^= 0x80
			return r, err
		}}
	}},
	{name: "does not know the versions of its saves", breaks: []string{
		"a session comes back as it was saved",
		"what is saved is seen at once",
		"any bytes come back, and none",
		"what was loaded does not change",
		"the version in a record says nothing",
		"what is too large is refused, and the old session stays",
		"ids that differ in case are two visitors",
		"saves follow one another without a load",
		"a late save does not bring back who logged out",
		"a logout replaces whatever stands",
		"a conflict changes nothing",
		"the same bytes get a new version",
		"an expiry brings no version back",
		"of a hundred saves at once one wins",
		"of a hundred first saves at once one wins",
		"a refreshed session lives on",
		"a shortened session ends",
		"a save past its expiry leaves nothing, and nothing for ever",
		"a save past its expiry ends nobody else's session",
		"a session without an end is refused",
		"a save that the deadline cut off has happened or has not",
		"a store that is back serves again",
		"a visitor may be served by another instance",
		"instances compare the same versions",
		"a fresh load sees what another instance saved",
	}, client: badSave(func(s session.Store, ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
		v, err := s.Save(ctx, id, r, over)
		v[15] ^= 0x80
		return v, err
	})},
	{name: "does not replace over Any", breaks: []string{
		"a late save does not bring back who logged out",
		"a logout replaces whatever stands",
		"the same bytes get a new version",
		"a logout that races with saves is final",
		"a shortened session ends",
		"a save past its expiry leaves nothing, and nothing for ever",
		"a store that is back serves again",
		"who is revoked by a list is logged out",
	}, client: badOver(func(_ bool, over session.Version) session.Version {
		if over == session.Any {
			return session.Absent
		}
		return over
	})},
	{name: "does not create over Any", breaks: []string{
		"a logout is kept where nothing stood",
		"a save from before a restart overwrites nothing after it",
		"a save past its expiry leaves nothing, and nothing for ever",
	}, client: badOver(func(stands bool, over session.Version) session.Version {
		if over == session.Any && !stands {
			return session.Version{1}
		}
		return over
	})},
	{name: "removes what stands on a conflict", breaks: []string{
		"a late save does not bring back who logged out",
		"a conflict changes nothing",
		"of a hundred saves at once one wins",
		"of a hundred first saves at once one wins",
		"a logout that races with saves is final",
		"fifty requests at once count to fifty",
		"a save past its expiry ends nobody else's session",
		"instances compare the same versions",
	}, client: badSave(func(s session.Store, ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
		v, err := s.Save(ctx, id, r, over)
		if errors.Is(err, session.ErrConflict) {
			s.Save(ctx, id, expiring("", -time.Hour), session.Any)
		}
		return v, err
	})},
	{name: "takes the expiry of a conflict", breaks: []string{
		"a conflict changes nothing",
		"a save past its expiry ends nobody else's session",
	}, client: badSave(func(s session.Store, ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
		v, err := s.Save(ctx, id, r, over)
		if old, missing := s.Load(ctx, id); errors.Is(err, session.ErrConflict) && missing == nil && r.Expires.Before(old.Expires) {
			s.Save(ctx, id, session.Record{Data: old.Data, Expires: r.Expires}, session.Any)
		}
		return v, err
	})},
	{name: "checks, then sets", breaks: []string{
		"of a hundred saves at once one wins",
		"a logout that races with saves is final",
		"fifty requests at once count to fifty",
	}, client: checksThenSets(func(over session.Version) bool {
		return over != session.Absent && over != session.Any
	})},
	{name: "checks, then creates", breaks: []string{
		"of a hundred first saves at once one wins",
	}, client: checksThenSets(func(over session.Version) bool { return over == session.Absent })},
	{name: "is for one at a time", breaks: []string{
		"of a hundred saves at once one wins",
		"of a hundred first saves at once one wins",
		"a logout that races with saves is final",
		"fifty requests at once count to fifty",
		"a frozen server holds nobody beyond the deadline",
		"a frozen server holds nobody who leaves",
		"a server that was slow for a moment serves again",
		"callers who leave take no connections along",
	}, client: isForOne},

	{name: "hashes its versions", breaks: []string{
		"the same bytes get a new version",
		"an expiry brings no version back",
		"a save from before a restart overwrites nothing after it",
	}, server: badVersions(hash)},
	{name: "counts the writes of a session", breaks: []string{
		"the version of another session replaces nothing",
		"the version of an expired session replaces nothing",
		"the same bytes get a new version",
		"an expiry brings no version back",
		"a save from before a restart overwrites nothing after it",
	}, server: badVersions(func(_ session.Record, _, own int) session.Version { return number(own) })},
	{name: "counts from one after a restart", breaks: []string{
		"a save from before a restart overwrites nothing after it",
	}, server: badVersions(func(_ session.Record, all, _ int) session.Version { return number(all) })},
	{name: "compares versions in the process", breaks: []string{
		"a visitor may be served by another instance",
		"instances compare the same versions",
		"a fresh load sees what another instance saved",
	}, client: badVersions(func(_ session.Record, all, _ int) session.Version { return number(all) })},
}

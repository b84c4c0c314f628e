package keyring

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-go/session/seal"
)

// Role is what a key of a file is for.
type Role string

// The roles.
const (
	Seals   Role = "seals"
	Waiting Role = "waiting" // it was added and has not sealed yet
	Old     Role = "old"     // it sealed until another key did
	Opens   Role = "opens"   // the file does not say whether it sealed
)

// Waits are how long the steps of a rotation take to arrive.
type Waits struct {
	Spread   time.Duration // until every instance has read a changed file
	MaxLease time.Duration // how long a backup may vouch for a session: Backup.MaxLease
	Journals Journals      // that need keys
}

// EarlyError is the error of a step that must wait for an earlier one.
type EarlyError struct {
	ID   string
	At   time.Time // when it is time
	Why  string
	Cost string // what visitors would see
}

func (e *EarlyError) Error() string {
	return fmt.Sprintf("it is too early for the key %s, until %s: %s; --force does it all the same, and then %s",
		e.ID, e.At.UTC().Format(time.RFC3339), e.Why, e.Cost)
}

// New returns the text of a file with a first key.
func New(now time.Time) string {
	key := seal.NewKey()
	k := &Key{ID: key.ID().String(), Added: now, SealsSince: now}
	return "# Keys of sealed cookies. Whoever can read them can log in as anybody.\n" +
		k.noteText() + "\n" + key.Reveal() + "\n"
}

// Role returns what k, a key of r, is for.
func (r *Ring) Role(k *Key) Role {
	switch {
	case k == r.sealing():
		return Seals
	case !k.SealsSince.IsZero(), !k.SealedUntil.IsZero():
		return Old
	case !k.Added.IsZero():
		return Waiting
	}
	return Opens
}

// Waiting returns the ID of the first key that waits to seal, or nothing.
func (r *Ring) Waiting() string {
	i := slices.IndexFunc(r.Keys, func(k *Key) bool { return r.Role(k) == Waiting })
	if i < 0 {
		return ""
	}
	return r.Keys[i].ID
}

// Add is the first step: a new key at the end of the file, which opens and does not seal. It
// returns the key's ID.
func (r *Ring) Add(now time.Time) string {
	r.settle(now)
	key := seal.NewKey()
	k := &Key{ID: key.ID().String(), Added: now}
	r.append(k.noteText())
	r.append(key.Reveal() + " " + decryptOnly)
	return k.ID
}

// settle notes that a key seals from now on, where an operator has moved it to the front
// by hand.
func (r *Ring) settle(now time.Time) {
	if k := r.sealing(); k.SealsSince.IsZero() || !k.SealedUntil.IsZero() {
		k.SealedUntil = time.Time{}
		if k.SealsSince.IsZero() {
			k.SealsSince = now
		}
		r.note(k)
	}
}

// Promote is the second step: the key seals, and the one before it still opens what it has
// sealed. It fails with an EarlyError where an instance may still lack the key. It may have
// changed the ring even then, because the file lacked the time at which the key was added:
// write the file.
func (r *Ring) Promote(id string, now time.Time, w Waits, force bool) error {
	k, err := r.find(id)
	if err != nil {
		return err
	}
	before := r.sealing()
	if k == before {
		return fmt.Errorf("seals with the key %s already", id)
	}
	since := k.Added
	if since.IsZero() {
		since = now
	}
	if at := since.Add(w.Spread); now.Before(at) && !force {
		k.Added = since
		r.note(k)
		return &EarlyError{
			id, at, "every instance must have read the file with the key in it before one seals with it (--spread)",
			"an instance without the key opens nothing that the others seal: in an outage its visitors are logged out",
		}
	}
	before.SealedUntil = now
	if before.SealsSince.IsZero() {
		before.SealsSince = before.Added
	}
	r.note(before)
	r.change(before, before.secret+" "+decryptOnly)
	r.remove(k)
	k.SealsSince, k.SealedUntil = now, time.Time{}
	r.first(k.noteText(), k.secret)
	return nil
}

// remove takes k and the comment that has its times out of the file.
func (r *Ring) remove(k *Key) {
	if k.note >= 0 {
		r.lines[k.note].gone = true
	}
	r.change(k, "")
}

// Retire is the third step: it removes the key, or without an ID every key that no longer seals
// and whose time has come. It returns the IDs of the removed keys, and an EarlyError where a
// backup that another key has sealed may still vouch for its session. It may have changed the
// ring even then, see Promote. A key that a journal needs stays, with a JournalError.
func (r *Ring) Retire(id string, now time.Time, w Waits, force bool) (gone []string, err error) {
	keys, err := r.retired(id)
	if err != nil {
		return nil, err
	}
	var early []*EarlyError
	var used error
	for _, k := range keys {
		if file := w.Journals[k.ID]; file != "" && !force {
			used = &JournalError{k.ID, file}
			continue
		}
		if !force {
			if e := r.tooEarly(k, now, w); e != nil {
				early = append(early, e)
				continue
			}
		}
		r.remove(k)
		gone = append(gone, k.ID)
	}
	if used != nil {
		return gone, used
	}
	if len(early) > 0 {
		return gone, slices.MinFunc(early, func(a, b *EarlyError) int { return a.At.Compare(b.At) })
	}
	return gone, nil
}

// retired returns the keys that Retire is about.
func (r *Ring) retired(id string) ([]*Key, error) {
	if id == "" {
		return slices.DeleteFunc(slices.Clone(r.Keys), func(k *Key) bool { return r.Role(k) != Old }), nil
	}
	k, err := r.find(id)
	if err != nil {
		return nil, err
	}
	if r.Role(k) == Seals {
		return nil, fmt.Errorf("the key %s seals; rotate first, so that another one does", id)
	}
	return []*Key{k}, nil
}

// tooEarly returns why k cannot go yet, or nil. It notes when k was first seen not to seal.
func (r *Ring) tooEarly(k *Key, now time.Time, w Waits) *EarlyError {
	if r.Role(k) == Waiting { // it has sealed nothing
		return nil
	}
	if k.SealedUntil.IsZero() {
		k.SealedUntil = now
		r.note(k)
	}
	at := k.RetireAt(w)
	if !now.Before(at) {
		return nil
	}
	return &EarlyError{
		k.ID, at, "until then a backup that it has sealed vouches for its session (--max-lease, and --spread)",
		"backups that it has sealed open nowhere: in an outage their visitors are logged out, and a change that waits for the store in their cookies alone is lost",
	}
}

// RetireAt returns when a key that seals no more is of no use to any visitor, or the zero
// time where the file does not say since when.
func (k *Key) RetireAt(w Waits) time.Time {
	if k.SealedUntil.IsZero() {
		return time.Time{}
	}
	// A minute, because a sealed text names its minute only.
	return k.SealedUntil.Add(w.Spread + w.MaxLease + time.Minute)
}

// Next is a step that a rotation wants next.
type Next struct {
	Do string    `json:"do"` // rotate or retire
	ID string    `json:"key"`
	At time.Time `json:"at"` // from when on
}

// Next returns the steps that the rotation wants, the earliest first.
func (r *Ring) Next(w Waits) []Next {
	all := []Next{}
	for _, k := range r.Keys {
		switch r.Role(k) {
		case Waiting:
			all = append(all, Next{"rotate", k.ID, k.Added.Add(w.Spread).UTC()})
		case Old:
			if at := k.RetireAt(w); !at.IsZero() {
				all = append(all, Next{"retire", k.ID, at.UTC()})
			}
		case Seals, Opens:
		}
	}
	slices.SortStableFunc(all, func(a, b Next) int { return a.At.Compare(b.At) })
	return all
}

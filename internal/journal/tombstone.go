package journal

import "github.com/holdfast-go/session/internal/state"

// grave is a tombstone.
type Tombstone struct {
	ID      string
	Death   state.Death
	Until   int64 // Unix milliseconds; it may be forgotten then
	Pending bool  // the store lacks it
	Again   bool  // likewise, but it had it before it lost its memory

	// heir is the session that Renew or Rotate made of this one while it could
	// not be reached. Should another hand have ended this one, the heir ends too.
	Successor string
	Rotated   bool // by Rotate, which leaves alone what another rotation has led to

	IfLive     bool // a tombstone that stands already stays as it is
	Conflict   bool // more than one hand has ended it
	Line       bool // what rotations have made of it ends too
	Unverified bool // nobody has seen the session: a token was shown, and no more
	IfStored   bool // likewise, and where the store has nothing there is nothing to end
	tries      int  // that failed
}

// byAnother tells whether another hand than that of k has ended the session. A
// rotation is no hand: the session lives on.
func (g Tombstone) ByOtherWriter(k state.Superseded) bool {
	return g.Conflict || g.Death.Dot != k.Dot && g.Death.Reason != state.Rotated
}

// owed reports whether the store was never told of it, as far as is known here.
func (g *Tombstone) NeverDelivered() bool { return g.Pending && !g.Again }

// nobodys reports whether it turned out that there was nothing to end.
func (g *Tombstone) EndedNothing() bool { return g.Death.Reason == 0 }

// onto is g where old is known already. An heir ends too where another hand than
// its own has ended the session: it is returned. Of two rotations both heirs live.
func (g Tombstone) merge(old Tombstone) (joined Tombstone, ended []string) {
	if old.Successor != "" && old.Pending && g.Death.Reason != state.Renewed {
		g.IfLive = false // it is not known yet whether the heir may live
	}
	if old.Death.Dot != g.Death.Dot && !g.IfLive && !old.IfLive {
		g.Conflict = g.Death.Reason != state.Rotated && old.Death.Reason != state.Rotated
		if old.Successor != "" && g.Death.Reason != state.Rotated {
			ended, old.Successor = append(ended, old.Successor), ""
		}
		if g.Successor != "" && old.Death.Reason != state.Rotated {
			ended, g.Successor = append(ended, g.Successor), ""
		}
	}
	if g.IfLive && !old.IfLive {
		g.Death = old.Death
	} else if g.IfLive == old.IfLive {
		g.Death = state.Join(state.State{Death: old.Death}, state.State{Death: g.Death}).Death
	}
	if g.Successor == "" {
		g.Successor, g.Rotated = old.Successor, old.Rotated
	}
	g.Again = (g.Again || old.Again) && !g.NeverDelivered() && !old.NeverDelivered()
	g.Pending = g.Pending || old.Pending
	g.Conflict = g.Conflict || old.Conflict
	g.Line = g.Line || old.Line
	g.IfLive, g.Unverified = g.IfLive && old.IfLive, g.Unverified && old.Unverified
	g.IfStored = g.IfStored && old.IfStored
	return g, ended
}

// supersedes reports whether a rotation that wrote l was by somebody else, and
// the heir of g is by a Renew, which ends what the rotation led to.
func (g *Tombstone) Supersedes(l state.Link) bool {
	return g.Successor != "" && !g.Rotated && l != "" && l.Dot() != g.Death.Dot && l.Successor() != g.Successor
}

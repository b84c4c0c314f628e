package session

import "github.com/holdfast-go/session/internal/state"

// grave is a tombstone.
type grave struct {
	id      string
	death   state.Death
	until   int64 // Unix milliseconds; it may be forgotten then
	pending bool  // the store lacks it
	again   bool  // likewise, but it had it before it lost its memory

	// heir is the session that Renew or Rotate made of this one while it could
	// not be reached. Should another hand have ended this one, the heir ends too.
	heir   string
	turned bool // by Rotate, which leaves alone what another rotation has led to

	gentle    bool // a tombstone that stands already stays as it is
	contested bool // more than one hand has ended it
	line      bool // what rotations have made of it ends too
	weak      bool // nobody has seen the session: a token was shown, and no more
	ifStored  bool // likewise, and where the store has nothing there is nothing to end
	tries     int  // that failed
}

// byAnother tells whether another hand than that of k has ended the session. A
// rotation is no hand: the session lives on.
func (g grave) byAnother(k state.Superseded) bool {
	return g.contested || g.death.Dot != k.Dot && g.death.Reason != state.Rotated
}

// owed reports whether the store was never told of it, as far as is known here.
func (g *grave) owed() bool { return g.pending && !g.again }

// nobodys reports whether it turned out that there was nothing to end.
func (g *grave) nobodys() bool { return g.death.Reason == 0 }

// onto is g where old is known already. An heir ends too where another hand than
// its own has ended the session: it is returned. Of two rotations both heirs live.
func (g grave) onto(old grave) (joined grave, ended []string) {
	if old.heir != "" && old.pending && g.death.Reason != state.Renewed {
		g.gentle = false // it is not known yet whether the heir may live
	}
	if old.death.Dot != g.death.Dot && !g.gentle && !old.gentle {
		g.contested = g.death.Reason != state.Rotated && old.death.Reason != state.Rotated
		if old.heir != "" && g.death.Reason != state.Rotated {
			ended, old.heir = append(ended, old.heir), ""
		}
		if g.heir != "" && old.death.Reason != state.Rotated {
			ended, g.heir = append(ended, g.heir), ""
		}
	}
	if g.gentle && !old.gentle {
		g.death = old.death
	} else if g.gentle == old.gentle {
		g.death = state.Join(state.State{Death: old.death}, state.State{Death: g.death}).Death
	}
	if g.heir == "" {
		g.heir, g.turned = old.heir, old.turned
	}
	g.again = (g.again || old.again) && !g.owed() && !old.owed()
	g.pending = g.pending || old.pending
	g.contested = g.contested || old.contested
	g.line = g.line || old.line
	g.gentle, g.weak = g.gentle && old.gentle, g.weak && old.weak
	g.ifStored = g.ifStored && old.ifStored
	return g, ended
}

// supersedes reports whether a rotation that wrote l was by somebody else, and
// the heir of g is by a Renew, which ends what the rotation led to.
func (g *grave) supersedes(l state.Link) bool {
	return g.heir != "" && !g.turned && l != "" && l.Dot() != g.death.Dot && l.Successor() != g.heir
}

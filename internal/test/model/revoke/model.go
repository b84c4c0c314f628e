// Package revoke is a model of how instances learn which sessions have ended, searched
// through all of its states: docs/decisions/0060-revocation-logs.md has the protocol.
//
// There are two instances, A and B, one store, and the sessions X, Y, Z and W, of which
// each is what a Renew made of the one before. A visitor logs out of X at A, durably. A
// thief with the copy of X's cookies renews wherever an instance lets the thief in, up to
// three times. Once, the store goes back to a snapshot in which X lives; once, it evicts
// a tombstone or the log of B; once, B restarts and knows only what it reads.
//
// A state is bad if the instances agree, no tombstone waits for being written, and the
// thief is let in all the same: nothing would ever end that session.
package revoke

// sessions are X, Y, Z and W.
const sessions = 4

// The states of a session in the store.
const (
	nothing = iota
	live
	deadByLogout
	deadByRenew
)

// The knowledge of an instance, or of a log, about a session, as a set of bits.
const (
	renewed   = 1 << iota
	ended     // by the logout
	successor // its name
)

// facts are what is known of all sessions.
type facts [sessions]uint8

// state is one state of the model.
type state struct {
	store                         [sessions]uint8
	set, log                      [2]facts // of A and B; the logs stand in the store
	held                          int      // sessions that the thief has had
	out, back, evicted, restarted bool
	unread                        bool // the store has gone back, and the logs were not written again and read
}

// Sentences are the parts of the protocol. Each can be taken away.
type Sentences struct {
	WholeLine  bool // where a logout meets a Renew, all that was made of the session ends, and not only what is live
	Successor  bool // a tombstone in a log names what the Renew made
	ReadsFirst bool // a tombstone is written over another one only after that was read
	Quarantine bool // while logs are unread, nothing is restored

	// A tombstone stands in the log before the answer, and not when logs are exchanged
	// next. A logout's always does, here as in the library. The library puts a Renew's
	// into the log as soon as the answer is on its way.
	LogFirst bool
}

// move is one step, and the state after it.
type move struct {
	what string
	to   state
}

// begin is the state in which X lives, and the thief has its cookies.
func begin() state {
	s := state{held: 1}
	s.store[0] = live
	return s
}

// learn adds facts to what an instance knows. own reports whether the instance itself has
// found them.
func (p Sentences) learn(s *state, i, session int, what uint8, own bool) {
	s.set[i][session] |= what
	if own && p.LogFirst {
		s.log[i][session] |= p.told(what)
	}
}

// told returns what a log says of facts.
func (p Sentences) told(what uint8) uint8 {
	if !p.Successor {
		what &^= successor
	}
	return what
}

// endLines ends what a Renew made of a session that has ended, as far as an instance knows.
func (p Sentences) endLines(s *state, i int) {
	for k := range sessions - 1 {
		if all := uint8(renewed | ended | successor); s.set[i][k]&all == all {
			p.end(s, i, k+1)
		}
	}
}

// end ends a session at an instance, because another writer has ended the one before.
func (p Sentences) end(s *state, i, k int) {
	deadAlready := s.set[i][k]&renewed != 0 || s.store[k] == deadByRenew
	if p.WholeLine || !deadAlready {
		p.learn(s, i, k, ended, true)
	}
}

// moves returns all that can happen in a state.
func (p Sentences) moves(s state) (all []move) {
	if !s.out && s.set[0][0] == 0 && s.store[0] == live { // a dead token ends nobody
		n := s
		n.out = true
		n.store[0] = deadByLogout
		n.set[0][0] |= ended
		n.log[0][0] |= ended // the logout is durable
		all = append(all, move{"the visitor logs out of X at A", n})
	}
	for i := range 2 {
		all = append(all, p.renewals(s, i)...)
		all = append(all, p.writes(s, i)...)
	}
	if n := p.exchange(s); n != s {
		all = append(all, move{"logs are exchanged", n})
	}
	return append(all, p.faults(s)...)
}

// renewals returns the Renew of the thief at an instance that lets the thief in.
func (p Sentences) renewals(s state, i int) (all []move) {
	k := s.held - 1
	quarantined := p.Quarantine && s.unread && s.store[k] == nothing
	if k+1 == sessions || quarantined || !s.letsIn(i, k) {
		return nil
	}
	n := s
	n.store[k] = deadByRenew
	n.store[k+1] = live
	p.learn(&n, i, k, renewed|successor, true)
	n.held++
	return []move{{"the thief renews " + name(k) + " at " + instance(i), n}}
}

// letsIn reports whether an instance shows a session to a client that has its
// cookies.
func (s state) letsIn(i, k int) bool {
	if s.set[i][k] != 0 || s.store[k] != live && s.store[k] != nothing {
		return false
	}
	for j := range k { // a copy vouches, but not if another writer has ended what it supersedes
		endedElsewhere := s.set[i][j]&ended != 0 || s.store[j] == deadByLogout
		if s.store[k] == nothing && endedElsewhere {
			return false
		}
	}
	return true
}

// writes returns the tombstones that an instance may write.
func (p Sentences) writes(s state, i int) (all []move) {
	for k := range sessions {
		if s.set[i][k]&ended == 0 || s.store[k] == deadByLogout {
			continue
		}
		n := s
		if s.store[k] == deadByRenew && p.ReadsFirst && k+1 < sessions {
			p.learn(&n, i, k, renewed|successor, true)
			p.end(&n, i, k+1)
		}
		n.store[k] = deadByLogout
		p.endLines(&n, i)
		all = append(all, move{instance(i) + " writes the tombstone of " + name(k), n})
	}
	return all
}

// exchange has each instance write its log and read the other's.
func (p Sentences) exchange(s state) state {
	n := s
	n.unread = false
	for i := range 2 {
		for k := range sessions {
			n.log[i][k] |= p.told(s.set[i][k])
		}
	}
	for i := range 2 {
		for k := range sessions {
			n.set[i][k] |= n.log[1-i][k]
		}
		for range sessions {
			p.endLines(&n, i)
		}
	}
	return n
}

// faults returns what the store and B may suffer, each once.
func (p Sentences) faults(s state) (all []move) {
	if s.out && !s.back {
		n := s
		n.back = true
		n.unread = true
		n.store = [sessions]uint8{live}
		n.log = [2]facts{}
		all = append(all, move{"the store goes back to a snapshot", n})
	}
	if !s.restarted {
		n := s
		n.restarted = true
		n.set[1] = facts{}
		for k := range sessions {
			n.set[1][k] = s.log[0][k] | s.log[1][k]
		}
		for range sessions {
			p.endLines(&n, 1)
		}
		all = append(all, move{"B restarts and reads the logs", n})
	}
	if !s.evicted {
		n := s
		n.evicted = true
		n.log[1] = facts{}
		all = append(all, move{"the log of B is evicted", n})
	}
	for k := range sessions {
		if dead := s.store[k] == deadByLogout || s.store[k] == deadByRenew; dead && !s.evicted {
			n := s
			n.evicted = true
			n.store[k] = nothing
			all = append(all, move{"the tombstone of " + name(k) + " is evicted", n})
		}
	}
	return all
}

// bad reports whether the thief stays in for good.
func (s state) bad() bool {
	if !s.out {
		return false
	}
	const told = renewed | ended
	for k := range sessions {
		agree := s.set[0][k]&told == s.set[1][k]&told
		waits := s.set[0][k]&ended != 0 && s.store[k] != deadByLogout
		if !agree || waits {
			return false
		}
	}
	for k := range s.held {
		if s.set[0][k] == 0 && s.store[k] == live {
			return true
		}
	}
	return false
}

func name(k int) string     { return "XYZW"[k : k+1] }
func instance(i int) string { return "AB"[i : i+1] }

// step is a state that a search has reached.
type step struct {
	state
	from int // the step before; -1: none
	what string
}

// Search visits all states. It returns how many there are, how many of them are bad, and
// the shortest way to a bad one.
func (p Sentences) Search() (states, bad int, shortest []string) {
	steps := []step{{begin(), -1, ""}}
	seen := map[state]bool{begin(): true}
	for at := 0; at < len(steps); at++ {
		for _, m := range p.moves(steps[at].state) {
			if seen[m.to] {
				continue
			}
			seen[m.to] = true
			steps = append(steps, step{m.to, at, m.what})
			if !m.to.bad() {
				continue
			}
			if bad++; bad > 1 {
				continue
			}
			for x := len(steps) - 1; x > 0; x = steps[x].from {
				shortest = append([]string{steps[x].what}, shortest...)
			}
		}
	}
	return len(steps), bad, shortest
}

// Package simulation runs sessions in a world that goes wrong, and judges what
// the visitors saw of it.
//
// A world is a few instances of a program, a store of several shards, browsers
// with several tabs, and an attacker who copies their cookies. It runs inside a
// testing/synctest bubble, so that hours cost nothing. A [Plan] says what
// happens in it and when: who asks what of which instance, which link between
// an instance and a shard refuses, hangs, is slow or loses answers, which shard
// restarts empty, which instance crashes, which answers are late or lost. The
// plan is made from a seed before the world begins, so that it can be run
// again, and made shorter until nothing in it can be left out ([Shrink]).
//
// Config.Worlds adds classes of events that the plans of a run have besides: see
// [World]. The test that runs them says which of them hold.
//
// A seed does not decide the tokens (crypto/rand), the number that a Manager draws
// for itself, and the order in which goroutines run that wake in the same instant.
// The world avoids the last: all delays are odd nanoseconds drawn from the seed, so
// that two things rarely fall in the same instant, and a token's place among the
// shards follows from the order in which tokens appear, not from their bytes.
//
// The oracle knows nothing of how sessions are made. It knows what was sent and
// answered, which records the store was given, and finds in them the marks that the
// simulation's own small application wrote. [Judge] compares a [History] with the
// promises of the design, whose sections the comments name; each exemption stands
// in the code with the sentence that grants it.
//
// Where to look: plan.go draws a plan, with stories.go and worlds.go; world.go, visit.go and
// step.go run one; shard.go, link.go, cache.go, memory.go and weather.go are the store and its
// faults, app.go is the application, and jar.go a browser's cookies. history.go has the events,
// and oracle.go takes them in: asked.go those of a request, stored.go the saves, answered.go
// and arrival.go the answers, into what knowledge.go has. The promises are judged in lost.go,
// counter.go and withheld.go (writes), vouched.go (visitors in an outage), ends.go and heard.go
// (logouts), revoked.go (users) and remembered.go (how long sessions last); exemptions.go lists
// what excuses an answer. sweep.go runs many seeds and shortens a plan, and verdict.go prints
// what happened.
//
// The package knows the Manager only as an application does. The test that runs it
// says how an instance is made:
//
//	cfg := simulation.Config{New: func(s simulation.Spec) (simulation.Instance, error) {
//		m, err := session.New(s.Store, &session.Options{
//			Idle: s.Idle, Lifetime: s.Lifetime, Refresh: s.Refresh,
//			Backup: &session.Backup{Audience: "simulation", Keys: keys, Lease: s.Lease, MaxLease: s.MaxLease, Budget: s.Budget, Copy: s.Copy, ProxyBuffer: s.Copy + 2048},
//			Hooks:  session.Hooks{Forgot: func(context.Context, string) { s.Count("hook: a shard forgot") }},
//		})
//		if err != nil {
//			return simulation.Instance{}, err
//		}
//		return simulation.Instance{Handler: simulation.Application(m), Close: m.Close}, nil
//	}}
//	report := simulation.Sweep(t, cfg, 1, 500)
//	report.Log(t)
//
// Spec.Skew is how far the instance's clock is ahead; a factory that cannot set
// the clock sets Config.OneClock. One seed is replayed, with its trace, by
// [Again]; [Shrink] looks for the shortest plan that still goes wrong.
package simulation

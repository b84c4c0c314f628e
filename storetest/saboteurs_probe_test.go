package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session"
)

// badProbe changes how a shard is asked.
func badProbe(probe func(p session.Prober, ctx context.Context, shard string) (string, error)) flaw {
	return func(s session.Store) session.Store {
		return &flawed{Store: s, probe: func(ctx context.Context, shard string) (string, error) {
			return probe(s.(session.Prober), ctx, shard)
		}}
	}
}

// badShard changes the names of shards, and knows them all.
func badShard(change func(session.Store, session.ID) string) flaw {
	return func(s session.Store) session.Store {
		return &flawed{
			Store: s,
			shard: func(id session.ID) string { return change(s, id) },
			probe: func(ctx context.Context, shard string) (string, error) {
				if shard == "no such shard" {
					return "", errors.New("unknown")
				}
				return s.(session.Prober).Probe(ctx, "")
			},
		}
	}
}

// asksAround gives each ID to the next of its shards.
func asksAround(s session.Store) session.Store {
	var turn atomic.Int64
	return badShard(func(session.Store, session.ID) string { return fmt.Sprint(turn.Add(1) % 2) })(s)
}

// hasNamesOfItsOwn names shards as no other instance does.
func hasNamesOfItsOwn(s session.Store) session.Store {
	name := time.Now().String()
	return badShard(func(session.Store, session.ID) string { return name })(s)
}

// countsProbes takes the number of the probe for an incarnation.
func countsProbes(s session.Store) session.Store {
	var n atomic.Int64
	return badProbe(func(p session.Prober, ctx context.Context, shard string) (string, error) {
		_, err := p.Probe(ctx, shard)
		return fmt.Sprint(n.Add(1)), err
	})(s)
}

// remembers answers with what it heard last, when it hears nothing.
func remembers(s session.Store) session.Store {
	var last atomic.Value
	return badProbe(func(p session.Prober, ctx context.Context, shard string) (string, error) {
		incarnation, err := p.Probe(ctx, shard)
		if old, ok := last.Load().(string); ok && errors.Is(err, errRefused) {
			return old, nil
		}
		if err == nil {
			last.Store(incarnation)
		}
		return incarnation, err
	})(s)
}

// probesNoMore has given up, once it found the shard away.
func probesNoMore(s session.Store) session.Store {
	var away atomic.Bool
	return badProbe(func(p session.Prober, ctx context.Context, shard string) (string, error) {
		incarnation, err := p.Probe(ctx, shard)
		if errors.Is(err, errRefused) {
			away.Store(true)
		}
		if away.Load() {
			return "", errRefused
		}
		return incarnation, err
	})(s)
}

// probeSaboteurs tell something else about their shards than there is.
var probeSaboteurs = []saboteur{
	{name: "asks its shards in turn", breaks: []string{
		"a session stays on its shard",
		"a frozen server's sessions are known to be its own",
	}, client: asksAround},
	{name: "names shards for itself", breaks: []string{
		"instances agree on a session's shard",
	}, client: hasNamesOfItsOwn},
	{name: "asks the server which shard it is", breaks: []string{
		"a frozen server's sessions are known to be its own",
	}, client: badShard(func(s session.Store, id session.ID) string {
		s.Load(context.Background(), id)
		return "it"
	})},
	{name: "names shards that it does not know", breaks: []string{
		"every session's shard answers",
		"an incarnation stays while nothing is lost",
		"a restart that lost what was held is noticed",
		"a probe that is canceled before it begins fails",
		"a frozen server holds no probe beyond the deadline",
		"a frozen server holds no probe that leaves",
		"a shard that is away does not answer",
	}, client: func(s session.Store) session.Store {
		return &flawed{Store: s, shard: func(session.ID) string { return "10.0.0.1:11211" }}
	}},
	{name: "knows every shard", breaks: []string{
		"a shard that is none does not answer",
	}, client: badProbe(func(p session.Prober, ctx context.Context, _ string) (string, error) { return p.Probe(ctx, "") })},
	{name: "takes the number of the probe for an incarnation", breaks: []string{
		"an incarnation stays while nothing is lost",
	}, client: countsProbes},
	{name: "takes its address for an incarnation", breaks: []string{
		"a restart that lost what was held is noticed",
	}, client: badProbe(func(p session.Prober, ctx context.Context, shard string) (string, error) {
		_, err := p.Probe(ctx, shard)
		return "10.0.0.1:11211", err
	})},
	{name: "probes for as long as it takes", breaks: []string{
		"a probe that is canceled before it begins fails",
		"a frozen server holds no probe beyond the deadline",
		"a frozen server holds no probe that leaves",
	}, client: badProbe(func(p session.Prober, ctx context.Context, shard string) (string, error) {
		return p.Probe(context.WithoutCancel(ctx), shard)
	})},
	{name: "looks at the deadlines of probes only", breaks: []string{
		"a probe that is canceled before it begins fails",
		"a frozen server holds no probe that leaves",
	}, client: badProbe(func(p session.Prober, ctx context.Context, shard string) (string, error) {
		if deadline, ok := ctx.Deadline(); ok {
			limited, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
			defer cancel()
			return p.Probe(limited, shard)
		}
		return p.Probe(context.WithoutCancel(ctx), shard)
	})},
	{name: "says that a probe timed out", breaks: []string{
		"a frozen server holds no probe beyond the deadline",
	}, client: badProbe(func(p session.Prober, ctx context.Context, shard string) (string, error) {
		incarnation, err := p.Probe(ctx, shard)
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.New("i/o timeout")
		}
		return incarnation, err
	})},
	{name: "remembers an incarnation when the shard is away", breaks: []string{
		"a shard that is away does not answer",
	}, client: remembers},
	{name: "probes no more once a shard was away", breaks: []string{
		"a shard that is away does not answer",
	}, client: probesNoMore},
}

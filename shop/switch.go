package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/override/etcd"
	"github.com/holdfast-go/session/override/store"
	"github.com/holdfast-go/session/override/zookeeper"
)

// operatorSwitch is where the shop gets its operator's orders from.
type operatorSwitch interface {
	session.Switch
	Order() override.Order
	Close() error
}

// follow is a switch whose orders the operators' page can give, where the source takes them.
type follow struct {
	*override.Follower
	writer override.Writer
}

var errSwitch = errors.New("-switch: want file:/path, etcd://user:password@host:port,host:port/key, zk://user:password@host:port,host:port/path, or an address of -store with #key behind it; write what is special in a password as %XX")

// openSwitch opens the switch at an address of the flag -switch. keep is a file for the
// last order of a source that may be away, or empty. An error quotes no address: there may
// be a password in it.
func openSwitch(address, keep string, log *slog.Logger) (operatorSwitch, error) {
	report := func(err error) {
		if err != nil {
			log.Warn("the order of before stays in force", "error", err)
		} else {
			log.Info("the operator's order is read")
		}
	}
	scheme, rest, _ := strings.Cut(address, ":")
	if scheme == "file" {
		return override.WatchFile(strings.TrimPrefix(rest, "//"), &override.FileOptions{Report: report})
	}
	source, err := openRecord(address, log)
	if source == nil && err == nil {
		source, err = openSource(scheme, rest)
	}
	if err != nil {
		return nil, err
	}
	follower, err := override.Follow(source, &override.FollowOptions{Keep: keep, Report: report})
	if err != nil {
		return nil, err
	}
	writer, _ := source.(override.Writer)
	return follow{follower, writer}, nil
}

// record is a source in a store that nobody else uses.
type record struct {
	*store.Source
	close func()
}

func (r record) Close() error {
	err := r.Source.Close()
	r.close()
	return err
}

// openRecord makes the source of a store's address with a name behind it, and nil of any
// other address.
func openRecord(address string, log *slog.Logger) (override.Source, error) {
	place, name, ok := strings.Cut(address, "#")
	if !ok {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patienceAtStart)
	defer cancel()
	b, err := openAddress(ctx, place, log)
	if err != nil {
		if errors.Is(err, errAddress) {
			return nil, errSwitch
		}
		return nil, fmt.Errorf("-switch %s: %w", b.name, err)
	}
	source, err := store.New(b.store, name, nil)
	if err != nil {
		b.close()
		return nil, errSwitch
	}
	return record{source, b.close}, nil
}

// openSource makes the source of an address, taken apart at its first colon.
func openSource(scheme, rest string) (override.Source, error) {
	rest, ok := strings.CutPrefix(rest, "//")
	user, password := "", ""
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		var err1, err2 error
		name, secret, _ := strings.Cut(rest[:i], ":")
		user, err1 = url.PathUnescape(name)
		password, err2 = url.PathUnescape(secret)
		ok = ok && err1 == nil && err2 == nil
		rest = rest[i+1:]
	}
	list, place, found := strings.Cut(rest, "/")
	if !ok || !found || list == "" || place == "" {
		return nil, errSwitch
	}
	servers := strings.Split(list, ",")
	switch scheme {
	case "etcd":
		for i := range servers {
			servers[i] = "http://" + servers[i]
		}
		return etcd.New(servers, place, &etcd.Options{User: user, Password: password})
	case "zk":
		return zookeeper.New(servers, "/"+place, &zookeeper.Options{User: user, Password: password})
	}
	return nil, errSwitch
}

// orderNow returns the operator's order; none where the shop has no switch.
func (p *panel) orderNow() override.Order {
	if p.lever == nil {
		return override.Order{}
	}
	return p.lever.Order()
}

// orderInWords tells of an order that is in force, and nothing of none.
func orderInWords(o override.Order) string {
	if o.Override == (session.Override{}) {
		return ""
	}
	text := o.Mode.String()
	if o.Shard != "" {
		text += " for the shard " + o.Shard
	}
	if o.Lease > 0 {
		text += ", a lease of " + o.Lease.String()
	}
	if o.By != "" {
		text += ", by " + o.By
	}
	if o.Until.IsZero() {
		return text + ", until it is taken back."
	}
	return text + ", until " + o.Until.UTC().Format("15:04:05") + " UTC."
}

// watchOrder writes to the event log that an order has begun, or ended.
func (p *panel) watchOrder() {
	order := p.orderNow()
	before := p.ordered
	p.ordered = order.Override
	switch {
	case before == p.ordered:
	case p.ordered == (session.Override{}):
		p.events.write("The operator’s order has ended.")
	default:
		p.events.write("The operator has ordered: " + orderInWords(order))
	}
}

// switchStatus is what /status tells of the switch.
type switchStatus struct {
	Order override.Order `json:"order"`
	Read  *time.Time     `json:"read,omitempty"` // when the source last said so; missing where it never did
	Kept  bool           `json:"kept,omitempty"` // the order is of an earlier run: the source has not answered yet
	Error string         `json:"error,omitempty"`
}

func newSwitchStatus(s operatorSwitch) *switchStatus {
	if s == nil {
		return nil
	}
	st := &switchStatus{Order: s.Order()}
	f, ok := s.(follow)
	if !ok {
		return st
	}
	stats := f.Stats()
	st.Kept = stats.Kept
	if !stats.Read.IsZero() {
		st.Read = &stats.Read
	}
	if stats.Err != nil {
		st.Error = stats.Err.Error()
	}
	return st
}

// closeSwitch ends the following of orders. Nothing is lost if it fails.
func closeSwitch(ctx context.Context, s operatorSwitch, log *slog.Logger) {
	if s == nil {
		return
	}
	if err := s.Close(); err != nil {
		log.WarnContext(ctx, "the switch does not close", "error", fmt.Errorf("-switch: %w", err))
	}
}

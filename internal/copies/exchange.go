// Package copies exchanges the copies of sessions with the cookies of their clients. An
// Exchange is one request's: it opens the copies that the request carries, and builds
// the cookies that the answer takes along. The Exchanger has what the requests of an
// instance share. Package backup reads and writes the cookies, and package jar says
// which answer may set which of them.
//
// Where to look: exchange.go has both types and what they hold, open.go what a request
// carries, build.go what an answer takes along, and settings.go what an application says
// of its backup. The tombstone cookie, whose entries are called endings, is written by
// build.go and read by open.go; for how long an entry is needed LifeOf of package failover says
// to both.
package copies

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/inuse"
	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/stamp"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/storage"
	"github.com/holdfast-go/session/internal/token"
	"github.com/holdfast-go/session/internal/transport"
)

// Exchanger holds what the exchanges of all requests share. Any number of goroutines
// may use it. Its exported fields must not be changed then.
type Exchanger struct {
	*Jar
	Plain *Jar // of clients that have come over plain http; nil: all have the same

	Clock   *stamp.Clock
	Shards  *failover.Shards
	Storage *storage.Storage // knows how long a session lasts
	InUse   *inuse.Sessions

	CopySize   int           // how many bytes of cookies a copy may take up
	AnswerSize int           // how many bytes the header of an answer may have before a copy leaves values out
	Margin     int           // how many bytes more proxies accept; beyond, an answer has no copy of what the store has
	MaxLease   time.Duration // how long a copy may vouch at most
	Fresh      time.Duration // how long a copy needs no newer one, at most

	StoreOnly func() bool // the operator trusts no copy now

	// Fault is called with each fault of the copies that a request carries, and with
	// that of a copy that cannot be made whole. The ID is empty for the list of ended
	// sessions.
	Fault func(ctx context.Context, id string, kind backup.FaultKind, err error)

	Without mechanism.Set // for the simulation; else none

	Built      atomic.Uint64 // copies that answers took along
	BuiltBytes atomic.Uint64 // of cookies that they take up in requests
}

// Jar is the cookies of one name in which sessions travel.
type Jar struct {
	Transport *transport.Transport
	Cookies   *backup.Cookies
	Slots     jar.Slots
}

// NewJar returns the cookies beside those of a transport.
func NewJar(t *transport.Transport, c *backup.Cookies) *Jar {
	return &Jar{Transport: t, Cookies: c, Slots: jar.Slots{Cookies: c.Layout.Cookies}}
}

// Exchange holds what travels between a session and its client's cookies besides the
// token: copies, both ways, and the list of ended sessions. It is for one goroutine at
// a time, but for Out and Later, which only Build and Open set.
type Exchange struct {
	Token    token.Token // that the request carries
	HasToken bool
	Known    lookup.Known       // what the copies that the request carries come to
	Use      inuse.Use          // of the session, by the request
	Dirty    bool               // something was saved, or ended, since an answer was built
	Ended    []state.Superseded // the sessions that ended in this request
	Out      []string           // the Set-Cookie lines that the answer takes along
	Later    []string           // deletions that may wait for a later answer
	Sent     []string           // the last Out that an answer took along

	brought backup.Brought // the copies that the request carries, for Pack

	with   *Exchanger
	jar    *Jar
	in     backup.RequestCookies
	opened time.Time // when Open was called; zero: it was not
	visit  *jar.Visit
	visits bool   // the end of the request is reported
	left   bool   // the request is over
	name   string // of the copy that is sent

	untrusted bool // the operator trusted no copy when the copies were opened
}

// New returns the exchange of one request, whose token has this transport.
func (x *Exchanger) New(t *transport.Transport) *Exchange {
	e := &Exchange{with: x, jar: x.Jar}
	if x.Plain != nil && t == x.Plain.Transport {
		e.jar = x.Plain
	}
	return e
}

// Owns reports whether a cookie of that name carries a part of a copy, or a list of ended
// sessions.
func (e *Exchange) Owns(name string) bool { return e.jar.Cookies.Owns(name) }

// Changed reports whether the answer must carry cookies. An Exchange that is nil has
// none.
func (e *Exchange) Changed() bool { return e != nil && e.Dirty }

// Vouched reports whether the request carries a copy of the session. With an Exchange
// that is nil it carries none.
func (e *Exchange) Vouched() bool { return e != nil && e.Known.Found }

// Opened reports whether the request's cookies were opened.
func (e *Exchange) Opened() bool { return !e.opened.IsZero() }

// Read notes that the request's knowledge of a session is not older than a time. Where
// the request visits, which means that Leave is called when it is over, this process
// keeps until then what it learns from now on.
func (e *Exchange) Read(id string, at time.Time, visits bool) {
	if visits && !e.left && id != "" {
		e.with.InUse.Enter(&e.Use, id, at)
	} else {
		e.Use.Read(at)
	}
}

// Leave gives back the slot of a request that is over, and notes that it uses its
// session no longer.
func (e *Exchange) Leave() {
	e.with.InUse.Leave(&e.Use)
	e.left = true
	if e.visit != nil {
		e.visit.Leave(e.with.Clock.Now())
		e.visit, e.name = nil, "" // an answer that is built again takes another slot
	}
}

// WornOut reports whether the client should be given a newer copy than the request carries,
// as far as Open could tell.
func (e *Exchange) WornOut() bool { return e.wornOut(e.opened) }

func (e *Exchange) wornOut(now time.Time) bool {
	if !e.Known.Found {
		return true
	}
	fresh := min(e.with.Fresh, e.with.Storage.IdleOf(&e.Known.Copy().State)/4)
	return now.UnixMilli() >= e.Known.Copy().Confirmed+fresh.Milliseconds()
}

// Write adds the cookies to the header of an answer. Cookies that only tidy up
// wait for an answer whose header has room for all of them, because half a copy
// would count as a damaged one.
func (e *Exchange) Write(h http.Header) {
	h["Set-Cookie"] = append(h["Set-Cookie"], e.Out...)
	if len(e.Later) == 0 {
		return
	}
	size := headers.Size(h) + headers.Marks
	for _, line := range e.Later {
		size += headers.FieldSize("Set-Cookie", line)
	}
	if size <= e.with.AnswerSize {
		h["Set-Cookie"] = append(h["Set-Cookie"], e.Later...)
	}
}

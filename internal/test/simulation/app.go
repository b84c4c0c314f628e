package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-go/session"
)

// Route is what a request asks of the application.
type Route uint8

// The routes of the application.
const (
	Read      Route = iota // all values
	ReadOnly               // the same, wrapped in Manager.ReadOnly
	FromStore              // the same, wrapped in Manager.RequireStore
	Set                    // a key to a new value
	Add                    // an item to a cart, by Update
	Delete                 // a key
	Login                  // Renew, and the user's name
	Logout                 // Destroy
	Begin                  // session.StartNew, and the user's name
	Count                  // one more in the tally, by Update
	Late                   // the same, after the header went out, and Save
	OrSet                  // the same by Or and Set, without Update
	SignIn                 // SetUser, and the user's name
	EndOthers              // RevokeOthers
	EndAll                 // RevokeUser, without a session
)

func (r Route) String() string {
	return [...]string{"read", "read-only", "read-store", "set", "add", "delete", "login", "logout", "begin", "count", "count-late", "or-set", "sign-in", "end-others", "end-all"}[r]
}

// writes reports whether the route leaves a mark in the session.
func (r Route) writes() bool { return r >= Set && r != Logout && r < EndOthers }

// ends reports whether the route ends the session that the request carries.
func (r Route) ends() bool { return r >= Login && r <= Begin || r.renews() }

// renews reports whether the route moves the session to a new token.
func (r Route) renews() bool { return r == Login || r == SignIn || r == EndOthers }

// The application's keys. Their values carry marks like #17#, the number of
// the step that wrote them, so that they are found in the records of the store
// and told apart in what a visitor sees.
const (
	registers = 3 // keys 0 to 2 hold one small value each
	carts     = 2 // the next ones hold a list, which Add lengthens
	bulkKey   = registers + carts
	secretKey = bulkKey + 1 // ServerOnly
	userKey   = secretKey + 1
	tallyKey  = userKey + 1  // a list, which Count and Late lengthen
	hoardKey  = tallyKey + 1 // a list that fits no copy
	keyCount  = hoardKey + 1
)

var keyNames = [keyCount]string{"a", "b", "c", "cart", "list", "bulk", "secret", "user", "tally", "hoard"}

var (
	plainKeys [keyCount]session.Key[string]
	cartKeys  [keyCount]session.Key[[]string]
)

// live stands in every session from its first write on: a record of the store
// without it is a tombstone.
var live = session.NewKey[string]("live")

const alive = "#live#"

func init() {
	for i, name := range keyNames {
		switch {
		case i == hoardKey: // compressed it would fit any copy
			cartKeys[i] = session.NewKey[[]string](name, session.Uncompressed())
		case isList(i):
			cartKeys[i] = session.NewKey[[]string](name)
		case i == secretKey:
			plainKeys[i] = session.NewKey[string](name, session.ServerOnly())
		default:
			plainKeys[i] = session.NewKey[string](name)
		}
	}
}

func isCart(key int) bool { return key >= registers && key < bulkKey }

func isList(key int) bool { return isCart(key) || key == tallyKey || key == hoardKey }

// bulk is how large the values of bulkKey are: two of them fill a backup.
const bulkSize = 2500

func mark(op int) string { return fmt.Sprintf("#%d#", op) }

// Answer is what the application tells the visitor.
type Answer struct {
	Session    string              // the session's ID when the request came; empty: there was none
	Source     string              // where it was loaded from
	Marks      map[string][]string // by key
	Faults     map[string]string   // why a key was not shown: "lost", "unavailable"
	User       string              // who had logged in when the request came
	Durability string              // of a logout, and of the revocation of a user
	Late       string              // what became of a change after the header: "durable", "pending", "refused", "ended"
}

// ask is a request to the application, as its URL says it.
type ask struct {
	route Route
	key   int
	op    int
	think time.Duration
	raw   bool // without Update
	user  string
	stay  session.Stay
}

func (a ask) url() string {
	stay := fmt.Sprintf("stay=%t,%d,%d", a.stay.Persistent, a.stay.Lifetime, a.stay.Idle)
	return fmt.Sprintf("https://%s/%s?%s&key=%d&op=%d&think=%d&raw=%t&user=%s", host, a.route, stay, a.key, a.op, a.think, a.raw, a.user)
}

// host is where the application is, for the browsers.
const host = "shop.test"

func parseAsk(r *http.Request) (a ask, err error) {
	numbers, user, _ := strings.Cut(r.URL.RawQuery, "&user=")
	a.user = user
	const form = "stay=%t,%d,%d&key=%d&op=%d&think=%d&raw=%t"
	_, err = fmt.Sscanf(numbers, form, &a.stay.Persistent, &a.stay.Lifetime, &a.stay.Idle, &a.key, &a.op, &a.think, &a.raw)
	if err == nil && (a.key < 0 || a.key >= keyCount) {
		err = fmt.Errorf("simulation: no key %d", a.key)
	}
	return a, err
}

// Application is the program that every instance runs, on the sessions of m.
func Application(m *session.Manager) http.Handler {
	mux := http.NewServeMux()
	for _, route := range []Route{Read, ReadOnly, FromStore, Set, Add, Delete, Login, Logout, Begin, Count, Late, OrSet, SignIn, EndOthers} {
		serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a, err := parseAsk(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			a.route = route
			a.serve(w, r)
		})
		switch route {
		case ReadOnly:
			mux.Handle("/"+route.String(), m.ReadOnly(serve))
		case FromStore:
			mux.Handle("/"+route.String(), m.RequireStore(serve))
		default:
			mux.Handle("/"+route.String(), m.Handler(serve))
		}
	}
	mux.Handle("/"+EndAll.String(), endAll(m))
	return mux
}

// serve loads the session, thinks, and changes it. While it thinks other requests
// change the session, so that its commit conflicts with them.
func (a ask) serve(w http.ResponseWriter, r *http.Request) {
	if a.route == Begin {
		a.begin(w, r)
		return
	}
	s, err := session.From(r.Context())
	if err != nil && a.route != Logout { // who cannot be asked can be told
		session.Error(w, r, err)
		return
	}
	out := Answer{Session: string(s.ID()), Source: s.Source().String(), User: s.User()}
	if a.route == Late {
		a.late(w, r, s, out)
		return
	}
	time.Sleep(a.think)
	err = a.change(r.Context(), s, &out)
	if a.route.writes() && live.Or(s, "") == "" {
		live.Set(s, alive)
	}
	a.answer(w, r, s, out, err)
}

// begin answers with a new session, in place of the one that the request carries.
func (a ask) begin(w http.ResponseWriter, r *http.Request) {
	time.Sleep(a.think)
	s, err := session.StartNew(r.Context())
	if err == nil {
		plainKeys[userKey].Set(s, mark(a.op))
		err = s.Err()
	}
	live.Set(s, alive)
	a.answer(w, r, s, Answer{}, err)
}

// change makes the change of the route, and notes in out how durable an end is.
func (a ask) change(ctx context.Context, s *session.Session, out *Answer) error {
	switch a.route {
	case Set:
		value := mark(a.op)
		if a.key == bulkKey {
			value += strings.Repeat("x", bulkSize)
		}
		plainKeys[a.key].Set(s, value)
		return s.Err()
	case Add, Count, OrSet:
		return a.add(s)
	case Delete:
		plainKeys[a.key].Delete(s)
		return s.Err()
	case Login:
		s.Renew()
		plainKeys[userKey].Set(s, mark(a.op))
		return s.Err()
	case SignIn:
		s.SetUser(a.user)
		if a.stay != (session.Stay{}) {
			s.Remember(a.stay)
		}
		plainKeys[userKey].Set(s, mark(a.op))
		return s.Err()
	case EndOthers:
		if s.User() == "" {
			return nil
		}
		d, err := s.RevokeOthers(ctx)
		out.Durability = d.String()
		return err
	case Logout:
		d, err := s.Destroy(ctx)
		out.Durability = d.String()
		return err
	default:
		return nil
	}
}

// add puts a mark to the end of a list.
func (a ask) add(s *session.Session) error {
	if a.route == OrSet {
		cartKeys[a.key].Set(s, append(cartKeys[a.key].Or(s, nil), a.item()))
		return s.Err()
	}
	if a.raw {
		items, err := cartKeys[a.key].Get(s)
		if err != nil && !errors.Is(err, session.ErrNoValue) {
			return err
		}
		cartKeys[a.key].Set(s, append(items, a.item()))
		return s.Err()
	}
	return cartKeys[a.key].Update(s, func(items *[]string) error {
		*items = append(*items, a.item())
		return nil
	})
}

// late sends the header first, and with it the cookies.
func (a ask) late(w http.ResponseWriter, r *http.Request, s *session.Session, out Answer) {
	w.WriteHeader(http.StatusOK)
	time.Sleep(a.think)
	err := a.add(s)
	var d session.Durability
	if err == nil {
		d, err = s.Save(r.Context())
	}
	switch {
	case err == nil:
		out.Late = d.String()
	case errors.Is(err, session.ErrPending):
		out.Late = session.Pending.String()
	case errors.Is(err, session.ErrEnded):
		out.Late = "ended"
	default:
		out.Late = "refused"
	}
	a.answer(w, r, s, out, nil)
}

func (a ask) answer(w http.ResponseWriter, r *http.Request, s *session.Session, out Answer, err error) {
	if err != nil {
		session.Error(w, r, err)
		return
	}
	out.Marks, out.Faults = map[string][]string{}, map[string]string{}
	for i, name := range keyNames {
		var marks []string
		if isList(i) {
			marks, err = cartKeys[i].Get(s)
		} else {
			var value string
			value, err = plainKeys[i].Get(s)
			marks = []string{value}
		}
		switch {
		case err == nil:
			for j, m := range marks {
				marks[j] = strings.TrimRight(m, "x")
			}
			out.Marks[name] = marks
		case errors.Is(err, session.ErrNoValue):
		case errors.Is(err, session.ErrLost):
			out.Faults[name] = "lost"
		case errors.Is(err, session.ErrUnavailable):
			out.Faults[name] = "unavailable"
		default:
			out.Faults[name] = err.Error()
		}
	}
	body, err := json.Marshal(out)
	if err != nil {
		session.Error(w, r, err)
		return
	}
	_, _ = w.Write(body)
}

package express_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/node/express"
	"github.com/holdfast-go/session/node/internal/script"
	"github.com/holdfast-go/session/node/internal/vectors"
)

const matrixFile = "express-session-matrix.json"

// matrixRow is an option set, what the request brought and what the handler
// did, with the store calls and the cookie that came of it.
type matrixRow struct {
	Resave, SaveUninitialized, Rolling, StoreHasTouch bool
	MaxAge                                            *float64
	Unset, State, Action                              string
	Ops                                               []string
	SetCookie                                         *string
	Status                                            int
}

func (r matrixRow) RowName() string {
	b, _ := json.Marshal(r.MaxAge)
	name := []string{r.State, r.Action, r.Unset, "maxAge=" + string(b)}
	for option, on := range map[string]bool{
		"resave": r.Resave, "saveUninitialized": r.SaveUninitialized, "rolling": r.Rolling, "touch": r.StoreHasTouch,
	} {
		if on {
			name = append(name, option)
		}
	}
	slices.Sort(name[4:])
	return strings.Join(name, " ")
}

func TestMatrixVectors(t *testing.T) {
	var actions map[string]string
	var now int64
	for section, into := range map[string]any{"actions": &actions, "now": &now} {
		if raw := vectors.Section(t, matrixFile, section); raw != nil {
			if err := json.Unmarshal(raw, into); err != nil {
				t.Fatal(err)
			}
		}
	}
	vectors.Run(t, matrixFile, "rows", func(t *testing.T, r matrixRow) {
		m := newMiddleware(t, r, time.UnixMilli(now))
		m.begin()
		globals := script.Globals(now)
		globals["p"] = script.Func(func(args ...script.Value) script.Value { // promises of callbacks
			var err script.Value = script.Undefined{}
			args[0].(script.Func)(script.Func(func(args ...script.Value) script.Value {
				if len(args) > 0 {
					err = args[0]
				}
				return nil
			}))
			return err
		})
		handler, err := script.Compile(actions[r.Action], globals)
		if err != nil {
			t.Fatal(err)
		}
		res := script.NewObject(map[string]script.Value{
			"write": script.Func(func(...script.Value) script.Value { m.header(); return true }),
		})
		if _, err := script.Call(handler, m.request(), res); err != nil {
			t.Fatal(err)
		}
		m.end()
		if !slices.Equal(m.ops, r.Ops) {
			t.Errorf("got store calls %q, want %q", m.ops, r.Ops)
		}
		want := "none"
		if r.SetCookie != nil {
			want = *r.SetCookie
		}
		if m.cookie != want {
			t.Errorf("got cookie %q, want %q", m.cookie, want)
		}
	})
}

// middleware is a request that goes through express-session, with the codecs
// and decisions of this package.
type middleware struct {
	t       *testing.T
	options express.Options
	config  []byte
	now     time.Time
	secrets *express.Secrets
	state   string
	store   map[string][]byte
	ids     int

	cookieID, id       string
	session            *liveSession // nil: gone
	firstID, firstHash string
	savedHash          string
	touched, sent      bool
	ops                []string
	cookie             string
}

// liveSession is req.session.
type liveSession struct {
	object *script.Object // without the cookie
	cookie *express.Cookie
	saves  bool // its save is the middleware's
}

func newMiddleware(t *testing.T, r matrixRow, now time.Time) *middleware {
	t.Helper()
	s, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{"maxAge": r.MaxAge})
	if err != nil {
		t.Fatal(err)
	}
	m := &middleware{
		t: t, config: config, now: now, secrets: s, state: r.State, store: make(map[string][]byte), cookie: "none",
		options: express.Options{
			Resave: r.Resave, SaveUninitialized: r.SaveUninitialized, Rolling: r.Rolling,
			UnsetDestroys: r.Unset == "destroy", Untouchable: !r.StoreHasTouch,
		},
	}
	if r.State == "valid" {
		record := express.NewRecord(m.newCookie())
		if err := record.Set("n", json.RawMessage("1")); err != nil {
			t.Fatal(err)
		}
		m.store["OLD"] = record.Bytes()
	}
	return m
}

func (m *middleware) newCookie() *express.Cookie {
	c, err := express.NewCookie(m.config, m.now)
	if err != nil {
		m.t.Fatal(err)
	}
	return c
}

func (m *middleware) begin() {
	header := ""
	switch m.state {
	case "valid", "stale":
		header = "connect.sid=" + m.secrets.Sign("OLD")
	case "badsig":
		header = "connect.sid=s:OLD.AAAA"
	}
	m.cookieID, _, _ = m.secrets.Read(header, "connect.sid")
	m.id = m.cookieID
	if m.id != "" {
		m.load(func() {
			m.savedHash = ""
			if !m.options.Resave {
				m.savedHash = hash(m.session)
			}
		})
	}
	if m.session == nil {
		m.generate()
		m.session.saves = true
	}
	m.firstID, m.firstHash = m.id, hash(m.session)
}

// load gets the session from the store, if it is there.
func (m *middleware) load(then func()) bool {
	m.ops = append(m.ops, "get "+m.id)
	stored, ok := m.store[m.id]
	if !ok {
		return false
	}
	record, err := express.ParseRecord(stored, m.now)
	if err != nil {
		m.t.Fatal(err)
	}
	m.session = &liveSession{cookie: record.Cookie(), saves: true, object: script.NewObject(nil)}
	for _, name := range record.Names() {
		raw, _ := record.Get(name)
		m.session.object.Put(name, script.Of(raw))
	}
	m.equip(m.session)
	then()
	return true
}

func (m *middleware) generate() {
	m.ids++
	m.id = "NEW" + strconv.Itoa(m.ids)
	m.session = &liveSession{cookie: m.newCookie(), object: script.NewObject(nil)}
	m.equip(m.session)
}

func hash(s *liveSession) string {
	b, _ := script.JSON(s.object)
	return string(b)
}

// equip gives a session its methods.
func (m *middleware) equip(s *liveSession) {
	id := m.id
	method := func(run func() script.Value) script.Func {
		return func(args ...script.Value) script.Value {
			result := run()
			if len(args) > 0 {
				args[0].(script.Func)(result)
			}
			return nil
		}
	}
	s.object.Hidden = map[string]script.Value{
		"touch": method(func() script.Value { s.cookie.Touch(m.now); return nil }),
		"save":  method(func() script.Value { m.save(s, id); return nil }),
		"destroy": method(func() script.Value {
			m.session = nil
			m.destroy(id)
			return nil
		}),
		"regenerate": method(func() script.Value {
			m.destroy(m.id)
			m.generate()
			return nil
		}),
		"reload": method(func() script.Value {
			if !m.load(func() {}) {
				return "failed to load session"
			}
			return nil
		}),
		"cookie": &script.Object{Set: func(name string, v script.Value) bool {
			if name != "maxAge" {
				m.t.Fatalf("cookie.%s is set, which this test does not know", name)
			}
			s.cookie.SetMaxAge(script.ToNumber(v), m.now)
			return true
		}},
	}
}

func (m *middleware) save(s *liveSession, id string) {
	if s.saves {
		m.savedHash = hash(s)
	}
	m.ops = append(m.ops, "set "+id+" "+hash(s))
	record := express.NewRecord(s.cookie)
	for _, name := range s.object.Names() {
		v, _ := s.object.Own(name)
		raw, _ := script.JSON(v)
		if err := record.Set(name, raw); err != nil {
			m.t.Fatal(err)
		}
	}
	m.store[id] = record.Bytes()
}

func (m *middleware) destroy(id string) {
	m.ops = append(m.ops, "destroy "+id)
	delete(m.store, id)
}

func (m *middleware) request() *script.Object {
	return &script.Object{
		Get: func(name string) (script.Value, bool) {
			switch {
			case name != "session":
				return nil, false
			case m.session == nil:
				return script.Undefined{}, true
			}
			return m.session.object, true
		},
		Set: func(name string, v script.Value) bool {
			if name == "session" && script.Nullish(v) {
				m.session = nil
				return true
			}
			return false
		},
		Delete: func(name string) bool {
			if name == "session" {
				m.session = nil
			}
			return name == "session"
		},
	}
}

func (m *middleware) seen() express.Seen {
	s := express.Seen{CookieID: m.cookieID, ID: m.id, Gone: m.session == nil, WasSaved: m.savedHash != ""}
	if m.session != nil {
		now := hash(m.session)
		s.Modified = m.firstID != m.id || m.firstHash != now
		s.Saved = m.firstID == m.id && m.savedHash == now
		s.Ends = m.session.cookie.Ends()
	}
	return s
}

func (m *middleware) header() {
	if m.sent {
		return
	}
	m.sent = true
	if !m.options.SendsCookie(m.seen()) {
		return
	}
	m.touch()
	header, err := m.session.cookie.SetCookie("connect.sid", m.secrets.Sign(m.id))
	if err != nil {
		m.t.Fatal(err)
	}
	value, attributes, _ := strings.Cut(strings.TrimPrefix(header, "connect.sid="), ";")
	m.cookie, _, _ = m.secrets.Read("connect.sid="+value, "connect.sid")
	if _, expires, ok := strings.Cut(attributes, "Expires="); ok {
		expires, _, _ = strings.Cut(expires, ";")
		m.cookie += " " + expires
	}
}

func (m *middleware) touch() {
	if !m.touched {
		m.session.cookie.Touch(m.now)
		m.touched = true
	}
}

func (m *middleware) end() {
	seen := m.seen()
	if !seen.Gone {
		m.touch()
	}
	switch m.options.AtEnd(seen) {
	case express.Destroy:
		m.destroy(m.id)
	case express.Save:
		m.save(m.session, m.id)
	case express.Touch:
		m.ops = append(m.ops, "touch "+m.id)
	}
	m.header()
}

package copies_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/copies"
	"github.com/holdfast-go/session/internal/spool"
	"github.com/holdfast-go/session/internal/transport"
	"github.com/holdfast-go/session/seal"
)

// settings are complete but for what has a default.
func settings(t *testing.T) copies.Settings {
	t.Helper()
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return copies.Settings{Keys: keys, Audience: "shop-test"}
}

func TestSettingsThatSayNothingHaveDefaults(t *testing.T) {
	given := settings(t)
	want := given
	want.Lease, want.MaxLease = time.Hour, time.Hour
	want.Budget, want.Copy = 6144, 2048
	want.ProxyBuffer = 4096
	want.Restores, want.Journal = 1000, 64<<20
	if got, err := given.Complete(transport.Attributes{Name: name}, true, false); got != want || err != nil {
		t.Errorf("got %+v and %v, want %+v", got, err, want)
	}
	given.Budget, given.Lease = 1024, time.Minute
	if got, err := given.Complete(transport.Attributes{Name: name}, true, false); got.Copy != 1024 || got.MaxLease != time.Minute || err != nil {
		t.Errorf("got %+v and %v, want a Copy as large as the Budget, and a MaxLease as long as the Lease", got, err)
	}
}

func TestMistakesInSettingsAreReported(t *testing.T) {
	secure := func(*http.Request) bool { return true }
	for _, test := range []struct {
		name   string
		change func(*copies.Settings)
		cookie transport.Attributes
		want   string
	}{
		{"no keys", func(s *copies.Settings) { s.Keys = nil }, transport.Attributes{}, "Keys is nil"},
		{"no audience", func(s *copies.Settings) { s.Audience = "" }, transport.Attributes{}, "Audience is empty"},
		{"a long audience", func(s *copies.Settings) { s.Audience = strings.Repeat("x", 65) }, transport.Attributes{}, "Audience has 65 bytes; at most 64"},
		{"an audience in two lines", func(s *copies.Settings) { s.Audience = "shop\n" }, transport.Attributes{}, `Audience "shop\n" has a character`},
		{"an audience in Latin 1", func(s *copies.Settings) { s.Audience = "läden" }, transport.Attributes{}, `Audience "läden" has a character`},
		{"a short lease", func(s *copies.Settings) { s.Lease = time.Second - 1 }, transport.Attributes{}, "Lease 999.999999ms is shorter than a second"},
		{"a lease above its bound", func(s *copies.Settings) { s.MaxLease = time.Minute }, transport.Attributes{}, "MaxLease 1m0s is shorter than Lease 1h0m0s"},
		{"a lease for ever", func(s *copies.Settings) { s.MaxLease = 101 * 365 * 24 * time.Hour }, transport.Attributes{}, "is longer than a hundred years"},
		{"a small budget", func(s *copies.Settings) { s.Budget = 1023 }, transport.Attributes{}, "Budget 1023 is not between 1024 and 6656 bytes"},
		{"a large budget", func(s *copies.Settings) { s.Budget = 6657 }, transport.Attributes{}, "Budget 6657 is not between"},
		{"a copy above the budget", func(s *copies.Settings) { s.Budget, s.Copy = 2048, 2049 }, transport.Attributes{}, "Copy 2049 is not between 1024 bytes and the Budget, 2048"},
		{"a negative copy", func(s *copies.Settings) { s.Copy = -1 }, transport.Attributes{}, "Copy -1 is not between"},
		{"a copy that a proxy refuses", func(s *copies.Settings) { s.Copy = 2049 }, transport.Attributes{}, "Copy 2049 needs a ProxyBuffer of 4097 bytes"},
		{"negative restores", func(s *copies.Settings) { s.Restores = -1 }, transport.Attributes{}, "Restores is negative: -1"},
		{"a negative journal", func(s *copies.Settings) { s.Journal = -1 }, transport.Attributes{}, "Journal is negative: -1"},
		{"a directory that is not there", func(s *copies.Settings) { s.Dir = t.TempDir() + "/none" }, transport.Attributes{}, "Backup.Dir"},
		{"a file to sync without a directory", func(s *copies.Settings) { s.Sync = true }, transport.Attributes{}, "Backup.Sync"},
		{"a cookie with a long name", func(s *copies.Settings) { s.Budget = 1024 }, transport.Attributes{Name: strings.Repeat("n", 200)}, "the name is too long for copies of 1024 bytes in a budget of 1024"},
		{"no room for plain http", func(s *copies.Settings) { s.Budget, s.Copy = 4095, 2048 }, transport.Attributes{Secure: secure}, "Budget 4095 with Cookie.Secure is not between twice the Copy, 4096, and 6144"},
		{"more than a line takes with plain http", func(s *copies.Settings) { s.Budget, s.Copy = 6145, 2048 }, transport.Attributes{Secure: secure}, "Budget 6145 with Cookie.Secure"},
	} {
		s := settings(t)
		if test.cookie.Name == "" {
			test.cookie.Name = name
		}
		test.change(&s)
		_, err := s.Complete(test.cookie, true, false)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
	s := settings(t)
	s.Budget = 1024
	if _, err := s.Complete(transport.Attributes{Name: strings.Repeat("n", 200)}, false, false); err != nil {
		t.Errorf("a name that is not valid is reported again: %v", err)
	}
	s.Budget, s.Copy = 4096, 2048
	if _, err := s.Complete(transport.Attributes{Name: name, Secure: secure}, true, false); err != nil {
		t.Errorf("room for both sets of copies: %v", err)
	}
}

func TestSettingsDivideTheBudget(t *testing.T) {
	b, err := settings(t).Complete(transport.Attributes{Name: name}, true, false)
	if err != nil {
		t.Fatal(err)
	}
	var x copies.Exchanger
	x.Configure(&b, &transport.Transport{Cookie: transport.Attributes{Name: name, Path: "/"}}, 20*time.Minute)
	if x.Plain != nil || x.Cookies.Budget != 6144 || x.CopySize != 2048 {
		t.Errorf("for all clients: got a budget of %d and copies of %d bytes, want 6144 and 2048", x.Cookies.Budget, x.CopySize)
	}
	if x.AnswerSize+x.Margin != b.ProxyBuffer || x.MaxLease != time.Hour || x.Fresh != 5*time.Minute {
		t.Errorf("got answers of %d and %d bytes, a lease of %v, fresh for %v", x.AnswerSize, x.Margin, x.MaxLease, x.Fresh)
	}
	if x.Cookies.Copies.Audience == x.Cookies.Copies.Purpose || x.Cookies.Copies.Purpose == x.Cookies.Endings.Purpose {
		t.Errorf("the copies are sealed for %+v, the endings for %+v", x.Cookies.Copies, x.Cookies.Endings)
	}

	secure := transport.Attributes{Name: name, Path: "/", Secure: func(*http.Request) bool { return true }}
	plain := &transport.Transport{Cookie: secure.OverHTTP()}
	x = copies.Exchanger{}
	x.Configure(&b, &transport.Transport{Cookie: secure, Plain: plain}, 8*time.Hour)
	if x.Cookies.Budget != 4096 || x.Plain.Cookies.Budget != 2048 || x.Plain.Transport != plain {
		t.Errorf("with plain http: got budgets of %d and %d bytes, want 4096 and 2048", x.Cookies.Budget, x.Plain.Cookies.Budget)
	}
	if x.Plain.Cookies.Copies.Audience == x.Cookies.Copies.Audience {
		t.Error("a copy that came over plain http opens over TLS")
	}
	if x.Fresh != 15*time.Minute {
		t.Errorf("a copy is fresh for %v, want a quarter of the lease", x.Fresh)
	}
}

func TestASpoolIsOpenedWhereThereIsADirectory(t *testing.T) {
	b, err := settings(t).Complete(transport.Attributes{Name: name}, true, false)
	if err != nil {
		t.Fatal(err)
	}
	told := func(f spool.Fault, err error) { t.Errorf("%v: %v", f, err) }
	if s, err := b.OpenSpool("shop", told); s != nil || err != nil {
		t.Errorf("without a directory: got %v and %v", s, err)
	}
	b.Dir = t.TempDir()
	if s, err := b.OpenSpool("shop", told); s == nil || err != nil {
		t.Errorf("with a directory: got %v and %v", s, err)
	}
}

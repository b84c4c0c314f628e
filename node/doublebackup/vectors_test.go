package doublebackup_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/node/clientsessions"
	"github.com/holdfast-go/session/node/cookies"
	"github.com/holdfast-go/session/node/doublebackup"
	"github.com/holdfast-go/session/node/express"
	"github.com/holdfast-go/session/node/internal/vectors"
)

const (
	sessionName = "yohobuy_session"
	backupName  = "yohobuy_session_cookie"
)

func codecs(t testing.TB) (*express.Secrets, *clientsessions.Codec) {
	t.Helper()
	secrets, err := express.NewSecrets([]byte("mainsecret"))
	if err != nil {
		t.Fatal(err)
	}
	codec, err := clientsessions.New(clientsessions.Options{
		Name: backupName, Secret: []byte("backsecret"), Cookie: clientsessions.Cookie{Domain: ".example.com", Scripts: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return secrets, codec
}

type row struct {
	vectors.Request
	Setup struct {
		SID    bool
		Backup *struct{ SessionBack json.RawMessage }
	}
	BackupDecoded *struct {
		Content             struct{ SessionBack json.RawMessage }
		CreatedAt, Duration int64
	}
}

// Read takes the cookies of requests and of responses, and Box could have made those of
// responses.
func TestVectors(t *testing.T) {
	secrets, codec := codecs(t)
	vectors.Run(t, "double-backup.json", "cases", func(t *testing.T, r row) {
		if id, _, ok := secrets.Read(r.CookieHeader, sessionName); ok != r.Setup.SID || ok && id != "SID" {
			t.Errorf("got id %q, %v, want %v", id, ok, r.Setup.SID)
		}
		value, ok := cookies.Find(r.CookieHeader, backupName, cookies.V07)
		switch {
		case !ok && r.Setup.Backup != nil:
			t.Fatal("got no backup")
		case ok && r.Setup.Backup == nil: // nobody made it
			if record, _, err := doublebackup.Read(codec, value, r.Time()); err == nil {
				t.Errorf("got %s, want an error", record.Bytes())
			}
		case ok:
			record, _, err := doublebackup.Read(codec, value, r.Time())
			if err != nil {
				t.Fatal(err)
			}
			same(t, record.Bytes(), r.Setup.Backup.SessionBack)
		}
		for _, header := range r.SetCookie {
			name, rest, _ := strings.Cut(header, "=")
			value, attributes, _ := strings.Cut(rest, ";")
			switch name {
			case sessionName:
				if _, _, ok := secrets.Read(name+"="+value, name); !ok {
					t.Errorf("%s is not signed", header)
				}
			case backupName:
				sent(t, codec, r, value, attributes)
			}
		}
	})
}

func sent(t *testing.T, codec *clientsessions.Codec, r row, value, attributes string) {
	t.Helper()
	record, until, err := doublebackup.Read(codec, value, r.Time())
	if len(r.BackupDecoded.Content.SessionBack) == 0 {
		if !errors.Is(err, doublebackup.ErrNone) {
			t.Errorf("got %v, want ErrNone", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	same(t, record.Bytes(), r.BackupDecoded.Content.SessionBack)
	if want := r.BackupDecoded.CreatedAt + r.BackupDecoded.Duration; until.UnixMilli() != want {
		t.Errorf("got until %v, want %v", until, time.UnixMilli(want))
	}
	ours, err := doublebackup.Box(codec, record, r.Time())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := codec.Decode(value)
	if err != nil || string(ours.Content) != string(theirs.Content) {
		t.Errorf("got %s, %v, want %s", ours.Content, err, theirs.Content)
	}
	header, err := codec.SetCookie(ours, r.Time(), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, got, _ := strings.Cut(header, ";"); got != attributes {
		t.Errorf("got attributes %s, want %s", got, attributes)
	}
}

func same(t *testing.T, got, want []byte) {
	t.Helper()
	var a, b any
	if err := errors.Join(json.Unmarshal(got, &a), json.Unmarshal(want, &b)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestABackupIsGoodForItsDurationOnly(t *testing.T) {
	_, codec := codecs(t)
	now := time.UnixMilli(1700000000000)
	c, err := express.NewCookie(nil, now)
	if err != nil {
		t.Fatal(err)
	}
	b, err := doublebackup.Box(codec, express.NewRecord(c), now)
	if err != nil {
		t.Fatal(err)
	}
	value, err := codec.Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		value string
		after time.Duration
		want  error
	}{
		{"at its last moment", value, 24 * time.Hour, nil},
		{"after it", value, 24*time.Hour + time.Millisecond, doublebackup.ErrExpired},
		{"forged", value[:len(value)-2] + "AA", 0, clientsessions.ErrInvalid},
	} {
		if _, _, err := doublebackup.Read(codec, test.value, now.Add(test.after)); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	_, codec := codecs(f)
	now := time.UnixMilli(1700000000000)
	f.Add([]byte(`{"sessionBack":{"cookie":{},"a":1}}`))
	f.Add([]byte(`{"sessionBack":null}`))
	f.Add([]byte(`[1]`))
	f.Add([]byte(`{"sessionBack":{"cookie":{"originalMaxAge":"60000"}}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		b := codec.New(now)
		b.Content = content
		value, err := codec.Encode(b)
		if err != nil {
			if json.Valid(content) {
				t.Fatalf("%q: %v", content, err)
			}
			return
		}
		r, _, err := doublebackup.Read(codec, value, now)
		if err != nil {
			return
		}
		again, err := doublebackup.Box(codec, r, now)
		if err != nil {
			t.Fatal(err)
		}
		if value, err = codec.Encode(again); err != nil {
			t.Fatal(err)
		}
		back, _, err := doublebackup.Read(codec, value, now)
		if err != nil || string(back.Bytes()) != string(r.Bytes()) {
			t.Errorf("%q: got %v, %v back", content, back, err)
		}
	})
}

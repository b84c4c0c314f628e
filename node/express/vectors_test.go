package express_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/node/express"
	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/internal/script"
	"github.com/holdfast-go/session/node/internal/vectors"
)

func TestSignatureVectors(t *testing.T) {
	type row struct {
		Secret, SecretHex, Val, Signed, URLEncoded string
	}
	for _, r := range vectors.Rows[row](t, "cookie-signature.json", "sign") {
		t.Run(r.Val, func(t *testing.T) {
			vectors.SkipListed(t, "cookie-signature.json", "sign", r.Val)
			s := secrets(t, r.Secret, r.SecretHex)
			value := s.Sign(r.Val)
			if value != "s:"+r.Signed {
				t.Errorf("got %s, want s:%s", value, r.Signed)
			}
			if r.Val != "" {
				if id, _, ok := s.Verify(value); !ok || id != r.Val {
					t.Errorf("got %q, %v back", id, ok)
				}
			}
			c, err := express.NewCookie([]byte(`{"path":"","httpOnly":false}`), time.UnixMilli(0))
			if err != nil {
				t.Fatal(err)
			}
			header, err := c.SetCookie("a", value)
			if err != nil {
				t.Fatal(err)
			}
			if want := "a=" + r.URLEncoded; r.URLEncoded != "" && header != want {
				t.Errorf("got %s, want %s", header, want)
			}
		})
	}
}

func TestUnsignVectors(t *testing.T) {
	type row struct {
		vectors.Row
		Input, Secret, SecretHex string
		Result                   any
	}
	vectors.Run(t, "cookie-signature.json", "unsign", func(t *testing.T, r row) {
		want, _ := r.Result.(string) // the middleware takes an empty id for none
		id, _, ok := secrets(t, r.Secret, r.SecretHex).Verify("s:" + r.Input)
		if id != want || ok != (want != "") {
			t.Errorf("got %q, %v, want %v", id, ok, r.Result)
		}
	})
}

func secrets(t *testing.T, text, inHex string) *express.Secrets {
	t.Helper()
	key := []byte(text)
	if inHex != "" {
		var err error
		if key, err = hex.DecodeString(inHex); err != nil {
			t.Fatal(err)
		}
	}
	s, err := express.NewSecrets(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestIDVectors(t *testing.T) {
	type row struct{ BytesHex, ID string }
	for _, r := range vectors.Rows[row](t, "uid-safe.json", "vectors") {
		b, err := hex.DecodeString(r.BytesHex)
		if err != nil {
			t.Fatal(err)
		}
		if got := express.EncodeID(b); got != r.ID {
			t.Errorf("%s: got %s, want %s", r.BytesHex, got, r.ID)
		}
	}
}

func TestCookieHeaderVectors(t *testing.T) {
	type row struct {
		vectors.Row
		CookieHeader string
		SIDLookedUp  *string
		Status       int
	}
	s, err := express.NewSecrets([]byte("keyboard cat"), []byte("older secret"))
	if err != nil {
		t.Fatal(err)
	}
	vectors.Run(t, "express-session-parse.json", "cases", func(t *testing.T, r row) {
		id, _, ok := s.Read(r.CookieHeader, "connect.sid")
		if ok != (r.SIDLookedUp != nil) || ok && id != *r.SIDLookedUp {
			t.Errorf("got %q, %v, want %v", id, ok, r.SIDLookedUp)
		}
	})
}

// setCookieRow is one row of express-session-setcookie.json.
type setCookieRow struct {
	vectors.Row
	Now     int64
	Options struct {
		Name, Key string
		Cookie    json.RawMessage
		CookieFn  string
		Proxy     *bool
		Secret    json.RawMessage
	}
	SID            string
	Secret         json.RawMessage
	Path           string
	RequestHeaders map[string]string
	Status         int
	Body           string
	SetCookie      []string
	StoreSet       *struct{ SID, JSON string }
	Error          *string `json:"errorAfterHeaders"`
}

func TestSetCookieVectors(t *testing.T) {
	vectors.Run(t, "express-session-setcookie.json", "cases", func(t *testing.T, r setCookieRow) {
		config := []byte(r.Options.Cookie)
		if r.Options.CookieFn != "" {
			config = evaluate(t, r.Options.CookieFn)
		}
		now := time.UnixMilli(r.Now)
		c, cookieErr := express.NewCookie(config, now)
		s, secretErr := express.NewSecrets(texts(t, r.Secret)...)
		if err := errors.Join(cookieErr, secretErr); (err != nil) != (r.Status == 500) {
			t.Fatalf("got %v, want status %d: %s", err, r.Status, r.Body)
		} else if err != nil {
			return
		}
		proxy := express.ProxyOfExpress
		if p := r.Options.Proxy; p != nil && *p {
			proxy = express.ProxyTrusted
		} else if p != nil {
			proxy = express.ProxyIgnored
		}
		secure := express.Secure(proxy, false, false, r.RequestHeaders["x-forwarded-proto"])
		if r.Options.CookieFn == "" {
			c.Resolve(secure)
		}
		var paths struct{ Path string }
		if len(config) > 0 {
			if err := json.Unmarshal(config, &paths); err != nil {
				t.Fatal(err)
			}
		}
		if path, _, _ := strings.Cut(r.Path, "?"); !express.InPath(paths.Path, path) {
			if r.StoreSet != nil || len(r.SetCookie) > 0 {
				t.Error("got no session, want one")
			}
			return
		}
		if r.StoreSet == nil {
			t.Fatal("got a session, want none")
		}
		record := express.NewRecord(c)
		record.Touch(now)
		if err := record.Set("user", json.RawMessage(`"bob"`)); err != nil {
			t.Fatal(err)
		}
		if got := string(record.Bytes()); got != r.StoreSet.JSON {
			t.Errorf("got %s, want %s", got, r.StoreSet.JSON)
		}

		name := "connect.sid"
		for _, n := range []string{r.Options.Key, r.Options.Name} {
			if n != "" {
				name = n
			}
		}
		var got []string
		if !c.Secure() || secure {
			header, err := c.SetCookie(name, s.Sign(r.StoreSet.SID))
			if err == nil {
				got = append(got, header)
			}
			if (err != nil) != (r.Error != nil) {
				t.Errorf("got error %v, want %v", err, r.Error)
			}
		}
		if !slices.Equal(got, r.SetCookie) {
			t.Errorf("got  %q\nwant %q", got, r.SetCookie)
		}
	})
}

// evaluate calls a function that makes the cookie's options.
func evaluate(t *testing.T, source string) []byte {
	t.Helper()
	f, err := script.Compile(source, script.Globals(0))
	if err != nil {
		t.Fatal(err)
	}
	v, err := script.Call(f, new(script.Object))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := script.JSON(v)
	return b
}

// texts are a string or an array of strings.
func texts(t *testing.T, raw json.RawMessage) [][]byte {
	t.Helper()
	var many []string
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if raw[0] != '[' {
		raw = slices.Concat([]byte{'['}, raw, []byte{']'})
	}
	if err := json.Unmarshal(raw, &many); err != nil {
		t.Fatal(err)
	}
	out := make([][]byte, len(many))
	for i, s := range many {
		out[i] = []byte(s)
	}
	return out
}

func TestInflateVectors(t *testing.T) {
	type row struct {
		vectors.Row
		Stored          string
		HandlerModifies bool
		Now             int64
		Status          int
		HandlerSaw      string
		SetCookie       []string
		Ops             [][]string
	}
	s, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		t.Fatal(err)
	}
	vectors.Run(t, "express-session-inflate.json", "cases", func(t *testing.T, r row) {
		now := time.UnixMilli(r.Now)
		record, err := express.ParseRecord([]byte(r.Stored), now)
		if r.Status != 200 {
			if err == nil {
				t.Errorf("got a record, want an error: %s", r.HandlerSaw)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		dropped := string(record.Bytes()) != r.Stored // so the session counts as changed
		all, err := fields.Parse(record.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if got := "apple|" + strings.Join(all.Names(), ",") + "|" + string(record.Cookie().JSON()); got != r.HandlerSaw {
			t.Errorf("the handler saw %s, want %s", got, r.HandlerSaw)
		}
		seen := express.Seen{CookieID: "apple", ID: "apple", WasSaved: true, Modified: dropped, Saved: !dropped}
		if r.HandlerModifies {
			if err := record.Set("n", json.RawMessage("1")); err != nil {
				t.Fatal(err)
			}
			seen.Modified, seen.Saved = true, false
		}
		var o express.Options
		var cookies []string
		record.Touch(now)
		seen.Ends = record.Cookie().Ends()
		if o.SendsCookie(seen) {
			header, err := record.Cookie().SetCookie("connect.sid", s.Sign("apple"))
			if err != nil {
				t.Fatal(err)
			}
			cookies = append(cookies, header)
		}
		if !slices.Equal(cookies, r.SetCookie) {
			t.Errorf("got %q, want %q", cookies, r.SetCookie)
		}
		if len(r.Ops) != 1 {
			t.Fatalf("%d operations, want one", len(r.Ops))
		}
		action := o.AtEnd(seen)
		if got := action.String(); got != r.Ops[0][0] {
			t.Errorf("got %s, want %s", got, r.Ops[0][0])
		}
		want := r.Ops[0][2]
		if action == express.Touch {
			if got := string(record.Cookie().JSON()); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		} else if got := inNode(t, record); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// inNode is a record without what only Go keeps of it.
func inNode(t *testing.T, r *express.Record) string {
	t.Helper()
	all, err := fields.Parse(r.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := all.Set("cookie", r.Cookie().JSON()); err != nil {
		t.Fatal(err)
	}
	return string(all.Append(nil))
}

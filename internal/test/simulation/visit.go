package simulation

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/holdfast-go/session"
)

func (w *world) cookieName() string {
	if w.cfg.Cookie != "" {
		return w.cfg.Cookie
	}
	return "__Host-session"
}

// idOf returns the ID of a token, derived as package token does.
func idOf(token string) session.ID {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != 32 {
		return ""
	}
	sum := sha256.Sum256(b)
	return session.ID(hex.EncodeToString(sum[:16]))
}

func (w *world) isCopyName(name string) bool { return strings.HasPrefix(name, w.cookieName()+"-b") }

func (w *world) visit(s Step, b *browser) { w.send(s, b, b.jar, false) }

// replay sends a request with a stolen jar.
func (w *world) replay(s Step) {
	w.mu.Lock()
	i := s.Copy % len(w.copies)
	if s.Copy < 0 {
		i = len(w.copies) - 1
	}
	b, other := w.copies[i], w.copies[(i+len(w.copies)-1)%len(w.copies)]
	jar := w.tamper(b.jar, other.jar, s.Tamper)
	w.mu.Unlock()
	if s.Tamper != Genuine {
		w.count("jar tampered with: " + s.Tamper.String())
	}
	w.send(s, b, jar, false)
}

func (w *world) tamper(jar, other *Jar, how Tamper) *Jar {
	jar = jar.Clone()
	var kept []Cookie
	for _, c := range jar.Cookies {
		isCopy := w.isCopyName(c.Name)
		isList := c.Name == w.cookieName()+"-x"
		if isCopy && (how == Swapped || how == Bare) || isList && how == NoTombstone {
			continue
		}
		if isCopy {
			c.Value = how.change(c.Value)
		}
		kept = append(kept, c)
	}
	jar.Cookies = kept
	for _, c := range other.Cookies {
		if w.isCopyName(c.Name) && (how == Swapped || how == Mixed && jar.Value(c.Name) == "") {
			jar.Cookies = append(jar.Cookies, c)
		}
	}
	return jar
}

// change returns the value of a sealed copy's cookie as the attacker sends it.
func (t Tamper) change(value string) string {
	switch {
	case t == Truncated && len(value) > 8:
		return value[:len(value)-5]
	case t == Flipped && len(value) > 40:
		b := []byte(value)
		if b[30] != 'A' {
			b[30] = 'A'
		} else {
			b[30] = 'B'
		}
		return string(b)
	default:
		return value
	}
}

// send sends a request with the cookies of jar, which go back into b's.
func (w *world) send(s Step, b *browser, jar *Jar, final bool) {
	a := ask{route: s.Route, key: s.Key, think: s.Think, raw: w.cfg.Off.Update, user: s.User, stay: s.Stay}
	if s.Route.writes() {
		a.op = s.N
	}
	now := time.Now()
	w.mu.Lock()
	cookies := jar.Send("/", now)
	w.mu.Unlock()
	token, carried, used := w.read(cookies)
	shard := w.store.of(token)
	w.mu.Lock()
	w.requests++
	q := &Request{
		N: w.requests, Browser: b.number, Copy: b.copy, Tampered: s.Tamper != Genuine, Route: s.Route, Key: s.Key, Op: a.op,
		Instance: s.Instance % len(w.instances), Final: final, Sent: w.now(),
	}
	q.User = s.User
	q.Stay = s.Stay
	if q.Route == Login || q.Route == Begin || q.Route == SignIn {
		q.Key = userKey
	}
	q.Token, q.Carried = token, carried
	q.Used, q.Shard = used, shard
	q.Endings = jar.Value(w.cookieName() + "-x")
	if q.Endings != "" && !w.cfg.Off.TombstoneCookie {
		w.counts["tombstone cookie sent"]++
	}
	w.appendLocked(Event{Kind: Sent, Request: q})
	w.mu.Unlock()

	r := httptest.NewRequest(http.MethodPost, a.url(), nil)
	if cookies := w.filter(cookies); len(cookies) > 0 {
		r.Header.Set("Cookie", Line(cookies))
	}
	if n := len("Cookie: ") + len(r.Header.Get("Cookie")); n > 8190 {
		w.violate(Violation{At: w.now(), Promise: "size", Text: fmt.Sprintf("request %d: a Cookie line of %d bytes", q.N, n)})
	}
	w.visits.Go(func() {
		ctx, leave := context.WithCancel(context.WithValue(context.Background(), requestKey{}, q))
		defer leave()
		if s.Abort > 0 {
			time.AfterFunc(s.Abort, leave)
		}
		time.Sleep(s.Up)
		if ctx.Err() != nil {
			return
		}
		served, hungUp := w.hangUp(ctx, s, q)
		defer hungUp()
		answer := w.serve(q, r.WithContext(served))
		if answer == nil {
			return
		}
		time.Sleep(s.Down)
		if ctx.Err() != nil || s.Lost {
			w.count("answer lost")
			return
		}
		w.deliver(q, b, answer)
	})
}

// filter removes the cookies that a switch keeps browsers from sending.
func (w *world) filter(cookies []Cookie) []Cookie {
	latest := 0
	for _, c := range cookies {
		if w.isCopyName(c.Name) {
			latest = max(latest, c.set)
		}
	}
	var out []Cookie
	for _, c := range cookies {
		off := w.cfg.Off
		if w.isCopyName(c.Name) && (off.Backup || off.Slots && c.set != latest) || c.Name == w.cookieName()+"-x" && off.TombstoneCookie {
			continue
		}
		out = append(out, c)
	}
	return out
}

// read finds the session in a jar, and its copies.
func (w *world) read(cookies []Cookie) (id session.ID, copies, names []string) {
	for _, c := range cookies {
		switch {
		case c.Name == w.cookieName():
			id = idOf(c.Value)
		case w.isCopyName(c.Name):
			copies, names = append(copies, c.Value), append(names, c.Name)
		}
	}
	return id, copies, names
}

// serve lets an instance answer. It returns nil where no answer leaves it.
func (w *world) serve(q *Request, r *http.Request) *httptest.ResponseRecorder {
	w.mu.Lock()
	i := w.instances[q.Instance]
	i.busy.Add(1)
	defer i.busy.Done()
	q.Birth, q.Began = i.birth, w.now()
	w.appendLocked(Event{Kind: Began, Request: q, Instance: i.place, Birth: i.birth})
	w.mu.Unlock()

	answer := httptest.NewRecorder()
	func() {
		defer func() {
			if p := recover(); p != nil {
				w.violate(Violation{At: w.now(), Promise: "panic", Text: fmt.Sprintf("request %d: %v", q.N, p)})
				answer.Code = http.StatusInternalServerError
			}
		}()
		i.Handler.ServeHTTP(answer, r)
	}()

	w.mu.Lock()
	if i.dead {
		w.mu.Unlock()
		return nil
	}
	q.Ended, q.Status = w.now(), answer.Code
	if q.ok() {
		if err := json.Unmarshal(answer.Body.Bytes(), &q.Answer); err != nil {
			q.Status = http.StatusInternalServerError
		}
	}
	probe := Jar{Host: host}
	probe.Take(answer.Header()["Set-Cookie"], time.Now())
	q.NewToken, q.Sealed, q.Given = w.read(probe.Cookies)
	q.Slots = w.slots(r.Header["Cookie"], "carries") + w.slots(answer.Header()["Set-Cookie"], "sets")
	q.Ending = probe.Value(w.cookieName() + "-x")
	for _, v := range q.Sealed {
		q.Size += len(v)
	}
	for _, line := range answer.Header()["Set-Cookie"] {
		q.Cleared = q.Cleared || strings.HasPrefix(line, w.cookieName()+"=;")
	}
	w.appendLocked(Event{Kind: Ended, Request: q, Instance: i.place, Birth: i.birth})
	w.countAnswerLocked(q)
	w.mu.Unlock()
	w.tell("  %s", w.describe(q))
	return answer
}

// countAnswerLocked says how much of the promises a run has touched. w.mu is held.
func (w *world) countAnswerLocked(q *Request) {
	who := "answer: "
	if q.Browser < 0 {
		who = "attacker: "
	}
	switch {
	case q.ok() && q.Answer.Session == "":
		w.counts[who+"nobody"]++
	case q.ok():
		w.counts[who+"from "+q.Answer.Source]++
		if q.Op > 0 {
			w.counts[who+"a write from "+q.Answer.Source]++
		}
	default:
		w.counts[fmt.Sprintf("%s%d", who, q.Status)]++
	}
	if q.Route == Logout && q.ok() {
		w.counts[who+"logout "+q.Answer.Durability]++
	}
	if q.revokes() && q.ok() && q.Answer.Durability != "" {
		w.counts[who+q.Route.String()+" "+q.Answer.Durability]++
	}
	if len(q.Sealed) > 1 {
		w.counts[who+"copy in parts"]++
	}
}

// slots names the copy cookies of a header.
func (w *world) slots(lines []string, verb string) string {
	var out []string
	for _, line := range lines {
		for part := range strings.SplitSeq(line, "; ") {
			if name, value, _ := strings.Cut(part, "="); w.isCopyName(name) {
				if name = strings.TrimPrefix(name, w.cookieName()+"-"); value == "" {
					name = "no " + name
				}
				out = append(out, name)
			}
		}
	}
	if out == nil {
		return ""
	}
	return "; " + verb + " " + strings.Join(out, ", ")
}

// describe says what was answered, for the trace.
func (w *world) describe(q *Request) string {
	var b strings.Builder
	who := fmt.Sprintf("browser %d", q.Browser)
	switch {
	case q.Browser == administrator:
		who = "an administrator"
	case q.Browser < 0:
		who = fmt.Sprintf("attacker with copy %d", q.Copy)
	}
	fmt.Fprintf(&b, "r%d %c to %s, %s with %s: ", q.N, 'A'+q.Instance, who, q.Route, w.store.name(q.Token))
	if q.Op > 0 {
		fmt.Fprintf(&b, "write %d: ", q.Op)
	}
	fmt.Fprintf(&b, "%d", q.Status)
	if q.ok() {
		fmt.Fprintf(&b, " %s from %s", w.store.name(session.ID(q.Answer.Session)), q.Answer.Source)
		if q.Answer.Durability != "" {
			fmt.Fprintf(&b, " %s", q.Answer.Durability)
		}
		if q.Answer.User != "" {
			fmt.Fprintf(&b, " user=%s", q.Answer.User)
		}
		if q.Answer.Late != "" {
			fmt.Fprintf(&b, " %s after the header", q.Answer.Late)
		}
		for _, name := range keyNames {
			if m := q.Answer.Marks[name]; m != nil {
				fmt.Fprintf(&b, " %s=%s", name, strings.Join(m, ""))
			}
			if f := q.Answer.Faults[name]; f != "" {
				fmt.Fprintf(&b, " %s:%s", name, f)
			}
		}
	}
	if q.NewToken != "" {
		fmt.Fprintf(&b, "; token of %s", w.store.name(q.NewToken))
	}
	if q.Cleared {
		b.WriteString("; token cleared")
	}
	b.WriteString(q.Slots)
	return b.String()
}

// deliver hands an answer to the browser.
func (w *world) deliver(q *Request, b *browser, answer *httptest.ResponseRecorder) {
	w.mu.Lock()
	b.jar.Take(answer.Header()["Set-Cookie"], time.Now())
	q.Delivered = w.now()
	q.JarToken, q.Jar, _ = w.read(b.jar.Cookies)
	w.appendLocked(Event{Kind: Delivered, Request: q})
	w.mu.Unlock()
	if q.Delivered-q.Ended > 50*time.Millisecond {
		w.tell("  r%d arrives", q.N)
	}
}

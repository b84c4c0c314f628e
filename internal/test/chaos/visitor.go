package chaos

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const cookie = "session"

// jar is a browser's cookies.
type jar map[string]string

func (j jar) line() string {
	var pairs []string
	for name, value := range j {
		pairs = append(pairs, name+"="+value)
	}
	return strings.Join(pairs, "; ")
}

// visitor shops at whatever instance it comes to, and remembers what it was
// told.
type visitor struct {
	*run
	n      int
	random *rand.Rand

	mu    sync.Mutex
	jar   jar
	have  []string // acknowledged
	ended []string // tokens of sessions that ended

	left atomic.Int64 // the number of the fault during which it left for good
}

// live goes on until the run is over. Every fifth visitor leaves for good
// during a fault, after a write.
func (v *visitor) live() {
	for round := 0; ; round++ {
		select {
		case <-v.done:
			return
		case <-time.After(time.Duration(v.random.IntN(100)) * time.Millisecond):
		}
		item := fmt.Sprintf("%d-%d", v.n, round)
		switch dice := v.random.IntN(40); {
		case round == 0 || dice < 12:
			v.add(item)
		case dice == 38:
			v.ask("login")
		case dice == 39 && len(v.have) > 20:
			v.logout()
			v.add(item)
		default:
			v.show()
		}
		if len(v.have) > 60 {
			v.logout()
			v.add(item + "-again")
		}
		if fault := v.fault.Load(); v.n%5 == 4 && fault == 1+int64(v.n/5%len(v.Faults)) {
			if v.add(item + "-last"); v.fault.Load() == fault {
				v.left.Store(fault)
				return
			}
		}
	}
}

func (v *visitor) add(item string) {
	if _, ok := v.ask("add/" + item); ok {
		v.mu.Lock()
		v.have = append(v.have, item)
		v.mu.Unlock()
	}
}

func (v *visitor) show() {
	body, ok := v.ask("show")
	if !ok {
		return
	}
	list, alive := strings.CutPrefix(body, "items ")
	switch {
	case !alive:
		v.loggedOut.Add(1)
		v.note("visitor %d is logged out", v.n)
		v.mu.Lock()
		v.have = nil
		v.mu.Unlock()
	default:
		if m := missing(strings.Split(list, ","), v.have); m != "" {
			v.lost.Add(1)
			v.note("visitor %d is shown no %s", v.n, m)
			v.mu.Lock()
			v.have = slices.DeleteFunc(v.have, func(s string) bool { return s == m })
			v.mu.Unlock()
		}
	}
}

func (v *visitor) logout() {
	token := v.jar[cookie]
	if _, ok := v.ask("logout"); ok {
		v.mu.Lock()
		v.have, v.ended = nil, append(v.ended, token)
		v.mu.Unlock()
	}
}

// ask sends a request to some instance.
func (v *visitor) ask(path string) (body string, ok bool) {
	srv := v.servers[v.random.IntN(len(v.servers))]
	r, err := http.NewRequest(http.MethodGet, srv.URL+"/"+path, nil)
	if err != nil {
		panic(err)
	}
	v.mu.Lock()
	before := v.jar[cookie]
	if len(v.jar) > 0 {
		r.Header.Set("Cookie", v.jar.line())
	}
	v.mu.Unlock()
	begun := time.Now()
	answer, err := srv.Client().Do(r)
	v.requests.Add(1)
	if err != nil {
		v.failed.Add(1)
		v.note("visitor %d: %s: %v", v.n, path, err)
		return "", false
	}
	b, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	for took := int64(time.Since(begun)); ; {
		slowest := v.slowest.Load()
		if took <= slowest || v.slowest.CompareAndSwap(slowest, took) {
			break
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range answer.Cookies() {
		if c.MaxAge < 0 {
			delete(v.jar, c.Name)
		} else {
			v.jar[c.Name] = c.Value
		}
	}
	if answer.StatusCode != http.StatusOK {
		v.failed.Add(1)
		v.note("visitor %d: %s: %d %s", v.n, path, answer.StatusCode, b)
		return "", false
	}
	if path == "login" && before != "" {
		v.ended = append(v.ended, before)
	}
	return string(b), true
}

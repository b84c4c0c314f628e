package override

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/holdfast-go/session/internal/filewatch"
)

// kept is the last order in a file.
type kept struct {
	Source string          `json:"source"` // an order of another source is none
	Read   time.Time       `json:"read"`
	Order  json.RawMessage `json:"order"`
}

// mostKept bounds the file: JSON may write six bytes for one of the source's.
const mostKept = 8 * mostText

// recall puts the kept order in force, or returns why it cannot. A missing file is no
// error.
func (f *Follower) recall() error {
	if f.options.Keep == "" {
		return nil
	}
	file := filewatch.New(filewatch.Options{
		Path:  f.options.Keep,
		Most:  mostKept,
		Name:  "override: kept order",
		Check: checkOwn,
		Parse: func(text string) (func(), error) {
			var k kept
			if err := json.Unmarshal([]byte(text), &k); err != nil {
				return nil, errors.New("not the JSON of a kept order")
			}
			if k.Source != f.source.String() {
				return nil, fmt.Errorf("is of %q", k.Source)
			}
			order, err := parseWhole(string(k.Order))
			if err != nil {
				return nil, err
			}
			return func() {
				f.value.set(order)
				f.stats.Kept = true
				f.stats.Read = k.Read
				if now := time.Now(); k.Read.After(now) {
					f.stats.Read = now // the clock was ahead; an age is never below zero
				}
			}, nil
		},
	})
	if err := file.First(); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// checkOwn returns an error for a file that others may write.
func checkOwn(info fs.FileInfo) error {
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o022 != 0 {
		return fmt.Errorf("others may write it (mode %04o); chmod go-w it", mode)
	}
	return nil
}

// keep notes that the source said order at now, and writes the file where the order has
// changed or the file is a minute old. A file that cannot be written changes nothing else.
func (f *Follower) keep(order Order, now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	same := f.stats.Order == order && !f.stats.Read.IsZero() && !f.stats.Kept
	f.stats = FollowStats{Order: order, Read: now}
	fresh := same && now.Sub(f.saved) < again
	if f.options.Keep == "" || fresh {
		return nil
	}
	f.saved = now
	text, err := json.Marshal(order)
	if err == nil {
		text, err = json.Marshal(kept{f.source.String(), now, text})
	}
	if err == nil {
		err = replace(f.options.Keep, text)
	}
	if err != nil {
		return fmt.Errorf("override: the order is in force and not kept for the next start: %w", err)
	}
	return nil
}

// replace puts text into a file that is there whole or not at all, also after the
// machine has lost its power.
func replace(path string, text []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

package admin

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

const (
	mostInstances = 500                    // in the list of them
	mostRecord    = 256 << 10              // bytes of a record that is read
	remembered    = 10 * time.Minute       // how long an instance is shown as gone
	listEvery     = time.Minute            // how often an instance renews its place in the list
	timeToWrite   = 2 * time.Second        // for one record
	timeToRead    = 500 * time.Millisecond // for all records, while an operator waits for the page
	timeToLeave   = 500 * time.Millisecond // for the removal of one record; an instance whose record stays is shown as gone
	again         = time.Second            // between two reads
	tries         = 5                      // at a change of the list, which other instances change too
)

// board exchanges the status of the instances through the store. Only its goroutine and the
// readers of the page ask the store, never a visitor's request.
type board struct {
	places []place
	id     uint32
	self   func() Instance
	stop   context.CancelFunc // of the goroutine
	done   chan struct{}

	reading sync.Mutex // held while the others are read
	mu      sync.Mutex // guards all below
	known   view
	wrote   error
	asked   time.Time // when the others were last read, with or without success
}

// view is the status of the other instances as it was last read.
type view struct {
	instances []Instance
	read      time.Time
	problem   string
}

func openBoard(s session.Store, self func() Instance) (*board, error) {
	var id [4]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	places, err := placesOf(s)
	if err != nil {
		return nil, err
	}
	return &board{places: places, id: binary.BigEndian.Uint32(id[:]), self: self, done: make(chan struct{})}, nil
}

// start starts the goroutine.
func (b *board) start() {
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go b.run(ctx)
}

// run writes until close. Once a minute it reads the others too, so that the page has something
// to show when the store has gone.
func (b *board) run(ctx context.Context) {
	defer close(b.done)
	tick := time.NewTicker(b.self().Every)
	defer tick.Stop()
	var read time.Time
	for {
		b.write(ctx)
		if time.Since(read) >= listEvery {
			read = time.Now()
			b.read(ctx, timeToWrite)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// close ends the goroutine, and takes back what this instance has written.
func (b *board) close(ctx context.Context) error {
	b.stop()
	select {
	case <-b.done:
	case <-ctx.Done():
		return fmt.Errorf("admin: close: %w", ctx.Err())
	}
	return each(b.places, func(p place) error {
		ctx, cancel := context.WithTimeout(ctx, timeToLeave)
		defer cancel()
		over := session.Record{Expires: time.Now().Add(-time.Minute)}
		_, err := p.Save(ctx, b.own(), over, session.Any)
		return errors.Join(err, p.change(ctx, func(l *list) bool {
			_, listed := l.Since[b.id]
			delete(l.Since, b.id)
			return listed
		}))
	})
}

func (b *board) own() session.ID { return idOf(b.id) }

// write writes this instance's record everywhere.
func (b *board) write(ctx context.Context) {
	text, err := json.Marshal(b.self())
	if err == nil {
		err = each(b.places, func(p place) error { return b.writeTo(ctx, p, text) })
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrote = err
}

func (b *board) writeTo(ctx context.Context, p place, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, timeToWrite)
	defer cancel()
	now := time.Now()
	if _, err := p.Save(ctx, b.own(), session.Record{Data: text, Expires: now.Add(remembered)}, session.Any); err != nil {
		return err
	}
	if now.Sub(*p.listed) < listEvery {
		return nil
	}
	err := p.change(ctx, func(l *list) bool {
		for id, since := range l.Since {
			if now.Sub(since) > remembered+listEvery {
				delete(l.Since, id)
			}
		}
		l.Since[b.id] = now.UTC()
		return true
	})
	if err == nil {
		*p.listed = now
	}
	return err
}

// others returns what is known of the other instances, read at most a second ago where the
// store answers.
func (b *board) others() view {
	b.reading.Lock() // a caller that comes meanwhile shares the read
	b.mu.Lock()
	due := time.Since(b.asked) >= again
	b.mu.Unlock()
	if due {
		b.readLocked(context.Background(), timeToRead)
	}
	b.reading.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.known
	if v.problem == "" && b.wrote != nil {
		v.problem = b.wrote.Error()
	}
	return v
}

// read reads the others now.
func (b *board) read(ctx context.Context, within time.Duration) {
	b.reading.Lock()
	defer b.reading.Unlock()
	b.readLocked(ctx, within)
}

// readLocked reads the others, and keeps the result. It leaves out a place that does not
// answer; where none answers, the last result stays.
func (b *board) readLocked(ctx context.Context, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	found, answered, err := readAll(ctx, b.places, b.id)
	now := time.Now().UTC()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = now
	b.known.problem = text(err)
	if !answered {
		return
	}
	b.known.read = now
	b.known.instances = found
}

// Package etcd is a source of orders for a whole fleet: a key of etcd, version 3.4 or
// newer, over the HTTP that etcd speaks beside gRPC.
//
//	source, err := etcd.New([]string{"http://etcd-1:2379", "http://etcd-2:2379"}, "shop/override", nil)
//	follower, err := override.Follow(source, &override.FollowOptions{Keep: "/var/lib/shop/override"})
//
// An operator gives an order by
//
//	etcdctl put shop/override backup-only
//
// and ends it by deleting the key. The value is what [override.Parse] reads; it needs
// no newline.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/holdfast-go/session/internal/etcd"
	"github.com/holdfast-go/session/override"
)

// Options are the options of New. Nil means all defaults.
type Options struct {
	// Client carries the requests, with certificates of your own for example. It must set no
	// Timeout: a watch is a request without an end. Nil means a client without a proxy.
	Client *http.Client

	// User and Password are for an etcd with authentication. No error shows them.
	User, Password string
}

// Source is an [override.Source] on one key.
type Source struct {
	client *etcd.Client
	key    string

	revision int64   // of the key's last change at the last Read; zero: it did not stand
	stream   *stream // nil where none was opened
}

var (
	_ override.Source = (*Source)(nil)
	_ override.Writer = (*Source)(nil)
)

// New returns a Source on a key. Endpoints are the members of one cluster, as
// "http://host:2379" each; the next is asked where one does not answer. New calls none of
// them.
func New(endpoints []string, key string, o *Options) (*Source, error) {
	if key == "" {
		return nil, errors.New("etcd: no key; name one, like shop/override")
	}
	options := etcd.Options{Endpoints: endpoints}
	if o != nil {
		options.Client = o.Client
		options.User, options.Password = o.User, o.Password
	}
	client, err := etcd.New(options)
	if err != nil {
		return nil, err
	}
	return &Source{client: client, key: key}, nil
}

// String names the key.
func (s *Source) String() string { return "etcd key " + s.key }

// Read implements [override.Source]. It asks the majority of the members.
func (s *Source) Read(ctx context.Context) (text string, stands bool, err error) {
	found, err := s.client.Get(ctx, s.key)
	if err != nil {
		return "", false, err
	}
	revision := int64(0)
	if len(found.Keys) > 0 {
		text, stands = string(found.Keys[0].Value), true
		revision = found.Keys[0].Revision
	}
	if s.stream != nil {
		// A stream that has not reported a change is on a connection that has broken.
		deaf := !s.stream.toldOf() && revision != s.revision
		if deaf || s.stream.ended() {
			s.drop()
		}
	}
	if s.stream == nil {
		s.stream = s.open(found.Header.Revision + 1)
	}
	s.revision = revision
	return text, stands, nil
}

// Write implements [override.Writer].
func (s *Source) Write(ctx context.Context, o override.Order) error {
	text, err := o.Text()
	if err != nil {
		return err
	}
	return s.change(ctx, func(revision int64) (bool, error) { return s.client.Put(ctx, s.key, []byte(text), revision) })
}

// Remove implements [override.Writer].
func (s *Source) Remove(ctx context.Context) error {
	return s.change(ctx, func(revision int64) (bool, error) {
		if revision == 0 {
			return true, nil
		}
		return s.client.Delete(ctx, s.key, revision)
	})
}

// change calls do with the revision of the key, until nobody else has changed it meanwhile.
func (s *Source) change(ctx context.Context, do func(revision int64) (done bool, err error)) error {
	for {
		found, err := s.client.Get(ctx, s.key)
		if err != nil {
			return err
		}
		revision := int64(0)
		if len(found.Keys) > 0 {
			revision = found.Keys[0].Revision
		}
		if done, err := do(revision); done || err != nil {
			return err
		}
	}
}

// Wait implements [override.Source].
func (s *Source) Wait(ctx context.Context) error {
	if s.stream == nil {
		return errors.New("etcd: nothing was read yet")
	}
	select {
	case <-s.stream.changed:
		s.stream.told = true
		return nil
	case <-s.stream.done:
		return fmt.Errorf("etcd: %w", s.stream.err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the watch.
func (s *Source) Close() error {
	s.drop()
	s.client.Close()
	return nil
}

// stream is a watch that is under way. It outlives a Wait, so that only the end of
// its connection costs a new one.
type stream struct {
	stop    context.CancelFunc
	changed chan struct{} // holds one: the key has changed since the last Wait
	done    chan struct{}
	err     error // why the watch has ended; after done
	told    bool  // a Wait has returned since the last Read, for a change
}

// open watches from a revision.
func (s *Source) open(from int64) *stream {
	ctx, stop := context.WithCancel(context.Background())
	w := &stream{stop: stop, changed: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.err = s.client.Watch(ctx, s.key, from, func() {
			select {
			case w.changed <- struct{}{}:
			default: // a Wait will see it
			}
		})
	}()
	return w
}

// toldOf reports whether the stream has told of a change since the last call.
func (w *stream) toldOf() bool {
	told := w.told || len(w.changed) > 0
	w.told = false
	return told
}

func (w *stream) ended() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// drop ends the stream and waits for it.
func (s *Source) drop() {
	if s.stream != nil {
		s.stream.stop()
		<-s.stream.done
		s.stream = nil
	}
}

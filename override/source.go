package override

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Source holds one order for a whole fleet: a key of etcd (package override/etcd), a
// node of ZooKeeper (module override/zookeeper). [Follow] follows it. One goroutine at
// a time calls its methods.
type Source interface {
	// Read returns the present text, and false where there is none. It asks the source
	// itself. An error says that the source does not answer; it has no password in it.
	Read(ctx context.Context) (text string, stands bool, err error)

	// Wait returns when the text may differ from that of the last Read, and when the
	// source can no longer tell. It may return early, and never misses a change that was
	// made after that Read, as long as the source answers. It returns once ctx has
	// ended.
	Wait(ctx context.Context) error

	// String names the source without a password, and is the same in every start of the
	// program: "etcd key site/override".
	String() string

	// Close closes the source's connections. The other methods are not called after
	// it.
	Close() error
}

// Writer gives orders to a whole fleet. The Sources of packages override/etcd and
// override/store are Writers. Any number of goroutines may use one, beside the goroutine
// that reads the Source.
type Writer interface {
	// Write replaces the order that stands. After an error other than ErrOrder the
	// new order may stand or not.
	Write(ctx context.Context, o Order) error

	// Remove ends the order that stands. After an error the order may still stand. It
	// is no error that none stands.
	Remove(ctx context.Context) error
}

// ErrOrder is returned for an order that a fleet would reject.
var ErrOrder = errors.New("override: no order that a fleet takes")

// Text returns the order as a Source has it. It fails, with ErrOrder, for one that Parse
// does not take, and for one that has ended.
func (o Order) Text() (string, error) {
	text, err := json.Marshal(o)
	if err == nil {
		_, err = parseWhole(string(text))
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrOrder, err)
	}
	if !o.Until.IsZero() && !time.Now().Before(o.Until) {
		return "", fmt.Errorf("%w: until has passed", ErrOrder)
	}
	return string(text), nil
}

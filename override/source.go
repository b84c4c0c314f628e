package override

import "context"

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

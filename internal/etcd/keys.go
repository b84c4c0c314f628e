package etcd

import (
	"context"
)

// KeyValue is a key as it stands.
type KeyValue struct {
	Key      []byte `json:"key"`
	Value    []byte `json:"value"`
	Revision int64  `json:"mod_revision,string"` // of its last change; never zero
}

// Header is the part of an answer that says of when it is.
type Header struct {
	Revision int64 `json:"revision,string"` // of the whole cluster
}

// Range is what stands at one revision of the cluster.
type Range struct {
	Header Header     `json:"header"`
	Keys   []KeyValue `json:"kvs"`
}

type rangeRequest struct {
	Key      []byte `json:"key"`
	RangeEnd []byte `json:"range_end,omitempty"`
}

// Get returns the key, or none where nothing stands. It asks the majority of the members:
// a member that is cut off from the others answers nothing old.
func (c *Client) Get(ctx context.Context, key string) (Range, error) {
	var r Range
	err := c.call(ctx, "/v3/kv/range", rangeRequest{Key: []byte(key)}, &r)
	return r, err
}

// List returns the keys that begin with prefix, which is not empty.
func (c *Client) List(ctx context.Context, prefix string) (Range, error) {
	end := []byte(prefix)
	end[len(end)-1]++ // a prefix ends in a character below 0xff
	var r Range
	err := c.call(ctx, "/v3/kv/range", rangeRequest{Key: []byte(prefix), RangeEnd: end}, &r)
	return r, err
}

// Unchanged is a condition of a write: that a key's last change was at a revision, zero for
// a key that does not stand.
type Unchanged struct {
	Key      string
	Revision int64
}

// comparison asks that a key's last change was at a revision; zero is a key that does
// not stand.
type comparison struct {
	Target   string `json:"target"`
	Key      []byte `json:"key"`
	Revision int64  `json:"mod_revision,string"`
}

type operation struct {
	Put    *putRequest   `json:"request_put,omitempty"`
	Delete *rangeRequest `json:"request_delete_range,omitempty"`
}

type putRequest struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

// Put sets the key if its last change was at over; zero is a key that does not stand. It
// reports whether it did. All of also has to hold too.
func (c *Client) Put(ctx context.Context, key string, value []byte, over int64, also ...Unchanged) (done bool, err error) {
	return c.swap(ctx, operation{Put: &putRequest{[]byte(key), value}}, append(also, Unchanged{key, over}))
}

// Delete removes the key if its last change was at over. It reports whether it did. All
// of also has to hold too.
func (c *Client) Delete(ctx context.Context, key string, over int64, also ...Unchanged) (done bool, err error) {
	return c.swap(ctx, operation{Delete: &rangeRequest{Key: []byte(key)}}, append(also, Unchanged{key, over}))
}

func (c *Client) swap(ctx context.Context, do operation, where []Unchanged) (bool, error) {
	compare := make([]comparison, len(where))
	for i, u := range where {
		compare[i] = comparison{"MOD", []byte(u.Key), u.Revision}
	}
	var answer struct{ Succeeded bool }
	err := c.call(ctx, "/v3/kv/txn", struct {
		Compare []comparison `json:"compare"`
		Success []operation  `json:"success"`
	}{compare, []operation{do}}, &answer)
	return answer.Succeeded, err
}

// Compact forgets what stood before a revision.
func (c *Client) Compact(ctx context.Context, revision int64) error {
	var nothing struct{}
	return c.call(ctx, "/v3/kv/compaction", struct {
		Revision int64 `json:"revision,string"`
	}{revision}, &nothing)
}

package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// errTooMuch ends a watch whose answers would fill the memory.
var errTooMuch = errors.New("etcd: the watch sends an answer without an end")

// Watch calls changed each time that the key has changed, beginning with the change at
// revision from, until ctx ends or the watch breaks off. It never returns nil. It asks the
// endpoint that answered last, and has no way to notice that this one is frozen.
func (c *Client) Watch(ctx context.Context, key string, from int64, changed func()) error {
	c.mu.Lock()
	at := c.first
	c.mu.Unlock()
	var create struct {
		Request struct {
			Key  []byte `json:"key"`
			From int64  `json:"start_revision,string"`
		} `json:"create_request"`
	}
	create.Request.Key, create.Request.From = []byte(key), from
	answer, err := c.post(ctx, at, "/v3/watch", create)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	bounded := &meter{r: answer.Body}
	lines := json.NewDecoder(bounded)
	for {
		bounded.left = mostAnswer
		var line struct {
			Result struct {
				Canceled  bool              `json:"canceled"`
				Compacted int64             `json:"compact_revision,string"`
				Reason    string            `json:"cancel_reason"`
				Events    []json.RawMessage `json:"events"`
			} `json:"result"`
			Error *struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		if err := lines.Decode(&line); err != nil {
			return fmt.Errorf("etcd: the watch broke off: %w", err)
		}
		switch {
		case line.Error != nil:
			return &Error{Message: line.Error.Message}
		case line.Result.Compacted > 0:
			return fmt.Errorf("etcd: the watch began before revision %d, and etcd has compacted that", line.Result.Compacted)
		case line.Result.Canceled:
			return &Error{Message: "the watch was canceled: " + line.Result.Reason}
		case len(line.Result.Events) > 0:
			changed()
		}
	}
}

// meter reads at most so many bytes for each line of a watch.
type meter struct {
	r    io.Reader
	left int
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errTooMuch
	}
	n, err := m.r.Read(p)
	m.left -= n
	return n, err
}

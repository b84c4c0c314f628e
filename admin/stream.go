package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	mostStreams = 64
	heartbeat   = 15 * time.Second
	patience    = 10 * time.Second // with a reader that does not read
)

// streams holds the open streams.
type streams struct {
	room chan struct{}
	end  chan struct{}
	once *sync.Once
}

func newStreams() streams {
	return streams{make(chan struct{}, mostStreams), make(chan struct{}), new(sync.Once)}
}

func (s streams) close() { s.once.Do(func() { close(s.end) }) }

// streamEvents sends the events as they come, after Last-Event-ID where a client has lost
// the connection. The application is asked again at each heartbeat whether the operator may
// still look.
func (h *Handler) streamEvents(w http.ResponseWriter, r *http.Request, _ operator) error {
	if h.options.Events == nil {
		return &refusal{http.StatusNotImplemented, "there are no events; set Options.Events, and the Manager's Hooks by Events.Hooks"}
	}
	select {
	case h.streams.room <- struct{}{}:
		defer func() { <-h.streams.room }()
	default:
		w.Header().Set("Retry-After", "60")
		return &refusal{http.StatusServiceUnavailable, "too many look on"}
	}
	number, _ := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep the stream for itself
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	control := http.NewResponseController(w)
	for beaten := true; ; { // the first line tells the reader that the stream is open
		_ = control.SetWriteDeadline(time.Now().Add(patience)) // a writer that knows none has none
		if beaten {
			fmt.Fprint(w, ":\n\n")
		}
		beaten = false
		events, more := h.options.Events.since(number)
		for _, e := range events {
			data, err := json.Marshal(e)
			if err != nil {
				return nil
			}
			fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.Number, data)
			number = e.Number
		}
		if err := control.Flush(); err != nil {
			return nil // the reader has left, and gets no answer
		}
		_ = control.SetWriteDeadline(time.Time{}) // HTTP/2 would end a stream that is idle
		select {
		case <-more:
		case <-beat.C:
			if _, err := h.admit(r); err != nil {
				return nil // the stream ends, and the next one is refused
			}
			beaten = true
		case <-h.streams.end:
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}

package main

import (
	"fmt"
	"time"

	"github.com/holdfast-go/session"
)

// sessionInfo is what the page shows of the session. It has no token, because the
// library gives none out.
type sessionInfo struct {
	ID                        session.ID
	From                      session.Source
	Source                    string    // the same in words
	Read                      time.Time // when the session was read, from that source
	Created, Renewed, Expires time.Time
	Left                      string
}

var sources = map[session.Source]string{session.FromStore: "the store", session.FromBackup: "the backup in your cookies"}

func newSessionInfo(s *session.Session) *sessionInfo {
	if s.ID() == "" {
		return nil
	}
	t := sessionInfo{s.ID(), s.Source(), sources[s.Source()], time.Now().UTC(), s.Created().UTC(), s.Renewed().UTC(), s.Expires().UTC(), ""}
	switch left := time.Until(t.Expires); {
	case left < 2*time.Minute:
		t.Left = fmt.Sprintf("%d seconds", max(0, int(left.Seconds())))
	case left < 2*time.Hour:
		t.Left = fmt.Sprintf("%d minutes", int(left.Round(time.Minute).Minutes()))
	default:
		t.Left = fmt.Sprintf("%d hours", int(left.Round(time.Hour).Hours()))
	}
	return &t
}

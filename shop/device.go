package main

import (
	"strings"
	"time"

	"github.com/holdfast-go/session"
)

// device is one session of a user, as the lists of them show it.
type device struct {
	ID       session.ID        `json:"id"`
	Current  bool              `json:"current"`
	Began    time.Time         `json:"began"`
	LastSeen time.Time         `json:"lastSeen"`
	Ends     time.Time         `json:"ends"`
	Listed   map[string]string `json:"listed"` // what a user knows it by; empty where the session was not read
}

func newDevices(views []session.View) []device {
	all := make([]device, 0, len(views)) // [] and not null
	for _, v := range views {
		d := device{v.ID, v.Current, v.Began.UTC(), v.Seen.UTC(), v.Expires.UTC(), map[string]string{}}
		if name, err := browser.In(&v); err == nil {
			d.Listed["browser"] = name
		}
		all = append(all, d)
	}
	return all
}

// Browser is what the pages call it.
func (d device) Browser() string {
	if name := d.Listed["browser"]; name != "" {
		return name
	}
	return unknownBrowser
}

const unknownBrowser = "An unknown browser"

// browserName returns what a person would call the browser of a User-Agent. The text
// itself is the visitor's to choose, so that none of it is kept.
func browserName(agent string) string {
	find := func(words ...[2]string) string {
		for _, w := range words {
			if strings.Contains(agent, w[0]) {
				return w[1]
			}
		}
		return ""
	}
	// Each of them also names those behind it.
	name := find([2]string{"Edg/", "Edge"}, [2]string{"OPR/", "Opera"}, [2]string{"Firefox/", "Firefox"},
		[2]string{"Chrome/", "Chrome"}, [2]string{"Safari/", "Safari"}, [2]string{"curl/", "curl"})
	if name == "" {
		return unknownBrowser
	}
	return name + find([2]string{"iPhone", " on an iPhone"}, [2]string{"iPad", " on an iPad"}, [2]string{"Android", " on Android"},
		[2]string{"Windows", " on Windows"}, [2]string{"Mac OS X", " on a Mac"}, [2]string{"Linux", " on Linux"})
}

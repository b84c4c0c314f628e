package doctor

import (
	"fmt"
	"os"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/keyring"
)

const (
	longWaiting = 7 * 24 * time.Hour  // since a key was added that has not sealed
	longOld     = 30 * 24 * time.Hour // since a key has sealed last
)

// keyFile is what one instance seals and opens backups with.
type keyFile struct {
	path  string
	first string
	all   map[string]bool
	ring  *keyring.Ring
}

// keys compares the files of keys of several instances, and returns them.
func (r *Report) keys(paths []string) []keyFile {
	var files []keyFile
	for _, path := range paths {
		f, err := readKeys(path)
		if err != nil {
			r.blind(path, err)
			continue
		}
		r.Looked = append(r.Looked, path)
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			r.Findings = append(r.Findings, Finding{
				"keys-mode", path, Error, "its mode is " + info.Mode().Perm().String(),
				"whoever has an account on the machine makes backups that log in as anybody", "chmod 600 " + path,
			})
		}
		files = append(files, f)
		r.rotation(f, time.Now())
	}
	for _, a := range files {
		for _, b := range files {
			if a.path != b.path && !b.all[a.first] {
				r.Findings = append(r.Findings, Finding{
					"keys-unknown", b.path, Error, "it lacks the key " + a.first + ", which " + a.path + " seals with",
					"in an outage visitors are logged out when another instance answers", "add the key to " + b.path + ", as its last line",
				})
			}
		}
	}
	for _, f := range files[min(1, len(files)):] {
		if f.first != files[0].first && f.all[files[0].first] && files[0].all[f.first] {
			r.Findings = append(r.Findings, Finding{
				"keys-first", f.path, Warning, "it seals with " + f.first + ", and " + files[0].path + " with " + files[0].first,
				"nothing, while a key is rotated", "finish the rotation: the new key is the first line everywhere",
			})
		}
	}
	return files
}

// rotation finds rotations that stand still, by the times that holdfast keys has noted.
func (r *Report) rotation(f keyFile, now time.Time) {
	for _, k := range f.ring.Keys {
		role := f.ring.Role(k)
		switch {
		case role == keyring.Waiting && now.Sub(k.Added) > longWaiting:
			r.Findings = append(r.Findings, Finding{
				"keys-waiting", f.path, Warning, fmt.Sprintf("the key %s was added at %s and does not seal yet", k.ID, k.Added.UTC().Format(time.RFC3339)),
				"nothing, until the key that seals must go and the next one is not everywhere", "holdfast keys rotate " + f.path,
			})
		case role == keyring.Old && !k.SealedUntil.IsZero() && now.Sub(k.SealedUntil) > longOld:
			r.Findings = append(r.Findings, Finding{
				"keys-old", f.path, Warning, fmt.Sprintf("the key %s has sealed nothing since %s and still opens", k.ID, k.SealedUntil.UTC().Format(time.RFC3339)),
				"whoever has got hold of the old key makes backups that log in as anybody", "holdfast keys retire " + f.path,
			})
		}
	}
}

func readKeys(path string) (keyFile, error) {
	text, err := keyring.Read(path)
	if err != nil {
		return keyFile{}, err
	}
	ring, err := keyring.Parse(text) // it names the line that is wrong
	if err != nil {
		return keyFile{}, err
	}
	f := keyFile{path: path, all: map[string]bool{}, ring: ring}
	for _, k := range ring.Keys {
		f.all[k.ID] = true
		if ring.Role(k) == keyring.Seals {
			f.first = k.ID
		}
	}
	return f, nil
}

package doctor

import (
	"os"
	"strings"

	"github.com/holdfast-go/session/seal"
)

// keyFile is what one instance seals and opens backups with.
type keyFile struct {
	path  string
	first string
	all   map[string]bool
}

// keys compares the files of keys of several instances.
func (r *Report) keys(paths []string) {
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
}

func readKeys(path string) (keyFile, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return keyFile{}, err
	}
	if _, err := seal.ParseKeys(string(text)); err != nil { // it names the line that is wrong
		return keyFile{}, err
	}
	f := keyFile{path: path, all: map[string]bool{}}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := seal.ParseKey(line)
		if err != nil {
			return keyFile{}, err
		}
		id := key.ID().String()
		f.all[id] = true
		if sealing := !strings.HasSuffix(line, "decrypt-only"); sealing && f.first == "" {
			f.first = id
		}
	}
	return f, nil
}

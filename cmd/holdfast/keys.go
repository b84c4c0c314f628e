package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/keyring"
)

// keysCommand takes a file of keys through the steps of a rotation.
type keysCommand struct {
	New    newKeys    `cmd:"" help:"Make a file with a first key, which only its owner may read."`
	Rotate rotateKeys `cmd:"" help:"Begin a rotation: add a key that opens. Run again when every instance has the file: the key seals from then on."`
	Retire retireKeys `cmd:"" help:"Remove the keys that seal no more, when no backup that they have sealed vouches for a session."`
	List   listKeys   `cmd:"" name:"ls" help:"Show the keys by their IDs, and which step is next."`
}

// keysFile is a file of keys, and how long the steps wait.
type keysFile struct {
	File     string        `arg:"" name:"file" help:"The file, as seal.WatchFile reads it."`
	Spread   time.Duration `default:"5m" help:"How long it takes until every instance has read a changed file."`
	MaxLease time.Duration `default:"1h" help:"How long a backup may vouch for a session: Backup.MaxLease of the instances, by default Backup.Lease."`
	JSON     bool          `help:"Report in JSON."`
}

func (c *keysFile) waits() keyring.Waits {
	return keyring.Waits{Spread: c.Spread, MaxLease: c.MaxLease}
}

func (c *keysFile) check() error {
	if c.Spread < 0 || c.MaxLease < 0 {
		return fmt.Errorf("--spread %v, --max-lease %v: must not be below 0", c.Spread, c.MaxLease)
	}
	return nil
}

// keysReport says how a file of keys stands after a command. It has no secrets.
type keysReport struct {
	File    string         `json:"file"`
	Did     string         `json:"did"` // made, added, promoted, retired, nothing or looked
	IDs     []string       `json:"ids"` // of the keys that the command has changed
	Refused string         `json:"refused,omitempty"`
	Keys    []keyLine      `json:"keys"`
	Next    []keyring.Next `json:"next"`
}

// keyLine is a key of a file.
type keyLine struct {
	ID          string       `json:"id"`
	Role        keyring.Role `json:"role"`
	Added       *time.Time   `json:"added,omitempty"`
	SealsSince  *time.Time   `json:"sealsSince,omitempty"`
	SealedUntil *time.Time   `json:"sealedUntil,omitempty"`
}

func (c *keysFile) report(r *keyring.Ring, did string, ids ...string) keysReport {
	report := keysReport{File: c.File, Did: did, IDs: append([]string{}, ids...), Next: r.Next(c.waits())}
	said := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC()
		return &t
	}
	for _, k := range r.Keys {
		report.Keys = append(report.Keys, keyLine{k.ID, r.Role(k), said(k.Added), said(k.SealsSince), said(k.SealedUntil)})
	}
	return report
}

func (c *keysFile) print(stdout io.Writer, r keysReport) error {
	if c.JSON {
		return printJSON(stdout, r)
	}
	switch r.Did {
	case "made":
		fmt.Fprintf(stdout, "%s has the key %s, which seals. Give every instance the file.\n", c.File, r.IDs[0])
	case "added":
		fmt.Fprintf(stdout, "The key %s was added, and opens. Give every instance the file now.\n", r.IDs[0])
	case "promoted":
		fmt.Fprintf(stdout, "The key %s seals. Give every instance the file now.\n", r.IDs[0])
	case "retired":
		fmt.Fprintf(stdout, "Removed: %s. Give every instance the file.\n", strings.Join(r.IDs, ", "))
	case "nothing":
		fmt.Fprintln(stdout, "No key was changed.")
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEY\tROLE\tADDED\tSEALS SINCE\tSEALED UNTIL")
	for _, k := range r.Keys {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Role, dateOf(k.Added), dateOf(k.SealsSince), dateOf(k.SealedUntil))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, n := range r.Next {
		fmt.Fprintf(stdout, "next, from %s on: holdfast keys %s %s, for the key %s\n", n.At.Format(time.RFC3339), n.Do, c.File, n.ID)
	}
	for _, k := range r.Keys {
		if k.Role == keyring.Opens {
			fmt.Fprintf(stdout, "Whether the key %s has sealed the file does not say: name it by --key, to rotate to it or to retire it.\n", k.ID)
		}
	}
	return nil
}

func dateOf(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.RFC3339)
}

// change replaces the file by what step makes of it, and prints what it has become. A step
// that refuses may have noted a time, which is written too.
func (c *keysFile) change(stdout io.Writer, step func(*keyring.Ring, time.Time) (did string, ids []string, err error)) error {
	if err := c.check(); err != nil {
		return err
	}
	var report keysReport
	var refused error
	err := keyring.Replace(c.File, func(text string) (string, error) {
		ring, err := keyring.Parse(text)
		if err != nil {
			return "", fmt.Errorf("%s: %w", c.File, err)
		}
		did, ids, err := step(ring, time.Now())
		early, used := (*keyring.EarlyError)(nil), (*keyring.JournalError)(nil)
		if errors.As(err, &early) || errors.As(err, &used) {
			refused = finding{fmt.Errorf("%s: %w", c.File, err)}
		} else if err != nil {
			return "", fmt.Errorf("%s: %w", c.File, err)
		}
		changed := ring.Text()
		after, err := keyring.Parse(changed)
		if err != nil {
			return "", fmt.Errorf("%s would not be good any more: %w", c.File, err)
		}
		report = c.report(after, did, ids...)
		return changed, nil
	})
	if err != nil {
		return err
	}
	if refused != nil {
		report.Refused = refused.Error()
	}
	if err := c.print(stdout, report); err != nil {
		return err
	}
	return refused
}

type newKeys struct {
	File string `arg:"" name:"file" help:"The file to make."`
	JSON bool   `help:"Report in JSON."`
}

// Run makes the file.
func (c *newKeys) Run(stdout io.Writer) error {
	text := keyring.New(time.Now())
	if err := keyring.Create(c.File, text); err != nil {
		return err
	}
	ring, err := keyring.Parse(text)
	if err != nil {
		return err
	}
	file := keysFile{File: c.File, JSON: c.JSON}
	return file.print(stdout, file.report(ring, "made", ring.Keys[0].ID))
}

type rotateKeys struct {
	keysFile

	Promote bool   `help:"The second step, and never the first: fail where no key waits to seal."`
	Key     string `placeholder:"ID" help:"The key that is to seal, where the file does not say that it waits for it."`
	Force   bool   `help:"Do not wait. An instance that has not read the file opens nothing that the others seal: in an outage its visitors are logged out."`
}

// Run does the step that is next.
func (c *rotateKeys) Run(stdout io.Writer) error {
	return c.change(stdout, func(r *keyring.Ring, now time.Time) (string, []string, error) {
		id := c.Key
		if id == "" {
			id = r.Waiting()
		}
		if id == "" {
			if c.Promote {
				return "", nil, errors.New("has no key that waits to seal; run keys rotate without --promote first")
			}
			return "added", []string{r.Add(now)}, nil
		}
		if err := r.Promote(id, now, c.waits(), c.Force); err != nil {
			return "nothing", nil, err
		}
		return "promoted", []string{id}, nil
	})
}

type retireKeys struct {
	keysFile

	Key   string `placeholder:"ID" help:"Only this key, also where the file does not say that it has sealed, and one that waits to seal."`
	Force bool   `help:"Do not wait. Backups that the key has sealed open nowhere any more: in an outage their visitors are logged out. For a key that an attacker may know."`

	Journals []string `placeholder:"DIR" help:"A Backup.Dir of the instances: a key that has sealed a line of a journal there stays. May be repeated. Run it on each machine that has one, or with copies of them."`
}

// Run removes the keys whose time it is.
func (c *retireKeys) Run(stdout io.Writer) error {
	waits := c.waits()
	var err error
	if waits.Journals, err = keyring.ReadJournals(c.Journals); err != nil {
		return err
	}
	unseen := len(c.Journals) == 0 && !c.JSON
	return c.change(stdout, func(r *keyring.Ring, now time.Time) (string, []string, error) {
		gone, err := r.Retire(c.Key, now, waits, c.Force)
		if len(gone) > 0 && unseen {
			fmt.Fprintln(stdout, "No journal was looked at. Where instances have a Backup.Dir, keep the file of before until --journals has found none that needs the key.")
		}
		if len(gone) == 0 {
			return "nothing", nil, err
		}
		return "retired", gone, err
	})
}

type listKeys struct{ keysFile }

// Run shows the keys.
func (c *listKeys) Run(stdout io.Writer) error {
	if err := c.check(); err != nil {
		return err
	}
	text, err := keyring.Read(c.File)
	if err != nil {
		return err
	}
	ring, err := keyring.Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	return c.print(stdout, c.report(ring, "looked"))
}

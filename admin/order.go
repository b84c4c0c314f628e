package admin

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/override"
)

// longestOrder is how long an order given here may stand. A longer one is given by the command.
const longestOrder = 7 * 24 * time.Hour

// NewOrder is the body of POST api/order. An order always has an end and a reason here.
type NewOrder struct {
	Mode   string `json:"mode"`            // auto, store-only or backup-only
	Shard  string `json:"shard,omitempty"` // only this one, with backup-only
	Lease  string `json:"lease,omitempty"` // how long backups vouch meanwhile, like 2h
	For    string `json:"for"`             // when it ends by itself, like 30m
	Reason string `json:"reason"`
}

// setOrder gives the fleet an order.
func (h *Handler) setOrder(w http.ResponseWriter, r *http.Request, by operator) error {
	asked, err := read[NewOrder](w, r)
	if err != nil {
		return err
	}
	if h.options.Orders == nil {
		return noOrders
	}
	o, err := asked.order(by.name, time.Now())
	if err != nil {
		return &refusal{http.StatusBadRequest, err.Error()}
	}
	err = h.options.Orders.Write(r.Context(), o)
	whose := []slog.Attr{slog.String("mode", asked.Mode), slog.Time("until", o.Until), slog.String("reason", asked.Reason)}
	if o.Shard != "" {
		whose = append(whose, slog.String("shard", o.Shard))
	}
	if o.Lease != 0 {
		whose = append(whose, slog.Duration("lease", o.Lease))
	}
	if errors.Is(err, override.ErrOrder) {
		return &refusal{http.StatusBadRequest, err.Error()}
	}
	return h.ordered(w, r, by, newOrder(o), err, whose...)
}

// clearOrder ends the order that stands.
func (h *Handler) clearOrder(w http.ResponseWriter, r *http.Request, by operator) error {
	asked, err := read[struct {
		Reason string `json:"reason"`
	}](w, r)
	if err != nil {
		return err
	}
	if h.options.Orders == nil {
		return noOrders
	}
	if err := checkReason(asked.Reason); err != nil {
		return &refusal{http.StatusBadRequest, err.Error()}
	}
	err = h.options.Orders.Remove(r.Context())
	return h.ordered(w, r, by, newOrder(override.Order{}), err, slog.String("reason", asked.Reason))
}

var noOrders = &refusal{http.StatusNotImplemented, "orders cannot be given here; set Options.Orders, to a source that can be written"}

// ordered writes the line of an order, and answers with what stands then.
func (h *Handler) ordered(w http.ResponseWriter, r *http.Request, by operator, stands *Order, err error, whose ...slog.Attr) error {
	if err != nil {
		h.audit(r, by.name, "failed", err.Error(), whose...)
		return &refusal{http.StatusServiceUnavailable, "the order may stand or not: " + err.Error()}
	}
	h.audit(r, by.name, "given", "", whose...)
	reply(w, http.StatusOK, stands)
	return nil
}

// order returns the order that an operator gives at a time.
func (n NewOrder) order(by string, now time.Time) (o override.Order, err error) {
	if err := checkReason(n.Reason); err != nil {
		return o, err
	}
	modes := map[string]session.Mode{"auto": session.Auto, "store-only": session.StoreOnly, "backup-only": session.BackupOnly}
	mode, ok := modes[n.Mode]
	if !ok {
		return o, errors.New("the mode is auto, store-only or backup-only")
	}
	o.Mode, o.Shard = mode, n.Shard
	length, err := time.ParseDuration(n.For)
	if err != nil || length < time.Second || length > longestOrder {
		return o, fmt.Errorf("for says after what time the order ends by itself, like 30m or 2h; up to %v", longestOrder)
	}
	o.Until = now.Add(length).UTC().Truncate(time.Second)
	if n.Lease != "" {
		if o.Lease, err = time.ParseDuration(n.Lease); err != nil || o.Lease <= 0 {
			return o, errors.New("lease says how long backups vouch for a session meanwhile, like 2h")
		}
	}
	// Every instance shows who has given the order, and why.
	o.By = by + ": " + n.Reason
	if by == "" {
		o.By = n.Reason
	}
	_, err = o.Text()
	return o, err
}

func checkReason(reason string) error {
	if strings.TrimSpace(reason) == "" || strings.ContainsFunc(reason, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return errors.New("a reason, in words that others understand: it is shown with the order, and logged")
	}
	return nil
}

package admin

// Routes returns the pattern of each route.
func (h *Handler) Routes() (patterns []string) {
	for _, r := range h.table() {
		patterns = append(patterns, r.pattern)
	}
	return patterns
}

package simulation

import "time"

// rotateKeys: new keys are brought out in two rounds of deployments, first to
// open and then to seal, while visitors go from one instance to the other.
func rotateKeys(d *planner) {
	at := time.Duration(0)
	for stage := range 2 {
		for place := range d.p.Skews {
			d.after(at, Step{Do: Rekey, Instance: place, Pick: stage + 1})
			at += d.span(1e6, 2*time.Second)
		}
	}
	b := d.IntN(d.p.Browsers)
	for range 2 + d.IntN(6) {
		s := Step{Do: Visit, Browser: b, Instance: d.instance()}
		d.ask(&s)
		d.after(d.span(0, at), s)
	}
}

// rekey deploys an instance with the keys of another stage. None seals with a
// key that another cannot open.
func (w *world) rekey(s Step) error {
	w.mu.Lock()
	stages := w.stages
	ready := s.Pick < 2
	if !ready {
		ready = true
		for _, i := range w.instances {
			ready = ready && (stages[i.place] > 0 || i.place == s.Instance)
		}
	}
	if ready {
		w.stages[s.Instance] = s.Pick
		w.counts["keys were rotated"]++
	}
	w.mu.Unlock()
	if !ready {
		return nil
	}
	s.Do = Deploy
	return w.replace(s)
}

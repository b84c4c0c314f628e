package groupcommit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// inTurn adds the items 0 to n-1, each a millisecond after the one before, and
// waits for all.
func (c *cart) inTurn(t *testing.T, n int, change func(i int, m *member)) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			defer func() { _ = recover() }()
			time.Sleep(time.Duration(i) * time.Millisecond)
			_, _ = c.add(t.Context(), fmt.Sprint(i), func(m *member) { change(i, m) })
		})
	}
	wg.Wait()
}

// A crew is told what the one before it has come to, but not where that failed.
func TestACrewGoesOnFromTheOneBefore(t *testing.T) {
	for _, fail := range []error{nil, errors.New("store away")} {
		t.Run(fmt.Sprint("with the error ", fail), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &cart{takes: time.Second, fail: fail}
				told := make([][]string, 2)
				c.inTurn(t, 2, func(i int, m *member) {
					save := m.lead
					m.lead = func(crew *Crew[[]string]) ([]string, error) {
						last, ok := crew.Last()
						if want := i == 1 && fail == nil; ok != want {
							t.Errorf("crew %d is told something: %v, want %v", i, ok, want)
						}
						told[i] = last
						return save(crew)
					}
				})
				if fail == nil && !slices.Equal(told[1], []string{"0"}) {
					t.Errorf("the second crew is told %v, want [0]", told[1])
				}
			})
		})
	}
}

// Where a leader leaves, the next one is told what it was going on from.
func TestTheNextLeaderGoesOnFromTheSame(t *testing.T) {
	for _, panics := range []bool{false, true} {
		t.Run(fmt.Sprint("panics ", panics), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &cart{takes: time.Second}
				led := 0
				c.inTurn(t, 4, func(i int, m *member) {
					switch i {
					case 1:
						m.apply = func(s []string) ([]string, error) {
							if panics {
								panic("no")
							}
							return s, errors.New("no")
						}
					case 2:
						save := m.lead
						m.lead = func(crew *Crew[[]string]) ([]string, error) {
							led++
							if base, ok := crew.Base(); !ok || !slices.Equal(base, []string{"0"}) {
								t.Errorf("the next leader is told %v, %v, want [0]", base, ok)
							}
							return save(crew)
						}
					}
				})
				if want := []string{"0", "2", "3"}; led != 1 || !slices.Equal(c.items, want) {
					t.Errorf("kept %v, and led %d times, want %v and once", c.items, led, want)
				}
			})
		})
	}
}

// thirdLeaves is inTurn for a third member that gives up as the second begins to lead. It
// returns the members' errors, and fails where anybody waits for more than the two saves.
func (c *cart) thirdLeaves(t *testing.T, n int, change func(i int, m *member)) []error {
	t.Helper()
	hasty, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	began, errs := time.Now(), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * time.Millisecond)
			ctx := t.Context()
			if i == 2 {
				ctx = hasty
			}
			_, errs[i] = c.add(ctx, fmt.Sprint(i), func(m *member) {
				change(i, m)
				if lead := m.lead; i == 1 {
					m.lead = func(crew *Crew[[]string]) ([]string, error) {
						hangUp() // while the leader reads, say
						synctest.Wait()
						return lead(crew)
					}
				}
			})
		})
	}
	wg.Wait()
	if took := time.Since(began); took > 2*c.takes {
		t.Errorf("two saves took %v", took)
	}
	if !errors.Is(errs[2], context.Canceled) || errors.Is(errs[2], ErrCarried) {
		t.Errorf("the third got %v", errs[2])
	}
	return errs
}

// A member that has given up is not asked to lead, and one that leads is not another member of
// its crew: neither costs the others any time.
func TestWhoLeadsNextIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cart{takes: time.Second}
		errs := c.thirdLeaves(t, 5, func(i int, m *member) {
			switch i {
			case 1:
				m.apply = func(s []string) ([]string, error) { return s, errors.New("no") }
			case 3:
				save := m.lead
				m.lead = func(crew *Crew[[]string]) ([]string, error) {
					var others []string
					for brought := range crew.Brought {
						others = append(others, brought...)
					}
					if want := []string{"4"}; !slices.Equal(others, want) {
						t.Errorf("whoever leads next is told that %v take part besides, want %v", others, want)
					}
					return save(crew)
				}
			}
		})
		for i, err := range errs {
			if fails := i == 1 || i == 2; fails != (err != nil) {
				t.Errorf("%d: got %v", i, err)
			}
		}
		if want := []string{"0", "3", "4"}; !slices.Equal(c.items, want) {
			t.Errorf("kept %v, want %v", c.items, want)
		}
	})
}

// A leader that panics before it has begun leaves the crew as it was.
func TestTheNextLeaderIsToldWhatTheCrewBeforeCameTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cart{takes: time.Second}
		c.inTurn(t, 3, func(i int, m *member) {
			switch i {
			case 1:
				m.lead = func(*Crew[[]string]) ([]string, error) { panic("no") }
			case 2:
				save := m.lead
				m.lead = func(crew *Crew[[]string]) ([]string, error) {
					if last, ok := crew.Last(); !ok || !slices.Equal(last, []string{"0"}) {
						t.Errorf("the next leader is told %v, %v, want [0]", last, ok)
					}
					return save(crew)
				}
			}
		})
		if want := []string{"0", "2"}; !slices.Equal(c.items, want) {
			t.Errorf("kept %v, want %v", c.items, want)
		}
	})
}

// The members of a crew that was split come before those that came later.
func TestASplitCrewKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cart{takes: time.Second}
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(1500 * time.Millisecond) // while the crew of 1, 2 and 3 is being saved
			if _, err := c.add(t.Context(), "late", nil); err != nil {
				t.Error(err)
			}
		})
		c.inTurn(t, 4, func(i int, m *member) {
			if i == 1 {
				save := m.lead
				m.lead = func(crew *Crew[[]string]) ([]string, error) {
					time.Sleep(time.Second)
					crew.Split()
					return save(crew)
				}
			}
		})
		wg.Wait()
		if want := []string{"0", "1", "2", "3", "late"}; !slices.Equal(c.items, want) {
			t.Errorf("kept %v, want %v", c.items, want)
		}
	})
}

// A member that is sent back may give up, before and after: its changes are in no
// save.
func TestAMemberOfASplitCrewGivesUp(t *testing.T) {
	for _, before := range []bool{true, false} {
		t.Run(fmt.Sprint("before the split ", before), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &cart{takes: time.Second}
				patience := 2500 * time.Millisecond // while what is left of the crew is saved
				if before {
					patience = 1500 * time.Millisecond
				}
				limited, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				var wg sync.WaitGroup
				for i := range 4 {
					wg.Go(func() {
						time.Sleep(time.Duration(i) * time.Millisecond)
						ctx := t.Context()
						if i == 2 {
							ctx = limited
						}
						_, err := c.add(ctx, fmt.Sprint(i), func(m *member) {
							save := m.lead
							m.lead = func(crew *Crew[[]string]) ([]string, error) {
								if i != 1 {
									return save(crew)
								}
								last, _ := crew.Last()
								if _, err := crew.Apply(last); err != nil {
									t.Error(err)
								}
								time.Sleep(time.Second) // what comes of it is too large
								crew.Split()
								return save(crew)
							}
						})
						if i != 2 && err != nil || i == 2 && !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("%d: got %v", i, err)
						}
						if i == 2 && errors.Is(err, ErrCarried) != before {
							t.Errorf("got %v, want ErrCarried only while its changes were being saved", err)
						}
					})
				}
				wg.Wait()
				if want := []string{"0", "1", "3"}; !slices.Equal(c.items, want) || c.keys() != 0 {
					t.Errorf("kept %v, %d keys are left; want %v and none", c.items, c.keys(), want)
				}
			})
		})
	}
}

// What a member knows that has failed is not the crew's any more.
func TestAMemberThatFailsBringsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cart{takes: time.Second}
		var before, after []string
		c.inTurn(t, 4, func(i int, m *member) {
			switch i {
			case 1:
				m.lead = func(crew *Crew[[]string]) ([]string, error) {
					for b := range crew.Brought {
						before = append(before, b...)
					}
					s, err := crew.Apply(nil)
					for b := range crew.Brought {
						after = append(after, b...)
					}
					return s, err
				}
			case 2:
				m.apply = func(s []string) ([]string, error) { return s, errors.New("no") }
			}
		})
		if !slices.Equal(before, []string{"2", "3"}) || !slices.Equal(after, []string{"3"}) {
			t.Errorf("the others bring %v, and then %v, want [2 3] and [3]", before, after)
		}
	})
}

// A member that gives up between the leader's turn and its own is not waited for.
func TestAMemberThatGivesUpInACrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cart{takes: time.Second}
		for i, err := range c.thirdLeaves(t, 4, func(int, *member) {}) {
			if err != nil && i != 2 {
				t.Errorf("%d: got %v", i, err)
			}
		}
		if want := []string{"0", "1", "3"}; !slices.Equal(c.items, want) || c.saves != 2 {
			t.Errorf("got %v in %d saves, want %v in 2", c.items, c.saves, want)
		}
	})
}

// A member whose changes take longer than it would wait for others keeps no other member
// waiting: the save goes without it, and it gets an error saying that nothing was saved.
func TestASlowMemberHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cart{takes: time.Second}
		began := time.Now()
		took := make([]time.Duration, 4)
		errs := make([]error, 4)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				_, errs[i] = c.add(t.Context(), fmt.Sprint(i), func(m *member) {
					m.patience = 5 * time.Second
					if i != 2 {
						return
					}
					own := m.apply
					m.apply = func(s []string) ([]string, error) {
						time.Sleep(time.Minute)
						return own(s)
					}
				})
				took[i] = time.Since(began)
			})
		}
		wg.Wait()
		for i, err := range errs {
			if slow := i == 2; slow != (err != nil) || slow && !errors.Is(err, ErrGaveUp) || slow && errors.Is(err, ErrCarried) {
				t.Errorf("member %d: %v", i, err)
			}
			if i != 2 && took[i] > 10*time.Second {
				t.Errorf("member %d has waited %v", i, took[i])
			}
		}
		if want := []string{"0", "1", "3"}; !slices.Equal(c.items, want) {
			t.Errorf("got %v, want %v", c.items, want)
		}
	})
}

// A member whose changes are made in the instant in which the crew stops waiting for them takes
// part, or has an error.
func TestAMemberThatIsNearlyLate(t *testing.T) {
	const patience = 4 * time.Second
	for range 50 { // which of the two comes first is free
		synctest.Test(t, func(t *testing.T) {
			c := &cart{takes: time.Second}
			var err error
			var wg sync.WaitGroup
			for i := range 3 {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * time.Millisecond)
					_, e := c.add(t.Context(), fmt.Sprint(i), func(m *member) {
						m.patience = patience
						if own := m.apply; i == 2 {
							m.apply = func(s []string) ([]string, error) {
								time.Sleep(patience / 2)
								return own(s)
							}
						}
					})
					if i == 2 {
						err = e
					} else if e != nil {
						t.Error(i, e)
					}
				})
			}
			wg.Wait()
			if kept := slices.Contains(c.items, "2"); kept != (err == nil) || err != nil && !errors.Is(err, ErrGaveUp) {
				t.Errorf("got %v, and its changes are kept: %v", err, kept)
			}
		})
	}
}

// An order that comes together with the end of the context is carried out, for the
// leader counts on it.
func TestAnOrderBindsItsMember(t *testing.T) {
	type group = Group[[]string]
	enter := func(g *group) (*Crew[[]string], *seat[[]string]) { return g.enter("key", time.Hour, &member{}) }
	bound := func(t *testing.T, g *group, s *seat[[]string]) {
		t.Helper()
		if left := g.quit(s); left != nil {
			t.Errorf("the member has given up with an order in its hand: %v", left)
		}
	}
	t.Run("to lead", func(t *testing.T) {
		var g group
		crew, _ := enter(&g)
		_, second := enter(&g)
		crew.next(known[[]string]{})
		bound(t, &g, second)
	})
	t.Run("to make its changes", func(t *testing.T) {
		var g group
		crew, _ := enter(&g)
		_, second := enter(&g)
		_, third := enter(&g)
		crew.next(known[[]string]{})
		o := <-second.orders
		if !o.crew.order(third, order[[]string]{kind: apply}) {
			t.Fatal("the member takes no order")
		}
		bound(t, &g, third)
	})
}

// Where a leader panics, the next one goes on from what it held, unless that was
// released, and a leader that does not panic hands nothing over.
func TestWhatALeaderHoldsIsTheNextOnesBase(t *testing.T) {
	for name, test := range map[string]struct {
		lead func(crew *Crew[[]string]) ([]string, error)
		want []string
		ok   bool
	}{
		"it panics": {func(crew *Crew[[]string]) ([]string, error) {
			crew.Hold([]string{"sent"})
			panic("no")
		}, []string{"sent"}, true},
		"it has released it": {func(crew *Crew[[]string]) ([]string, error) {
			crew.Hold([]string{"sent"})
			crew.Release()
			panic("no")
		}, nil, false},
		"it panics in its change": {func(crew *Crew[[]string]) ([]string, error) {
			crew.Hold([]string{"sent"})
			return crew.Apply([]string{"base"})
		}, []string{"base"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &cart{takes: time.Second}
				led := 0
				c.inTurn(t, 3, func(i int, m *member) {
					switch i {
					case 1:
						m.apply = func([]string) ([]string, error) { panic("no") }
						m.lead = test.lead
					case 2:
						save := m.lead
						m.lead = func(crew *Crew[[]string]) ([]string, error) {
							led++
							if base, ok := crew.Base(); ok != test.ok || !slices.Equal(base, test.want) {
								t.Errorf("the next leader is told %v, %v, want %v", base, ok, test.want)
							}
							return save(crew)
						}
					}
				})
				if led != 1 {
					t.Errorf("the next leader led %d times", led)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := &cart{takes: time.Second}
		c.inTurn(t, 2, func(i int, m *member) {
			save := m.lead
			m.lead = func(crew *Crew[[]string]) ([]string, error) {
				if last, ok := crew.Last(); i == 1 && (!ok || !slices.Equal(last, []string{"0"})) {
					t.Errorf("the next crew is told %v, %v, want [0]", last, ok)
				}
				crew.Hold([]string{"sent"})
				return save(crew)
			}
		})
		if want := []string{"0", "1"}; !slices.Equal(c.items, want) {
			t.Errorf("kept %v, want %v", c.items, want)
		}
	})
}

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

// cart is a store of one list, which takes a while to save.
type cart struct {
	Group[[]string]
	mu    sync.Mutex
	items []string
	saves int
	takes time.Duration
	fail  error
}

// member is a commit that a test makes.
type member struct {
	alone    bool
	patience time.Duration
	brings   []string
	apply    func(s []string) ([]string, error)
	lead     func(crew *Crew[[]string]) ([]string, error)
}

func (m *member) Alone() bool                                                    { return m.alone }
func (m *member) Brings() []string                                               { return m.brings }
func (m *member) Apply(s []string) ([]string, error)                             { return m.apply(s) }
func (m *member) Lead(_ context.Context, crew *Crew[[]string]) ([]string, error) { return m.lead(crew) }

// add commits one item as a request does.
func (c *cart) add(ctx context.Context, item string, change func(*member)) ([]string, error) {
	m := &member{
		patience: time.Hour,
		brings:   []string{item},
		apply:    func(s []string) ([]string, error) { return append(slices.Clone(s), item), nil },
	}
	m.lead = func(crew *Crew[[]string]) ([]string, error) {
		s, ok := crew.Base()
		if !ok {
			if s, ok = crew.Last(); !ok {
				c.mu.Lock()
				s = c.items
				c.mu.Unlock()
			}
		}
		s, err := crew.Apply(s)
		if err != nil {
			return s, err
		}
		time.Sleep(c.takes)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.saves++
		if c.fail != nil {
			return nil, c.fail
		}
		c.items = s
		return s, nil
	}
	if change != nil {
		change(m)
	}
	return c.Do(ctx, "key", m.patience, m)
}

func TestOneSaveCarriesAllThatWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cart{takes: 40 * time.Millisecond}
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Microsecond)
				if got, err := c.add(t.Context(), fmt.Sprint(i), nil); err != nil || !slices.Contains(got, fmt.Sprint(i)) {
					t.Errorf("%d: got %v, %v", i, got, err)
				}
			})
		}
		wg.Wait()
		if c.saves != 2 || len(c.items) != 50 {
			t.Errorf("%d saves kept %d items, want 2 and 50", c.saves, len(c.items))
		}
		if c.keys() != 0 {
			t.Errorf("%d keys are left", c.keys())
		}
	})
}

func TestKeysDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group[[]string]
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				_, _ = g.Do(t.Context(), fmt.Sprint(i), time.Hour, &member{lead: func(*Crew[[]string]) ([]string, error) {
					time.Sleep(time.Second)
					return nil, nil
				}})
			})
		}
		wg.Wait()
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v, want 1s", took)
		}
	})
}

// A member that fails leaves whole: the next goes on from the state before it.
func TestAMemberThatFailsLeavesTheOthers(t *testing.T) {
	for _, failing := range []string{"1", "2", "3"} { // 1 leads the crew of 1, 2 and 3
		t.Run(failing, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &cart{takes: time.Second}
				own := errors.New("no")
				var wg sync.WaitGroup
				for i := range 4 {
					item := fmt.Sprint(i)
					wg.Go(func() {
						time.Sleep(time.Duration(i) * time.Millisecond)
						_, err := c.add(t.Context(), item, func(m *member) {
							if item == failing {
								m.apply = func(s []string) ([]string, error) { return append(s, "half"), own }
							}
						})
						if want := map[bool]error{true: own}[item == failing]; !errors.Is(err, want) {
							t.Errorf("%s: got %v, want %v", item, err, want)
						}
					})
				}
				wg.Wait()
				want := slices.DeleteFunc([]string{"0", "1", "2", "3"}, func(s string) bool { return s == failing })
				if !slices.Equal(c.items, want) || c.saves != 2 {
					t.Errorf("got %v in %d saves, want %v in 2", c.items, c.saves, want)
				}
			})
		})
	}
}

func TestAMemberThatPanicsLeavesTheOthers(t *testing.T) {
	for _, failing := range []string{"0", "1", "2", "3"} {
		t.Run(failing, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &cart{takes: time.Second}
				var wg sync.WaitGroup
				for i := range 4 {
					item := fmt.Sprint(i)
					wg.Go(func() {
						defer func() {
							if p := recover(); (p != nil) != (item == failing) {
								t.Errorf("%s: recovered %v", item, p)
							}
						}()
						time.Sleep(time.Duration(i) * time.Millisecond)
						_, err := c.add(t.Context(), item, func(m *member) {
							if item == failing {
								m.apply = func([]string) ([]string, error) {
									time.Sleep(time.Millisecond * 10)
									panic("no")
								}
							}
						})
						if err != nil {
							t.Errorf("%s: got %v", item, err)
						}
					})
				}
				wg.Wait()
				want := slices.DeleteFunc([]string{"0", "1", "2", "3"}, func(s string) bool { return s == failing })
				if !slices.Equal(c.items, want) || c.keys() != 0 {
					t.Errorf("got %v, %d keys left; want %v, none", c.items, c.keys(), want)
				}
			})
		})
	}
}

func TestAMemberThatGivesUp(t *testing.T) {
	for _, test := range []struct {
		name    string
		who     int
		patient time.Duration // its context; negative: its patience
		carried bool
	}{
		{"before its turn", 2, 500 * time.Millisecond, false},
		{"before it leads", 1, 500 * time.Millisecond, false},
		{"while its changes are being saved", 2, 1500 * time.Millisecond, true},
		{"before its turn, as it may wait no longer", 2, -500 * time.Millisecond, false},
		{"while its changes are being saved, as it may wait no longer", 2, -1500 * time.Millisecond, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &cart{takes: time.Second}
				var wg sync.WaitGroup
				for i := range 4 {
					wg.Go(func() {
						time.Sleep(time.Duration(i) * time.Millisecond)
						ctx, patience := t.Context(), time.Hour
						switch {
						case i == test.who && test.patient < 0:
							patience = -test.patient
						case i == test.who:
							limited, cancel := context.WithTimeout(ctx, test.patient)
							defer cancel()
							ctx = limited
						}
						_, err := c.add(ctx, fmt.Sprint(i), func(m *member) { m.patience = patience })
						if (err != nil) != (i == test.who) || err != nil && errors.Is(err, ErrCarried) != test.carried {
							t.Errorf("%d: got %v", i, err)
						}
						if i == test.who && (!errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrGaveUp)) {
							t.Errorf("%d: got %v, want the end of its context in it", i, err)
						}
					})
				}
				wg.Wait()
				if got := slices.Contains(c.items, fmt.Sprint(test.who)); got != test.carried {
					t.Errorf("saved %v, whether it was given up before: %v", c.items, !test.carried)
				}
			})
		})
	}
}

// A crew learns its outcome together, also a failure, and those who wait begin anew.
func TestAllLearnTheOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cart{takes: time.Second, fail: errors.New("store away")}
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if _, err := c.add(t.Context(), fmt.Sprint(i), nil); !errors.Is(err, c.fail) {
					t.Errorf("%d: got %v, want the store's error", i, err)
				}
			})
		}
		wg.Wait()
		if c.saves != 2 {
			t.Errorf("%d saves were tried, want 2", c.saves)
		}
	})
}

// A commit that is saved alone shares its turn with none before or after it.
func TestATurnAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cart{takes: time.Second}
		sizes := make([]int, 6)
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				_, err := c.add(t.Context(), fmt.Sprint(i), func(m *member) {
					m.alone = i == 2
					save := m.lead
					m.lead = func(crew *Crew[[]string]) ([]string, error) {
						sizes[i] = 1
						for range crew.Brought {
							sizes[i]++
						}
						return save(crew)
					}
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if want := []int{1, 1, 1, 3, 0, 0}; !slices.Equal(sizes, want) {
			t.Errorf("the leaders' crews had %v members, want %v", sizes, want)
		}
	})
}

// A crew that is split is saved one by one.
func TestSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cart{takes: time.Second}
		split := 0
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				_, err := c.add(t.Context(), fmt.Sprint(i), func(m *member) {
					save := m.lead
					m.lead = func(crew *Crew[[]string]) ([]string, error) {
						if crew.Split() {
							split++
						}
						return save(crew)
					}
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if c.saves != 4 || split != 1 || len(c.items) != 4 {
			t.Errorf("%d saves after %d splits kept %v, want 4 after 1", c.saves, split, c.items)
		}
	})
}

// Under many goroutines every acknowledged item is saved, and no key is left.
func TestManyAtOnce(t *testing.T) {
	c := &cart{}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var acknowledged []string
	for i := range 400 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%7 == 0 {
				cancel()
			}
			item := fmt.Sprint(i)
			_, err := c.add(ctx, item, func(m *member) {
				m.alone = i%11 == 0
				if i%5 == 0 {
					m.apply = func(s []string) ([]string, error) { return s, errors.New("no") }
				}
			})
			if err == nil {
				mu.Lock()
				acknowledged = append(acknowledged, item)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, item := range acknowledged {
		if !slices.Contains(c.items, item) {
			t.Errorf("item %s was acknowledged and is not kept", item)
		}
	}
	seen := map[string]int{}
	for _, item := range c.items {
		if seen[item]++; seen[item] > 1 {
			t.Errorf("item %s is kept %d times", item, seen[item])
		}
	}
	if c.keys() != 0 || len(acknowledged) < 200 {
		t.Errorf("%d keys are left, %d items were acknowledged", c.keys(), len(acknowledged))
	}
}

// keys returns the number of keys that are being committed.
func (g *Group[S]) keys() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.queues)
}

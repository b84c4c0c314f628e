package paged_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/paged"
)

// store returns pages of two IDs, and notes behind which ID each was asked for.
func store(ids []string, asked *[]string) func(string) ([]string, error) {
	return func(after string) ([]string, error) {
		*asked = append(*asked, after)
		i, found := slices.BinarySearch(ids, after)
		if found {
			i++
		}
		return ids[i:min(i+2, len(ids))], nil
	}
}

func TestEveryPageIsRead(t *testing.T) {
	for _, ids := range [][]string{nil, {"a"}, {"a", "b"}, {"a", "b", "c"}, {"a", "b", "c", "d"}} {
		t.Run(fmt.Sprint(len(ids)), func(t *testing.T) {
			var asked, got []string
			for id, err := range paged.IDs(store(ids, &asked)) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(id))
			}
			if !slices.Equal(got, ids) {
				t.Errorf("got %q, want %q", got, ids)
			}
			if want := len(ids)/2 + 1 + len(ids)%2; len(asked) != want {
				t.Errorf("asked for %d pages, behind %q, want %d", len(asked), asked, want)
			}
		})
	}
}

func TestALoopThatEndsAsksForNoFurtherPage(t *testing.T) {
	var asked []string
	for range paged.IDs(store([]string{"a", "b", "c"}, &asked)) {
		break
	}
	if want := []string{""}; !slices.Equal(asked, want) {
		t.Errorf("asked behind %q, want %q", asked, want)
	}
}

func TestAnErrorEndsTheList(t *testing.T) {
	away := errors.New("away")
	pages := 0
	var got []session.ID
	var failed error
	for id, err := range paged.IDs(func(string) ([]string, error) {
		if pages++; pages == 2 {
			return nil, away
		}
		return []string{"a"}, nil
	}) {
		if err != nil {
			failed = err
			continue
		}
		got = append(got, id)
	}
	if !errors.Is(failed, away) || pages != 2 || !slices.Equal(got, []session.ID{"a"}) {
		t.Errorf("got %q and then %v, after %d pages", got, failed, pages)
	}
}

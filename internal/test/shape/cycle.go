package main

import (
	"maps"
	"slices"
)

// largestCycle returns the largest strongly connected component of a graph,
// sorted: the most nodes of which each can be reached from each. Of several
// that are as large it is the one whose first node comes first.
func largestCycle(graph map[string][]string) []string {
	t := tarjan{
		graph: graph,
		index: make(map[string]int),
		low:   make(map[string]int),
		open:  make(map[string]bool),
	}
	for _, node := range slices.Sorted(maps.Keys(graph)) {
		if t.index[node] == 0 {
			t.visit(node)
		}
	}
	return slices.MinFunc(append(t.components, nil), func(a, b []string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return slices.Compare(a, b)
	})
}

// tarjan is the state of Tarjan's search for strongly connected components.
type tarjan struct {
	graph      map[string][]string
	index      map[string]int // when a node was met, from 1
	low        map[string]int // the earliest open node that it reaches
	open       map[string]bool
	stack      []string // the open nodes
	components [][]string
}

func (t *tarjan) visit(node string) {
	t.index[node] = len(t.index) + 1
	t.low[node] = t.index[node]
	t.stack = append(t.stack, node)
	t.open[node] = true
	for _, next := range t.graph[node] {
		if t.index[next] == 0 {
			t.visit(next)
			t.low[node] = min(t.low[node], t.low[next])
		} else if t.open[next] {
			t.low[node] = min(t.low[node], t.index[next])
		}
	}
	if t.low[node] != t.index[node] {
		return
	}
	start := slices.Index(t.stack, node)
	component := slices.Clone(t.stack[start:])
	t.stack = t.stack[:start]
	for _, member := range component {
		delete(t.open, member)
	}
	slices.Sort(component)
	t.components = append(t.components, component)
}

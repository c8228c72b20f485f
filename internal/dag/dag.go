// Package dag holds the graph of what depends on what: its cycles, and an order in which
// everything comes after what it depends on.
//
// It is not for running anything: an executor takes Indegree counts and Dependents lists and
// counts down by itself. All is linear in nodes and edges, and deterministic.
//
// Start with Graph. Nodes are numbered from 0 in the order of their adding.
package dag

import (
	"cmp"
	"slices"
)

// Graph is a directed graph over values of N. The zero Graph is empty and ready to use.
type Graph[N comparable] struct {
	nodes        []N
	index        map[N]int
	dependencies [][]int
	dependents   [][]int
}

// AddNode gives the number of a node, which is added if it is new.
func (g *Graph[N]) AddNode(n N) int {
	if i, ok := g.index[n]; ok {
		return i
	}
	if g.index == nil {
		g.index = map[N]int{}
	}
	i := len(g.nodes)
	g.index[n] = i
	g.nodes = append(g.nodes, n)
	g.dependencies = append(g.dependencies, nil)
	g.dependents = append(g.dependents, nil)
	return i
}

// AddEdge says that from depends on to; both are numbers of nodes. An edge added twice
// counts twice, in Indegree as in Dependents.
func (g *Graph[N]) AddEdge(from, to int) {
	g.dependencies[from] = append(g.dependencies[from], to)
	g.dependents[to] = append(g.dependents[to], from)
}

// Len gives the number of nodes.
func (g *Graph[N]) Len() int { return len(g.nodes) }

// Node gives the value of node i.
func (g *Graph[N]) Node(i int) N { return g.nodes[i] }

// Index gives the number of a node.
func (g *Graph[N]) Index(n N) (int, bool) {
	i, ok := g.index[n]
	return i, ok
}

// Indegree gives the number of nodes that node i waits for.
func (g *Graph[N]) Indegree(i int) int { return len(g.dependencies[i]) }

// Dependencies gives the nodes that node i depends on. The caller does not change the list.
func (g *Graph[N]) Dependencies(i int) []int { return g.dependencies[i] }

// Dependents gives the nodes that depend on node i. The caller does not change the list.
func (g *Graph[N]) Dependents(i int) []int { return g.dependents[i] }

// Order gives all nodes, each after what it depends on. It is false if there are cycles,
// whose nodes and their dependents are then left out.
func (g *Graph[N]) Order() ([]int, bool) {
	order := make([]int, 0, g.Len())
	waiting := make([]int, g.Len())
	for i := range g.nodes {
		if waiting[i] = g.Indegree(i); waiting[i] == 0 {
			order = append(order, i)
		}
	}
	for done := 0; done < len(order); done++ {
		for _, d := range g.dependents[order[done]] {
			if waiting[d]--; waiting[d] == 0 {
				order = append(order, d)
			}
		}
	}
	return order, len(order) == g.Len()
}

// Cycles gives, for each set of nodes that depend on each other, a cycle in it: each node
// depends on the next, and the last on the first. Cycles in one set share nodes, so that
// after one is opened there may be another. The shortest comes first.
func (g *Graph[N]) Cycles() [][]int {
	var cycles [][]int
	set := g.strongSets()
	searched := make([]bool, g.Len())
	cameFrom := slices.Repeat([]int{unseen}, g.Len())
	for i := range g.nodes {
		if searched[set[i]] {
			continue
		}
		searched[set[i]] = true // i is the first of its set
		if cycle := g.cycleThrough(i, set, cameFrom); cycle != nil {
			cycles = append(cycles, cycle)
		}
	}
	slices.SortFunc(cycles, func(a, b []int) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a[0], b[0]))
	})
	return cycles
}

const unseen = -1

// cycleThrough finds a shortest cycle through start, breadth first, within start's set.
// cameFrom is shared by all searches: sets are disjoint.
func (g *Graph[N]) cycleThrough(start int, set, cameFrom []int) []int {
	cameFrom[start] = start
	for queue := []int{start}; len(queue) > 0; queue = queue[1:] {
		from := queue[0]
		for _, to := range g.dependencies[from] {
			if to == start {
				return pathBack(start, from, cameFrom)
			}
			if set[to] == set[start] && cameFrom[to] == unseen {
				cameFrom[to] = from
				queue = append(queue, to)
			}
		}
	}
	return nil
}

func pathBack(start, end int, cameFrom []int) []int {
	path := []int{end}
	for end != start {
		end = cameFrom[end]
		path = append(path, end)
	}
	slices.Reverse(path)
	return path
}

// strongSets numbers the strongly connected components: set[i] is that of node i. This is
// Tarjan's algorithm with its own stack, since a chain of dependencies may be as long as the
// graph.
func (g *Graph[N]) strongSets() (set []int) {
	t := tarjan{
		edges: g.dependencies,
		visit: make([]int, g.Len()),
		low:   make([]int, g.Len()),
		set:   make([]int, g.Len()),
	}
	for i := range t.visit {
		if t.visit[i] == 0 {
			t.search(i)
		}
	}
	return t.set
}

type tarjan struct {
	edges      [][]int
	visit      []int // when a node was first seen, from 1; 0 is not yet
	low        []int // the earliest visit that is reachable and still on the stack
	set        []int
	stack      []int
	visits     int
	sets       int
	unfinished []frame
}

// frame is a node whose edges are being followed.
type frame struct{ node, next int }

const closed = int(^uint(0) >> 1) // the visit of a node whose set is complete

func (t *tarjan) search(root int) {
	t.enter(root)
	for len(t.unfinished) > 0 {
		f := &t.unfinished[len(t.unfinished)-1]
		if f.next == len(t.edges[f.node]) {
			t.leave(f.node)
			continue
		}
		to := t.edges[f.node][f.next]
		f.next++
		if t.visit[to] == 0 {
			t.enter(to)
		} else {
			t.low[f.node] = min(t.low[f.node], t.visit[to])
		}
	}
}

func (t *tarjan) enter(node int) {
	t.visits++
	t.visit[node], t.low[node] = t.visits, t.visits
	t.stack = append(t.stack, node)
	t.unfinished = append(t.unfinished, frame{node: node})
}

func (t *tarjan) leave(node int) {
	t.unfinished = t.unfinished[:len(t.unfinished)-1]
	if n := len(t.unfinished); n > 0 {
		parent := t.unfinished[n-1].node
		t.low[parent] = min(t.low[parent], t.low[node])
	}
	if t.low[node] != t.visit[node] {
		return
	}
	for { // node is the first seen of its set, which lies above it on the stack
		last := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		t.visit[last], t.set[last] = closed, t.sets
		if last == node {
			break
		}
	}
	t.sets++
}

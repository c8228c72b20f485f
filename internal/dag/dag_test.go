package dag_test

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/dag"
)

// graph reads edges: "a:b c" says that a depends on b and on c.
func graph(lines ...string) *dag.Graph[string] {
	var g dag.Graph[string]
	for _, line := range lines {
		from, tos, _ := strings.Cut(line, ":")
		n := g.AddNode(from)
		for _, to := range strings.Fields(tos) {
			g.AddEdge(n, g.AddNode(to))
		}
	}
	return &g
}

func named(g *dag.Graph[string], numbers []int) string {
	var names []string
	for _, i := range numbers {
		names = append(names, g.Node(i))
	}
	return strings.Join(names, " ")
}

func TestOrder(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  string
		ok    bool
	}{
		{"empty", nil, "", true},
		{"no edges", []string{"b", "a", "c"}, "b a c", true},
		{"chain", []string{"a:b", "b:c"}, "c b a", true},
		{"diamond", []string{"a:b c", "b:d", "c:d"}, "d b c a", true},
		{"edge twice", []string{"a:b b", "c"}, "b c a", true},
		{"cycle", []string{"a:b", "b:a", "c:a", "d"}, "d", false},
		{"on itself", []string{"a:a", "b"}, "b", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := graph(tt.lines...)
			order, ok := g.Order()
			if got := named(g, order); got != tt.want || ok != tt.ok {
				t.Errorf("got %q, %t, want %q, %t", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestCycles(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  []string
	}{
		{"none", []string{"a:b c", "b:c"}, nil},
		{"on itself", []string{"a:b", "b:b"}, []string{"b"}},
		{"two", []string{"x:a", "a:b", "b:a c", "c"}, []string{"a b"}},
		{"the shorter way round", []string{"a:b d", "b:c", "c:a", "d:a"}, []string{"a d"}},
		{"shortest first", []string{"a:b", "b:c", "c:a", "d:e", "e:d", "f:f"}, []string{"f", "d e", "a b c"}},
		{"edge twice", []string{"a:b b", "b:a a"}, []string{"a b"}},
		{"joined one way", []string{"a:b", "b:a c", "c:d", "d:c"}, []string{"a b", "c d"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := graph(tt.lines...)
			var got []string
			for _, cycle := range g.Cycles() {
				got = append(got, named(g, cycle))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAccess(t *testing.T) {
	g := graph("a:b c", "c:b")
	if n := g.AddNode("b"); n != 1 || g.Len() != 3 {
		t.Errorf("b is added again as %d of %d", n, g.Len())
	}
	if i, ok := g.Index("c"); i != 2 || !ok {
		t.Errorf("c is %d, %t", i, ok)
	}
	if _, ok := g.Index("d"); ok {
		t.Error("d was never added")
	}
	if got := named(g, g.Dependents(1)); got != "a c" {
		t.Errorf("dependents of b: %s", got)
	}
	if got := named(g, g.Dependencies(0)); got != "b c" || g.Indegree(0) != 2 {
		t.Errorf("dependencies of a: %s", got)
	}
}

// On random graphs: an order has all edges right, and there is one where there is no cycle;
// each cycle's edges exist.
func TestRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var g dag.Graph[int]
		n := 1 + random.IntN(12)
		for i := range n {
			g.AddNode(i)
		}
		for range random.IntN(2 * n) {
			g.AddEdge(random.IntN(n), random.IntN(n))
		}
		order, ok := g.Order()
		cycles := g.Cycles()
		if ok != (len(cycles) == 0) {
			t.Fatalf("order %v, %t, and cycles %v", order, ok, cycles)
		}
		place := map[int]int{}
		for at, i := range order {
			place[i] = at
			for _, d := range g.Dependencies(i) {
				if before, ok := place[d]; !ok || before >= at {
					t.Fatalf("%d comes before %d, on which it depends", i, d)
				}
			}
		}
		for _, cycle := range cycles {
			for k, from := range cycle {
				if to := cycle[(k+1)%len(cycle)]; !slices.Contains(g.Dependencies(from), to) {
					t.Fatalf("the cycle %v has no edge from %d to %d", cycle, from, to)
				}
			}
		}
	}
}

// large gives 100,000 nodes: a chain, one node on which all depend, and random edges.
func large() *dag.Graph[int] {
	const nodes = 100_000
	random := rand.New(rand.NewPCG(1, 2))
	var g dag.Graph[int]
	for i := range nodes {
		g.AddNode(i)
		if i > 0 {
			g.AddEdge(i, i-1)
			g.AddEdge(i, 0)
			g.AddEdge(i, random.IntN(i))
		}
	}
	return &g
}

func TestLarge(t *testing.T) {
	g := large()
	if order, ok := g.Order(); !ok || len(order) != g.Len() {
		t.Errorf("%d of %d are in order", len(order), g.Len())
	}
	if cycles := g.Cycles(); cycles != nil {
		t.Errorf("%d cycles", len(cycles))
	}
	g.AddEdge(0, g.Len()-1)
	if cycles := g.Cycles(); len(cycles) != 1 || len(cycles[0]) != 2 {
		t.Errorf("got %d cycles", len(cycles))
	}
}

func BenchmarkLarge(b *testing.B) {
	b.Run("build", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			runtime.KeepAlive(large())
		}
	})
	g := large()
	b.Run("order", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g.Order()
		}
	})
	b.Run("cycles", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g.Cycles()
		}
	})
}

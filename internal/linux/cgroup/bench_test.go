package cgroup

import "testing"

// What a container's start and end cost more for its group.
func BenchmarkCreateAndRemove(b *testing.B) {
	for name, l := range map[string]Limits{"without limits": {}, "with limits": {Memory: 64 << 20, CPUs: 1, PIDs: 100}} {
		b.Run(name, func(b *testing.B) {
			if err := Supports(Limits{Memory: 1 << 20}); err != nil {
				b.Skip(err)
			}
			for b.Loop() {
				g, err := Create(stackName(), "benchmark", l)
				if err != nil {
					b.Fatal(err)
				}
				if err := g.Remove(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

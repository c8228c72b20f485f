package apply_test

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/plan"
)

// hostsConfig is a configuration of n resources: hosts of a box, an item in it that is joined
// to one rail, and a user of the box.
func hostsConfig(n int) string {
	numbers := fmt.Sprintf("range(%d)", n/3)
	if n/3 > 1024 { // the most that range gives
		numbers = fmt.Sprintf("flatten([for a in range(%d) : [for b in range(100) : a * 100 + b]])", n/300)
	}
	return fmt.Sprintf(`
locals {
  hosts = { for i in %s : "h${i}" => i }
}

resource "rail" "lan" {}

resource "box" "h" {
  for_each = local.hosts
}

resource "item" "h" {
  for_each = local.hosts
  box      = box.h[each.key].name
  rail     = rail.lan.name
  tags     = [cidrhost("10.0.0.0/8", each.value + 1), "fe80::${each.value}"]
  label {
    text = each.key
  }
  slot {
    port = 80
  }
}

resource "user" "h" {
  for_each   = local.hosts
  box        = box.h[each.key].name
  job        = "gateway ${cidrhost("10.0.0.0/8", 1)}"
  depends_on = [item.h[each.key]]
}
`, numbers)
}

// hosts gives a lab with that configuration, applied if asked for.
func hosts(b *testing.B, n int, applied bool) *lab {
	l := newLab(b)
	l.write("main.diy.hcl", hostsConfig(n))
	if applied {
		if _, _, diags := l.run(context.Background(), plan.Normal, apply.Options{}); diags.HasErrors() {
			b.Fatal(diags)
		}
	}
	return l
}

func BenchmarkPlan(b *testing.B) {
	for _, n := range []int{1000, 3000, 10000} {
		for name, applied := range map[string]bool{"create": false, "nothing": true} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				l := hosts(b, n, applied)
				b.ReportAllocs()
				var kept runtime.MemStats
				var used time.Duration
				for b.Loop() {
					begun := processorTime(b)
					p, diags := l.plan(plan.Normal)
					if diags.HasErrors() || p.HasChanges() == applied {
						b.Fatal(diags)
					}
					b.StopTimer()
					used += processorTime(b) - begun
					runtime.GC()
					runtime.ReadMemStats(&kept)
					runtime.KeepAlive(p)
					b.StartTimer()
				}
				b.ReportMetric(float64(used.Milliseconds())/float64(b.N), "cpu-ms/op")
				b.ReportMetric(float64(kept.HeapAlloc)/(1<<20), "MB-kept")
			})
		}
	}
}

// processorTime is what this process has used: on a busy machine it tells more than the time
// that passed.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkApply(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				l := hosts(b, n, false)
				b.StartTimer()
				_, result, diags := l.run(context.Background(), plan.Normal, apply.Options{})
				if diags.HasErrors() || result.Added < n-200 {
					b.Fatal(diags, result)
				}
			}
		})
	}
}

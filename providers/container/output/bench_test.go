package output_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/diyform/diyform/providers/container/output"
)

// BenchmarkCollect copies lines of 80 bytes, as a chatty container writes them.
func BenchmarkCollect(b *testing.B) {
	folder := newFolder(b)
	p := openPipes(b, folder)
	s := add(b, newCollector(b), folder, output.Limits{})
	text := bytes.Repeat(append(bytes.Repeat([]byte("x"), 79), '\n'), 400)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := p.Stdout.Write(text); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Finish(); err != nil {
		b.Fatal(err)
	}
}

// TestIdleMemory checks that a silent container costs next to nothing.
func TestIdleMemory(t *testing.T) {
	c := newCollector(t)
	var folders []string
	for range 100 {
		folders = append(folders, newFolder(t))
	}
	before := memory()
	goroutines := runtime.NumGoroutine()
	var sinks []*output.Sink
	for _, f := range folders {
		sinks = append(sinks, add(t, c, f, output.Limits{}))
	}
	if each := (memory() - before) / int64(len(sinks)); each > 4<<10 {
		t.Errorf("a container costs %d bytes", each)
	} else {
		t.Logf("a container costs %d bytes", each)
	}
	if n := runtime.NumGoroutine() - goroutines; n != 0 {
		t.Errorf("there are %d goroutines more", n)
	}
	for _, s := range sinks {
		if err := s.Finish(); err != nil {
			t.Error(err)
		}
	}
}

// memory is that of the heap and of all stacks.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

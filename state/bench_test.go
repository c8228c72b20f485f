package state

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

const many = 10_000

// lab gives a state of many veth pairs, as a large lab has them.
func lab(tb testing.TB) *State {
	st := stateOf()
	for i := range many {
		r := link(tb, fmt.Sprintf(`veth_pair.host["h%05d"]`, i), "1500")
		r.Attributes = fmt.Appendf(nil, `{"name":"h%05d","namespace":null,"addresses":["10.%d.%d.1/24"],"mtu":1500,`+
			`"mac_address":"02:00:00:00:00:01","up":true,"bridge":"br0","index":%d,"peer":{"name":"eth0",`+
			`"namespace":"ns%05d","addresses":["10.%d.%d.2/24"],"mtu":1500,"mac_address":"02:00:00:00:00:02","up":true,"index":2}}`,
			i, i>>8, i&255, i, i, i>>8, i&255)
		r.Identity = fmt.Appendf(nil, `{"namespace":{"device":4,"inode":4026531840},"index":%d,"mac":"02:00:00:00:00:01"}`, i)
		r.Dependencies = []string{"bridge.lan", fmt.Sprintf(`network_namespace.host["h%05d"]`, i)}
		st.Resources[r.Address] = r
	}
	return st
}

func BenchmarkSave(b *testing.B) {
	st := lab(b)
	s := locked(b, b.TempDir())
	b.ReportAllocs()
	for b.Loop() {
		st.Serial++
		save(b, s, st)
	}
}

// BenchmarkEncode is the part of a save that is not waiting for the disk.
func BenchmarkEncode(b *testing.B) {
	st := lab(b)
	b.ReportAllocs()
	for b.Loop() {
		text(b, st)
	}
}

func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	save(b, locked(b, dir), lab(b))
	b.SetBytes(int64(len(read(b, dir, File))))
	b.ReportAllocs()
	for b.Loop() {
		load(b, dir)
	}
}

// BenchmarkLoadJournal folds a run that was killed at its end.
func BenchmarkLoadJournal(b *testing.B) {
	dir := b.TempDir()
	j := began(b, dir, stateOf())
	for at, r := range lab(b).Resources {
		record(b, j, Intent(Create, at, r), Outcome(Create, at, r, ""))
	}
	b.ReportAllocs()
	for b.Loop() {
		load(b, dir)
	}
}

// BenchmarkAppend records intents: one by one, in batches of 64, and one by one with the
// fsync(2) that Append leaves out.
func BenchmarkAppend(b *testing.B) {
	entries := func() []Entry {
		var list []Entry
		for _, r := range lab(b).Sorted() {
			list = append(list, Intent(Create, r.Address, r))
		}
		return list
	}()
	for _, size := range []int{1, 64} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			j := began(b, b.TempDir(), stateOf())
			for i := 0; b.Loop(); i = (i + size) % (many - size) {
				record(b, j, entries[i:i+size]...)
			}
		})
		b.Run(fmt.Sprintf("batch=%d,fsync", size), func(b *testing.B) {
			dir := b.TempDir()
			j := began(b, dir, stateOf())
			f, err := os.OpenFile(filepath.Join(dir, journalFile), os.O_RDWR, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			for i := 0; b.Loop(); i = (i + size) % (many - size) {
				record(b, j, entries[i:i+size]...)
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package world

import "testing"

func TestParseSubordinates(t *testing.T) {
	for _, test := range []struct {
		line         string
		first, count int
		ok           bool
	}{
		{"ann:100000:65536", 100000, 65536, true},
		{"1000:100000:65536\r", 100000, 65536, true},
		{"bob:100000:65536", 0, 0, false},
		{"ann:100000", 0, 0, false},
		{"ann:100000:0", 100000, 0, false},
		{"ann:x:65536", 0, 65536, false},
		{"", 0, 0, false},
	} {
		first, count, ok := parseSubordinates(test.line, "ann", "1000")
		if first != test.first || count != test.count || ok != test.ok {
			t.Errorf("%q: %d, %d, %t; want %d, %d, %t",
				test.line, first, count, ok, test.first, test.count, test.ok)
		}
	}
}

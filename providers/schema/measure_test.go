package schema_test

import (
	"testing"
	"time"

	"github.com/diyform/diyform/providers/schema"
)

func TestDurations(t *testing.T) {
	for given, want := range map[string]string{
		"30s": "30s", "30": "30s", "0": "0s", "1.5": "1.5s", "500ms": "500ms", "90s": "1m30s", "2m": "2m", "3600": "1h", "1h30m": "1h30m", "10m0s": "10m",
	} {
		d, err := schema.ParseDuration(given)
		if got := schema.FormatDuration(d); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", given, got, err, want)
		}
	}
	for _, given := range []string{"", "s", "-1s", "-1", "10 s", "1d", "ten"} {
		if d, err := schema.ParseDuration(given); err == nil {
			t.Errorf("%q is %v, want an error", given, d)
		}
	}
	if d, _ := schema.ParseDuration("10"); d != 10*time.Second {
		t.Errorf("a bare number is %v", d)
	}
}

func TestSizes(t *testing.T) {
	tests := map[string]struct {
		bytes int64
		text  string
	}{
		"0": {0, "0"}, "1023": {1023, "1023"}, "1024": {1024, "1K"}, "64k": {64 << 10, "64K"}, "256M": {256 << 20, "256M"},
		"256MiB": {256 << 20, "256M"}, "256mb": {256 << 20, "256M"}, "1.5G": {3 << 29, "1536M"}, "1024 K": {1 << 20, "1M"}, "2T": {2 << 40, "2T"},
		"512b": {512, "512"},
	}
	for given, want := range tests {
		n, err := schema.ParseSize(given)
		if err != nil || n != want.bytes || schema.FormatSize(n) != want.text {
			t.Errorf("%q is %d (%s), %v; want %d (%s)", given, n, schema.FormatSize(n), err, want.bytes, want.text)
		}
	}
	for _, given := range []string{"", "M", "-1", "-1M", "1X", "1MM", "0.3K", "9999999T", "1e3"} {
		if n, err := schema.ParseSize(given); err == nil {
			t.Errorf("%q is %d, want an error", given, n)
		}
	}
}

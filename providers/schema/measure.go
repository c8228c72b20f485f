package schema

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads what the format "duration" allows. It is never negative.
func ParseDuration(s string) (time.Duration, error) {
	text := s
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf(`%q is not a duration: write a number and its unit, as in "500ms", "30s" or "1h30m"`, s)
	case d < 0:
		return 0, fmt.Errorf("%s is less than nothing", s)
	}
	return d, nil
}

// FormatDuration writes a duration the short way: 1h30m.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func canonDuration(s string) (string, error) {
	d, err := ParseDuration(s)
	if err != nil {
		return "", err
	}
	return FormatDuration(d), nil
}

// sizePattern takes 256M, 256m, 256MB and 256MiB for the same, as podman does.
var sizePattern = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([kKmMgGtT]?)(?:i?[bB])?$`)

// sizeUnits are the powers of 1024, the smallest first.
const sizeUnits = "KMGT"

// ParseSize reads what the format "size" allows, in bytes.
func ParseSize(s string) (int64, error) {
	parts := sizePattern.FindStringSubmatch(s)
	if parts == nil {
		return 0, fmt.Errorf(`%q is not a size: write bytes as a number, or with a unit as in "64K", "256M" or "2G"`, s)
	}
	n, err := strconv.ParseFloat(parts[1], 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size: %w", s, err)
	}
	unit := strings.Index(sizeUnits, strings.ToUpper(parts[2])) + 1
	if parts[2] == "" {
		unit = 0
	}
	n *= math.Pow(1024, float64(unit))
	if n != math.Trunc(n) || n >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is not a whole number of bytes, or too large", s)
	}
	return int64(n), nil
}

// FormatSize writes a size in the largest unit of which it is a whole number.
func FormatSize(n int64) string {
	unit := ""
	for _, u := range sizeUnits {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, string(u)
	}
	return strconv.FormatInt(n, 10) + unit
}

func canonSize(s string) (string, error) {
	n, err := ParseSize(s)
	if err != nil {
		return "", err
	}
	return FormatSize(n), nil
}

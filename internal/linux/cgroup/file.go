package cgroup

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// write writes a value in one system call, as the kernel's files want it.
func write(dir, name, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil
}

func readText(dir, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(text)), err
}

// readNumber reads a file of one number. "max" is math.MaxInt64.
func readNumber(dir, name string) (int64, error) {
	text, err := readText(dir, name)
	if err != nil {
		return 0, err
	}
	if text == "max" {
		return math.MaxInt64, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", filepath.Join(dir, name), err)
	}
	return n, nil
}

// readKey reads a number from a file of lines of a key and a number each.
func readKey(dir, name, key string) (int64, error) {
	text, err := readText(dir, name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if k, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && k == key {
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read %s of %s: %w", key, filepath.Join(dir, name), err)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("read %s of %s: %w", key, filepath.Join(dir, name), syscall.ENODATA)
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/diyform/diyform/providers/container/rootfs"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// many is how many containers run at once.
const many = 100

// idle starts many containers at once and measures what they cost while they do nothing.
func (b *bench) idle() error {
	client := supervisor.Connect(filepath.Join(runtimeFolder, "many"))
	var starts errgroup.Group
	begun := time.Now()
	for i := range many {
		// A shell, so that each has an init process too.
		spec := b.spec("idle"+strconv.Itoa(i), rootfs.Spec{Directory: b.root()}, "/bin/sh", "-c", "while :; do sleep 100000; done")
		starts.Go(func() error { return b.start(client, spec) })
	}
	err := starts.Wait()
	took := time.Since(begun)
	if err == nil {
		err = b.memory(client, took)
	}
	begun = time.Now()
	var removals errgroup.Group
	for i := range many {
		removals.Go(func() error { return client.Remove(context.Background(), "idle"+strconv.Itoa(i)) })
	}
	err = errors.Join(err, removals.Wait())
	fmt.Printf("  removed in %.0f ms\n", time.Since(begun).Seconds()*1000)
	return err
}

func (b *bench) memory(client *supervisor.Client, took time.Duration) error {
	list, err := client.List(context.Background())
	if err != nil {
		return err
	}
	time.Sleep(rest) // after the last request
	var inits int64
	supervisor := 0
	for _, c := range list {
		size, err := proportional(c.PID)
		if err != nil {
			return err
		}
		inits += size
		if supervisor, err = parent(c.PID); err != nil {
			return err
		}
	}
	size, err := proportional(supervisor)
	if err != nil {
		return err
	}
	fmt.Printf("%d idle containers, started at once in %.0f ms\n", many, took.Seconds()*1000)
	fmt.Printf("  supervisor %d kB, init processes %d kB: %.1f kB of ours a container (PSS)\n",
		size>>10, inits>>10, float64(size+inits)/many/1024)
	return nil
}

// rest is the time in which a supervisor gives back the memory that requests took.
const rest = 3 * time.Second

// proportional gives a process's memory, what it shares counted in part: proc_pid_smaps(5).
func proportional(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
			kilobytes, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no Pss", pid)
}

func parent(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	return strconv.Atoi(string(fields[1]))
}

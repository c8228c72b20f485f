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
	"strings"
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
	var inits memory
	supervisor := 0
	for _, c := range list {
		size, err := proportional(c.PID)
		if err != nil {
			return err
		}
		inits.all += size.all
		if supervisor, err = parent(c.PID); err != nil {
			return err
		}
	}
	size, err := proportional(supervisor)
	if err != nil {
		return err
	}
	fmt.Printf("%d idle containers, started at once in %.0f ms\n", many, milliseconds(took))
	fmt.Printf("  supervisor %d kB, of which %d kB are its program file; init processes %d kB\n",
		size.all>>10, size.file>>10, inits.all>>10)
	fmt.Printf("  %.1f kB of ours a container (PSS), %.1f kB without the program file\n",
		float64(size.all+inits.all)/many/1024, float64(size.all-size.file+inits.all)/many/1024)
	return nil
}

// rest is the time in which a supervisor gives back the memory that requests took.
const rest = 3 * time.Second

// memory is a process's, what it shares counted in part: proc_pid_smaps(5).
type memory struct {
	all, file int64 // bytes
}

func proportional(pid int) (m memory, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("process %d has ended", pid)
	}
	if err != nil {
		return m, err
	}
	values := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[2] == "kB" {
			if values[fields[0]], err = strconv.ParseInt(fields[1], 10, 64); err != nil {
				return m, err
			}
		}
	}
	return memory{values["Pss:"] << 10, values["Pss_File:"] << 10}, nil
}

func parent(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	return strconv.Atoi(string(fields[1]))
}

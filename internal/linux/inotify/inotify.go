// Package inotify waits for files to be written: inotify(7).
package inotify

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Watch is a watched file or folder.
type Watch struct{ file *os.File }

// File begins to watch a file. What is written from then on is not missed.
func File(path string) (*Watch, error) { return watch(path, unix.IN_MODIFY) }

// Folder begins to watch the files in a folder. What is written, made or renamed there from
// then on is not missed.
func Folder(path string) (*Watch, error) {
	return watch(path, unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_ONLYDIR)
}

// Names begins to watch which files there are in a folder.
func Names(path string) (*Watch, error) {
	return watch(path, unix.IN_CREATE|unix.IN_DELETE|unix.IN_MOVED_FROM|unix.IN_MOVED_TO|unix.IN_ONLYDIR)
}

func watch(path string, events uint32) (*Watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	w := &Watch{file: os.NewFile(uintptr(fd), "inotify")}
	if _, err := unix.InotifyAddWatch(fd, path, events); err != nil {
		w.Close()
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	return w, nil
}

// Written waits until something was written since the last call.
func (w *Watch) Written(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { w.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	// One read takes all events that have come.
	if _, err := w.file.Read(make([]byte, 64*(unix.SizeofInotifyEvent+unix.NAME_MAX+1))); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("wait for file: %w", err)
	}
	return nil
}

// Close ends the watch.
func (w *Watch) Close() error { return w.file.Close() }

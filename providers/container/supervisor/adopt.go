package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/diyform/diyform/internal/linux/bootid"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/linux/process"
)

// adopt takes over the containers that the last supervisor left: running ones go on, and
// those that had not come so far are ended and lost.
func adopt(dir string) (map[string]*container, error) {
	containers := map[string]*container{}
	entries, err := os.ReadDir(filepath.Join(dir, containersName))
	if errors.Is(err, fs.ErrNotExist) {
		return containers, nil
	}
	if err != nil {
		return nil, fmt.Errorf("adopt containers: %w", err)
	}
	boot, err := bootid.Read()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		c, err := adoptOne(folderOf(dir, e.Name()), boot)
		if err != nil {
			return nil, fmt.Errorf("adopt container %q: %w", e.Name(), err)
		}
		if c != nil {
			containers[e.Name()] = c
		}
	}
	return containers, nil
}

// adoptOne gives nil where there is a folder only, as a crash leaves it that comes before
// the first record or after the last.
func adoptOne(f folder, boot string) (*container, error) {
	r, err := f.load()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, f.remove()
	}
	if err != nil {
		return nil, err
	}
	c := newContainer(f, r)
	close(c.made)
	if !r.Phase.Alive() {
		close(c.ended)
		return c, nil
	}
	if r.BootID == boot && r.PID != 0 {
		c.process, err = find(r.Status)
	} else {
		err = pidfd.ErrGone
	}
	if errors.Is(err, pidfd.ErrGone) {
		return c, c.gone()
	}
	if err != nil {
		return nil, err
	}
	c.adopted = true
	c.watch()
	if r.Phase == Running {
		return c, nil
	}
	// It waits for a word that only its own supervisor could give, or it may just have got
	// it: nobody knows.
	return c, c.kill(context.Background())
}

// find opens the process of a record: by its handle, which means no other, or else by its
// process id and start time.
func find(s Status) (*pidfd.Process, error) {
	if len(s.Handle.Bytes) > 0 {
		p, err := pidfd.OpenHandle(s.Handle, s.PID)
		if !errors.Is(err, pidfd.ErrNoHandles) {
			return p, err
		}
	}
	p, err := pidfd.Open(s.PID)
	if err != nil {
		return nil, err
	}
	started, err := process.StartTime(s.PID)
	if err != nil || started != s.StartTime || !p.Alive() {
		p.Close()
		return nil, pidfd.ErrGone
	}
	return p, nil
}

// gone records that a container ended while no supervisor was there.
func (c *container) gone() error {
	defer close(c.ended)
	return c.update(func(r *Record) {
		if r.Phase == Running {
			r.Phase, r.Problem = Exited, "it ended while no supervisor was there to see how"
		} else {
			r.Phase, r.Problem = Lost, "its supervisor ended before it could run"
		}
	})
}

// Find opens the first process of a container that is alive, for who is not its
// supervisor. pidfd.ErrGone says that it has ended.
func (s Status) Find() (*pidfd.Process, error) {
	if s.Phase != Running {
		return nil, fmt.Errorf("container %q is %s: %w", s.Spec.ID, s.Phase, pidfd.ErrGone)
	}
	return find(s)
}

package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/diyform/diyform/internal/linux/flock"
	"github.com/diyform/diyform/internal/linux/process"
)

// lockPoll is how often a waiter asks again. flock(2) takes no deadline, and a blocking call
// cannot be ended: Go installs its signal handlers with SA_RESTART.
const lockPoll = 50 * time.Millisecond

// lockLinger is how long a lock that is nobody's any more is waited for in any case. A child
// that its holder had just forked has the open file until it runs its program.
const lockLinger = 2 * time.Second

// LockInfo says who holds the lock.
type LockInfo struct {
	PID     int       `json:"pid"`
	User    string    `json:"user"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
}

// String describes the holder in words: `"diyform apply", process 71 of root, since 10:04:05`.
func (i LockInfo) String() string {
	if i.PID == 0 {
		return "another process"
	}
	var b strings.Builder
	if i.Command != "" {
		fmt.Fprintf(&b, "%q, ", i.Command)
	}
	fmt.Fprintf(&b, "process %d", i.PID)
	if i.User != "" {
		fmt.Fprintf(&b, " of %s", i.User)
	}
	if !i.Since.IsZero() {
		fmt.Fprintf(&b, ", since %s", i.Since.Local().Format(time.DateTime))
	}
	return b.String()
}

// LockedError says that somebody else holds the lock. The Holder is zero in the instant
// before the holder has written its name.
type LockedError struct {
	File   string
	Holder LockInfo
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("the state is locked by %s (%s)", e.Holder, e.File)
}

// Lock is the right to change the state of one folder.
type Lock struct {
	store *Store
	file  *os.File
	info  LockInfo
}

// Lock takes the folder's lock, which the kernel releases if this process dies. While
// somebody else holds it, Lock waits up to timeout (0: not at all, but for a moment when the
// process that took it has ended) and then gives a *LockedError; onWait, if not nil, is told of
// each new holder that is waited for. What info leaves out of PID, User and Since is filled in.
func (s *Store) Lock(ctx context.Context, info LockInfo, timeout time.Duration, onWait func(holder LockInfo)) (*Lock, error) {
	if s.lock != nil {
		return nil, errors.New("lock state: this store holds the lock already, which is a bug")
	}
	if err := s.makePrivate(); err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	// The file is never removed: a waiter that had opened the old one and a newcomer that
	// made a new one would both hold a lock.
	f, err := openRegular(s.path(lockFile), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	l := &Lock{store: s, file: f, info: info.filled()}
	err = l.acquire(ctx, timeout, onWait)
	if err == nil {
		err = l.checkPlace()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.lock = l
	return l, nil
}

// checkPlace refuses the lock of a workspace that was deleted while it was waited for: nobody
// who comes later would meet it.
func (l *Lock) checkPlace() error {
	held, err := l.file.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(l.file.Name())
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(held, named) {
		return ErrWorkspaceGone
	}
	return err
}

func (l *Lock) acquire(ctx context.Context, timeout time.Duration, onWait func(LockInfo)) error {
	began := time.Now()
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for waitedFor := -1; ; {
		err := flock.TryExclusive(l.file)
		if err == nil {
			return l.sign()
		}
		if !errors.Is(err, flock.ErrHeld) {
			return err
		}
		locked := &LockedError{File: l.file.Name(), Holder: l.holder()}
		patience := timeout
		if locked.Holder.ended() {
			patience = max(patience, lockLinger)
		}
		if time.Since(began) >= patience {
			return locked
		}
		if timeout > 0 && onWait != nil && locked.Holder.PID != waitedFor {
			onWait(locked.Holder)
			waitedFor = locked.Holder.PID
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the lock: %w", errors.Join(context.Cause(ctx), locked))
		case <-poll.C:
		}
	}
}

// ended reports whether who signed the lock has given it up or is no more. One that is about
// to sign, or is in another PID namespace, looks so too.
func (i LockInfo) ended() bool {
	return i.PID == 0 || !process.Alive(i.PID)
}

// sign writes who holds the lock. The old name is overwritten before the length is set, so
// that a waiter never reads an empty file.
func (l *Lock) sign() error {
	b, err := json.Marshal(l.info)
	if err != nil {
		return fmt.Errorf("sign lock: %w", err)
	}
	b = append(b, '\n')
	if _, err := l.file.WriteAt(b, 0); err != nil {
		return fmt.Errorf("sign lock: %w", err)
	}
	if err := l.file.Truncate(int64(len(b))); err != nil {
		return fmt.Errorf("sign lock: %w", err)
	}
	return nil
}

// holder reads who holds the lock. What cannot be read is left zero: the lock is what counts.
func (l *Lock) holder() LockInfo {
	var info LockInfo
	b, err := io.ReadAll(io.NewSectionReader(l.file, 0, 1<<16))
	if err != nil || json.Unmarshal(b, &info) != nil {
		return LockInfo{}
	}
	return info
}

// Holder tells who holds the lock of the folder; held is false where nobody does.
func (s *Store) Holder(ctx context.Context, info LockInfo) (holder LockInfo, held bool, err error) {
	if _, err := os.Lstat(s.path(lockFile)); errors.Is(err, fs.ErrNotExist) {
		return LockInfo{}, false, nil
	}
	l, err := s.Lock(ctx, info, 0, nil)
	if locked := (*LockedError)(nil); errors.As(err, &locked) {
		return locked.Holder, true, nil
	}
	if err != nil {
		return LockInfo{}, false, err
	}
	return LockInfo{}, false, l.Unlock()
}

// Unlock lets others change the state.
func (l *Lock) Unlock() error {
	l.store.lock = nil
	return errors.Join(l.file.Truncate(0), l.file.Close())
}

func (i LockInfo) filled() LockInfo {
	if i.PID == 0 {
		i.PID = os.Getpid()
	}
	if i.Since.IsZero() {
		i.Since = time.Now().UTC().Truncate(time.Second)
	}
	if i.User == "" {
		i.User = strconv.Itoa(os.Getuid())
		if u, err := user.Current(); err == nil {
			i.User = u.Username
		}
	}
	return i
}

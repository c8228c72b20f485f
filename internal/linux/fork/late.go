package fork

import (
	"fmt"
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxGroups is how many supplementary groups an account may have.
const maxGroups = 256

// Account is who the child becomes.
type Account struct {
	UID, GID uint32
	Groups   []uint32 // supplementary, at most 256
	Home     string
	// Init lets an init process run the command: Program.Init.
	Init bool
}

// late is memory that the table's steps read when they run, not when it is written. As the
// parent's memory is no more the child's after the clone, the child gets it in a message.
type late struct {
	words  [words]uintptr
	groups [maxGroups]uint32
	home   [unix.PathMax]byte // HOME=, and a NUL
	path   [unix.PathMax]byte // where getcwd(2) writes
}

// word is the number of one late word.
type word uintptr

const (
	userID word = iota
	groupID
	groupCount
	ordinary // not root
	withInit
	words
)

func (l *late) set(a Account) error {
	const home = "HOME="
	if len(a.Groups) > maxGroups {
		return fmt.Errorf("set account: %d supplementary groups are more than %d", len(a.Groups), maxGroups)
	}
	if len(home)+len(a.Home) >= len(l.home) || strings.Contains(a.Home, "\x00") {
		return fmt.Errorf("set account: %q cannot be a home directory", a.Home)
	}
	*l = late{}
	l.words[userID], l.words[groupID] = uintptr(a.UID), uintptr(a.GID)
	l.words[groupCount] = uintptr(copy(l.groups[:], a.Groups))
	if a.UID != 0 {
		l.words[ordinary] = 1
	}
	if a.Init {
		l.words[withInit] = 1
	}
	copy(l.home[:], home+a.Home)
	return nil
}

// SetAccount says who the child becomes, before it is started.
func (p *Program) SetAccount(a Account) {
	if err := p.late.set(a); err != nil {
		p.fail(err)
	}
}

// ReceiveAccount waits for the parent's SendAccount.
func (p *Program) ReceiveAccount() {
	size := unsafe.Sizeof(*p.late)
	// MSG_WAITALL: a stream may give a part first.
	p.result("wait for its account", int(size), unix.SYS_RECVFROM,
		uintptr(p.controlFD()), address(p, p.late), size, unix.MSG_WAITALL, 0, 0)
}

// SendAccount answers the child's ReceiveAccount.
func (c *Child) SendAccount(a Account) error {
	l := &late{}
	if err := l.set(a); err != nil {
		return err
	}
	message := unsafe.Slice((*byte)(unsafe.Pointer(l)), unsafe.Sizeof(*l))
	if _, err := c.control.Write(message); err != nil {
		return fmt.Errorf("send account to process %d: %w", c.PID, err)
	}
	return nil
}

// environment gives the address of the vector that execve(2) takes.
func (p *Program) environment(env []string) uintptr {
	vector := make([]uintptr, 0, len(env)+2)
	hasHome := false
	for _, v := range env {
		hasHome = hasHome || strings.HasPrefix(v, "HOME=")
		vector = append(vector, p.str(v))
	}
	if !hasHome {
		vector = append(vector, uintptr(unsafe.Pointer(&p.late.home)))
	}
	vector = append(vector, 0)
	p.keep = append(p.keep, vector, p.late)
	return uintptr(unsafe.Pointer(unsafe.SliceData(vector)))
}

// lately appends a system call whose arguments, those of the mask's bits, are late words.
func (p *Program) lately(name string, mask uint8, number uintptr, args ...uintptr) {
	at := p.call(name, number, args...)
	p.steps[at].late = mask
}

// provided appends what body appends, which is left out where the word is 0. Both ways must
// leave the same descriptors open.
func (p *Program) provided(w word, body func()) {
	at := p.append(step{kind: unless, number: uintptr(w), name: "decide"})
	body()
	p.steps[at].target = len(p.steps)
}

// BecomeAccount takes on the account's user and groups. Capabilities that are to be kept by
// another user than root must be given up afterwards. setgroups says whether the kernel
// allows the groups to be set: where a single id is mapped, it does not.
func (p *Program) BecomeAccount(setgroups bool) {
	p.provided(ordinary, func() {
		p.call("keep capabilities", unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 1, 0, 0, 0)
	})
	if setgroups {
		p.lately("set supplementary groups", 1, unix.SYS_SETGROUPS, uintptr(groupCount), uintptr(unsafe.Pointer(&p.late.groups)))
	}
	p.lately("set group id", 1|2|4, unix.SYS_SETRESGID, uintptr(groupID), uintptr(groupID), uintptr(groupID))
	p.lately("set user id", 1|2|4, unix.SYS_SETRESUID, uintptr(userID), uintptr(userID), uintptr(userID))
}

// EnsureFolder makes a folder by its path, and those above it, where they are missing. The
// last one is the account's.
func (p *Program) EnsureFolder(path string) {
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		part := path[:i]
		p.Optional(exists, func() {
			p.call("make folder "+part, unix.SYS_MKDIRAT, atCWD, p.str(part), 0o755)
			if i == len(path) {
				at := p.call("give folder "+part, unix.SYS_FCHOWNAT, atCWD, p.str(part), uintptr(userID), uintptr(groupID), unix.AT_SYMLINK_NOFOLLOW)
				p.steps[at].late = 4 | 8
			}
		})
	}
}

var exists = []unix.Errno{unix.EEXIST}

// VerifyInside ends the program where the working folder is outside of the root, as one is
// that was entered through a descriptor (CVE-2024-21626): getcwd(2).
func (p *Program) VerifyInside() {
	p.append(step{
		kind: inside, number: unix.SYS_GETCWD,
		args: [6]uintptr{uintptr(unsafe.Pointer(&p.late.path)), unsafe.Sizeof(p.late.path)},
		want: anyResult, name: "look where the working folder is",
	})
}

// Init goes on in a child of this process, in a session of its own, and lets this one run the
// program in an open file instead, with all signals blocked; but only where the account says
// so.
func (p *Program) Init(program FD, name string) {
	p.provided(withInit, func() {
		at := p.append(step{
			kind: branch, number: unix.SYS_CLONE, args: [6]uintptr{uintptr(unix.SIGCHLD)}, want: anyResult, name: "clone",
		})
		p.NewSession()
		over := p.append(step{kind: jump, name: "jump"})
		p.steps[at].target = len(p.steps)
		p.call("run the init process", unix.SYS_EXECVEAT, uintptr(program), p.str(""), p.strs([]string{name}), p.strs(nil), unix.AT_EMPTY_PATH)
		p.steps[over].target = len(p.steps)
	})
}

// ExecThrough is Exec by another program: package initproc says why. It is in an open file,
// and the arguments for a status descriptor tell it what to execute.
func (p *Program) ExecThrough(program FD, arguments func(status int) ([]string, error), name string, env []string) {
	list, err := arguments(int(p.statusFD()))
	if err != nil {
		p.fail(err)
		return
	}
	p.unblockSignals()
	p.call("let failures be reported", unix.SYS_FCNTL, uintptr(p.statusFD()), unix.F_SETFD, 0)
	p.call("run "+name, unix.SYS_EXECVEAT, uintptr(program), p.str(""), p.strs(list), p.environment(env), unix.AT_EMPTY_PATH)
}

// SendFile hands a descriptor of the child to the parent's ReceiveFile.
func (p *Program) SendFile(fd FD) {
	rights := unix.UnixRights(int(fd))
	word := []byte{1}
	vector := &unix.Iovec{Base: &word[0]}
	vector.SetLen(len(word))
	m := &unix.Msghdr{Iov: vector, Control: &rights[0]}
	m.SetIovlen(1)
	m.SetControllen(len(rights))
	p.keep = append(p.keep, rights, word, vector)
	p.result("send file", 1, unix.SYS_SENDMSG, uintptr(p.controlFD()), address(p, m), unix.MSG_NOSIGNAL)
}

// receiveTime is how long a file that the child has sent already may take.
const receiveTime = 10 * time.Second

// ReceiveFile takes what the child's SendFile has sent. It comes after Ready, so that the
// child's failure is not waited for.
func (c *Child) ReceiveFile(name string) (*os.File, error) {
	conn, err := c.control.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("receive %s from process %d: %w", name, c.PID, err)
	}
	c.control.SetReadDeadline(time.Now().Add(receiveTime))
	var file *os.File
	var receiveErr error
	err = conn.Read(func(fd uintptr) bool {
		file, receiveErr = receiveFile(int(fd), name)
		return receiveErr != unix.EAGAIN && receiveErr != unix.EINTR
	})
	if err == nil {
		err = receiveErr
	}
	if err != nil {
		return nil, fmt.Errorf("receive %s from process %d: %w", name, c.PID, err)
	}
	return file, nil
}

func receiveFile(socket int, name string) (*os.File, error) {
	word, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, word, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("it sent none: %w", ErrGone)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), name), nil
}

package launch

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/diyform/diyform/internal/linux/fork"
)

// Explain adds to an error what it means for the user, and what to do about it.
func Explain(s Spec, err error) error {
	var step *fork.StepError
	if !errors.As(err, &step) {
		return err
	}
	hint := ""
	switch {
	case step.Step == "clone":
		hint = explainClone(step.Errno)
	case strings.HasPrefix(step.Step, "run "):
		hint = explainExec(s, step.Errno)
	case strings.HasPrefix(step.Step, "enter folder ") && step.Errno == syscall.EACCES:
		hint = "the container's user may not enter the working directory"
	case strings.HasPrefix(step.Step, "enter folder ") && step.Errno == syscall.ENOENT:
		hint = "the container's root has no such working directory"
	case strings.HasPrefix(step.Step, "make folder ") && step.Errno == syscall.EROFS:
		hint = "the working directory does not exist, and this part of the root is read-only; use one that exists, or mount something there"
	case step.Step == "look where the working folder is":
		hint = "the working directory lies outside of the container's root"
	case strings.HasPrefix(step.Step, "open /proc/sys/") && step.Errno == syscall.ENOENT:
		hint = "this kernel has no such sysctl, or not in a namespace of the container's"
	case strings.HasPrefix(step.Step, "set sysctl ") && step.Errno == syscall.EINVAL:
		key := strings.TrimPrefix(step.Step, "set sysctl ")
		hint = fmt.Sprintf("the kernel does not take %q as its value", s.Sysctls[key])
	case strings.HasPrefix(step.Step, "mount on /") && (step.Errno == syscall.EINVAL || step.Errno == syscall.ENOTDIR):
		hint = "a file can only be mounted on a file, and a folder on a folder"
	case strings.HasPrefix(step.Step, "open ") && step.Errno == syscall.ENOTDIR:
		hint = "the image has a file where a mount needs a folder"
	case step.Step == "enter the namespaces" && step.Errno == syscall.EPERM:
		hint = "who runs this owns not all of the namespaces; join those of a container that the same user started"
	case step.Step == "mount proc" && step.Errno == syscall.EPERM:
		hint = "this diyform runs in a container whose /proc is partly hidden, and the kernel " +
			"gives no full one to those inside; run that container with its /proc unmasked"
	case step.Step == "unshare time namespace" && step.Errno == syscall.EINVAL:
		hint = `this kernel has no time namespaces; use boot_time = "host"`
	case step.Errno == syscall.EPERM || step.Errno == syscall.EACCES:
		hint = explainApparmor()
	case step.Errno == syscall.ENOSYS:
		hint = "diyform needs Linux 5.12 or later, and a container around it must not filter this call"
	}
	if hint == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, hint)
}

func explainClone(errno syscall.Errno) string {
	switch errno {
	case syscall.EPERM:
		if sysctl("kernel/unprivileged_userns_clone") == "0" {
			return "user namespaces are for root only: kernel.unprivileged_userns_clone is 0"
		}
		return "who runs this may not make user namespaces; a container around it may forbid it"
	case syscall.ENOSPC, syscall.EUSERS:
		if sysctl("user/max_user_namespaces") == "0" {
			return "user namespaces are switched off: user.max_user_namespaces is 0"
		}
		return "there are as many namespaces as the sysctls user.max_*_namespaces allow, or they are nested too deep"
	case syscall.EINVAL:
		return "this kernel lacks one of the kinds of namespaces"
	case syscall.EAGAIN:
		return "there are as many processes as the user's limit (ulimit -u) or the cgroup's allows"
	}
	return ""
}

func explainExec(s Spec, errno syscall.Errno) string {
	command := s.Command[0]
	switch errno {
	case syscall.ENOENT:
		if strings.Contains(command, "/") {
			return fmt.Sprintf("the container's root has no %s, or not the interpreter that it names", command)
		}
		return fmt.Sprintf("the container's root has no command %q in its PATH (%s)", command, pathOf(s.Environ()))
	case syscall.EACCES:
		return fmt.Sprintf("%s is not executable for the container's user", command)
	case syscall.ENOEXEC:
		return fmt.Sprintf("%s is neither a program for this machine nor a script that begins with #!", command)
	}
	return ""
}

func explainApparmor() string {
	if os.Geteuid() != 0 && sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1" {
		return "AppArmor takes all privileges in a user namespace from ordinary users: " +
			"kernel.apparmor_restrict_unprivileged_userns is 1; set it to 0, or run as root"
	}
	return ""
}

// sysctl gives a setting of the kernel, "" where there is none.
func sysctl(name string) string {
	text, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// Command playhost runs a command on a disposable machine made of namespaces, as root or
// as an ordinary user, and exits as the command does:
//
//	go run ./internal/playhost/cmd/playhost -- bash
//
// See package playhost for what such a machine is like.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/diyform/diyform/internal/playhost"
)

func main() {
	if playhost.IsInit() {
		os.Exit(playhost.InitMain())
	}
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: playhost [--] COMMAND [ARGUMENT...]")
		return 2
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := playhost.Run(cmd)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "playhost:", err)
	return playhost.SetupFailed
}

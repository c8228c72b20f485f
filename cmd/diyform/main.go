// Command diyform makes Linux networks and containers from HCL files: it plans, applies and
// destroys. One file a command; root.go has the flags that all share, session.go what most
// commands begin with, view.go what they print: progress.go and live.go while apply works,
// stream.go where -json asks for messages.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// version is set at build time.
var version = "dev"

func main() { os.Exit(run()) }

// run is main without the exit, so that deferred calls run.
func run() int {
	if code, done := helperProcess(); done {
		return code
	}
	// A run is short and its memory small, so collecting garbage half as often costs little
	// and saves a tenth of the time of a plan of thousands of resources.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return execute(ctx, &view{in: os.Stdin, out: &sink{File: os.Stdout}, err: os.Stderr}, os.Args[1:])
}

package main

import (
	"fmt"
	"os"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/providers/container/image"
	"github.com/diyform/diyform/providers/container/supervisor"
	"github.com/diyform/diyform/providers/container/transfer"
	"github.com/diyform/diyform/providers/container/userns"
)

// helperProcess does the work of this process if it was started by another diyform, as the
// supervisor of a stack, to copy files, to work on those of other ids or to run tests, and arms
// the crash tests' failpoints if it was not.
func helperProcess() (code int, done bool) {
	if testWorld.IsInit() {
		return testWorld.InitMain(), true
	}
	if testInvoked() {
		return testMain(), true
	}
	if supervisor.Invoked() {
		return supervisor.Main(), true
	}
	if transfer.Invoked() {
		return transfer.Main(), true
	}
	if userns.Invoked() {
		return userns.Main(image.Workers()), true
	}
	if err := failpoint.Arm("DIYFORM_FAILPOINT"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitError, true
	}
	return 0, false
}

package output_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/providers/container/output"
)

const (
	collectVariable   = "DIYFORM_TEST_COLLECT"
	failpointVariable = "DIYFORM_TEST_FAILPOINT"
)

// TestMain is also the collector of a folder, that a test kills.
func TestMain(m *testing.M) {
	if folder := os.Getenv(collectVariable); folder != "" {
		if err := collect(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// collect copies output until standard input ends.
func collect(folder string) error {
	if err := failpoint.Arm(failpointVariable); err != nil {
		return err
	}
	c, err := output.NewCollector()
	if err != nil {
		return err
	}
	sink, err := c.Add(folder, logOf(folder), smallLimits)
	if err != nil {
		return err
	}
	os.Stdin.Read(make([]byte, 1))
	if err := sink.Finish(); err != nil {
		return err
	}
	return c.Close()
}

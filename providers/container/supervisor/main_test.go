package supervisor_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/enter"
	"github.com/diyform/diyform/providers/container/supervisor"
	"github.com/diyform/diyform/providers/container/userns"
)

func TestMain(m *testing.M) {
	if supervisor.Invoked() {
		os.Exit(supervisor.Main())
	}
	if userns.Invoked() {
		os.Exit(userns.Main(nil))
	}
	if dir, ok := os.LookupEnv(createVariable); ok {
		if err := createOnly(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Otherwise every process of a test with -race takes a second to exit.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(playtest.Main(m))
}

// runIn runs a command in a container.
func runIn(ctx context.Context, status supervisor.Status, o enter.Options) (int, error) {
	target, err := status.Find()
	if err != nil {
		return 0, err
	}
	defer target.Close()
	return enter.Run(ctx, target, status.Spec, o)
}

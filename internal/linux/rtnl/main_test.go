package rtnl

import (
	"os"
	"testing"

	"github.com/diyform/diyform/internal/playhost/playtest"
)

func TestMain(m *testing.M) { os.Exit(playtest.Main(m)) }

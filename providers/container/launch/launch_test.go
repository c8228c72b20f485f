package launch

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/providers/container/rootfs"
)

func valid() Spec {
	return Spec{
		ID: "a", Root: rootfs.Spec{Host: true}, Command: []string{"true"},
		BootTime: BootTimeZero, IDMap: IDMapAuto, StopSignal: 15, Data: "/data",
	}
}

func TestDecode(t *testing.T) {
	const text = `{"id":"a","root":{"host":true},"command":["true"],"boot_time":"zero","id_map":"auto","data":"/data","stop_signal":15%s}`
	s, err := Decode(strings.NewReader(strings.Replace(text, "%s", "", 1)))
	if err != nil || !s.Equal(valid()) {
		t.Errorf("decoded %+v, %v", s, err)
	}
	if _, err := Decode(strings.NewReader(strings.Replace(text, "%s", `,"new":1`, 1))); err == nil || !strings.Contains(err.Error(), `"new"`) {
		t.Errorf("unknown key: %v", err)
	}
}

func TestValidate(t *testing.T) {
	if err := valid().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Spec){
		"cannot be a file name":                  func(s *Spec) { s.ID = "a/b" },
		"either the host's or a directory":       func(s *Spec) { s.Root.Directory = "/x" },
		"is not absolute":                        func(s *Spec) { s.WorkingDir = "x" },
		"not in its shortest form":               func(s *Spec) { s.Root.Hide = []string{"/a/../b"} },
		"no command":                             func(s *Spec) { s.Command = nil },
		"longer than 64 bytes":                   func(s *Spec) { s.Hostname = strings.Repeat("x", 65) },
		"joins a network namespace or names its": func(s *Spec) { s.Network = Network{Join: "a", Name: "b"} },
		`neither "zero" nor "host"`:              func(s *Spec) { s.BootTime = "" },
		"id map":                                 func(s *Spec) { s.IDMap = "all" },
		"no signal":                              func(s *Spec) { s.StopSignal = 0 },
		"always the container's own":             func(s *Spec) { s.Namespaces.Keep = []string{"mount"} },
		`Did you mean "uts"`:                     func(s *Spec) { s.Namespaces.Keep = []string{"utc"} },
		"shared twice":                           func(s *Spec) { s.Namespaces = Namespaces{Keep: []string{"pid"}, Join: []string{"pid"}, Container: "b"} },
		"takes both their kinds and":             func(s *Spec) { s.Namespaces.Join = []string{"pid"} },
		"cannot join itself":                     func(s *Spec) { s.Namespaces = Namespaces{Join: []string{"pid"}, Container: "a"} },
		"cannot keep the host's": func(s *Spec) {
			s.Namespaces = Namespaces{Keep: []string{"user"}, Join: []string{"pid"}, Container: "b"}
		},
		"in one network namespace":           func(s *Spec) { s.Namespaces.Keep, s.Network.Join = []string{"network"}, "x" },
		"are the uts namespace's":            func(s *Spec) { s.Namespaces.Keep, s.Hostname = []string{"uts"}, "x" },
		"this one, which is shared, has one": func(s *Spec) { s.Namespaces.Keep, s.Init = []string{"pid"}, InitYes },
		"both added and dropped":             func(s *Spec) { s.Privileges = Privileges{Add: []string{"KILL"}, Drop: []string{"KILL"}} },
		`Did you mean "nofile"`:              func(s *Spec) { s.ResourceLimits = []ResourceLimit{{"nofiles", 1, 1}} },
		"above the hard one":                 func(s *Spec) { s.ResourceLimits = []ResourceLimit{{"nofile", 2, 1}} },
		"is the whole machine's":             func(s *Spec) { s.Sysctls = map[string]string{"vm.swappiness": "1"} },
		"cannot be the key":                  func(s *Spec) { s.Sysctls = map[string]string{"net../../vm.swappiness": "1"} },
		`by "hostname"`:                      func(s *Spec) { s.Sysctls = map[string]string{"kernel.hostname": "x"} },
		"which this container shares":        func(s *Spec) { s.Network.Join, s.Sysctls = "x", map[string]string{"net.a": "1"} },
		"between -1000 and 1000":             func(s *Spec) { n := 1001; s.OOMScoreAdj = &n },
		"environment variable":               func(s *Spec) { s.Env = map[string]string{"A=B": ""} },
	} {
		s := valid()
		change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
}

func TestCandidates(t *testing.T) {
	environ := []string{"PATH=/ignored", "PATH=/a::/b"}
	if got := Candidates("sh", environ); !slices.Equal(got, []string{"/a/sh", "/b/sh"}) {
		t.Errorf("candidates are %v", got)
	}
	if got := Candidates("./sh", environ); !slices.Equal(got, []string{"./sh"}) {
		t.Errorf("candidates are %v", got)
	}
}

func TestRangeWithin(t *testing.T) {
	full := []process.Range{{Count: 1<<32 - 1}}
	if first, ok := rangeWithin(full, full, "a"); !ok || first < firstRange || first > lastRange || first%rangeSize != 0 {
		t.Errorf("as root of the machine: %d, %v", first, ok)
	}
	// As newuidmap gives them: the user, then 65536 subordinate ids.
	nested := []process.Range{{Inside: 0, Outside: 1000, Count: 1}, {Inside: 1, Outside: 100000, Count: 65536}}
	if first, ok := rangeWithin(nested, nested, "a"); !ok || first != 1 {
		t.Errorf("in a user namespace: %d, %v", first, ok)
	}
	single := []process.Range{{Outside: 1000, Count: 1}}
	if first, ok := rangeWithin(single, single, "a"); ok {
		t.Errorf("where one id is mapped: %d", first)
	}
}

func TestHashedRangesAreFree(t *testing.T) {
	first := hashed("a", nil)
	if first == hashed("b", nil) {
		t.Error("two containers have the same range")
	}
	other := hashed("a", []process.Range{{Outside: first + 100, Count: 10}})
	if other < first+rangeSize && first < other+rangeSize {
		t.Errorf("the range %d overlaps one that is taken", other)
	}
}

func TestExplain(t *testing.T) {
	s := valid()
	for want, err := range map[string]error{
		`no command "true" in its PATH`: &fork.StepError{Step: "run true", Errno: syscall.ENOENT},
		"not executable":                &fork.StepError{Step: "run true", Errno: syscall.EACCES},
		"max_":                          &fork.StepError{Step: "clone", Errno: syscall.ENOSPC},
		"working directory":             &fork.StepError{Step: "enter folder /x", Errno: syscall.ENOENT},
		"Linux 5.12":                    &fork.StepError{Step: "open /x", Errno: syscall.ENOSYS},
	} {
		if got := Explain(s, err); !strings.Contains(got.Error(), want) {
			t.Errorf("%v is explained as %q", err, got)
		}
	}
}

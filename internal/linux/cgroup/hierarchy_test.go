package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// machine makes a host of a recorded tree: testdata/NAME.txtar, in which $ROOT stands for
// where it is. A file named "writable" lists what the user may write, "delegated" what systemd
// has given away.
func machine(t *testing.T, name string) (host, string) {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	lists := map[string][]string{}
	for _, f := range archive.Files {
		text := strings.ReplaceAll(string(f.Data), "$ROOT", root)
		lists[f.Name] = strings.Fields(text)
		path := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return host{
		proc: filepath.Join(root, "proc"), sys: filepath.Join(root, "sys"), run: filepath.Join(root, "run"),
		writable: func(path string) bool {
			dir := path
			if strings.HasPrefix(filepath.Base(path), "cgroup.") {
				dir = filepath.Dir(path)
			}
			return slices.Contains(lists["writable"], dir)
		},
		delegated: func(dir string) bool { return slices.Contains(lists["delegated"], dir) },
		root:      func() bool { return slices.Contains(lists["writable"], "root") },
	}, root
}

func TestWhereGroupsAreMade(t *testing.T) {
	for name, want := range map[string]string{
		"hybrid_root":      "1 sys/fs/cgroup/memory, 1 sys/fs/cgroup/cpu,cpuacct, 1 sys/fs/cgroup/pids, 2 sys/fs/cgroup/unified",
		"v2_root":          "2 sys/fs/cgroup",
		"v2_user_session":  "2 -",
		"v2_user_scope":    "2 sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/run-u1.scope",
		"v2_user_terminal": "2 sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service",
		"v2_container":     "2 sys/fs/cgroup",
		"v2_covered":       "2 sys/fs/cgroup",
		"v2_above":         "2 sys/fs/cgroup",
	} {
		t.Run(name, func(t *testing.T) {
			h, root := machine(t, name)
			hierarchies, err := h.hierarchies()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, y := range hierarchies {
				base := "-"
				if y.base != "" {
					base = strings.TrimPrefix(y.base, root+"/")
				}
				got = append(got, map[int]string{1: "1 ", 2: "2 "}[y.version]+base)
			}
			slices.Sort(got)
			wanted := strings.Split(want, ", ")
			slices.Sort(wanted)
			if !slices.Equal(got, wanted) {
				t.Errorf("got  %v\nwant %v", got, wanted)
			}
		})
	}
}

func TestLimitsThatCannotBeEnforcedSaySo(t *testing.T) {
	swap := int64(0)
	for _, test := range []struct {
		machine string
		limits  Limits
		want    []string // empty: they can be
	}{
		{"hybrid_root", Limits{Memory: 1 << 20, CPUs: 1, PIDs: 10}, nil},
		{"hybrid_root", Limits{Memory: 1 << 20, Swap: &swap}, []string{`"swap"`, "swapaccount=1"}},
		{"hybrid_root", Limits{IO: []IO{{Device: "/dev/sda"}}}, []string{"io controller", "built without it"}},
		{"v2_root", Limits{Memory: 1 << 20, Swap: &swap, CPUs: 0.5, CPUWeight: 10, PIDs: 10}, nil},
		{"v2_root", Limits{IOWeight: 10}, []string{`"io_weight"`, "no disk has a scheduler with weights", "bfq"}},
		{"v2_root", Limits{CPUs: 0.001}, []string{`"cpus" is 0.001`, "at least 0.01"}},
		{"v2_user_session", Limits{}, nil},
		{"v2_user_session", Limits{Memory: 1 << 20}, []string{"memory", "this user may not make groups", "systemd-run --user --scope -p Delegate=yes diyform apply"}},
		{"v2_user_scope", Limits{Memory: 1 << 20, PIDs: 10}, nil},
		{"v2_user_scope", Limits{CPUs: 1}, []string{"cpu controller", "not enabled for the groups below", "systemctl edit user@.service"}},
		{"v2_container", Limits{Memory: 1 << 20}, []string{"memory controller", "cgroup_enable=memory"}},
	} {
		t.Run(test.machine, func(t *testing.T) {
			h, _ := machine(t, test.machine)
			err := h.supports(test.limits)
			if len(test.want) == 0 {
				if err != nil {
					t.Errorf("%+v: %v", test.limits, err)
				}
				return
			}
			if err == nil {
				t.Fatalf("%+v: no error", test.limits)
			}
			if !errors.Is(err, ErrUnavailable) && !strings.Contains(err.Error(), "must be") {
				t.Errorf("%v is not ErrUnavailable", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestNoGroupAtAll(t *testing.T) {
	h, _ := machine(t, "v2_user_session")
	_, err := h.create("stack", "id", Limits{})
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "session-3.scope and those above it belong to root") {
		t.Errorf("got %v", err)
	}
}

func TestNamesAreSafe(t *testing.T) {
	for text, want := range map[string]string{
		"container.web":       "container.web",
		`container.web["a"]`:  `container.web["a"]`,
		`container.x["a/b:"]`: `container.x["a%2fb%3a"]`,
		"memory.max":          "_memory.max",
		"cgroup.procs":        "_cgroup.procs",
		"tasks":               "_tasks",
		"_x":                  "__x",
		"..":                  "_..",
		"":                    "_",
		"a\nb%":               "a%0ab%25",
	} {
		if got := fileName(text); got != want {
			t.Errorf("%q is %q, not %q", text, got, want)
		}
	}
	long := strings.Repeat("/", 200)
	if a, b := fileName(long), fileName(long+"/"); len(a) > 255 || len(b) > 255 || a == b {
		t.Errorf("%q and %q", a, b)
	}
}

// Package seccomp makes system call filters from profiles in the JSON format of OCI engines
// (containers/common's seccomp.json): seccomp(2).
//
// A filter is a program for the kernel's classic BPF machine. Package fork installs it; which
// calls a container may make by default, providers/container/launch knows. What other
// libraries make of conditions on arguments was found wrong, so compile.go makes it here.
//
// Start with Read and Profile.Compile.
package seccomp

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Profile says what the kernel answers to which calls. The first rule that fits decides.
type Profile struct {
	DefaultAction    string    `json:"defaultAction"`
	DefaultErrnoRet  *uint     `json:"defaultErrnoRet,omitempty"`
	DefaultErrno     string    `json:"defaultErrno,omitempty"`
	Architectures    []string  `json:"architectures,omitempty"`
	ArchMap          []ArchMap `json:"archMap,omitempty"`
	Flags            []string  `json:"flags,omitempty"`
	ListenerPath     string    `json:"listenerPath,omitempty"`
	ListenerMetadata string    `json:"listenerMetadata,omitempty"`
	Syscalls         []Call    `json:"syscalls"`

	// Foreign is the action for all calls of other ABIs than those that are listed. Left out,
	// it is SCMP_ACT_KILL, as runc has it.
	Foreign string `json:"-"`
}

// ArchMap lists further ABIs of an architecture that are allowed along with it.
type ArchMap struct {
	Architecture     string   `json:"architecture"`
	SubArchitectures []string `json:"subArchitectures"`
}

// Call is a rule for one or more system calls.
type Call struct {
	Name     string    `json:"name,omitempty"`
	Names    []string  `json:"names,omitempty"`
	Action   string    `json:"action"`
	ErrnoRet *uint     `json:"errnoRet,omitempty"`
	Errno    string    `json:"errno,omitempty"`
	Args     []Arg     `json:"args,omitempty"` // all must hold; of those of one index, one
	Includes Condition `json:"includes,omitzero"`
	Excludes Condition `json:"excludes,omitzero"`
	Comment  string    `json:"comment,omitempty"`
}

// Arg is a condition on an argument, of all 64 bits.
type Arg struct {
	Index    uint   `json:"index"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo,omitempty"` // what SCMP_CMP_MASKED_EQ compares with
	Op       string `json:"op"`
}

// Condition says for which containers and machines a rule is there.
type Condition struct {
	Caps      []string `json:"caps,omitempty"`      // CAP_SYS_ADMIN
	Arches    []string `json:"arches,omitempty"`    // as Go names them: amd64
	MinKernel string   `json:"minKernel,omitempty"` // "4.8"
}

const (
	opEqual        = "SCMP_CMP_EQ"
	opNotEqual     = "SCMP_CMP_NE"
	opLess         = "SCMP_CMP_LT"
	opLessEqual    = "SCMP_CMP_LE"
	opGreater      = "SCMP_CMP_GT"
	opGreaterEqual = "SCMP_CMP_GE"
	opMaskedEqual  = "SCMP_CMP_MASKED_EQ"
)

var operators = []string{opEqual, opNotEqual, opLess, opLessEqual, opGreater, opGreaterEqual, opMaskedEqual}

var actions = map[string]uint32{
	"SCMP_ACT_KILL": killThread, "SCMP_ACT_KILL_THREAD": killThread, "SCMP_ACT_KILL_PROCESS": killProcess,
	"SCMP_ACT_TRAP": trap, "SCMP_ACT_ERRNO": errno, "SCMP_ACT_TRACE": trace, "SCMP_ACT_LOG": logged,
	"SCMP_ACT_ALLOW": allow,
}

// flags are those of seccomp(2) that change how a filter works. TSYNC is void for us: the
// process has one thread.
var flags = map[string]uintptr{
	"SECCOMP_FILTER_FLAG_TSYNC": 0, "SECCOMP_FILTER_FLAG_LOG": unix.SECCOMP_FILTER_FLAG_LOG,
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW": unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW,
}

// ABIs by their names in profiles, native first.
var abis = map[string]map[string]*arch.Info{
	"amd64": {"SCMP_ARCH_X86_64": arch.X86_64, "SCMP_ARCH_X86": arch.I386, "SCMP_ARCH_X32": arch.X32},
	"arm64": {"SCMP_ARCH_AARCH64": arch.AARCH64, "SCMP_ARCH_ARM": arch.ARM},
}

var natives = map[string]string{"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}

// Filter is a compiled profile.
type Filter struct {
	Code  []bpf.RawInstruction
	Flags uintptr // of seccomp(2)
}

// Machine is what the conditions of rules are about.
type Machine struct {
	HasCapability func(name string) bool // of the container; with CAP_
	Kernel        string                 // its release
}

// Read reads a profile. Unknown keys are errors.
func Read(text []byte) (Profile, error) {
	var p Profile
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return Profile{}, fmt.Errorf("read seccomp profile: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Profile{}, errors.New("read seccomp profile: something follows it")
	}
	if err := p.validate(); err != nil {
		return Profile{}, fmt.Errorf("read seccomp profile: %w", err)
	}
	return p, nil
}

func (p Profile) validate() error {
	if p.ListenerPath != "" || p.ListenerMetadata != "" {
		return errors.New("listenerPath: no program is asked about system calls here")
	}
	if _, err := p.fallback(); err != nil {
		return err
	}
	for _, name := range p.Flags {
		if _, ok := flags[name]; !ok {
			return fmt.Errorf("there is no flag %q here", name)
		}
	}
	for i, c := range p.Syscalls {
		if err := c.validate(); err != nil {
			return fmt.Errorf("rule %d of syscalls (%s): %w", i+1, strings.Join(c.names(), ", "), err)
		}
	}
	return nil
}

func (p Profile) fallback() (uint32, error) {
	return answer(p.DefaultAction, p.DefaultErrnoRet, p.DefaultErrno)
}

func (c Call) validate() error {
	if len(c.names()) == 0 {
		return errors.New("it names no system call")
	}
	if _, err := answer(c.Action, c.ErrnoRet, c.Errno); err != nil {
		return err
	}
	for _, a := range c.Args {
		if a.Index > 5 {
			return fmt.Errorf("index %d: a system call has arguments 0 to 5", a.Index)
		}
		if !slices.Contains(operators, a.Op) {
			return fmt.Errorf("there is no operator %q; there are %s", a.Op, strings.Join(operators, ", "))
		}
	}
	for _, k := range []string{c.Includes.MinKernel, c.Excludes.MinKernel} {
		if _, err := version(k); k != "" && err != nil {
			return fmt.Errorf("minKernel: %w", err)
		}
	}
	return nil
}

func (c Call) names() []string {
	if c.Name == "" {
		return c.Names
	}
	return append([]string{c.Name}, c.Names...)
}

// answer gives what the filter returns for an action.
func answer(action string, number *uint, name string) (uint32, error) {
	value, ok := actions[action]
	if !ok {
		return 0, fmt.Errorf("there is no action %q here", action)
	}
	if value != errno && value != trace {
		return value, nil
	}
	data := uint(unix.EPERM)
	if name != "" && number == nil {
		if n, ok := errnoByName(name); ok {
			return value | uint32(n), nil
		}
		n, err := strconv.ParseUint(name, 10, 12)
		if err != nil {
			return 0, fmt.Errorf("there is no error %q", name)
		}
		data = uint(n)
	}
	if number != nil {
		data = *number
	}
	if data > 4095 { // MAX_ERRNO; the kernel cuts off what is above
		return 0, fmt.Errorf("errnoRet %d is no error number", data)
	}
	return value | uint32(data), nil
}

func errnoByName(name string) (int, bool) {
	for n := 1; n < 200; n++ {
		if unix.ErrnoName(unix.Errno(n)) == name {
			return n, true
		}
	}
	return 0, false
}

// Allows reports whether the filter lets a call through whose arguments are all 0.
func (f Filter) Allows(call string) bool {
	info := abis[runtime.GOARCH][natives[runtime.GOARCH]]
	number, known := info.SyscallNames[call]
	code, decoded := bpf.Disassemble(f.Code)
	vm, err := bpf.NewVM(code)
	if !known || !decoded || err != nil {
		return false
	}
	// The machine reads packets, which have network byte order. The filter loads words.
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[offNumber:], uint32(number))
	binary.BigEndian.PutUint32(data[offABI:], uint32(info.ID))
	answer, err := vm.Run(data)
	return err == nil && (uint32(answer) == allow || uint32(answer) == logged)
}

// Compile makes the filter for this machine's architecture. Calls that no rule names and that
// are newer than all that rules name get ENOSYS, unless the default lets them pass: programs
// take that for an older kernel, and use an older call.
func (p Profile) Compile(m Machine) (Filter, error) {
	var f Filter
	fallback, err := p.fallback()
	if err != nil {
		return Filter{}, fmt.Errorf("compile seccomp profile: %w", err)
	}
	foreign := uint32(killThread)
	if p.Foreign != "" {
		if foreign, err = answer(p.Foreign, nil, ""); err != nil {
			return Filter{}, fmt.Errorf("compile seccomp profile: %w", err)
		}
	}
	var tables []table
	for _, info := range p.abis() {
		t, err := p.table(info, m, fallback)
		if err != nil {
			return Filter{}, fmt.Errorf("compile seccomp profile: %w", err)
		}
		tables = append(tables, t)
	}
	if len(tables) == 0 {
		return Filter{}, fmt.Errorf("compile seccomp profile: it has no rules for %s", runtime.GOARCH)
	}
	slices.SortStableFunc(tables, func(a, b table) int { return int(int64(a.abi) - int64(b.abi)) })
	if f.Code, err = compile(tables, foreign); err != nil {
		return Filter{}, fmt.Errorf("compile seccomp profile: %w", err)
	}
	for _, name := range p.Flags {
		f.Flags |= flags[name]
	}
	return f, nil
}

// abis gives the ABIs that the profile is for: this machine's, and others that it lists.
func (p Profile) abis() []*arch.Info {
	known, native := abis[runtime.GOARCH], natives[runtime.GOARCH]
	names := append([]string{native}, p.Architectures...)
	for _, m := range p.ArchMap {
		if m.Architecture == native {
			names = append(names, m.SubArchitectures...)
		}
	}
	var list []*arch.Info
	for _, name := range names {
		if info := known[name]; info != nil && !slices.Contains(list, info) {
			list = append(list, info)
		}
	}
	return list
}

func (p Profile) table(info *arch.Info, m Machine, fallback uint32) (table, error) {
	t := table{abi: uint32(info.ID), bit: uint32(info.SeccompMask), rules: map[uint32][]rule{}, fallback: fallback, newer: enosys}
	if fallback == allow || fallback == logged || fallback&^0xFFFF == trace {
		t.newer = fallback
	}
	for _, c := range p.Syscalls {
		action, err := answer(c.Action, c.ErrnoRet, c.Errno)
		if err != nil {
			return table{}, err
		}
		applies := c.applies(m)
		for _, name := range c.names() {
			number, ok := info.SyscallNames[name]
			if !ok {
				continue // other kernels, or other machines, have it
			}
			n := uint32(number) &^ x32
			t.rules[n] = slices.Clip(t.rules[n]) // without rules too: the profile's author knew it
			if applies {
				t.rules[n] = append(t.rules[n], c.rules(action)...)
			}
		}
	}
	return t, nil
}

// rules makes one rule of a call, or one for each condition where several are about the same
// argument: then one of them is to hold, as runc has it.
func (c Call) rules(action uint32) []rule {
	var all []comparison
	seen := map[uint]bool{}
	repeated := false
	for _, a := range c.Args {
		repeated = repeated || seen[a.Index]
		seen[a.Index] = true
		all = append(all, comparison{int(a.Index), a.Op, a.Value, a.ValueTwo})
	}
	if !repeated {
		return []rule{{action, all}}
	}
	var rules []rule
	for _, one := range all {
		rules = append(rules, rule{action, []comparison{one}})
	}
	return rules
}

func (c Call) applies(m Machine) bool {
	in, ex := c.Includes, c.Excludes
	hasAll := !slices.ContainsFunc(in.Caps, func(name string) bool { return !m.HasCapability(name) })
	here := len(in.Arches) == 0 || slices.Contains(in.Arches, runtime.GOARCH)
	excluded := slices.ContainsFunc(ex.Caps, m.HasCapability) || slices.Contains(ex.Arches, runtime.GOARCH) ||
		ex.MinKernel != "" && m.atLeast(ex.MinKernel)
	return hasAll && here && !excluded && (in.MinKernel == "" || m.atLeast(in.MinKernel))
}

func (m Machine) atLeast(release string) bool {
	want, err1 := version(release)
	have, err2 := version(m.Kernel)
	return err1 == nil && err2 == nil && slices.Compare(have[:], want[:]) >= 0
}

// version reads the two numbers with which a release begins.
func version(release string) (v [2]int, err error) {
	fields := strings.SplitN(release, ".", 3)
	if len(fields) < 2 {
		return v, fmt.Errorf("%q is no kernel version", release)
	}
	for i := range v {
		digits := strings.TrimRight(strings.SplitN(fields[i], "-", 2)[0], "+")
		if v[i], err = strconv.Atoi(digits); err != nil {
			return v, fmt.Errorf("%q is no kernel version", release)
		}
	}
	return v, nil
}

// Kernel gives the release of the running kernel.
func Kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/google/renameio/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"github.com/zclconf/go-cty/cty/msgpack"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/marks"
	"github.com/diyform/diyform/providers"
)

// fileFormat is the newest format of plan files.
const fileFormat = 2

// File is a plan that was written down for a later apply. It is bound to the state's lineage
// and serial and to the configuration, and it holds the values of the variables. Apply makes
// the plan again and compares: what has changed in the kernel since is told, not walked over.
type File struct {
	Format    int                     `json:"diyform_plan_format"`
	Lineage   string                  `json:"lineage"`
	Serial    uint64                  `json:"serial"`
	Workspace string                  `json:"workspace,omitempty"`
	Config    string                  `json:"config"` // config.Config.Hash
	Time      time.Time               `json:"timestamp"`
	Destroy   bool                    `json:"destroy"`
	Refresh   bool                    `json:"refresh_only,omitempty"`
	Options   FileOptions             `json:"options,omitzero"`
	Variables map[string]FileVariable `json:"variables"`
	Changes   []FileChange            `json:"changes"`
	Outputs   []FileOutput            `json:"outputs"`
	Drift     []FileChange            `json:"drift,omitempty"`
	Document  json.RawMessage         `json:"document,omitempty"` // the plan as Plan.JSON gives it, for show
}

// FileOptions are Options, the addresses as texts.
type FileOptions struct {
	Targets   []string        `json:"targets,omitempty"`
	Excludes  []string        `json:"excludes,omitempty"`
	Replace   []addr.Instance `json:"replace,omitempty"`
	NoRefresh bool            `json:"no_refresh,omitempty"`
}

// FileVariable is the value of a variable.
type FileVariable struct {
	Type      json.RawMessage `json:"type"`
	Value     json.RawMessage `json:"value"`
	Sensitive bool            `json:"sensitive,omitempty"`
}

// FileChange is a change of an instance that is not a NoOp.
type FileChange struct {
	Address         addr.Instance `json:"address"`
	Action          string        `json:"action"`
	CreateFirst     bool          `json:"create_first,omitempty"`
	Deposed         bool          `json:"deposed,omitempty"`
	Reason          string        `json:"reason,omitempty"`
	Before          []byte        `json:"before"` // msgpack of the schema's implied type: it has unknown values
	After           []byte        `json:"after"`
	Sensitive       []string      `json:"sensitive,omitempty"`
	SensitiveBefore []string      `json:"sensitive_before,omitempty"`
	Source          string        `json:"source,omitempty"` // of the block: file and line
	Collateral      Collateral    `json:"collateral,omitzero"`

	PreviousAddress *addr.Instance `json:"previous_address,omitempty"`
	Import          string         `json:"import,omitempty"` // its id
}

// FileOutput is a change of an output that is not a NoOp.
type FileOutput struct {
	Name      string `json:"name"`
	Action    string `json:"action"`
	Before    []byte `json:"before"` // msgpack of a value with its type
	After     []byte `json:"after"`
	Sensitive bool   `json:"sensitive,omitempty"`
}

// File gives the plan's form for a file.
func (p *Plan) File() (*File, error) {
	f, err := p.bindings()
	if err != nil {
		return nil, err
	}
	for _, d := range p.relevantDrift() {
		fc, err := encodeChange(d.change())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Address, err)
		}
		f.Drift = append(f.Drift, fc)
	}
	doc, err := p.JSON()
	if err != nil {
		return nil, err
	}
	f.Document, err = json.Marshal(doc)
	return f, err
}

// bindings is what an apply of the file compares.
func (p *Plan) bindings() (*File, error) {
	f := &File{
		Format: fileFormat, Lineage: p.Input.State.Lineage, Serial: p.Input.State.Serial, Workspace: p.Input.Workspace,
		Destroy: p.Input.Mode == Destroy, Refresh: p.Input.Mode == RefreshOnly, Options: p.Input.Options.file(),
		Time: p.Input.Time, Variables: map[string]FileVariable{},
		Changes: []FileChange{}, Outputs: []FileOutput{},
	}
	if p.Input.Mode == Normal {
		f.Config = p.Input.Config.Hash()
	}
	for name, v := range p.Input.Variables {
		if marks.Contains(v, marks.Ephemeral) {
			continue
		}
		fv, err := encodeVariable(v)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", name, err)
		}
		f.Variables[name] = fv
	}
	for _, c := range p.Changes {
		if (c.Action == NoOp || c.Action == Forget) && !c.isNews() {
			continue
		}
		fc, err := encodeChange(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Address, err)
		}
		f.Changes = append(f.Changes, fc)
	}
	for _, o := range p.Outputs {
		if o.Action == NoOp {
			continue
		}
		before, err1 := msgpack.Marshal(o.Before, cty.DynamicPseudoType)
		after, err2 := msgpack.Marshal(o.After, cty.DynamicPseudoType)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("output %s: %w", o.Name, err)
		}
		f.Outputs = append(f.Outputs, FileOutput{o.Name, o.Action.String(), before, after, o.Sensitive})
	}
	return f, nil
}

func (o Options) file() FileOptions {
	texts := func(list []Dependency) []string {
		var out []string
		for _, d := range list {
			out = append(out, d.String())
		}
		return out
	}
	return FileOptions{Targets: texts(o.Targets), Excludes: texts(o.Excludes), Replace: o.Replace, NoRefresh: o.NoRefresh}
}

// PlanMode gives the kind of plan that the file has.
func (f *File) PlanMode() Mode {
	switch {
	case f.Destroy:
		return Destroy
	case f.Refresh:
		return RefreshOnly
	}
	return Normal
}

// PlanOptions gives what the plan in the file was asked for.
func (f *File) PlanOptions() (Options, error) {
	o := Options{Replace: f.Options.Replace, NoRefresh: f.Options.NoRefresh}
	var err1, err2 error
	o.Targets, err1 = ParseTargets(f.Options.Targets)
	o.Excludes, err2 = ParseTargets(f.Options.Excludes)
	return o, errors.Join(err1, err2)
}

// ParseTargets reads several addresses as ParseDependency does.
func ParseTargets(texts []string) ([]Dependency, error) {
	var out []Dependency
	for _, text := range texts {
		d, err := ParseDependency(text)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func encodeVariable(v cty.Value) (FileVariable, error) {
	v, found := v.UnmarkDeep()
	_, sensitive := found[marks.Sensitive]
	t, err := ctyjson.MarshalType(v.Type())
	if err != nil {
		return FileVariable{}, err
	}
	b, err := ctyjson.Marshal(v, v.Type())
	return FileVariable{Type: t, Value: b, Sensitive: sensitive}, err
}

func encodeChange(c *Change) (FileChange, error) {
	t := c.Schema.ImpliedType()
	before, err1 := msgpack.Marshal(c.Before, t)
	after, err2 := msgpack.Marshal(c.After, t)
	id := ""
	if c.Importing != nil {
		id = c.Importing.ID
	}
	return FileChange{
		PreviousAddress: c.PreviousAddress, Import: id,
		Address: c.Address, Action: c.Action.String(), CreateFirst: c.CreateFirst, Deposed: c.Deposed, Reason: c.Reason,
		Before: before, After: after, Sensitive: c.SensitivePaths(), SensitiveBefore: formatPaths(c.SensitiveBefore),
		Source: c.Source(), Collateral: c.Collateral,
	}, errors.Join(err1, err2)
}

// Write makes the file, or replaces it, with mode 0600: it holds the values of variables.
func (f *File) Write(path string) error {
	b, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode plan: %w", err)
	}
	t, err := renameio.NewPendingFile(path, renameio.WithStaticPermissions(0o600))
	if err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	if _, err = t.Write(append(b, '\n')); err == nil {
		err = t.CloseAtomicallyReplace()
	}
	if err != nil {
		return fmt.Errorf("write plan: %w", errors.Join(err, t.Cleanup()))
	}
	return nil
}

// ReadFile reads a plan file.
func ReadFile(path string) (*File, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	f, err := decodeFile(b)
	if err != nil {
		return nil, &diag.Problem{
			Summary: "Not a plan file",
			Detail:  fmt.Sprintf("%s is no plan that `diyform plan -out` wrote: %s", path, diag.Sentence(err.Error())),
			Err:     err,
		}
	}
	return f, nil
}

func decodeFile(b []byte) (*File, error) {
	var f File
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands after its end")
	}
	if f.Format != fileFormat {
		return nil, fmt.Errorf("it has format %d and this diyform knows %d", f.Format, fileFormat)
	}
	return &f, nil
}

// Values gives the variables' values.
func (f *File) Values() (map[string]cty.Value, error) {
	out := map[string]cty.Value{}
	for name, fv := range f.Variables {
		t, err := ctyjson.UnmarshalType(fv.Type)
		if err != nil {
			return nil, fmt.Errorf("variable %s in the plan: %w", name, err)
		}
		v, err := ctyjson.Unmarshal(fv.Value, t)
		if err != nil {
			return nil, fmt.Errorf("variable %s in the plan: %w", name, err)
		}
		if fv.Sensitive {
			v = v.Mark(marks.Sensitive)
		}
		out[name] = v
	}
	return out, nil
}

// Plan gives the plan for showing; it cannot be applied.
func (f *File) Plan(registry *providers.Registry) (*Plan, error) {
	p := &Plan{Input: Input{Mode: f.PlanMode(), Time: f.Time}, byAddress: map[addr.Instance]*Change{}}
	for _, fc := range f.Changes {
		c, err := fc.change(registry)
		if err != nil {
			return nil, fmt.Errorf("%s in the plan: %w", fc.Address, err)
		}
		p.add(c)
	}
	for _, fc := range f.Drift {
		c, err := fc.change(registry)
		if err != nil {
			return nil, fmt.Errorf("%s in the plan: %w", fc.Address, err)
		}
		p.Drift = append(p.Drift, &Drift{
			Address: c.Address, Schema: c.Schema, Before: c.Before, After: c.After, Differences: c.Differences, Sensitive: c.SensitiveBefore,
		})
	}
	for _, fo := range f.Outputs {
		before, err1 := msgpack.Unmarshal(fo.Before, cty.DynamicPseudoType)
		after, err2 := msgpack.Unmarshal(fo.After, cty.DynamicPseudoType)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("output %s in the plan: %w", fo.Name, err)
		}
		p.Outputs = append(p.Outputs, &OutputChange{
			Name: fo.Name, Action: actionNamed(fo.Action), Before: before, After: after, Sensitive: fo.Sensitive,
		})
	}
	return p, nil
}

func (fc FileChange) change(registry *providers.Registry) (*Change, error) {
	c := &Change{
		Address: fc.Address, Action: actionNamed(fc.Action), CreateFirst: fc.CreateFirst, Deposed: fc.Deposed, Reason: fc.Reason,
		source: fc.Source, Collateral: fc.Collateral, PreviousAddress: fc.PreviousAddress,
	}
	if fc.Import != "" {
		c.Importing = &Importing{ID: fc.Import}
	}
	c.Releases = c.Action == Forget
	if c.Schema = registry.Schema(fc.Address.Resource); c.Schema == nil {
		return nil, fmt.Errorf("the type %s is unknown", fc.Address.Type)
	}
	before, err1 := msgpack.Unmarshal(fc.Before, c.Schema.ImpliedType())
	after, err2 := msgpack.Unmarshal(fc.After, c.Schema.ImpliedType())
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	c.Before, c.After = before, after
	c.Differences = c.Schema.Diff(before, after)
	c.Sensitive, c.SensitiveBefore = parsePaths(fc.Sensitive), parsePaths(fc.SensitiveBefore)
	return c, nil
}

func actionNamed(name string) Action {
	return Action(max(0, slices.Index(actionNames[:], name)))
}
